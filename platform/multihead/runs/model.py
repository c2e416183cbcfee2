"""Log a run's best checkpoint as an MLflow model after its training."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import CheckpointError
from multihead.runs.answers import columns
from multihead.runs.bundle import write_bundle
from multihead.runs.load import LoadedRun, load_checkpoint
from multihead.runs.sections import Node
from multihead.runs.trust import kinds_in
from multihead.tracking.models import BEST_POINTS, send_model, write_model
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store
from multihead.training.checkpoints import BEST

FOLDER = "model"
# This file is copied into every model. It is not imported here.
CODE = Path(__file__).parents[1] / "serving" / "pyfunc.py"
_EXAMPLES = 8
_EXAMPLE_NUMBERS = 100_000


def log_run_model(run: TrackedRun, data: MultiheadDataModule, node: Node) -> list[str]:
    """Make the model of a run after its training, and record it.

    The files are made in the run's folder, and sent to the store with the rest of the record.

    Args:
        run: The run, with its metrics recorded.
        data: The training data, for the example images of the model.
        node: The network and its arguments.

    Returns:
        An empty list, or a line that says why there is no model. A missing model does not make the
        run fail.
    """
    from safetensors import SafetensorError

    best, folder = run.folder / "checkpoints" / BEST, run.folder / FOLDER
    if not best.is_file():
        return []
    try:
        loaded = load_checkpoint(best, node, trust=kinds_in(data.heads.to_record()))
        digest = _write(loaded, folder, examples_of(data))
    except (CheckpointError, OSError, SafetensorError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        return [f"there is no model of this run: {error}"]
    run.log_model(FOLDER, digest)
    return []


def make_model(
    store: Store,
    mlflow_id: str,
    loaded: LoadedRun,
    examples: NDArray[np.uint8],
    points: tuple[str, ...] = BEST_POINTS,
) -> str:
    """Write the model of a run's checkpoint, and send it to the store.

    Args:
        store: The store of the run.
        mlflow_id: MLflow's id of the run.
        loaded: The checkpoint.
        examples: Some images, uint8 [B, H, W, C].
        points: Prefixes of the run's metrics that belong to this checkpoint.

    Returns:
        MLflow's id of the model.

    Raises:
        StoreError: If the store refuses the model.
    """
    with tempfile.TemporaryDirectory(dir=store.home, prefix=".model.") as scratch:
        folder = Path(scratch) / FOLDER
        return send_model(store, mlflow_id, folder, _write(loaded, folder, examples), points)


def _write(loaded: LoadedRun, folder: Path, examples: NDArray[np.uint8]) -> str:
    """Write a model's folder and return the digest of its weights and description."""
    few = examples[: max(1, min(2, _EXAMPLE_NUMBERS // examples[0].size))]
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".bundle.") as scratch:
        bundle = Path(scratch) / "bundle"
        digest = write_bundle(loaded, bundle, examples)
        write_model(folder, code=CODE, bundle=bundle, columns=columns(loaded.heads), example=few)
    return digest


def examples_of(data: MultiheadDataModule) -> NDArray[np.uint8]:
    """Return a few validation images, or training images if there are none, uint8 [B, H, W, C]."""
    index = data.val_indices if len(data.val_indices) else data.train_indices
    images, _ = data.train_source.take(np.sort(index[:_EXAMPLES]))
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


def blank_example(loaded: LoadedRun) -> NDArray[np.uint8]:
    """Return one black image, uint8 [1, H, W, C], for use without the data."""
    channels, height, width = loaded.image_shape
    return np.zeros((1, height, width, channels), np.uint8)
