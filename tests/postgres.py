"""A real PostgreSQL server of one's own, for tests and benchmarks: no container, no root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

# Debian keeps the server's programs off the PATH.
_DEBIAN = Path("/usr/lib/postgresql")


def postgres_programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`, or None where PostgreSQL is not installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


class Postgres:
    """A server on loopback, in a folder.

    Args:
        folder: An empty one, which any user may enter: pytest's own only its owner may.
        settings: Of the server, such as `fsync=on`; it forgets what it wrote when power fails
            otherwise, and is faster.

    Attributes:
        url: Of its database.

    Raises:
        FileNotFoundError: Where PostgreSQL is not installed.
        subprocess.CalledProcessError: If it cannot be set up.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        programs = postgres_programs()
        if programs is None:
            raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
        if os.geteuid() == 0:  # the server refuses root
            shutil.chown(folder, "postgres")
        port, data = free_port(), str(folder / "data")
        self.url = f"postgresql+psycopg://multihead@127.0.0.1:{port}/postgres"
        self._control = [str(programs / "pg_ctl"), "-D", data, "-l", str(folder / "log"), "-w"]
        self._options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
        self._options += "".join(f" -c {setting}" for setting in settings)
        _as_owner(
            [str(programs / "initdb"), "-D", data, "-U", "multihead", "-A", "trust", "-E", "UTF8"]
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        _as_owner([*self._control, "-t", "60", "-o", self._options, "start"])

    def stop(self) -> None:
        """Stop it as a crash would: whoever is connected loses the connection."""
        _as_owner([*self._control, "-m", "immediate", "stop"])


@contextmanager
def postgres(*settings: str) -> Iterator[Postgres]:
    """Start an empty server, with settings beside the usual ones, and remove it in the end."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = Postgres(Path(folder), *settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _as_owner(command: list[str]) -> None:
    switch = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    owner = switch if os.geteuid() == 0 else []
    subprocess.run([*owner, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")
