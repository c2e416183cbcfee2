"""A network with a head of each kind, from training to answers."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.metrics import f1_score, mean_absolute_error, r2_score, roc_auc_score
from starlette.testclient import TestClient
from tests.heads.all_kinds import everything

from multihead import load_run, run
from multihead.hosts import KnownHosts
from multihead.runs.execute import RunResult
from multihead.serving.app import Limits, make_app
from multihead.serving.export import export
from multihead.serving.model import find_model
from multihead.tracking.find import find_run
from multihead.tracking.store import Store

SOURCE = "tests.heads.all_kinds.everything"
ALL = [
    "experiment=multihead_cnn_digits",
    f"data.source._target_={SOURCE}",
    "data.train_val_test_split=[200,40,100]",
    "data.heads=null",
    "data.batch_size=16",
    "model.loss_weights=null",
    "model.criteria=null",
    "model.metrics={shape: [acc, macro_f1, ece, auroc]}",
    "callbacks=score",
    "optimized_metric=val/marks_macro_f1",
    "trainer.accelerator=cpu",
]


def _history(store: Store, run: str) -> dict[str, list[tuple[int, float]]]:
    """Return each epoch's points, and of others, which a resumed run has twice, the last."""
    found = find_run(store, run).info.run_id
    points = {
        name: [(p.step, p.value) for p in store.client.get_metric_history(found, name)]
        for name in store.client.get_run(found).data.metrics
        if not name.startswith("system/")  # of the machine, not of the training
    }
    return {n: p if n.startswith(("train/", "val/")) else p[-1:] for n, p in points.items()}


def _files(result: RunResult) -> set[str]:
    assert result.folder is not None
    return {path.name for path in (result.folder / "test").iterdir()}


@pytest.mark.slow
def test_every_kind_is_trained_resumed_tested_read_exported_and_served(
    home: Path, store: Store, tmp_path: Path
) -> None:
    first = run([*ALL, "trainer.max_epochs=1"])
    resumed = run([f"resume={first.run_id}", "trainer.max_epochs=2"], trust=[SOURCE])
    whole = run([*ALL, "trainer.max_epochs=2"])
    history = _history(store, str(whole.run_id))
    assert _history(store, str(resumed.run_id)) == history
    assert {"val/age_spearman", "val/shape_ece", "train/marks_exact_match"} <= history.keys()
    shown = {
        *(
            "confusion_bright.png",
            "curves_bright.png",
            "reliability_bright.csv",
            "worst_bright.png",
        ),
        *("tags_marks.csv", "curves_marks.csv", "reliability_marks.png", "worst_marks.csv"),
        *("predicted_age.png", "worst_age.csv", "predicted_mass.csv", "worst_mass.png"),
    }
    assert shown <= _files(whole)

    loaded, source = load_run(str(whole.run_id), store), everything(tmp_path, "test")
    said, labels, test = loaded.predict(source.images), source.labels, whole.metrics
    there = labels["bright"] >= 0
    logits = loaded.outputs(source.images)
    assert test["test/bright_auroc"] == pytest.approx(
        roc_auc_score(labels["bright"][there], logits["bright"][there, 0]), abs=2e-2
    )  # trained and tested in 16 bits, read in 32
    told = ~np.isnan(labels["marks"])
    of_tags = [
        f1_score(labels["marks"][told[:, k], k], said["marks"][told[:, k], k]) for k in range(3)
    ]
    assert test["test/marks_macro_f1"] == pytest.approx(np.mean(of_tags), abs=5e-2)
    for name in ("age", "mass"):
        there = ~np.isnan(labels[name])
        true, given = labels[name][there], said[name][there]
        assert given.dtype == np.float64
        mae = mean_absolute_error(true, given)
        assert test[f"test/{name}_mae"] == pytest.approx(mae, rel=5e-2)
        assert test[f"test/{name}_r2"] == pytest.approx(r2_score(true, given), abs=0.1)

    exported = export(str(whole.run_id), "onnx", tmp_path / "all.onnx", store=store)
    session = onnxruntime.InferenceSession(exported.path.read_bytes())
    pixels = source.images.transpose(0, 2, 3, 1)
    for (name, wanted), got in zip(
        logits.items(), session.run(None, {"images": pixels}), strict=True
    ):
        torch.testing.assert_close(torch.from_numpy(got), wanted, atol=1e-3, rtol=1e-3, msg=name)

    limits = Limits(max_batch=16, max_bytes=20_000, timeout=20)
    app = make_app(find_model(str(whole.run_id), store), limits, KnownHosts(["testserver"]))
    with TestClient(app) as client:
        body = {"inputs": pixels[:2].tolist()}
        answer = client.post("/invocations?probabilities=true", json=body).json()
        heads = {head["name"]: head for head in client.get("/model").json()["heads"]}
    row = answer["predictions"][0]
    assert row["bright_name"] in ("no", "yes")
    assert row["age"] == pytest.approx(float(said["age"][0]), rel=1e-3)
    assert set(row["marks"].split("|")) <= {"left one", "right", "top", ""}
    assert 0 < row["marks_has_left_one"] < 1
    assert heads["marks"]["classes"] == ["left one", "right", "top"]
    assert [len(answer["probabilities"][name][0]) for name in ("bright", "marks")] == [2, 3]
