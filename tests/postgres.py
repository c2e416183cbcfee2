"""A real PostgreSQL server of one's own, for tests and benchmarks: no container, no root."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Debian keeps the server's programs off the PATH.
_DEBIAN = Path("/usr/lib/postgresql")


def postgres_programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`, or None where PostgreSQL is not installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start an empty server on loopback, give the address of its database, and remove it.

    Raises:
        FileNotFoundError: Where PostgreSQL is not installed.
        subprocess.CalledProcessError: If the server does not start.
    """
    programs = postgres_programs()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
    port = _free_port()
    # Not below pytest's folder: that one only its owner may enter.
    with tempfile.TemporaryDirectory(prefix="postgres-") as scratch:
        folder = Path(scratch)
        if os.geteuid() == 0:  # the server refuses root
            shutil.chown(folder, "postgres")
        data, log = str(folder / "data"), str(folder / "log")
        run = [str(programs / "pg_ctl"), "-D", data, "-l", log, "-w", "-t", "60"]
        _as_owner(
            [str(programs / "initdb"), "-D", data, "-U", "multihead", "-A", "trust", "-E", "UTF8"]
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
        _as_owner([*run, "-o", options, "start"])
        try:
            yield f"postgresql+psycopg://multihead@127.0.0.1:{port}/postgres"
        finally:
            _as_owner([*run, "-m", "immediate", "stop"])


def _as_owner(command: list[str]) -> None:
    switch = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    owner = switch if os.geteuid() == 0 else []
    subprocess.run([*owner, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
