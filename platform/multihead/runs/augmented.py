"""Store a picture of augmented training images with a run."""

import tempfile
from pathlib import Path

import torch

from multihead.data.datamodule import MultiheadDataModule
from multihead.tracking.run import TrackedRun

NAME = "augmented.png"
_SHOWN, _COLUMNS = 16, 8


def store_augmented(run: TrackedRun, data: MultiheadDataModule) -> None:
    """Store `augmented.png`: the first 16 training images, augmented as in the first epoch.

    For mixup and cutmix, each image is mixed with the next one of the data, and not with the next
    one in the order of the epoch.
    """
    augmentation = data.augmentation
    if augmentation is None:
        return
    from matplotlib.figure import Figure  # takes a second to import

    from multihead.figures.dataset import draw_samples

    index = data.train_indices[: _SHOWN + augmentation.mixes]
    images = torch.from_numpy(data.train_source.take(index)[0])
    changed, _, _ = augmentation(images, {}, torch.from_numpy(index), 0)
    figure = Figure(figsize=(9, 2.4), layout="constrained")
    draw_samples(figure, changed.numpy(), [""] * len(changed), _COLUMNS)
    with tempfile.TemporaryDirectory(dir=run.folder, prefix=".augmented.") as scratch:
        path = Path(scratch) / NAME
        figure.savefig(path, dpi=110)
        run.log_file(path)
