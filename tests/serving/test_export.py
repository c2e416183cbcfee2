import json
from pathlib import Path

import numpy as np
import pytest
import torch

from multihead.errors import CheckpointError, ConfigError, StoreError
from multihead.runs.execute import RunResult
from multihead.serving.export import TOLERANCE, export
from multihead.serving.model import ServedModel
from multihead.tracking.store import Store


@pytest.fixture
def wanted(served: ServedModel) -> tuple[np.ndarray, list[np.ndarray]]:
    """Five images and the checkpoint's logits."""
    images = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 1), np.uint8)
    logits = served.loaded.outputs(images.transpose(0, 3, 1, 2).copy())
    return images, [values.numpy() for values in logits.values()]


def test_an_onnx_file_answers_as_the_checkpoint(
    trained: RunResult, trained_home: Path, tmp_path: Path, wanted: tuple
) -> None:
    import onnxruntime

    made = export(str(trained.run_id), "onnx", tmp_path / "m.onnx", store=Store(home=trained_home))
    assert made.difference <= made.tolerance == TOLERANCE["onnx"]
    session = onnxruntime.InferenceSession(made.path)
    assert [o.name for o in session.get_outputs()] == ["digit", "thickness", "smoothness"]
    for got, logits in zip(session.run(None, {"images": wanted[0]}), wanted[1], strict=True):
        np.testing.assert_allclose(got, logits, atol=1e-4)


def test_a_torchscript_file_answers_as_the_checkpoint_without_our_code(
    trained: RunResult, trained_home: Path, tmp_path: Path, wanted: tuple
) -> None:
    store = Store(home=trained_home)
    made = export(str(trained.run_id), "torchscript", tmp_path / "m.pt", store=store)
    with pytest.warns(FutureWarning, match="deprecated"):  # torch's own, of the format
        script = torch.jit.load(made.path)
    for got, logits in zip(script(torch.from_numpy(wanted[0])), wanted[1], strict=True):
        np.testing.assert_allclose(got.detach().numpy(), logits, atol=1e-5)


def test_a_safetensors_file_says_what_network_it_is_of(
    trained: RunResult, trained_home: Path, tmp_path: Path
) -> None:
    from safetensors import safe_open

    path = tmp_path / "m.safetensors"
    made = export(str(trained.run_id), "safetensors", path, store=Store(home=trained_home))
    assert made.difference == 0
    with safe_open(path, framework="np") as file:
        description = json.loads(file.metadata()["multihead"])
    assert description["net"]["_target_"] == "multihead.SimpleCNN"
    assert [head["name"] for head in description["heads"]] == ["digit", "thickness", "smoothness"]


def test_an_export_that_answers_otherwise_leaves_no_file(
    trained: RunResult, trained_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOLERANCE, "torchscript", -1.0)
    with pytest.raises(ConfigError, match="gives other logits as torchscript"):
        export(
            str(trained.run_id), "torchscript", tmp_path / "m.pt", store=Store(home=trained_home)
        )
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to_is_named(
    trained: RunResult, trained_home: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "m.safetensors"
    with pytest.raises(StoreError, match="cannot be written"):
        export(str(trained.run_id), "safetensors", path, store=Store(home=trained_home))


def test_a_damaged_checkpoint_is_not_exported(store: Store, train, tmp_path: Path) -> None:
    run = train("test=false")
    run.best_checkpoint.write_bytes(run.best_checkpoint.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"best\.ckpt .* is damaged"):
        export(str(run.run_id), "safetensors", tmp_path / "m", store=store)
    assert not (tmp_path / "m").exists()
