"""Studies on a real Ray cluster whose nodes, actors and commands are killed."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from tests.conftest import multihead
from tests.postgres import Postgres, postgres, postgres_programs
from tests.studies.conftest import LONG, SMALL, Define, assert_agreement, start_study, until

from multihead.errors import ConfigError
from multihead.settings import study_storage
from multihead.studies.engines.choice import RayChoice
from multihead.studies.engines.ray_places import ask
from multihead.tracking.store import Store

NODES = 3
Start = Callable[..., subprocess.Popen[str]]
LOOPBACK = {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


@dataclass
class Nodes:
    """A cluster on this machine.

    Attributes:
        address: Of its head node.
        processes: Of the nodes, the head's first.
        environment: Of commands that join it.
    """

    address: str
    processes: list[psutil.Process]
    environment: dict[str, str]

    def node_of(self, worker: int) -> psutil.Process:
        """Return the node that a worker's process is on."""
        (node,) = [p for p in psutil.Process(worker).parents() if p in self.processes]
        return node

    @property
    def actors(self) -> int:
        """How many actors of ours there are."""
        children = [c for node in self.processes if node.is_running() for c in node.children()]
        return sum("Keeper" in child.name() for child in children)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text(secrets.token_hex(32))
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # 127.0.0.1 stays what it is
        "RAY_gcs_server_request_timeout_seconds": "10",
    }
    started = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("ray_nodes.py")), str(NODES)],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert started.stdin is not None
    assert started.stdout is not None
    try:
        told = json.loads(next(text for text in started.stdout if text.startswith("{")))
        processes = [psutil.Process(pid) for pid in told["processes"]]
        yield Nodes(told["address"], processes, environment)
    finally:
        everything = psutil.Process(started.pid).children(recursive=True)
        with suppress(BrokenPipeError):
            started.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            started.wait(60)
        started.stdout.close()
        end(everything)
        started.kill()
        started.wait()


def end(processes: list[psutil.Process]) -> None:
    """Kill what is left of some processes."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def kill_node(node: psutil.Process) -> None:
    """Lose a machine: all its processes at once, workers too."""
    end([node, *node.children(recursive=True)])


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Start a study's command, which is killed in the end if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        started.append(start_study("digits_quick", *arguments, folder=home.parent, **environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class Watched:
    """What the storage knows of a study, asked without our own code."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)

    def ask(self, query: str) -> list[Any]:
        """Return the rows; none while there is no study yet."""
        try:
            with self.engine.connect() as connection:
                return list(connection.execute(sa.text(query)))
        except (sa.exc.OperationalError, sa.exc.ProgrammingError):
            return []

    def workers(self, condition: str = "NOT ended") -> list[int]:
        """Return the processes of workers."""
        query = f"SELECT place FROM multihead_workers WHERE kind = 'worker' AND {condition}"
        return sorted(int(place.rsplit(" ", 1)[1]) for (place,) in self.ask(query))

    @property
    def ended(self) -> int:
        """How many trials have ended."""
        return len(self.ask("SELECT 1 FROM multihead_leases WHERE outcome IS NOT NULL"))

    @property
    def lost(self) -> int:
        """How often a worker ended without a word."""
        return sum(row.lost for row in self.ask("SELECT lost FROM multihead_leases"))


@pytest.fixture
def server() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


@pytest.mark.slow(minutes=1.5)
@pytest.mark.skipif(postgres_programs() is None, reason="there is no PostgreSQL here")
def test_a_lost_node_costs_no_trial_and_adds_none(
    start: Start, store: Store, nodes: Nodes, server: Postgres
) -> None:
    process = start(
        "n_trials=12",
        f"workers={NODES}",
        f"storage={server.url}",
        f"engine={{name: ray, address: '{nodes.address}'}}",
        "devices_per_worker={gpu: 0.25, cpu: 1}",
        *SMALL,
        **nodes.environment,
    )
    seen = Watched(server.url)
    until(lambda: len(seen.workers()) == NODES and seen.ended > 2, process)
    places = {nodes.node_of(pid) for pid in seen.workers()}
    assert len(places) == NODES
    for pid in seen.workers():
        environment = psutil.Process(pid).environ()
        assert environment["CUDA_VISIBLE_DEVICES"] == "0"
        assert environment["MULTIHEAD_GPU_SHARE"] == "0.25"
    kill_node(max(places, key=nodes.processes.index))
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    assert_agreement(store, server.url, "digits_quick", 12)
    assert f"1 of {NODES} workers wait for a place on the Ray cluster" in output
    assert nodes.actors == 0


