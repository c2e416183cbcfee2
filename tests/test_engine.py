"""Engines whose ports on loopback the network can reach: `make up` refuses, `doctor` warns."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from multihead.cli import doctor
from multihead.cli.main import main

ROOT = Path(__file__).parents[1]
OLD = ["20.10.24+dfsg1 ", "26.1.5+dfsg1-9 ", "27.5.1 Docker Engine - Community", "dev ", ""]
SAFE = ["28.0.0 ", "28.2.2-0ubuntu1 ", "29.1.0 Docker Engine - Community", "100.0 "]
DESKTOP = "24.0.7 Docker Desktop 4.26.1 (131620)"

# A stand-in for the engine's command: it notes how it is called, and is of some version.
FAKE_DOCKER = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
    "version "*) echo "{version}" ;;
    *"config --services") echo "{services}" ;;
esac
"""


def fake_docker(folder: Path, version: str, services: str = "mlflow") -> Path:
    """Put a command `docker` into a folder and return the file with how it was called."""
    log = folder / "calls.log"
    script = FAKE_DOCKER.format(log=log, version=version, services=services)
    (folder / "docker").write_text(script)
    (folder / "docker").chmod(0o755)
    return log


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of what `make up` needs."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "docker", folder / "docker")
    return folder


def start(checkout: Path, **more: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("DOCKER_CHECK", "STUDY")}
    env = inherited | {"PATH": f"{checkout.parent}:{os.environ['PATH']}"} | more
    command = [checkout / "docker" / "up.sh", "cpu"]
    return subprocess.run(command, env=env, capture_output=True, text=True)


@pytest.mark.parametrize("version", OLD)
def test_an_older_engine_is_refused_before_anything_is_built(version: str, checkout: Path) -> None:
    log = fake_docker(checkout.parent, version)
    done = start(checkout)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    found = version.split(" ")[0] or "of no version"
    assert line.startswith(f"Docker Engine is {found} here and must be 28.0.0 or newer: ")
    assert "DOCKER_CHECK=no" in line
    assert not [call for call in log.read_text().splitlines() if "build" in call or " up " in call]
    assert not (checkout / ".env").exists()


@pytest.mark.parametrize("version", [*SAFE, DESKTOP])
def test_an_engine_that_keeps_loopback_to_itself_is_taken(version: str, checkout: Path) -> None:
    log = fake_docker(checkout.parent, version)
    assert start(checkout).returncode == 0
    assert " up -d --wait" in log.read_text()


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_person_can_go_on_with_an_older_engine(place: str, checkout: Path) -> None:
    fake_docker(checkout.parent, OLD[0])
    if place == ".env":
        (checkout / ".env").write_text("APP_UID=1\nDOCKER_CHECK=no\n")
        assert start(checkout).returncode == 0
    else:
        assert start(checkout, DOCKER_CHECK="no").returncode == 0


def test_with_passwords_an_older_engine_is_taken(checkout: Path) -> None:
    fake_docker(checkout.parent, OLD[0], services="proxy")
    assert start(checkout).returncode == 0


def doctor_on(
    version: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """Return what `doctor` says of an engine, which never makes it fail."""
    fake_docker(Path.cwd(), version)
    monkeypatch.setenv("PATH", f"{Path.cwd()}:{os.environ['PATH']}")
    with pytest.raises(SystemExit) as stop:
        main(["doctor"])
    assert stop.value.code == 0
    return next(line for line in capsys.readouterr().out.splitlines() if " docker " in line)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("version", "mark"), [(OLD[0], "warn"), (SAFE[0], "ok"), (DESKTOP, "ok")])
def test_doctor_warns_of_an_older_engine(
    version: str,
    mark: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = doctor_on(version, monkeypatch, capsys)
    assert said.split()[:3] == [mark, "docker", version.split(" ")[0]]
    assert ("28.0.0" in said and "127.0.0.1" in said) == (mark == "warn")


@pytest.mark.parametrize("version", [*OLD, *SAFE, DESKTOP])
def test_doctor_and_make_up_agree(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_docker(tmp_path, version)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_CHECK", raising=False)
    refused = subprocess.run([ROOT / "docker" / "engine.sh"], capture_output=True).returncode
    good, _, _ = doctor.docker()
    assert (good is True) == (refused == 0)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Cannot connect to the daemon' >&2; exit 1", "Cannot connect to the daemon"),
        ("exit 1", "1"),
        ("exec sleep 60", "timed out"),
    ],
)
def test_doctor_says_that_no_engine_answers(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(doctor, "DOCKER_SECONDS", 1)
    good, _, text = doctor.docker()
    assert good is None
    assert text.startswith("does not answer")
    assert said in text


def test_doctor_needs_no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.docker() == (True, "docker", "not installed; only the containers need it")
