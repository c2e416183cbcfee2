"""A split of a VIMH folder as a PyTorch dataset."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from multihead.data.source import Source, Split
from multihead.heads import Heads
from multihead.vimh.info import PixelOrder
from multihead.vimh.source import vimh_source


class SourceDataset(Dataset[tuple[Tensor, dict[str, np.int64]]]):
    """Yield `(image, labels)` of a source.

    An image is float32 [C, H, W] from 0 to 1. Labels are int64 codes by head name.
    `heads[name].decode(code)` converts a code to the parameter's unit.

    Args:
        source: Images and labels.
        transform: Applied to each image.

    Raises:
        DataError: If a sample is damaged.
    """

    def __init__(self, source: Source, transform: Callable[[Tensor], Tensor] | None = None) -> None:
        self.source, self.transform = source, transform

    @property
    def heads(self) -> Heads:
        """The heads of the labels."""
        return self.source.heads

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.source.image_shape

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, np.int64]]:
        """Read one sample; negative numbers count from the end.

        Raises:
            IndexError: If there is no such sample.
        """
        number = int(index) + len(self) * (index < 0)
        if not 0 <= number < len(self):
            raise IndexError(f"there is no sample {index}; there are {len(self)} samples")
        images, labels = self.source.take(np.array([number]))
        image = torch.from_numpy(images[0]).float() / 255
        codes = {name: values[0] for name, values in labels.items()}
        return (image if self.transform is None else self.transform(image)), codes


class VIMHDataset(SourceDataset):
    """One split of a VIMH folder, read in the binary form if both forms exist.

    Args:
        path: The folder.
        split: `train` or `test`.
        transform: Applied to each image, float32 [C, H, W] from 0 to 1.
        pixel_order: The pixel order of a pickle if its metadata do not state it: HWC (default) or
            CHW.

    Raises:
        DataError: If a file is missing, damaged or hostile, or the files contradict each other.
    """

    def __init__(
        self,
        path: str | Path,
        split: Split = "train",
        transform: Callable[[Tensor], Tensor] | None = None,
        pixel_order: PixelOrder | None = None,
    ) -> None:
        super().__init__(vimh_source(path, split, pixel_order), transform)
