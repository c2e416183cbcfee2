"""One trial of a search without multihead: a process, torchvision data, DataLoader, float32.

    python benchmarks/common_trial.py '{"data": DIR, "split": FILE, "lr": 0.002, ...}'

Prints the digit's accuracy on the validation images at its best epoch. `study_throughput.py` starts
it, and gives the images of training and validation, so that all ways use the same ones.
"""

import json
import logging
import sys
import tempfile

import lightning.pytorch as pl
import numpy as np
import torchvision
from three_ways import CommonModule, mnist_cnn
from torch.utils.data import DataLoader, Subset
from torchvision.transforms import Compose, Normalize, ToTensor

BATCH = 64


def train(data: str, split: str, lr: float, weights: dict[str, float], epochs: int) -> float:
    """Train once, and return the best validation accuracy of the digit."""
    pl.seed_everything(12345, verbose=False)
    transform = Compose([ToTensor(), Normalize((0.1307,), (0.3081,))])
    whole = torchvision.datasets.MNIST(data, train=True, transform=transform)
    indices = np.load(split)
    loaders = [
        DataLoader(Subset(whole, indices[part]), BATCH, shuffle=part == "train")
        for part in ("train", "val")
    ]
    with tempfile.TemporaryDirectory() as home:
        best = pl.callbacks.ModelCheckpoint(monitor="val/digit_acc", mode="max")
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            callbacks=[best],
            default_root_dir=home,
            enable_model_summary=False,
            enable_progress_bar=False,
            logger=pl.loggers.CSVLogger(home),
        )
        module = CommonModule(mnist_cnn(), 128, "handwritten_digit", "digit", weights, lr)
        trainer.fit(module, *loaders)
    return float(best.best_model_score)


if __name__ == "__main__":
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    print(train(**json.loads(sys.argv[1])))