@pytest.mark.slow(minutes=1.5)
def test_workers_outlive_their_command_and_are_found_again_dismissed_and_stopped(
    home: Path, start: Start, nodes: Nodes
) -> None:
    """Two nodes are left; the SQLite storage will do, since all are on this machine."""
    first = start(
        "n_trials=200",
        "workers=2",
        f"engine={{name: ray, address: '{nodes.address}'}}",
        *LONG,
        **nodes.environment,
    )
    seen = Watched(study_storage(home))
    until(lambda: len(seen.workers("number IS NOT NULL")) == 2, first)
    workers = seen.workers()
    first.kill()
    first.communicate()
    before = seen.ended
    again = start("--resume", "workers=1", **nodes.environment)
    # Asked to stop before it has joined, the study would be resumed after all.
    second = "SELECT 1 FROM multihead_workers WHERE kind = 'command' AND position = 1"
    until(lambda: seen.ask(second) and len(seen.workers()) == 1 and seen.ended > before, again)
    assert seen.workers("true") == workers
    stopped = multihead(["study", "digits_quick", "--stop"], folder=home.parent)
    assert stopped.returncode == 0, stopped.stderr
    output, _ = again.communicate(timeout=300)
    assert "stopped: asked to stop" in output
    assert seen.lost == 0
    assert not any(psutil.pid_exists(pid) for pid in workers)
    until(lambda: nodes.actors == 0)  # the dismissed one leaves by itself, a while later


@pytest.mark.slow(minutes=1.5)
def test_a_command_without_the_token_is_refused_in_one_line(home: Path, nodes: Nodes) -> None:
    wrong = {**nodes.environment, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    arguments = ["study", "digits_quick", f"engine={{name: ray, address: '{nodes.address}'}}"]
    refused = multihead(arguments, folder=home.parent, **wrong)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1, refused.stderr
    assert "have its token" in refused.stderr
    assert not (home / "studies.db").exists()


def listening(command: psutil.Process) -> set[str]:
    """Return the addresses that a command and its processes listen on."""
    found = set()
    for process in [command, *command.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            connections = process.net_connections("inet")
            found |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    return found


@pytest.mark.slow(minutes=1.5)
def test_without_an_address_a_cluster_on_loopback_ends_with_the_command_and_its_checkpoints(
    home: Path, start: Start
) -> None:
    process = start("n_trials=200", "workers=1", "engine=ray", *LONG)
    seen = Watched(study_storage(home))
    until(lambda: seen.workers("number IS NOT NULL"), process)
    command = psutil.Process(process.pid)
    everything = command.children(recursive=True)
    assert any(child.name() == "raylet" for child in everything)
    assert listening(command) <= LOOPBACK
    environment = psutil.Process(seen.workers()[0]).environ()
    assert environment["RAY_AUTH_MODE"] == "token"
    token = Path(environment["RAY_AUTH_TOKEN_PATH"])
    assert token.stat().st_mode & 0o077 == 0
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 143, output
    assert seen.lost == 0
    psutil.wait_procs(everything, timeout=60)
    assert not [p for p in everything if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not token.exists()


def node(**resources: float) -> dict[str, Any]:
    """Return a node as Ray tells of it."""
    return {"Alive": True, "Resources": resources}


def test_each_worker_asks_for_its_share_and_is_told_it(define: Define) -> None:
    study = define(
        engine=RayChoice(name="ray", address="auto"), devices_per_worker={"gpu": 0.25, "cpu": 2}
    )
    asked = ask(study, [node(CPU=8, GPU=1)])
    assert (asked.cpu, asked.gpu) == (2, 0.25)
    assert asked.environment["MULTIHEAD_GPU_SHARE"] == "0.25"


def test_what_no_node_has_is_refused_and_not_waited_for(define: Define) -> None:
    study = define(engine="ray", devices_per_worker={"gpu": 4, "cpu": 2})
    with pytest.raises(ConfigError, match=r"4 GPUs and 2 cores.*1 GPUs and 8 cores"):
        ask(study, [node(CPU=8, GPU=1)])


def test_gpus_are_asked_for_only_where_there_are_any(define: Define) -> None:
    assert ask(define(engine="ray"), [node(CPU=1)]).gpu == 0
