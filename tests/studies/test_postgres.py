"""Studies on a real PostgreSQL, restarted while they run."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.studies.conftest import SMALL, assert_agreement, start_study, trials_of

from multihead.tracking.store import Store

_INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
BIN = shutil.which("pg_ctl") or (str(_INSTALLED[-1] / "pg_ctl") if _INSTALLED else None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BIN is None, reason="there is no PostgreSQL here"),
]


class Server:
    """A PostgreSQL in a folder, on loopback; it refuses to run as root."""

    def __init__(self, folder: Path) -> None:
        assert BIN is not None
        self.bin, self.folder = Path(BIN).resolve().parent, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"
        folder.mkdir(mode=0o700)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust")

    def _run(self, program: str, *arguments: str) -> None:
        other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        as_user = other if os.getuid() == 0 else []
        command = [*as_user, str(self.bin / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=120)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        log, data = str(self.folder / "log"), str(self.folder / "data")
        self._run("pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = Path("/tmp") / f"multihead-postgres-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    made = Server(folder)
    made.start()
    yield made
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_minute_without_the_storage_stops_no_worker_and_loses_no_trial(
    home: Path, store: Store, server: Server
) -> None:
    away, count = float(os.environ.get("OUTAGE_SECONDS", 60)), 10
    process = start_study(
        "digits_quick",
        f"n_trials={count}",
        f"storage={server.url}",
        *SMALL,
        folder=home.parent,
    )
    ended: list[bool] = []
    while not any(ended) and process.poll() is None:
        time.sleep(1)
        with suppress(KeyError):  # there is no study yet
            ended = [t.state.is_finished() for t in trials_of(server.url, "digits_quick")]
    server.stop()
    time.sleep(away)
    server.start()
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    assert_agreement(store, server.url, "digits_quick", count)
    assert all(t.state.name != "FAIL" for t in trials_of(server.url, "digits_quick"))
    log = (home / "workers" / "digits_quick.log").read_text()
    assert "the study storage is back" in log


def test_eight_workers_on_postgresql_end_exactly_the_trials_asked_for(
    home: Path, store: Store, server: Server
) -> None:
    process = start_study(
        "digits_quick",
        "n_trials=24",
        "workers=8",
        f"storage={server.url}",
        *SMALL,
        folder=home.parent,
    )
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, output
    assert_agreement(store, server.url, "digits_quick", 24)
