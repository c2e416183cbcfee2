"""The MLflow store that holds the runs: a local SQLite file, another database or a server."""

import logging
import os
import re
import secrets
import shlex
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from filelock import FileLock

from multihead import settings
from multihead.errors import ConfigError, DeletedError, StoreError, StoreUnreachableError
from multihead.files import write_text_atomically
from multihead.tracking.address import SERVERS, checked_address, kind_of
from multihead.tracking.secrets import masked_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_PORT = 5000
_FOLDER_LENGTH = 100  # of the 255 bytes that a file system allows
_HOME_ID = ".home-id"
# Characters with a meaning in a URI or in a configuration, and characters that are not text.
_UNFIT = re.compile(r"[%?\x00-\x1f\x7f\ud800-\udfff]|\$\{")
# The UI's view of trainings; without it the UI opens the view of chat traces.
UI_VIEW = "workflowType=machine_learning"
# Without it the UI shows an experiment among chat traces and prompts.
_KIND = {"mlflow.experimentKind": "custom_model_development"}
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_KNOCK_SECONDS = 3
_LOCKED_SECONDS = 1
# By default MLflow retries for minutes and prints tracebacks; our sender has its own retries.
_MLFLOW_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "PGCONNECT_TIMEOUT": "5",
}
# HTTP codes of temporary failures. Every other 4xx code is a refusal.
_PASSING = {408, 425, 429}


class Store:
    """An MLflow tracking store.

    Args:
        uri: MLflow's tracking URI. If None, `MLFLOW_TRACKING_URI`, or else SQLite in the home.
        home: The folder for runs and local artifacts; `MULTIHEAD_HOME` if None.

    Raises:
        ConfigError: As `checked_address`, or if MLflow would misread the home's path.
    """

    def __init__(self, uri: str | None = None, home: Path | None = None) -> None:
        for name, value in _MLFLOW_SETTINGS.items():  # read when mlflow is imported
            os.environ.setdefault(name, value)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self.home = (home or settings.home()).absolute()
        _check_home(self.home)
        given = uri or os.environ.get("MLFLOW_TRACKING_URI")
        self.uri = given or _local_uri(self.home)
        self._parts = checked_address(self.uri)
        self._opened: tuple[int, int] | None = None
        self.scheme = kind_of(self._parts)

    @property
    def is_server(self) -> bool:
        """Whether the store is an MLflow server."""
        return self.scheme in SERVERS

    @property
    def is_local(self) -> bool:
        """Whether this is the database in the home."""
        return self.uri == _local_uri(self.home)

    @property
    def database(self) -> Path | None:
        """The file of the database in the home; None if this is another store."""
        return self.home / "mlflow.db" if self.is_local else None

    @property
    def is_gone(self) -> bool:
        """Whether this is the database in the home, and its file does not exist."""
        return self.is_local and not self._file.is_file()

    @property
    def shown_uri(self) -> str:
        """The URI without a password."""
        return masked_uri(self.uri)

    @property
    def identity(self) -> str:
        """A name of the store for records, without a password and without the home's path."""
        return self.shown_uri.replace(str(self.home), "HOME")

    @cached_property
    def client(self) -> "MlflowClient":
        """The MLflow client; the first use creates a missing local database.

        Raises:
            StoreUnreachableError: If the store does not answer now.
            StoreError: If the store refuses.
        """
        self.make_home()
        self.knock()
        with FileLock(self.home / ".store.lock"), self.errors():
            from mlflow import MlflowClient

            client = MlflowClient(tracking_uri=self.uri)
            client.search_experiments(max_results=1)
            if self.scheme == "sqlite":
                self._opened = _identity(self._file)
        return client

    @cached_property
    def _file(self) -> Path:
        """The file of a local database."""
        from sqlalchemy import make_url

        return Path(make_url(self.uri).database or "")

    def knock(self) -> None:
        """Check quickly whether the store answers; MLflow itself would wait for minutes.

        Raises:
            StoreUnreachableError: If nothing listens at its address, another process has locked
                the database, or its file was deleted or replaced. Writes to a deleted file would
                be lost.
            StoreError: If the file is not a database that can be written to.
        """
        try:
            if self.scheme == "sqlite":
                if self._opened not in (None, _identity(self._file)):
                    raise StoreUnreachableError(
                        f"the tracking store {self.shown_uri} does not answer: its file was "
                        f"deleted or replaced."
                    )
                self._try_to_write()
                return
            port = self._parts.port or _PORTS[self.scheme]
            if self._parts.hostname is not None:
                address = (self._parts.hostname, port)
                socket.create_connection(address, timeout=_KNOCK_SECONDS).close()
        except OSError as error:
            raise StoreUnreachableError(
                f"the tracking store {self.shown_uri} does not answer: {error}."
            ) from error

    def _try_to_write(self) -> None:
        # MLflow would wait 20 seconds for a locked database.
        if not self._file.is_file():
            return
        try:
            with closing(
                sqlite3.connect(self._file, timeout=_LOCKED_SECONDS, isolation_level=None)
            ) as database:
                database.execute("BEGIN IMMEDIATE")
                database.execute("ROLLBACK")
        except sqlite3.DatabaseError as error:
            kind, does = StoreError, "refuses"
            # CANTOPEN: its folder may have been moved since the check above.
            waits = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN)
            if error.sqlite_errorcode in waits:
                kind, does = StoreUnreachableError, "does not answer"
            raise kind(f"the tracking store {self.shown_uri} {does}: {error}.") from error

    def make_home(self) -> None:
        """Create the home, and check that it can be written to.

        Raises:
            StoreError: If it cannot.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            probe = self.home / f".writable.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StoreError(
                f"{self.home} cannot be written to ({error.strerror}); choose another folder with "
                f"{settings.HOME_VARIABLE} or paths.home."
            ) from error

    def home_id(self) -> str:
        """Return the id of this home, which tells whether a run's folder belongs here.

        The id is made with the first run, and moves with the home.

        Raises:
            StoreError: If the home cannot be written to.
        """
        file = self.home / _HOME_ID
        try:
            with FileLock(self.home / ".store.lock"):
                if not file.is_file():
                    write_text_atomically(file, secrets.token_hex(8), make_folder=False)
                return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise StoreError(f"{file} cannot be read or written to ({error.strerror}).") from error

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of MLflow, the database, the network and the disk into our one-line errors.

        Raises:
            StoreUnreachableError: If a later try may succeed.
            StoreError: If the store refuses: quota, permission, schema.
        """
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, RequestException, SQLAlchemyError, ImportError, OSError) as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> NoReturn:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        if _may_pass(error):
            raise StoreUnreachableError(
                f"the tracking store {self.shown_uri} does not answer: {reason}"
            ) from error
        raise StoreError(f"the tracking store {self.shown_uri} refuses: {reason}") from error

    def experiment_id(self, name: str) -> str:
        """Return the id of an experiment, which is made if it does not exist.

        Raises:
            DeletedError: If the experiment was deleted.
            StoreError: If the store refuses.
        """
        with self.errors():
            found = self.client.get_experiment_by_name(name)
            if found is None:
                with FileLock(self.home / ".store.lock"):
                    found = self.client.get_experiment_by_name(name)
                    if found is None:
                        return self._create_experiment(name)
        if found.lifecycle_stage == "deleted":
            raise DeletedError(
                f"the experiment {name!r} is deleted in {self.shown_uri}; restore it with "
                f"`{self.restoring(name)}`, or choose another with logger.experiment_name."
            )
        return found.experiment_id

    def restoring(self, what: str) -> str:
        """Return the command that restores an experiment or a run."""
        command = f"multihead restore -- {shlex.quote(what)}"
        if Store().uri == self.uri:
            return command
        return f"MLFLOW_TRACKING_URI={shlex.quote(self.shown_uri)} {command}"

    def _create_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.create_experiment(name, self._artifacts(name), tags=dict(_KIND))
        except MlflowException:
            # Another machine may have made it on the server: our lock covers only our home.
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return found.experiment_id

    def _artifacts(self, name: str) -> str | None:
        # For a database, MLflow would choose ./mlruns in the current folder.
        if self.is_server:
            return None
        folder = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:_FOLDER_LENGTH].lstrip(".") or "_"
        return (self.home / "artifacts" / folder).as_uri()

    def run_url(self, experiment_id: str, run_id: str) -> str:
        """Return the address of a run's page.

        The page is in the UI at `MULTIHEAD_UI_URL`, which people may reach under another name
        than programs. Without it, the page is in the UI of the server, or in the UI that
        `multihead ui` starts.
        """
        own = self.uri if self.is_server else f"http://127.0.0.1:{DEFAULT_PORT}"
        base = os.environ.get(settings.UI_VARIABLE) or own
        return f"{base.rstrip('/')}/{run_route(experiment_id, run_id)}"


