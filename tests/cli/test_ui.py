import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from tests.conftest import Run

from multihead.cli.main import main
from multihead.cli.ui import HOST, free_port

_MAIN_SCRIPT = re.compile(r'src="(static-files/[^"]*/main\.[^"]*\.js)"')


def test_the_next_free_port_is_found() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        busy = taken.getsockname()[1]
        assert free_port(busy) > busy


def test_the_ui_serves_the_recorded_runs_and_opens_at_trainings(train: Run, home: Path) -> None:
    """A real server on the next free port: its page, and the run through its interface.

    MLflow's page has a view of chat traces, its default, and one of trainings. The address and the
    kind of the experiment choose the latter, by names that the page's own script must know.
    """
    run = train("test=false")
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        busy = taken.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "multihead", "ui", "--port", str(busy)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {},
            start_new_session=True,
        )
        try:
            assert process.stderr is not None
            notice = process.stderr.readline()
            found = re.fullmatch(rf"port {busy} is busy; using the next free one, (\d+)\n", notice)
            assert found, notice
            base = f"http://{HOST}:{found[1]}"
            page = _get(f"{base}/")
            assert "MLflow" in page
            api = f"{base}/api/2.0/mlflow"
            found = json.loads(_get(f"{api}/runs/get?run_id={run.mlflow_id}"))["run"]["info"]
            experiment = _get(f"{api}/experiments/get?experiment_id={found['experiment_id']}")
            script = _get(f"{base}/{_MAIN_SCRIPT.findall(page)[0]}")
        finally:
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert (out.count("\n"), err) == (3, "")  # no warnings and no log of MLflow's
        assert out.splitlines()[1] == f"  {base}/#/experiments?workflowType=machine_learning"
        tags = {t["key"]: t["value"] for t in json.loads(experiment)["experiment"]["tags"]}
        key, kind = "mlflow.experimentKind", "custom_model_development"
        assert tags[key] == kind
        for word in ("workflowType", "machine_learning", key, kind):
            assert f'"{word}"' in script


def _get(url: str) -> str:
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_a_store_that_is_a_server_has_its_own_ui(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(SystemExit):
        main(["ui"])
    assert "with its own UI: http://127.0.0.1:9" in capsys.readouterr().out
