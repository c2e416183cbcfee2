"""Find the format of a folder, and read its splits.

Only the names of the files decide the format. No file is opened before that.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from multihead.data.labels import LabelMaps, shipped_heads
from multihead.data.source import Source, Split
from multihead.data.source_function import is_address
from multihead.datasets.cifar import cifar10
from multihead.datasets.cifar100mh import cifar100mh
from multihead.datasets.mnist import mnist
from multihead.errors import ConfigError, DataError
from multihead.text import one_line
from multihead.vimh.info import INFO_FILE, SHARDS_FILE, PixelOrder
from multihead.vimh.shard_index import shard_name
from multihead.vimh.source import vimh_source
from multihead.vimh.streamed import streamed_source, streamed_sources

SPLITS: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True)
class Layout:
    """The file layout of a format.

    Attributes:
        name: As `data list` shows it.
        signs: File names of each split. One of them is enough.
        read: Reads a split of a folder with such files, `(folder, split, pixel order)`.
        place: Required place in a folder of datasets. Empty means anywhere.
        marker: A further file that it must have. Empty means none.
    """

    name: str
    signs: Mapping[Split, tuple[str, ...]]
    read: Callable[[Path, Split, PixelOrder | None], Source]
    place: str = ""
    marker: str = ""

    def splits(self, folder: Path) -> tuple[Split, ...]:
        """Return the splits that the folder has files of, or none if the marker is missing."""
        if self.marker and not (folder / self.marker).is_file():
            return ()
        return tuple(s for s in SPLITS if any((folder / f).is_file() for f in self.signs[s]))


@dataclass(frozen=True)
class Dataset:
    """A folder whose format is known."""

    path: Path
    layout: Layout

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that have files."""
        return self.layout.splits(self.path)

    def read(
        self, split: Split, pixel_order: PixelOrder | None = None, *, mapped: bool = True
    ) -> Source:
        """Read a split.

        Args:
            split: `train` or `test`.
            pixel_order: Pixel order of pickles whose metadata do not give it.
            mapped: Whether a single label is mapped to the shipped heads, if there are any.

        Raises:
            DataError: If there is no such split, or it is damaged or unsafe.
        """
        if split not in self.splits:
            raise DataError(f"{self.path} has no split {split!r}; it has {list(self.splits)}.")
        source = self.layout.read(self.path, split, pixel_order)
        if not (mapped and source.shipped_heads):
            return source
        (head,) = source.heads.values()
        return LabelMaps(head, shipped_heads(source.shipped_heads)).apply(source)


def read_sources(
    where: str, pixel_order: PixelOrder | None = None, *, wanted: str = "all"
) -> dict[Split, Source]:
    """Read the wanted splits of a dataset, and no others.

    Args:
        where: A folder of any known format, or the address of a set in shards.
        pixel_order: Pixel order of pickles whose metadata do not give it.
        wanted: `train`, `test` or `all`.

    Raises:
        ConfigError: If an address cannot be read, or a split does not exist.
        DataError: If there is no dataset, or it is damaged or unsafe.
    """
    read: Callable[[Split], Source]
    if is_address(where):
        streamed = streamed_sources(where)
        found, read = tuple(streamed), streamed.__getitem__
    else:
        dataset = open_dataset(Path(where))
        found, read = dataset.splits, partial(dataset.read, pixel_order=pixel_order)
    splits = [split for split in found if wanted in (split, "all")]
    if not splits:
        raise ConfigError(f"{where} has no split {wanted!r}; it has {list(found)}.")
    return {split: read(split) for split in splits}


def _shards(folder: Path, split: Split, order: PixelOrder | None) -> Source:
    del order  # they are always planar
    return streamed_source(folder, split)


def _mnist(folder: Path, split: Split, order: PixelOrder | None) -> Source:
    del order  # one channel has none
    return mnist(folder.parents[1], split, download=False)


def _cifar10(folder: Path, split: Split, order: PixelOrder | None) -> Source:
    del order  # as published
    return cifar10(folder.parent, split, download=False)


_IDX = "images-idx3-ubyte"
CIFAR100MH = Layout(
    "CIFAR-100-MH",
    {"train": ("train_batch",), "test": ("test_batch",)},
    cifar100mh,
)
SHARDS = Layout(
    "VIMH in shards",
    {split: (shard_name(split, 0),) for split in SPLITS},
    _shards,
    marker=SHARDS_FILE,
)
LAYOUTS = (
    Layout(
        "VIMH",
        {"train": ("train", "train_batch"), "test": ("test", "test_batch")},
        vimh_source,
        marker=INFO_FILE,
    ),
    SHARDS,
    Layout(
        "MNIST",
        {
            "train": (f"train-{_IDX}", f"train-{_IDX}.gz"),
            "test": (f"t10k-{_IDX}", f"t10k-{_IDX}.gz"),
        },
        _mnist,
        place="MNIST/raw",
    ),
    Layout(
        "CIFAR-10",
        {"train": ("data_batch_1",), "test": ("test_batch",)},
        _cifar10,
        place="cifar-10-batches-py",
    ),
    CIFAR100MH,  # last, because its metadata may be missing, and others have files of these names
)


def open_dataset(path: Path) -> Dataset:
    """Find the dataset of a path: the path itself, or the only dataset in that folder.

    Raises:
        DataError: If there is no such folder, no known format, or more than one dataset.
    """
    if not path.is_dir():
        raise DataError(
            f"{one_line(str(path))} is no folder. `multihead data list` lists the "
            f"datasets, and `multihead data generate resonator` makes one."
        )
    found = list(_datasets_at(path.absolute()))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(str(dataset.path) for dataset in found)
        raise DataError(f"{path} holds several datasets; name one of {names}.")
    for form in LAYOUTS:
        if form.marker and (path / form.marker).is_file():
            raise DataError(
                f"{one_line(str(path))} has {form.marker}, but none of the files "
                f"{[f for split in SPLITS for f in form.signs[split]]}."
            )
    tried = "; ".join(
        f"{form.name} ({form.marker or form.signs['train'][0]}"
        f"{f' in {form.place}' if form.place else ''})"
        for form in LAYOUTS
    )
    raise DataError(f"{path} has no known format. Tried: {tried}.")


def is_dataset(path: Path) -> bool:
    """Return whether a path has one or more datasets of a known format."""
    return any(_datasets_at(path.absolute()))


def find_datasets(folder: Path) -> list[Dataset]:
    """Return the datasets in a folder of datasets, by path."""
    if not folder.is_dir():
        return []
    found = {dataset.path: dataset for dataset in _datasets_at(folder)}
    for child in folder.iterdir():
        if child.is_dir():
            found |= {dataset.path: dataset for dataset in _datasets_at(child)}
    return [found[path] for path in sorted(found)]


def _datasets_at(path: Path) -> Iterator[Dataset]:
    claimed: set[Path] = set()
    for form in LAYOUTS:
        parts = PurePath(form.place).parts
        # The path is the folder of datasets, the dataset's own folder, or a folder between them.
        for given in range(len(parts) + 1):
            folder = path.joinpath(*parts[given:])
            here = path.parts[len(path.parts) - given :] == parts[:given]
            if here and folder not in claimed and form.splits(folder):
                claimed.add(folder)
                yield Dataset(folder, form)
                break
