"""Interfaces of readouts (predictions on the device) and artifacts (files of a test)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn


class Readout(nn.Module):
    """Converts a head's outputs to predictions, on the device of the outputs.

    Attributes:
        columns: Names of the rows that `measures` returns.
    """

    columns: tuple[str, ...] = ()

    def values(self, outputs: Tensor) -> Tensor:
        """Return predictions [B] or [B, ...] for outputs [B, K]."""
        raise NotImplementedError(f"{type(self).__name__} has no values")

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return values per sample. The head's metrics are computed from their means.

        Args:
            outputs: Outputs of the network, [B, K].
            labels: Labels of the kind's type, [B, ...]; none is missing.

        Returns:
            One row per name in `columns`: [len(columns), B], float32 or float64.
        """
        return outputs.new_zeros(0, len(outputs))


class Shown(Protocol):
    """Other data that an artifact may show."""

    def metric(self, name: str) -> float | None:
        """Return a test metric of the head, such as `acc`, or None if it is not measured."""

    def images(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return row numbers in the test file [n] and images uint8 [n, C, H, W] of samples.

        Args:
            numbers: Numbers of the samples in the test split, [n].
        """

    def files(self, numbers: NDArray[np.int64]) -> Sequence[str]:
        """Return the file names of samples [n]; empty if samples have no files."""


def name_files(table: pd.DataFrame, shown: Shown, numbers: NDArray[np.int64]) -> pd.DataFrame:
    """Insert a column `file` after the first column if the samples have files.

    Args:
        table: One row per sample, [n].
        shown: The source of the names.
        numbers: Numbers of the samples in the test split, [n].
    """
    files = shown.files(numbers)
    if len(files):
        table.insert(1, "file", list(files))
    return table


class Artifact(ABC):
    """A table and a figure that a test writes for a head."""

    @abstractmethod
    def reset(self) -> None:
        """Discard all samples."""

    @abstractmethod
    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add the samples of one batch that have a label.

        Args:
            outputs: Outputs of the network, [B, K].
            labels: Labels [B, ...].
            numbers: Numbers of the samples in the split, int64 [B].
        """

    @abstractmethod
    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write files. Their names are a word, `_<head>` and a suffix.

        Returns:
            Metrics to log, by the last part of their names, such as `ece`; usually empty.
        """
