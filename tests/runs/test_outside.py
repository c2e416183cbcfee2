"""A kind, a data set and a metric of a person's own, through the commands."""

from pathlib import Path

import numpy as np
import pytest
from tests.heads.outside_data import hands
from tests.stops import command, points_of, run_of

from multihead.runs.load import load_run
from multihead.tracking.store import Store

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


@pytest.mark.slow
def test_a_kind_of_ones_own_is_trained_killed_resumed_tested_exported_and_read(
    home: Path, store: Store, tmp_path: Path
) -> None:
    """With missing labels, a learned balancer and a metric of all predictions, to the bit."""
    stopped = command("train", *HANDS, stop_at=17)
    assert stopped.returncode == 143, stopped.stderr
    run = run_of(stopped)
    refused = command("train", f"resume={run}")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "names tests.heads.outside_data.hands (data.source)" in refused.stderr
    trust = ["--trust", "tests.heads.outside_data.hands"]
    resumed = command("train", f"resume={run}", *trust)
    assert resumed.returncode == 0, resumed.stderr
    whole = command("train", *HANDS)
    assert whole.returncode == 0, whole.stderr
    other = run_of(whole)
    of_both = [points_of(store, each) for each in (run, other)]
    assert of_both[0] == of_both[1]
    assert {"val/angle_turns", "val/side_auroc", "train/angle_weight"} <= of_both[0].keys()
    out = tmp_path / "hands.onnx"
    exported = command("export", run, "--to", "onnx", "--out", str(out), "--trust", KIND)
    assert (exported.returncode, out.is_file()) == (0, True), exported.stderr
    source = hands(tmp_path, "test")
    said = load_run(run, store, trust=[KIND]).predict(source.images)
    there = ~np.isnan(source.labels["angle"])
    away = np.abs(said["angle"] - source.labels["angle"])[there] / 360
    turns = np.minimum(away, 1 - away).mean()
    assert turns == pytest.approx(of_both[0]["test/angle_turns"][-1][1], abs=2e-3)
    assert turns < 0.2
