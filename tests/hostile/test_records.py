"""Nothing of a hostile record runs, whatever command reads it, and the answer is one line."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import DIGITS, ROOT
from tests.hostile.records import CONFIGS, NETS, model_json

from multihead import run
from multihead.runs.bundle import MODEL
from multihead.tracking.models import BUNDLE, run_model
from multihead.tracking.store import Store

OURS = ("2", "multihead.errors.ConfigError", "multihead.errors.CheckpointError")


@dataclass
class Recorded:
    """A run with its model, whose files tests replace and put back.

    Attributes:
        folder: Where commands run; a module `canary` lies in it.
        config: The run's `config.yaml`.
        model: The folder of its model.
    """

    folder: Path
    run_id: str
    model_id: str
    config: Path
    model: Path

    def answers(self, errands: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Run errands in one process, watched; yields what became of each."""
        asked = {"places": [str(self.folder / "home"), "/tmp/tmp"], "errands": errands}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        done = subprocess.run(
            [sys.executable, "-m", "tests.hostile.watched"],
            cwd=self.folder,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env=environment
            | {
                "MULTIHEAD_HOME": str(self.folder / "home"),
                "PYTHONPATH": f"{ROOT}{os.pathsep}{self.folder}",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "SECRET": "hunter2",
                "PYTHONDONTWRITEBYTECODE": "1",  # what Python itself writes is no deed of a record
                "TMPDIR": "/tmp",
            },
        )
        assert done.returncode == 0, done.stderr[-3000:]
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(errands)
        yield from answers


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Recorded]:
    """One small run and its model."""
    folder = tmp_path_factory.mktemp("hostile")
    home = folder / "home"
    home.mkdir()
    shutil.copy(empty_store, home / "mlflow.db")
    (folder / "canary.py").write_text("open('canary-was-imported', 'w')\nclass Canary: ...\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MULTIHEAD_HOME", str(home))
        patch.chdir(folder)
        done = run([*DIGITS, "trainer.max_epochs=1", "trainer.accelerator=cpu"])
        made = run_model(Store(home=home), str(done.run_id))
        assert made is not None
        assert done.folder is not None
        yield Recorded(
            folder, str(done.run_id), made.model_id, done.folder / "config.yaml", made.folder
        )


def _wrong(answer: dict[str, Any], recorded: Recorded, what: object) -> str | None:
    """Return what an answer should not be, or None."""
    told = answer["told"].strip()
    touched = [n for n in ("canary-was-imported", "touched") if (recorded.folder / n).exists()]
    fine = (
        not answer["done"]
        and not touched
        and answer["code"] in OURS
        and told.isprintable()
        and 0 < len(told) < 2000
        and "hunter2" not in told
    )
    return None if fine else f"{what}: {touched} {answer}"[:2000]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["rerun RUN", "evaluate run=RUN", "train resume=RUN"])
def test_nothing_of_a_hostile_configuration_runs(command: str, recorded: Recorded) -> None:
    good = recorded.config.read_text()
    words = command.replace("RUN", recorded.run_id).split()
    canary = recorded.folder / "touched"
    errands = [
        {
            "call": "multihead",
            "words": words,
            "file": str(recorded.config),
            "text": case(yaml.safe_load(good), canary),
        }
        for case in CONFIGS.values()
    ]
    try:
        answers = zip(CONFIGS, recorded.answers(errands), strict=True)
        wrong = [_wrong(answer, recorded, name) for name, answer in answers]
    finally:
        recorded.config.write_text(good)
    assert not list(filter(None, wrong))


@pytest.mark.slow
def test_nothing_of_a_hostile_network_runs(recorded: Recorded) -> None:
    """Of a run that is served, exported, promoted or loaded only the network is built."""
    good = recorded.config.read_text()
    canary = recorded.folder / "touched"
    calls = [
        ("load_run", [recorded.run_id]),
        ("multihead", ["serve", recorded.run_id, "--port", "0"]),
        ("multihead", ["export", recorded.run_id, "--to", "safetensors"]),
        ("multihead", ["promote", recorded.run_id, "--name", "x"]),
    ]
    names = [name for name in CONFIGS if name.startswith("network: ")]
    errands = [
        {
            "call": call,
            "words": words,
            "file": str(recorded.config),
            "text": CONFIGS[name](yaml.safe_load(good), canary),
            "net": name,
        }
        for name in names
        for call, words in calls
    ]
    try:
        answers = zip(errands, recorded.answers(errands), strict=True)
        wrong = [_wrong(a, recorded, (e["words"][0], e["net"])) for e, a in answers]
    finally:
        recorded.config.write_text(good)
    assert not list(filter(None, wrong))


@pytest.mark.slow
def test_nothing_of_a_hostile_model_runs(recorded: Recorded) -> None:
    """MLflow runs a model's `pyfunc.py`; ours builds no other network than `serve` does."""
    path = recorded.model / BUNDLE / MODEL
    good = path.read_text()
    canary = recorded.folder / "touched"
    calls = [
        ("multihead", ["serve", f"models:/{recorded.model_id}", "--port", "0"]),
        ("pyfunc", [str(recorded.model)]),
    ]
    errands = [
        {
            "call": call,
            "words": words,
            "file": str(path),
            "text": model_json(json.loads(good), net, canary),
            "net": name,
        }
        for name, net in NETS.items()
        for call, words in calls
    ]
    try:
        answers = zip(errands, recorded.answers(errands), strict=True)
        wrong = [_wrong(a, recorded, (e["words"][0], e["net"])) for e, a in answers]
    finally:
        path.write_text(good)
    assert not list(filter(None, wrong))
