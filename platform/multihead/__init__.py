"""Train, track, tune and compare multi-head networks on images.

Public names are imported on first use, so `import multihead` loads neither torch nor mlflow.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multihead.data.datamodule import MultiheadDataModule as MultiheadDataModule
    from multihead.data.labels import MultiheadDataset as MultiheadDataset
    from multihead.data.source import Source as Source
    from multihead.datasets.cifar100mh import CIFAR100MHDataset as CIFAR100MHDataset
    from multihead.datasets.named import CIFAR10DataModule as CIFAR10DataModule
    from multihead.datasets.named import CIFAR100MHDataModule as CIFAR100MHDataModule
    from multihead.datasets.named import DigitsDataModule as DigitsDataModule
    from multihead.datasets.named import GenericDataModule as GenericDataModule
    from multihead.datasets.named import MeasuredMNISTDataModule as MeasuredMNISTDataModule
    from multihead.datasets.named import MNISTDataModule as MNISTDataModule
    from multihead.datasets.named import MultiMNISTDataModule as MultiMNISTDataModule
    from multihead.datasets.named import VIMHDataModule as VIMHDataModule
    from multihead.datasets.named import VIMHStreamDataModule as VIMHStreamDataModule
    from multihead.datasets.strokes.measure import measure_strokes as measure_strokes
    from multihead.errors import MultiheadError as MultiheadError
    from multihead.heads import Head as Head
    from multihead.heads import Heads as Heads
    from multihead.heads import Parameter as Parameter
    from multihead.models.losses import (
        DistanceWeightedCrossEntropy as DistanceWeightedCrossEntropy,
    )
    from multihead.models.losses import ExpectedValueLoss as ExpectedValueLoss
    from multihead.models.losses import FocalLoss as FocalLoss
    from multihead.models.losses import LevelCrossEntropy as LevelCrossEntropy
    from multihead.models.losses import RegressionLoss as RegressionLoss
    from multihead.models.losses import SoftTargetCrossEntropy as SoftTargetCrossEntropy
    from multihead.models.multi_lenet import MultiLeNet as MultiLeNet
    from multihead.models.network import MultiheadNetwork as MultiheadNetwork
    from multihead.models.simple_cnn import SimpleCNN as SimpleCNN
    from multihead.models.staged_cnn import StagedCNN as StagedCNN
    from multihead.models.timm_network import TimmNetwork as TimmNetwork
    from multihead.models.whitened_cnn import WhitenedCNN as WhitenedCNN
    from multihead.runs.api import run as run
    from multihead.runs.execute import RunResult as RunResult
    from multihead.runs.load import LoadedRun as LoadedRun
    from multihead.runs.load import load_run as load_run
    from multihead.runs.rerun import rerun as rerun
    from multihead.tracking.query import runs_table as runs_table
    from multihead.training.module import MNISTLitModule as MNISTLitModule
    from multihead.training.module import MultiheadLitModule as MultiheadLitModule
    from multihead.vimh.dataset import VIMHDataset as VIMHDataset
    from multihead.vimh.writer import VIMHWriter as VIMHWriter

__version__ = "0.1.0"

_HOMES = {
    "CIFAR100MHDataModule": "multihead.datasets.named",
    "CIFAR100MHDataset": "multihead.datasets.cifar100mh",
    "CIFAR10DataModule": "multihead.datasets.named",
    "DigitsDataModule": "multihead.datasets.named",
    "DistanceWeightedCrossEntropy": "multihead.models.losses",
    "ExpectedValueLoss": "multihead.models.losses",
    "GenericDataModule": "multihead.datasets.named",
    "Head": "multihead.heads",
    "Heads": "multihead.heads",
    "FocalLoss": "multihead.models.losses",
    "LevelCrossEntropy": "multihead.models.losses",
    "LoadedRun": "multihead.runs.load",
    "MNISTDataModule": "multihead.datasets.named",
    "MNISTLitModule": "multihead.training.module",
    "MeasuredMNISTDataModule": "multihead.datasets.named",
    "MultiLeNet": "multihead.models.multi_lenet",
    "MultiMNISTDataModule": "multihead.datasets.named",
    "MultiheadDataModule": "multihead.data.datamodule",
    "MultiheadDataset": "multihead.data.labels",
    "MultiheadError": "multihead.errors",
    "MultiheadLitModule": "multihead.training.module",
    "MultiheadNetwork": "multihead.models.network",
    "Parameter": "multihead.heads",
    "RegressionLoss": "multihead.models.losses",
    "RunResult": "multihead.runs.execute",
    "SimpleCNN": "multihead.models.simple_cnn",
    "SoftTargetCrossEntropy": "multihead.models.losses",
    "StagedCNN": "multihead.models.staged_cnn",
    "Source": "multihead.data.source",
    "TimmNetwork": "multihead.models.timm_network",
    "VIMHDataModule": "multihead.datasets.named",
    "VIMHDataset": "multihead.vimh.dataset",
    "VIMHStreamDataModule": "multihead.datasets.named",
    "VIMHWriter": "multihead.vimh.writer",
    "WhitenedCNN": "multihead.models.whitened_cnn",
    "load_run": "multihead.runs.load",
    "measure_strokes": "multihead.datasets.strokes.measure",
    "rerun": "multihead.runs.rerun",
    "run": "multihead.runs.api",
    "runs_table": "multihead.tracking.query",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> object:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'multihead' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List all public names."""
    return sorted(__all__)
