"""A checkpoint tells where the ones before it lie: it chooses no file that is deleted."""

from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.demos.boring_classes import BoringModel

from multihead.errors import CheckpointError
from multihead.training.checkpoints import AtomicCheckpointIO

# Lightning's advice on how many workers read data, and on a folder that holds checkpoints.
pytestmark = pytest.mark.filterwarnings("ignore:.*many workers", "ignore:.*is not empty")


class Model(BoringModel):
    """Logs what ModelCheckpoint looks at; every epoch is better than the one before."""

    def on_train_epoch_end(self) -> None:
        """Log it."""
        self.log("better", float(self.current_epoch))


def _train(folder: Path, epochs: int, start: Path | None = None) -> None:
    checkpoint = ModelCheckpoint(folder, monitor="better", mode="max", save_top_k=1)
    pl.Trainer(
        max_epochs=epochs,
        limit_train_batches=1,
        limit_val_batches=0,
        accelerator="cpu",
        callbacks=[checkpoint],
        plugins=[AtomicCheckpointIO()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(Model(), ckpt_path=None if start is None else str(start))


@pytest.mark.parametrize("hidden", ["/../own", "/../own.ckpt", "/to/own.ckpt"])
def test_a_checkpoint_that_names_another_file_as_the_one_before_deletes_nothing(
    tmp_path: Path, hidden: str
) -> None:
    """Lightning asks whether the file's path begins with the folder, which `..` and links pass."""
    folder = tmp_path / "checkpoints"
    _train(folder, 1)
    (folder / "to").symlink_to(tmp_path)
    (start,) = folder.glob("*.ckpt")
    named = f"{folder}{hidden}"
    own = Path(named)
    own.write_text("mine")
    saved = torch.load(start, weights_only=True)
    (state,) = (v for k, v in saved["callbacks"].items() if k.startswith("ModelCheckpoint"))
    state["best_k_models"] = {named: torch.tensor(-1.0)}
    state["kth_best_model_path"] = named
    torch.save(saved, start)
    with pytest.raises(CheckpointError, match="is not deleted"):
        _train(folder, 2, start)
    assert own.read_text() == "mine"


def test_the_one_before_is_deleted_when_a_better_one_is_there(tmp_path: Path) -> None:
    _train(tmp_path, 3)
    assert len(list(tmp_path.glob("*.ckpt"))) == 1