def run_route(experiment_id: str, run_id: str, artifact: str = "") -> str:
    """Return the address of a run's page, or of an artifact of it, within MLflow's UI."""
    place = f"/artifacts/{quote(artifact)}" if artifact else ""
    return f"#/experiments/{experiment_id}/runs/{run_id}{place}?{UI_VIEW}"


def _check_home(home: Path) -> None:
    found = _UNFIT.search(str(home))
    if found is not None:
        raise ConfigError(
            f"the folder of runs {str(home)!r} has {found[0]!r} in its path, which has a special "
            f"meaning in MLflow or in a configuration; choose another folder with "
            f"{settings.HOME_VARIABLE} or paths.home."
        )


def _identity(file: Path) -> tuple[int, int] | None:
    """Return a file's device and inode, which a replaced file does not have; None without file."""
    try:
        found = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _local_uri(home: Path) -> str:
    # Not quoted, because MLflow creates the folders exactly as it reads them in this text.
    return f"sqlite:///{home / 'mlflow.db'}"


def _may_pass(error: Exception) -> bool:
    """Return whether the same request may succeed later."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import HTTPError, RequestException
    from sqlalchemy.exc import OperationalError

    if isinstance(error, HTTPError) and error.response is not None:
        status = error.response.status_code
    elif isinstance(error, MlflowException):
        status = error.get_http_status_code()
    else:
        return isinstance(error, RequestException | OperationalError | ConnectionError)
    return status >= 500 or status in _PASSING
