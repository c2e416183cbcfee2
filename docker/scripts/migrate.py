"""Bring both databases to the schemas of this image, once and again: `python migrate.py`.

Everything is looked at before anything is changed. A database that a newer image made is refused;
one that is changed is dumped first.
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
    """Return the address of a database, which names the file of its password."""
    return (
        f"postgresql+psycopg://{database}@postgres/{database}?passfile={SECRETS}/{database}/pgpass"
    )


@dataclass(frozen=True)
class Schema:
    """A schema with a history of Alembic's.

    Attributes:
        title: For people.
        database: Where it is.
        scripts: Folder of its revisions.
        upgrade: Brings the database to the newest one.
        table: Where Alembic keeps the revision.
    """

    title: str
    database: str
    scripts: Path
    upgrade: Callable[[sa.Engine], None]
    table: str = "alembic_version"

    def revision(self, engine: sa.Engine) -> str | None:
        """Return the revision that the database is at, or None for one without the schema."""
        with engine.connect() as connection:
            options = {"version_table": self.table}
            return MigrationContext.configure(connection, opts=options).get_current_revision()

    def is_behind(self, engine: sa.Engine) -> bool:
        """Return whether the schema has to be made or changed.

        Raises:
            Refused: If the revision is none of this image's.
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
    """See that our tables beside Optuna's have the columns of this image.

    Raises:
        Refused: If they have not.
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
    """Write a dump of a schema's database, and drop all but the newest few."""
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
    """Wait for another migration to end, and keep others waiting."""
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_lock(hashtext('migrate'))"))
        yield


def migrate(schemas: list[Schema]) -> None:
    """Bring all to their newest revisions.

    Raises:
        Refused: Before any change, if one of them is too new.
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
    """Make MLflow's first user, and the one of the platform's own processes.

    The latter's password is always that of this stack: users that a backup brought have others.
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
