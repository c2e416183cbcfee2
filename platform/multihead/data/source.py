"""The interface of a dataset, independent of its file format.

A dataset is one function `(data_dir, split) -> Source`. Label maps, splits, loaders and
normalisation are common to all datasets. If a dataset differs in one of these, its Source says so.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from multihead.data.splits import split_groups, split_indices
from multihead.errors import DataError
from multihead.heads import Head, Heads

if TYPE_CHECKING:
    import pandas as pd

Split = Literal["train", "test"]
_BLOCK_BYTES = 8 << 20


@runtime_checkable
class KnowsDigest(Protocol):
    """Images that know a digest of their content, so that they need not be read for it."""

    def digest(self) -> bytes:
        """Return 32 bytes that change with any pixel."""


@runtime_checkable
class DescribesColumns(Protocol):
    """A source of a table that describes what each column became.

    Commands show the description before a training, and a run records it.
    """

    @property
    def described(self) -> "pd.DataFrame":
        """Return a row per column: what it became, and why."""


@runtime_checkable
class NamesFiles(Protocol):
    """A source of picture files that knows the file of each sample."""

    @property
    def files(self) -> Sequence[str]:
        """Return the path of each sample, [N], relative to the data folder."""


@dataclass(frozen=True)
class Trained:
    """What a network was trained on, for sources that read new files in the same way.

    Attributes:
        heads: Heads of the network. They define the number of each class.
        preparation: See `Source.preparation`.
    """

    heads: Heads
    preparation: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Source:
    """One split of a dataset.

    Attributes:
        name: The dataset's name, as runs record it.
        images: uint8 [N, C, H, W], an array or a memory map.
        labels: Labels [N, ...] by head name, in the order of the heads. The head's kind defines
            the type: int64 for classes and levels.
        heads: Heads of the labels.
        mean: Mean per channel, of pixels scaled to 0..1.
        std: Standard deviation per channel, of pixels scaled to 0..1.
        incomplete: Heads whose labels may be missing. A missing integer label is -1, a missing
            float label is NaN.
        shipped_heads: Name of the file in `experiments/data/heads` that maps the single label to
            heads by default. Empty means no file.
        groups: Group of each sample, int64 [N], 0 or more, or None. Samples of one group (such as
            two pictures of one patient) are in the same part of the split.
        breaks: By head name, the changes of a picture that make its label wrong, such as `hflip`
            for a head that tells left from right; see `data.transforms.CHANGES`.
        validation: Mask of the validation samples of a training file, bool [N], or None if the
            dataset names none. `data.train_val_test_split` and `data.folds` override it.
        notes: Sentences about the data, shown once before training and recorded.
        preparation: How picture files became these pixels, in JSON types, as
            `datasets.preparation` writes it. Models store it for serving. None if the pixels do
            not come from picture files.

    Raises:
        DataError: If shapes, types, counts or label ranges do not fit together.
    """

    is_streamed: ClassVar[bool] = False  # whether labels are read from files at each access

    name: str
    images: NDArray[np.uint8]
    labels: Mapping[str, NDArray[Any]]
    heads: Heads
    mean: tuple[float, ...]
    std: tuple[float, ...]
    incomplete: frozenset[str] = frozenset()
    shipped_heads: str = ""
    groups: NDArray[np.int64] | None = None
    breaks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    validation: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    preparation: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise DataError(
                f"{self.name}: images are {self.images.dtype} {list(self.images.shape)}; "
                f"they must be uint8 [N, C, H, W]."
            )
        self._check_channels()
        if list(self.labels) != list(self.heads):
            raise DataError(
                f"{self.name}: labels are for {list(self.labels)}, heads are {list(self.heads)}."
            )
        unknown = sorted(set(self.incomplete) - set(self.heads))
        if unknown:
            raise DataError(
                f"{self.name}: labels of {unknown[0]!r} may be missing, but heads are "
                f"{list(self.heads)}."
            )
        for name, values in self.labels.items():
            self._check_labels(self.heads[name], values)
        for what, given in (("groups", self.groups), ("marks of validation", self.validation)):
            if given is not None and given.shape != (len(self.images),):
                raise DataError(
                    f"{self.name}: {len(self.images)} images but {len(given)} {what}; give one "
                    f"per image."
                )

    def _check_channels(self) -> None:
        channels = self.images.shape[1]
        if len(self.mean) != channels or len(self.std) != channels:
            raise DataError(
                f"{self.name}: {channels} channels, but {len(self.mean)} means and "
                f"{len(self.std)} standard deviations."
            )

    def _check_labels(self, head: Head, values: NDArray[Any]) -> None:
        count, kind, name = len(self.images), head.kind, head.name
        if values.shape[:1] != (count,):
            raise DataError(f"{self.name}: {count} images but {len(values)} labels of {name!r}.")
        if values.shape[1:] != kind.label_shape(head):
            raise DataError(
                f"{self.name}: labels of {name!r} are {list(values.shape)}; they must be "
                f"{[count, *kind.label_shape(head)]}."
            )
        wanted = np.dtype(kind.dtype)
        if values.dtype != wanted and not (wanted.kind == "i" and values.dtype.kind in "iu"):
            raise DataError(
                f"{self.name}: labels of {name!r} are {values.dtype}; a head of kind "
                f"{kind.name} has {wanted}."
            )
        wrong = kind.impossible(head, values)
        if name in self.incomplete:
            wrong &= ~kind.is_missing(values)
        if wrong.any():
            first = int(wrong.argmax())
            raise DataError(
                f"{self.name}: label {values[first]} of head {name!r} (image {first}) is "
                f"{kind.allowed(head)}{self._advice(head, values[first])}."
            )

    def _advice(self, head: Head, value: NDArray[Any]) -> str:
        if not head.kind.is_missing(np.asarray(value)[None]).all():
            return ""
        return f"; if it is missing, name {head.name!r} in the source's `incomplete`"

    def __len__(self) -> int:
        return len(self.images)

    def take(self, index: NDArray[np.int64]) -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]:
        """Read some samples. All loaders read images and labels with this method.

        Args:
            index: Sample indices [n], in any order.

        Returns:
            Images uint8 [n, C, H, W], contiguous, and labels [n, ...] by head name.

        Raises:
            DataError: If the samples are damaged and the source checks them while reading.
        """
        whole = len(index) == len(self) and bool((index == np.arange(len(self))).all())
        images = self.images if whole else self.images[index]
        return np.ascontiguousarray(images), self.take_labels(index)

    def take_labels(self, index: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Read only the labels of some samples; see `take`."""
        return {name: values[index] for name, values in self.labels.items()}

    def select(self, names: Sequence[str]) -> "Source":
        """Return the source with some of its heads."""
        return replace(
            self,
            labels={name: self.labels[name] for name in names},
            heads=Heads(self.heads[name] for name in names),
            incomplete=self.incomplete & frozenset(names),
        )

    def labelled(self, index: NDArray[np.int64]) -> dict[str, int]:
        """Return the number of labels among some samples, by head name."""
        counts = dict.fromkeys(self.heads, len(index))
        if self.incomplete:
            for name, values in self.take_labels(index).items():
                if name in self.incomplete:
                    counts[name] -= int(self.heads[name].kind.is_missing(values).sum())
        return counts

    def blocks(
        self, index: NDArray[np.int64] | None = None
    ) -> Iterator[tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]]:
        """Take samples (default: all, in order) in blocks of a few megabytes."""
        wanted = np.arange(len(self)) if index is None else index
        rows = max(1, _BLOCK_BYTES // int(np.prod(self.image_shape)))
        for start in range(0, len(wanted), rows):
            yield self.take(wanted[start : start + rows])

    def parts(self, sizes: Sequence[int], seed: int, what: str) -> list[NDArray[np.int64]]:
        """Draw disjoint parts, such as training and validation, that share no group.

        Args:
            sizes: Number of samples in each part. Samples beyond their sum are not used.
            seed: Seed of the random draw.
            what: Name of the samples in error messages.

        Returns:
            Sorted indices [sizes[i]] of each part.

        Raises:
            ConfigError: If the sizes exceed the data.
        """
        if self.groups is None or len(sizes) == 1:  # a single part cannot share a group
            return split_indices(len(self), sizes, seed, what)
        return split_groups(self.groups, sizes, seed, what)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def digest(self) -> str:
        """Return 32 hexadecimal digits of the SHA-256 over images, labels and heads.

        The samples are read in blocks, and checked if the source does so. Images that know their
        digest are not read.
        """
        if isinstance(self.images, KnowsDigest):
            every = self.take_labels(np.arange(len(self))).values()
            known = [hashlib.sha256(np.ascontiguousarray(values).data) for values in every]
            return self.digest_of([self.images.digest(), *(part.digest() for part in known)])
        parts = [hashlib.sha256() for _ in range(1 + len(self.heads))]
        for images, labels in self.blocks():
            for part, values in zip(parts, [images, *labels.values()], strict=True):
                part.update(np.ascontiguousarray(values).data)
        return self.digest_of(part.digest() for part in parts)

    def digest_of(self, parts: Iterable[bytes]) -> str:
        """Return the digest of a source from the SHA-256 of its images and of each head."""
        shape = (len(self), *self.image_shape)
        whole = hashlib.sha256(repr((shape, self.heads.levels)).encode())
        for part in parts:
            whole.update(part)
        return whole.hexdigest()[:32]


# Arguments: (data_dir, split), and further ones that are keys of `data`.
SourceFunction = Callable[..., Source]
