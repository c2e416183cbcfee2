"""Tell which of the supported formats a folder is in, and open it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from multihead.data import cifar100mh as cifar100
from multihead.data.cifar import cifar10
from multihead.data.mnist import mnist
from multihead.data.pickle_file import one_line
from multihead.data.source import Source, Split
from multihead.data.vimh.datamodule import VIMHDataModule
from multihead.data.vimh.info import INFO_FILE, PixelOrder
from multihead.data.vimh.source import vimh_source
from multihead.errors import DataError

Opener = Callable[[Path, Split, PixelOrder | None], Source]


@dataclass(frozen=True)
class Format:
    """A format of folders.

    Attributes:
        name: What it is called.
        marks: Paths inside the folder, one of which has to be there.
        open: Opens a split, `(folder, split, pixel order or None) -> Source`.
    """

    name: str
    marks: tuple[str, ...]
    open: Opener

    def matches(self, folder: Path) -> bool:
        """Tell whether the folder has one of the marks."""
        return any((folder / mark).exists() for mark in self.marks)


FORMATS = (
    Format("VIMH", (INFO_FILE,), vimh_source),
    Format("CIFAR-100-MH", (cifar100.INFO_FILE, "train_batch", "test_batch"), cifar100.cifar100mh),
    Format("CIFAR-10", ("cifar-10-batches-py",), lambda path, split, _: cifar10(path, split)),
    Format("MNIST", ("MNIST/raw",), lambda path, split, _: mnist(path, split)),
)


def detect_format(folder: Path) -> Format:
    """Return the first format whose marks a folder has.

    Raises:
        DataError: If there is no such folder, or it has none of the marks, naming all of them.
    """
    name = one_line(str(folder))
    if not folder.is_dir():
        raise DataError(
            f"{name} is no folder. Check the path, or make a dataset with "
            f"`multihead data generate resonator`."
        )
    for candidate in FORMATS:
        if candidate.matches(folder):
            return candidate
    tried = "; ".join(f"{f.name} has {' or '.join(f.marks)}" for f in FORMATS)
    raise DataError(f"{name} is of no supported format. Tried: {tried}.")


def open_any(folder: Path, split: Split, pixel_order: PixelOrder | None = None) -> Source:
    """Open a split of a folder of any supported format.

    Raises:
        DataError: If its format is not known, or its files are missing, damaged or hostile.
    """
    return detect_format(folder).open(folder, split, pixel_order)


class GenericDataModule(VIMHDataModule):
    """A folder of any supported format; see `VIMHDataModule` for the arguments."""

    def read(self, split: Split) -> Source:
        """Open one split in the folder's format."""
        return open_any(self.data_dir, split, self.pixel_order)
