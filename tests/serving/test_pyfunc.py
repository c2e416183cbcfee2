"""The logged model, loaded as anybody with MLflow would."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import Run

from multihead.data.source import Source
from multihead.runs.execute import RunResult
from multihead.tracking.models import BUNDLE, run_model
from multihead.tracking.store import Store

Examples = tuple[np.ndarray, dict[str, np.ndarray]]
# In a process of its own: what unpickling needs must not be there by chance.
LOAD = """
import json, sys
import mlflow, numpy as np
images = np.load(sys.argv[2])
model = mlflow.pyfunc.load_model(sys.argv[1])
table = model.predict(images)
schema = model.metadata.signature
print(json.dumps({
    "columns": {name: str(kind) for name, kind in table.dtypes.items()},
    "rows": table.to_dict("records"),
    "inputs": schema.inputs.to_dict(), "outputs": schema.outputs.input_names(),
    "example": np.asarray(model.input_example).shape,
}))
"""


@pytest.fixture(scope="module")
def folder(trained: RunResult, trained_home: Path) -> Path:
    """The files of the run's model."""
    made = run_model(Store(home=trained_home), str(trained.run_id))
    assert made is not None
    return made.folder


def test_a_run_has_a_model_tied_to_its_metrics_and_datasets(
    trained: RunResult, trained_home: Path
) -> None:
    store = Store(home=trained_home)
    run = store.client.get_run(trained.mlflow_id)
    (output,) = run.outputs.model_outputs
    model = store.client.get_logged_model(output.model_id)
    assert (str(model.status), model.source_run_id) == ("READY", trained.mlflow_id)
    points = {m.key: m for m in model.metrics}
    digests = {
        t.value: d.dataset.digest
        for d in run.inputs.dataset_inputs
        for t in d.tags
        if t.key == "mlflow.data.context"
    }
    assert points["test/digit_acc"].value == pytest.approx(trained.metrics["test/digit_acc"])
    assert points["test/digit_acc"].dataset_digest == digests["test"]
    assert points["best/val/digit_acc"].dataset_digest == digests["train"]
    history = store.client.get_metric_history(trained.mlflow_id, "test/digit_acc")
    assert len(history) == 1, "tying a point to the model must not double it"
    datasets = [{"dataset_name": "digits", "dataset_digest": digests["test"]}]
    assert store.client.search_logged_models([run.info.experiment_id], datasets=datasets)


def test_the_model_holds_no_pickle(folder: Path) -> None:
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert {"MLmodel", "pyfunc.py", "input_example.json"} <= files
    assert {f"{BUNDLE}/{n}" for n in ("weights.safetensors", "model.json", "examples.npy")} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".pt", ".pth"))]


def test_it_loads_where_unpickling_is_forbidden_and_answers_as_the_checkpoint(
    folder: Path, examples: Examples, tmp_path: Path
) -> None:
    images, expected = examples
    np.save(tmp_path / "images.npy", images)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, folder, tmp_path / "images.npy"],
        capture_output=True,
        text=True,
        env=os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    names = [f"{h}{end}" for h in expected for end in ("", "_probability")]
    assert list(said["columns"]) == said["outputs"] == names
    assert said["columns"]["digit"] == "int64"
    assert said["columns"]["digit_probability"] == "float64"
    assert said["inputs"][0]["tensor-spec"] == {"dtype": "uint8", "shape": [-1, 8, 8, 1]}
    assert said["example"] == [2, 8, 8, 1]
    for head, classes in expected.items():
        assert [row[head] for row in said["rows"]] == classes.tolist()


def parametric(folder: Path, split: str) -> Source:
    """Pictures whose brightness is a parameter, with a named class beside it."""
    from multihead.heads import Head, Heads, Parameter

    del folder, split
    heads = Heads(
        [
            Head(
                "level", 16, kind="ordinal", parameter=Parameter(10.0, 40.0, unit="dB", levels=16)
            ),
            Head(
                "gain",
                16,
                kind="bounded_regression",
                parameter=Parameter(1.0, 100.0, "log", levels=16),
            ),
            Head("side", 2, ("left", "right")),
        ]
    )
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 16, 200)
    images = np.repeat(levels * 16, 64).reshape(-1, 1, 8, 8).astype(np.uint8)
    labels = {"level": levels, "gain": levels, "side": levels % 2}
    return Source("parametric", images, labels, heads, (0.5,), (0.3,))


def test_parameters_answer_in_their_unit_with_an_interval_and_classes_with_their_names(
    train: Run, store: Store
) -> None:
    import mlflow

    run = train(
        "data._target_=multihead.MultiheadDataModule",
        "data.source._partial_=true",
        f"data.source._target_={__name__}.parametric",
        "~data.heads",
        "data.train_val_test_split=[150,25,25]",
        "model.criteria=null",
        "model.loss_weights=null",
        "optimized_metric=val/score",
        "trainer.max_epochs=2",
    )
    made = run_model(store, str(run.run_id))
    assert made is not None
    table = mlflow.pyfunc.load_model(str(made.folder)).predict(np.zeros((3, 8, 8, 1), np.uint8))
    assert list(table) == [
        *("level", "level_low", "level_high"),
        *("gain", "gain_low", "gain_high"),
        *("side", "side_probability", "side_name"),
    ]
    assert table["level"].between(10, 40).all()
    assert (table["level_low"] <= table["level_high"]).all()
    assert table["gain"].between(1, 100).all()
    assert set(table["side_name"]) <= {"left", "right"}
