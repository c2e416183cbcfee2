"""A real stack under a project name and ports of its own, and what can be asked of it."""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.compose.base_images import FILES, ROOT, stand_ins
from tests.ports import free_port

_SECONDS = 600
IMAGE = "multihead-test"  # built with settings of the tests; those of whoever runs them stay


def settings() -> set[str]:
    """Return the variables that the compose files read: whoever runs tests may have set some."""
    text = "".join((ROOT / file).read_text() for file in FILES)
    return {part.split("}")[0].split(":")[0].split("-")[0] for part in text.split("${")[1:]}


def docker(*arguments: str, check: bool = True) -> str:
    """Return what the engine's command prints, errors after it."""
    done = subprocess.run(
        ["docker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.returncode}\n{done.stdout}")
    return done.stdout


class Stack:
    """One project of docker compose.

    Args:
        project: Its name.
        files: Compose files, from the root of the repository.
        environment: What the files read.
    """

    def __init__(self, project: str, files: Sequence[str] = FILES[:1], **environment: str) -> None:
        self.project = project
        self.mlflow_port, self.dashboard_port = free_port(), free_port()
        inherited = {k: v for k, v in os.environ.items() if k not in settings()}
        inherited = {k: v for k, v in inherited.items() if not k.startswith("COMPOSE_")}
        self.environment = inherited | {
            "COMPOSE_PROJECT_NAME": project,
            "COMPOSE_FILE": ":".join(files),
            "COMPOSE_ANSI": "never",
            **stand_ins(),
            "IMAGE": IMAGE,
            "MLFLOW_PORT": str(self.mlflow_port),
            "DASHBOARD_PORT": str(self.dashboard_port),
            **environment,
        }

    def run(
        self, command: Sequence[str], *, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the root of the repository, stderr with stdout."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}")
        return done

    def compose(self, *arguments: str, check: bool = True, **environment: str) -> str:
        """Return what docker compose prints."""
        command = ["docker", "compose", "--progress", "quiet", *arguments]
        return self.run(command, check=check, **environment).stdout

    def up(self) -> None:
        """Bring up what `docker compose up -d` does, and wait until it is healthy."""
        self.compose("up", "-d", "--wait")

    def remove(self) -> None:
        """Take everything down, data included."""
        everything = [f"--profile={name}" for name in ("gpu", "cpu", "backup")]
        self.compose(*everything, "down", "-v", "--remove-orphans", "-t", "5", check=False)

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """Return the engine's record of the containers of some services, or of all; newest last."""
        label = f"label=com.docker.compose.project={self.project}"
        ids = docker("ps", "-aq", "--no-trunc", "--filter", label).split()
        found: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
        wanted = [c for c in found if not services or service_of(c) in services]
        return sorted(wanted, key=lambda c: str(c["Name"]))

    def running(self) -> dict[str, str]:
        """Return the ids of running containers by their names."""
        return {c["Name"]: c["Id"] for c in self.containers() if c["State"]["Running"]}

    def inside(self, service: str, *command: str, check: bool = True) -> str:
        """Return what a command prints in a running container."""
        return self.compose("exec", "-T", service, *command, check=check)

    def sql(self, database: str, query: str) -> str:
        """Return what the database answers, values separated by |."""
        return self.inside("postgres", "psql", "-U", "postgres", "-d", database, "-tAc", query)

    def train(self, *overrides: str) -> str:
        """Train in a container of its own and return what it prints."""
        return self.compose("run", "--rm", "-T", "trainer-cpu", "train", *overrides)

    def search(self, study: str, trials: int, workers: int, *arguments: str) -> None:
        """Start workers of a study."""
        self.compose(
            *("up", "-d", "--scale", f"worker-cpu={workers}", "worker-cpu"),
            STUDY=study,
            N_TRIALS=str(trials),
            STUDY_ARGS=" ".join(arguments),
        )

    def get(self, port: int, path: str = "/", **headers: str) -> tuple[int, str]:
        """Return status and body of a page."""
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def table(self) -> str:
        """Return all runs with all their metrics, parameters and tags, whatever their order."""
        columns = "run_uuid, status, start_time, end_time, artifact_uri"
        parts = (
            ("runs", columns),
            ("metrics", "run_uuid, key, step, value, timestamp"),
            ("params", "run_uuid, key, value"),
            ("tags", "run_uuid, key, value"),
        )
        return "\n".join(
            self.sql("mlflow", f"SELECT {names} FROM {table} ORDER BY {names}")
            for table, names in parts
        )

    def artifacts(self) -> str:
        """Return the SHA-256 of every artifact, by path."""
        command = "cd /artifacts/store && find . -type f -print0 | sort -z | xargs -0 sha256sum"
        return self.inside("mlflow", "sh", "-c", command)


def service_of(container: dict[str, Any]) -> str:
    """Return the service that a container is of."""
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


def kill(container: dict[str, Any]) -> None:
    """Kill the first process of a container from outside, as the system does without memory.

    The engine's own `kill` counts as a wish, after which nothing is started again.
    """
    code = f"import os; os.kill({container['State']['Pid']}, 9)"
    docker(
        *("run", "--rm", "--pid=host", "--user=0", "--entrypoint=python"),
        *(f"{IMAGE}-server", "-c", code),
    )


def wait_for(what: Callable[[], bool], claim: str, seconds: float = 300) -> None:
    """Wait until something is true.

    Raises:
        AssertionError: If it does not become true.
    """
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {claim}"
        time.sleep(1)


def real_data(folder: Path) -> bool:
    """Copy MNIST to where the containers' user can read it; return whether it is here."""
    folder.mkdir()
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    source = Path(os.environ.get("MULTIHEAD_DATA_DIR") or "data") / "MNIST"
    if source.is_dir():
        shutil.copytree(source, folder / "MNIST")
    return source.is_dir()
