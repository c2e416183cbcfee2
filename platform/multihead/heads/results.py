"""What reads a head's outputs on the device, and what a test leaves of them as files."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn


class Readout(nn.Module):
    """What a head's outputs say, as tensors on the device of the outputs.

    Attributes:
        columns: Names of what `measures` returns.
    """

    columns: tuple[str, ...] = ()

    def values(self, outputs: Tensor) -> Tensor:
        """Return what is predicted, [B] or [B, ...], for outputs [B, K]."""
        raise NotImplementedError(f"{type(self).__name__} has no values")

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return figures of each sample whose means make the head's metrics.

        Args:
            outputs: Of the network, [B, K].
            labels: Of the kind's type, [B, ...]; none is missing.

        Returns:
            A row per name in `columns`, [len(columns), B], in float32 or float64.
        """
        return outputs.new_zeros(0, len(outputs))


class Shown(Protocol):
    """What an artifact may show beside its own figures."""

    def metric(self, name: str) -> float | None:
        """Return a metric of the head on the test split, such as `acc`, if it is measured."""

    def images(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return places in the test file [n] and images uint8 [n, C, H, W] of some samples.

        Args:
            numbers: Of the samples in the test split, [n].
        """

    def files(self, numbers: NDArray[np.int64]) -> Sequence[str]:
        """Return the names of some samples' files [n]; empty where samples have no files."""


def name_files(table: pd.DataFrame, shown: Shown, numbers: NDArray[np.int64]) -> pd.DataFrame:
    """Return a table of samples with a column `file` after the first one, if they have files.

    Args:
        table: A row per sample, [n].
        shown: Has the names.
        numbers: Of the samples in the test split, [n].
    """
    files = shown.files(numbers)
    if len(files):
        table.insert(1, "file", list(files))
    return table


class Artifact(ABC):
    """A table and a picture that a test leaves of a head."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything."""

    @abstractmethod
    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add the samples of one batch that have a label.

        Args:
            outputs: Of the network, [B, K].
            labels: [B, ...].
            numbers: Of the samples in the split, int64 [B].
        """

    @abstractmethod
    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write files whose names end in `_<head>` and a suffix.

        Returns:
            Metrics to record, by the last part of their names, such as `ece`; mostly none.
        """
