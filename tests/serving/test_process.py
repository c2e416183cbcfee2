"""Servers as processes of their own, with pickle forbidden: ours, and MLflow's with our model."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import multihead
from tests.ports import free_port
from tests.serving.conftest import serving

from multihead.runs.execute import RunResult
from multihead.serving.promote import promote
from multihead.tracking.store import Store

pytestmark = pytest.mark.slow
Examples = tuple[np.ndarray, dict[str, np.ndarray]]


def _post(url: str, body: bytes, kind: str) -> tuple[int, dict]:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def _wait(ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "the server did not come up"
        time.sleep(0.5)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def test_a_promoted_model_is_served_and_nothing_is_left_running(
    trained: RunResult, trained_home: Path, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    promote(str(trained.run_id), "served", alias="champion", store=Store(home=trained_home))
    images, expected = examples
    with serving("models:/served@champion", trained_home, "--max-bytes", "100000") as base:
        url = f"{base}/invocations"
        raw = _post(url, images.tobytes(), "application/octet-stream")
        numbers = _post(url, json.dumps({"inputs": images.tolist()}).encode(), "application/json")
        assert raw == numbers
        for head, classes in expected.items():
            assert [row[head] for row in raw[1]["predictions"]] == classes.tolist()
        status, refusal = _post(url, bytes(1_000_000), "application/octet-stream")
        assert (status, list(refusal)) == (413, ["error"])
    with socket.socket() as probe:
        port = int(base.rpartition(":")[2])
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the server is gone"


def test_a_body_that_never_ends_is_given_up(trained: RunResult, trained_home: Path) -> None:
    with serving(str(trained.run_id), trained_home, "--timeout", "0.5") as base:
        host, port = base.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            slow.sendall(
                f"POST /invocations HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 64\r\n"
                f"Content-Type: application/octet-stream\r\n\r\n1".encode()
            )
            assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_server_that_is_published_says_by_which_names_it_may_be_asked(tmp_path: Path) -> None:
    done = multihead(["serve", "none", "--host", "0.0.0.0", "--port", "0"], folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "--allowed-hosts" in done.stderr


def test_a_busy_port_an_unknown_and_a_damaged_model_end_in_one_line(
    trained: RunResult, trained_home: Path, tmp_path: Path
) -> None:
    env = {"MULTIHEAD_HOME": str(trained_home)}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        busy = multihead(["serve", str(trained.run_id), "--port", port], folder=tmp_path, **env)
    unknown = multihead(["serve", "models:/none@champion", "--port", "0"], folder=tmp_path, **env)
    for done, reason in ((busy, "cannot listen on"), (unknown, "there is no model")):
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert reason in done.stderr


def test_mlflows_own_server_answers_for_all_heads(
    trained: RunResult, trained_home: Path, examples: Examples
) -> None:
    store = Store(home=trained_home)
    made = promote(str(trained.run_id), "by_mlflow", alias="champion", store=store)
    port = free_port()
    command = ["models", "serve", "-m", made.uri, "--env-manager", "local", "-p", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # it calls uvicorn
            "MLFLOW_TRACKING_URI": store.uri,
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        },
        start_new_session=True,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        _wait(lambda: process.poll() is not None or _answers(f"{base}/ping"), 180)
        images, expected = examples
        body = json.dumps({"inputs": images.tolist()}).encode()
        status, answer = _post(f"{base}/invocations", body, "application/json")
        assert status == 200
        for head, classes in expected.items():
            assert [row[head] for row in answer["predictions"]] == classes.tolist()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
