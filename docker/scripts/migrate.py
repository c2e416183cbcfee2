"""Upgrade both databases to the schemas of this image: `python migrate.py`. It may be repeated.

All schemas are checked before any change. A database of a newer image is refused. A database is
dumped before it is changed.
"""

import configparser
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow.server.auth.db as auth_db
import mlflow.store.db.utils as mlflow_db
import optuna.storages._rdb as optuna_db
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from optuna.storages import RDBStorage

import multihead.studies.lease
import multihead.studies.registry  # noqa: F401 - both add tables to the metadata
from multihead.studies.storage import StudyStorage, metadata

BACKUPS = Path("/backups")
SECRETS = Path("/secrets")
AUTH = os.environ.get("AUTH") == "yes"
RESET_ADMIN = os.environ.get("RESET_ADMIN") == "yes"
KEPT = int(os.environ.get("MIGRATION_DUMPS", "5"))


class Refused(Exception):
    """A database that this image cannot use."""


def url_of(database: str) -> str:
    """Return the URL of a database; it names the file with the password."""
    return (
        f"postgresql+psycopg://{database}@postgres/{database}?passfile={SECRETS}/{database}/pgpass"
    )


@dataclass(frozen=True)
class Schema:
    """A schema with Alembic revisions.

    Attributes:
        title: The name to display.
        database: The name of the database.
        scripts: The folder of the revisions.
        upgrade: Upgrades the database to the newest revision.
        table: The table with the current revision.
    """

    title: str
    database: str
    scripts: Path
    upgrade: Callable[[sa.Engine], None]
    table: str = "alembic_version"

    def revision(self, engine: sa.Engine) -> str | None:
        """Return the database's revision, or None if it has no such schema."""
        with engine.connect() as connection:
            options = {"version_table": self.table}
            return MigrationContext.configure(connection, opts=options).get_current_revision()

    def is_behind(self, engine: sa.Engine) -> bool:
        """Return whether the schema must be made or upgraded.

        Raises:
            Refused: If this image does not know the revision.
        """
        scripts = ScriptDirectory(str(self.scripts))
        found = self.revision(engine)
        known = {script.revision for script in scripts.walk_revisions()}
        if found is not None and found not in known:
            raise Refused(
                f"the database {self.database!r} was made by a newer image: {self.title} is at "
                f"revision {found}, which this one does not know. Use that image, or restore a "
                f"backup that this one made."
            )
        return found != scripts.get_current_head()


def _upgrade_mlflow(engine: sa.Engine) -> None:
    if mlflow_db._is_empty_database(engine):
        mlflow_db._initialize_tables(engine)
    else:
        mlflow_db._upgrade_db(engine)


def _upgrade_optuna(engine: sa.Engine) -> None:
    if sa.inspect(engine).has_table("studies"):
        RDBStorage(url_of("optuna"), skip_compatibility_check=True).upgrade()


def _upgrade_users(engine: sa.Engine) -> None:
    from mlflow.server.auth.db.utils import migrate

    migrate(engine, "head")


MLFLOW = Schema(
    "MLflow's schema",
    "mlflow",
    Path(mlflow_db.__file__).parents[1] / "db_migrations",
    _upgrade_mlflow,
)
OPTUNA = Schema(
    "Optuna's schema", "optuna", Path(optuna_db.__file__).parent / "alembic", _upgrade_optuna
)
USERS = Schema(
    "MLflow's schema of users",
    "mlflow",
    Path(auth_db.__file__).parent / "migrations",
    _upgrade_users,
    "alembic_version_auth",
)


def check_own(engine: sa.Engine) -> None:
    """Check that our tables in Optuna's database have the columns of this image.

    Raises:
        Refused: If they do not.
    """
    inspector = sa.inspect(engine)
    for table in metadata.sorted_tables:
        if not inspector.has_table(table.name):
            continue
        there = {column["name"] for column in inspector.get_columns(table.name)}
        here = {column.name for column in table.columns}
        for columns, kind in ((there - here, "a newer"), (here - there, "an older")):
            if columns:
                raise Refused(
                    f"the database 'optuna' was made by {kind} image: the columns "
                    f"{sorted(columns)} of {table.name} differ. Use that image."
                )


def dump(schema: Schema, revision: str) -> None:
    """Dump a schema's database, and delete all but the newest dumps."""
    folder = BACKUPS / "migrations"
    folder.mkdir(exist_ok=True)
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    path = folder / f"{moment}-{schema.database}-{revision}.dump"
    part = path.with_suffix(".part")
    address = url_of(schema.database).replace("+psycopg", "")
    subprocess.run(["pg_dump", "-Fc", "-w", "-f", part, "-d", address], check=True)
    part.rename(path)
    print(f"migrate: {schema.title} will be changed; its database is in {path}")
    dumps = sorted(folder.glob(f"*-{schema.database}-*.dump"))
    for old in dumps[: max(0, len(dumps) - KEPT)]:
        old.unlink()


@contextmanager
def alone(engine: sa.Engine) -> Iterator[None]:
    """Hold a lock, so that only one migration runs at a time."""
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_lock(hashtext('migrate'))"))
        yield


def migrate(schemas: list[Schema]) -> None:
    """Upgrade all schemas to their newest revisions.

    Raises:
        Refused: If one of them is too new. Nothing is changed then.
    """
    engines = {name: sa.create_engine(url_of(name)) for name in ("mlflow", "optuna")}
    with alone(engines["mlflow"]):
        behind = [s for s in schemas if s.is_behind(engines[s.database])]
        check_own(engines["optuna"])
        for schema in behind:
            engine = engines[schema.database]
            before = schema.revision(engine)
            if before is not None:
                dump(schema, before)
            schema.upgrade(engine)
        StudyStorage(url_of("optuna"), create=True).close()
    for schema in schemas:
        print(f"migrate: {schema.title} is at {schema.revision(engines[schema.database])}")


def make_users() -> None:
    """Make MLflow's first user, and the user of the platform's own processes.

    The password of the latter is set to that of this stack, because a restored backup has another.
    """
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore()
    store.init_db(url_of("mlflow"))
    file = configparser.ConfigParser(interpolation=None)
    file.read(SECRETS / "users" / "credentials")
    platform = file["mlflow"]["mlflow_tracking_password"]
    admin = (SECRETS / "admin" / "password").read_text().strip()
    for name, password, is_admin in (("admin", admin, True), ("platform", platform, False)):
        if not store.has_user(name):
            store.create_user(name, password, is_admin=is_admin)
            print(f"migrate: made the user {name}")
    store.update_user("platform", password=platform)
    if RESET_ADMIN:
        store.update_user("admin", password=admin, is_admin=True)
        print("migrate: admin has the password of this stack again")


if __name__ == "__main__":
    try:
        migrate([MLFLOW, OPTUNA, *([USERS] if AUTH else [])])
    except Refused as error:
        sys.exit(f"migrate: {error}")
    if AUTH:
        make_users()
