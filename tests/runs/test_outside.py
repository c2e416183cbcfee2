"""A kind, a data set and a metric of a person's own, through the commands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.heads.outside_data import hands

from multihead.runs.load import load_run
from multihead.tracking.find import find_run
from multihead.tracking.store import Store

ROOT = Path(__file__).parents[2]
KIND = "tests.heads.outside_kinds.Angle"
HANDS = [
    "experiment=multihead_cnn_digits",
    "data.source._target_=tests.heads.outside_data.hands",
    "data.train_val_test_split=[200,40,100]",
    "data.heads=null",
    "data.batch_size=16",
    "model/balancer=uw",
    "model.loss_weights=null",
    "model.criteria=null",
    "model.metrics.side=[acc,auroc]",
    "callbacks=score",
    "optimized_metric=val/score",
    "trainer.max_epochs=3",
    "trainer.accelerator=cpu",
]
_STOP_AT = """
import os, signal, sys
from multihead.training import interrupts
step, *words = sys.argv[1:]
plain = interrupts.StopOnSignal.on_train_batch_end
def stop(self, trainer, *rest):
    if trainer.global_step == int(step):
        os.kill(os.getpid(), signal.SIGTERM)
    plain(self, trainer, *rest)
interrupts.StopOnSignal.on_train_batch_end = stop
from multihead.cli.main import main
main(words)
"""


def _command(step: int, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", _STOP_AT, str(step), *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
    )


def _history(store: Store, run: str) -> dict[str, list[tuple[int, float]]]:
    found = find_run(store, run).info.run_id
    return {
        name: [(p.step, p.value) for p in store.client.get_metric_history(found, name)]
        for name in store.client.get_run(found).data.metrics
        if not name.startswith("system/")  # of the machine, not of the training
    }


@pytest.mark.slow
def test_a_kind_of_ones_own_is_trained_killed_resumed_tested_exported_and_read(
    home: Path, store: Store, tmp_path: Path
) -> None:
    """With missing labels, a learned balancer and a metric of all predictions, to the bit."""
    stopped = _command(17, "train", *HANDS)
    assert stopped.returncode == 143, stopped.stderr
    run = re.search(r"^run (\S+)", stopped.stdout, re.MULTILINE)[1]
    refused = _command(10**9, "train", f"resume={run}")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "names tests.heads.outside_data.hands (data.source)" in refused.stderr
    trust = ["--trust", "tests.heads.outside_data.hands"]
    resumed = _command(10**9, "train", f"resume={run}", *trust)
    assert resumed.returncode == 0, resumed.stderr
    whole = _command(10**9, "train", *HANDS)
    assert whole.returncode == 0, whole.stderr
    other = re.search(r"^run (\S+)", whole.stdout, re.MULTILINE)[1]
    of_both = [_history(store, each) for each in (run, other)]
    assert of_both[0] == of_both[1]
    assert {"val/angle_turns", "val/side_auroc", "train/angle_weight"} <= of_both[0].keys()
    out = tmp_path / "hands.onnx"
    exported = _command(10**9, "export", run, "--to", "onnx", "--out", str(out), "--trust", KIND)
    assert (exported.returncode, out.is_file()) == (0, True), exported.stderr
    source = hands(tmp_path, "test")
    said = load_run(run, store, trust=[KIND]).predict(source.images)
    there = ~np.isnan(source.labels["angle"])
    away = np.abs(said["angle"] - source.labels["angle"])[there] / 360
    turns = np.minimum(away, 1 - away).mean()
    assert turns == pytest.approx(of_both[0]["test/angle_turns"][-1][1], abs=2e-3)
    assert turns < 0.2
