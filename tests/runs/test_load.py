import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tests.conftest import Run

from multihead import load_run
from multihead.datasets.digits import digits
from multihead.errors import CheckpointError, ConfigError, DataError
from multihead.tracking.store import Store


def test_a_loaded_run_predicts_every_head_as_its_test_did(train: Run, store: Store) -> None:
    result = train("data.train_val_test_split=[256,64,360]", "trainer.precision=32-true")
    loaded = load_run(result.run_id)
    test = digits(Path(), "test")
    predicted = loaded.predict(test.images)
    assert list(predicted) == ["digit", "thickness", "smoothness"]
    accuracy = (predicted["digit"] == test.labels["digit"]).mean()
    assert accuracy == pytest.approx(result.metrics["test/digit_acc"])


def test_images_may_come_in_any_usual_layout(train: Run) -> None:
    loaded = load_run(train().mlflow_id)
    images = digits(Path(), "test").images[:5]
    expected = loaded.predict(images)["digit"].tolist()
    layouts = [images[:, 0], images.transpose(0, 2, 3, 1), torch.from_numpy(images)]
    for layout in layouts:
        assert loaded.predict(layout)["digit"].tolist() == expected
    assert loaded.predict(images[0, 0])["digit"].tolist() == expected[:1]
    probabilities = loaded.probabilities(images)["digit"]
    assert probabilities.shape == (5, 10)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 1, 9, 8), np.uint8), r"this run takes \[B, 1, 8, 8\]"),
        (np.zeros((2, 1, 8, 8), np.int64), "give uint8"),
    ],
)
def test_images_that_do_not_fit_are_refused(train: Run, images: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_run(train().run_id).predict(images)


def test_a_run_loads_from_the_store_alone(train: Run, home: Path) -> None:
    """Another machine has no folder of the run."""
    result = train()
    shutil.rmtree(result.folder)
    assert load_run(result.run_id).heads.outputs == result.heads


def test_an_unknown_run_is_named(store: Store) -> None:
    with pytest.raises(ConfigError, match="there is no run 'abc'"):
        load_run("abc")


def test_a_run_whose_config_names_another_class_is_refused(train: Run, home: Path) -> None:
    """The record of a run may be somebody else's: only networks are built from it."""
    result = train()
    path = result.folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["model"]["net"] = {"_target_": "os.system", "command": f"touch {home}/mark"}
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(
        ConfigError, match=r"names os\.system \(model\.net\), which a record may not name"
    ):
        load_run(result.run_id)
    assert not (home / "mark").exists()


def test_a_hostile_checkpoint_of_a_run_is_refused(train: Run, home: Path) -> None:
    result = train()
    torch.save({"state_dict": Path}, result.best_checkpoint)
    with pytest.raises(CheckpointError, match="refused"):
        load_run(result.run_id)


def test_a_target_hidden_in_a_runs_network_is_not_called(train: Run, home: Path) -> None:
    result = train()
    path = result.folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    inner = {"_target_": "pathlib.Path", "_args_": [f"{home}/mark"]}
    config["model"]["net"]["dropout"] = {"_target_": "pathlib.Path.touch", "_args_": [inner]}
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match=r"pathlib\.Path\.touch \(model\.net\.dropout\)"):
        load_run(result.run_id)
    assert not (home / "mark").exists()


@pytest.mark.parametrize("text", ["a: [", "model: 3", "- 1", ""])
def test_a_damaged_config_of_a_run_is_named(train: Run, text: str) -> None:
    result = train()
    (result.folder / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.yaml of run .* (is damaged|cannot be used)"):
        load_run(result.run_id)
