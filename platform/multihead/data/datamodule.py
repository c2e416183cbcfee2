"""The DataModule: it joins a source, its heads, seeded splits and a loader."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead import settings
from multihead.data.kinds import HeadKinds, fitted_to, with_fits, with_kinds
from multihead.data.labels import HeadsConfig, LabelMaps, shipped_heads
from multihead.data.loader import (
    Batch,
    EpochSampler,
    Loading,
    LoadsItself,
    Normalise,
    Resumable,
    make_loader,
)
from multihead.data.normalization import (
    Normalization,
    Statistics,
    channel_statistics,
    given_statistics,
)
from multihead.data.partition import Partition
from multihead.data.ranks import Ranks
from multihead.data.source import Source, SourceFunction, Split, Trained
from multihead.data.source_function import (
    fixed_in,
    for_network,
    is_address,
    is_address_reader,
    with_options,
    with_settings,
)
from multihead.data.transforms import Augmentation, Transform
from multihead.data.transforms.breaks import (
    GivenBreaks,
    allowed,
    check_words,
    given_transforms,
    merged_breaks,
)
from multihead.errors import ConfigError
from multihead.heads import Heads

Part = Literal["train", "val", "test"]
_MOST_WORKERS = 1024  # processes; no machine has cores for more
# Arguments that change how a dataset is split and loaded, but not what is read from its files.
LOADER_SETTINGS = {
    "batch_size",
    "num_workers",
    "pin_memory",
    "persistent_workers",
    "memory_budget_mb",
    *("train_val_test_split", "stratify", "folds", "fold", "seed"),
    "augment",
    "breaks",
}


class MultiheadDataModule(pl.LightningDataModule):
    """Training, validation and test batches of one dataset for several heads.

    The training and validation parts are drawn from the training file with a seed. The test part
    comes from the test file, which is opened only when it is needed.

    Args:
        data_dir: Folder of the dataset, or of several datasets. None means `MULTIHEAD_DATA_DIR`, or
            `./data` where that is not set.
        batch_size: Images per batch, 1 or more. With several devices, all of them share the batch.
        train_val_test_split: Number of images of each part, or their share of the file as a float
            from 0 to 1. None means nine tenths and one tenth of the training file, and the whole
            test file. If the source names validation samples, None uses those.
        num_workers: Worker processes, used only for data beyond the memory budget.
        pin_memory: Page-locked batches, used only for data beyond the memory budget.
        persistent_workers: Keep workers between epochs.
        multihead: Whether to use every head. If false, only the dataset's own label is used.
        heads: By head name, a label map as in `LabelMaps`. None means the shipped maps.
        only_heads: Names of the heads to use, in this order. None means all.
        head_kinds: How heads are predicted: `classification`, `ordinal`, `regression`,
            `bounded_regression` or a `multihead.heads.Kind`. Give one for all parameters, or a
            mapping by head name. None means the kinds that the dataset gives.
        normalize: `default` (the dataset's own mean and standard deviation), `stats` (those of the
            training images), or `{mean: [...], std: [...]}` with one number per channel, for
            pixels scaled to 0..1.
        memory_budget_mb: Pixels of the largest split that is kept whole in the training device's
            memory, in MB of 10**6 bytes.
        seed: Fixes the split and the order of each epoch.
        source: The dataset, a function `(data_dir, split) -> Source`.
        stratify: Names of heads. Training and validation get equal shares of the labels of these
            heads, missing labels included, as far as the counts allow.
        folds: Number of folds of the training file. It replaces the first two sizes of
            `train_val_test_split`.
        fold: The fold that validates, from 0. In a table without test rows, it is the fold that
            tests.
        augment: Transforms of training images by a name of your choice, in the order in which they
            are applied. None as a value switches that transform off. Validation and test images
            are not changed.
        breaks: By head name, changes that make the labels of the head wrong, such as `[hflip]`.
            They add to the changes that the dataset names. None for a head removes the dataset's.
        options: Further arguments of the source function, by name. If the function has an argument
            `stratify`, `folds`, `fold` or `seed`, it also gets that value. A function that has
            `folds` divides the data itself.

    Attributes:
        ranks: This process among those that share each batch. Set it before the loaders are made.

    A batch is `(images float32 [B, C, H, W], {head: labels [B]})`. A label may be missing; see
    `Source.incomplete`. If `augment` mixes images, the batch has a third item: the labels of the
    other images and their shares.

    Raises:
        ConfigError: If sizes exceed the data, or maps do not fit the labels.
        DataError: If a file is missing, damaged or unsafe.
    """

    # `options` go to the function in this argument; `runs.schema` reads the name.
    passes_on_to: ClassVar[str] = "source"

    def __init__(
        self,
        data_dir: str | Path | None = None,
        batch_size: int = 64,
        train_val_test_split: Sequence[float] | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        persistent_workers: bool = False,
        multihead: bool = False,
        heads: HeadsConfig | None = None,
        head_kinds: HeadKinds = None,
        normalize: Normalization = "default",
        memory_budget_mb: float = 4000,
        seed: int = 0,
        source: SourceFunction | None = None,
        only_heads: Sequence[str] | None = None,
        stratify: Sequence[str] | None = None,
        folds: int | None = None,
        fold: int | None = None,
        augment: Mapping[str, Transform | None] | None = None,
        breaks: GivenBreaks | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if batch_size < 1 or num_workers < 0:
            raise ConfigError(
                f"data.batch_size is {batch_size} and data.num_workers {num_workers}; "
                f"give a batch size of 1 or more, and 0 or more workers."
            )
        if num_workers > _MOST_WORKERS:
            raise ConfigError(
                f"data.num_workers is {num_workers}; give 0 to {_MOST_WORKERS:,} processes."
            )
        if not memory_budget_mb >= 0:
            raise ConfigError(f"data.memory_budget_mb is {memory_budget_mb}; give 0 or more.")
        source = with_options(source, options)
        own = {"stratify": stratify, "folds": folds, "fold": fold, "seed": seed}
        self.source = with_settings(source, own)
        folded = "folds" in fixed_in(self.source)
        self.partition = Partition(train_val_test_split, stratify, folds, fold, seed, folded)
        self._table = options.get("table")  # a table needs no folder of datasets
        self.data_dir = self._folder_of(data_dir)
        self.batch_size, self.train_val_test_split = batch_size, train_val_test_split
        self.num_workers, self.pin_memory = num_workers, pin_memory
        self.persistent_workers = persistent_workers
        self.multihead, self.heads_config = multihead, heads
        self.head_kinds, self.normalize = head_kinds, normalize
        self.memory_budget_mb, self.seed = memory_budget_mb, seed
        self.only_heads, self.breaks = only_heads, breaks
        self.transforms = given_transforms(augment or {})
        self.ranks = Ranks()
        self._fitted_as: Heads | None = None
        self._trained_heads: Heads | None = None
        self._normalised_for: Statistics | None = None
        self._label_counts: dict[Part, dict[str, int]] = {}

    def read(self, split: Split) -> Source:
        """Read one file of the dataset with its own heads.

        Raises:
            ConfigError: If there is no source.
            DataError: If the file is missing, damaged or unsafe.
        """
        if self.source is None:
            raise ConfigError(
                "data.source is missing; name a function (data_dir, split) -> Source."
            )
        return self.source(self.data_dir, split)

    @property
    def place(self) -> str:
        """Path or address of the data, as runs record it."""
        return str(self._table or self.data_dir)

    @cached_property
    def train_source(self) -> Source:
        """The training file, with the configured heads and normalisation."""
        return self._normalised(self._train_file)

    @cached_property
    def test_source(self) -> Source:
        """The test file, with the configured heads and normalisation."""
        source = self._chosen(self._whole_test_file)
        if any(head.kind.is_fitted_to_labels for head in source.heads.values()):
            source = with_fits(source, self._train_file.heads)
        return self._normalised(source)

    def normalise_as(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Normalise the test images with the mean and deviation that a network was trained with.

        Raises:
            DataError: If the images have a different number of channels.
        """
        self.test_source = replace(self.test_source, mean=tuple(mean), std=tuple(std))

    def normalise_all_as(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Normalise all images with the mean and deviation of the initial weights' training."""
        self._normalised_for = tuple(mean), tuple(std)
        for name in ("train_source", "test_source"):
            if name in vars(self):
                setattr(self, name, self._normalised(getattr(self, name)))

    def fit_as(self, heads: Heads) -> None:
        """Use the fits of a network's kinds instead of fitting them to these training labels.

        Args:
            heads: Heads of the network. Heads of the data that are not among them are fitted here.
        """
        self._fitted_as = heads
        for name in ("_train_file", "train_source", "test_source"):
            if name in vars(self):
                setattr(self, name, with_fits(getattr(self, name), heads))

    def read_as(self, trained: Trained) -> bool:
        """Read files with the labels of a network's training. Call it before anything is read.

        Returns:
            Whether the source supports this. If not, the files alone define the labels.
        """
        source = for_network(self.source, trained)
        if source is None:
            return False
        self.source, self._trained_heads = source, trained.heads
        return True

    def share(self, other: "MultiheadDataModule") -> None:
        """Reuse the files that another module of the same data has read."""
        if fixed_in(self.source) != fixed_in(other.source):
            return  # for example another fold, if the source divides the files itself
        # Values fitted to training images or labels are not shared, as these may differ.
        for file in ("_whole_train_file", "_whole_test_file"):
            if file in vars(other):
                setattr(self, file, getattr(other, file))

    @property
    def heads(self) -> Heads:
        """The heads, read from the training file."""
        return self._train_file.heads

    @property
    def num_classes(self) -> dict[str, int]:
        """Width of the network's output by head name: classes or levels, or 1 for a regression."""
        return self.heads.outputs

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return self._train_file.image_shape

    @cached_property
    def train_indices(self) -> NDArray[np.int64]:
        """Indices of the training images in the training file, int64 [n]."""
        return self._train_val[0]

    @cached_property
    def val_indices(self) -> NDArray[np.int64]:
        """Indices of the validation images in the training file, int64 [n]."""
        return self._train_val[1]

    @cached_property
    def test_indices(self) -> NDArray[np.int64]:
        """Indices of the test images in the test file, int64 [n]."""
        return self.partition.test(self.test_source)

    @cached_property
    def _whole_train_file(self) -> Source:
        return self._with_kinds(self.read("train"))

    @cached_property
    def _whole_test_file(self) -> Source:
        return self._with_kinds(self.read("test"))

    @cached_property
    def _unfitted_file(self) -> Source:
        return self._chosen(self._whole_train_file)

    @cached_property
    def _train_file(self) -> Source:
        source = self._unfitted_file
        if any(head.kind.is_fitted_to_labels for head in source.heads.values()):
            source = fitted_to(source, self.train_indices)
        return source if self._fitted_as is None else with_fits(source, self._fitted_as)

    @cached_property
    def _statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return channel_statistics(self._train_file, self.train_indices)

    def _with_kinds(self, source: Source) -> Source:
        mapped = self._mapped(source)
        unknown = set(self.breaks or {}) - {*source.heads, *mapped.heads}
        if unknown:
            raise ConfigError(
                f"data.breaks names head {min(unknown)!r}, but {source.name} has the heads "
                f"{list(mapped.heads)}; remove it."
            )
        return with_kinds(mapped, self.head_kinds)

    def _chosen(self, source: Source) -> Source:
        if self._trained_heads is not None:
            return source.select(list(self._trained_heads))
        if self.only_heads is None:
            return source
        unknown = [name for name in self.only_heads if name not in source.heads]
        if unknown or not self.only_heads:
            raise ConfigError(
                f"data.only_heads is {list(self.only_heads)}, but {source.name} has the heads "
                f"{list(source.heads)}; name one or more of them."
            )
        return source.select(self.only_heads)

    def _normalised(self, source: Source) -> Source:
        if self._normalised_for is not None:
            mean, std = self._normalised_for
            return replace(source, mean=mean, std=std)
        if self.normalize == "default":
            return source
        if self.normalize == "stats":
            mean, std = self._statistics
        else:
            mean, std = given_statistics(self.normalize, source.image_shape[0])
        return replace(source, mean=mean, std=std)

    @cached_property
    def _train_val(self) -> list[NDArray[np.int64]]:
        return self.partition.train_val(self._whole_train_file)

    def train_dataloader(self) -> Resumable:
        """Return training batches, in an order that depends on (seed, epoch).

        With `overfit_batches` of the trainer, all epochs have the batches of the first one.
        """
        loader = self._loader("train")
        # Lightning does not declare this attribute.
        loader.batch_sampler.repeats = getattr(self.trainer, "overfit_batches", 0) > 0
        return loader

    def count_batches(self, part: Part) -> int:
        """Return the number of batches of a part, without making the loader if that is costly."""
        count = len(self.indices(part))
        if count and isinstance(self._source_of(part), LoadsItself):
            return len(self._loader(part))
        return len(EpochSampler(count, *self._batching(part)))

    def val_dataloader(self) -> Resumable | list[Resumable]:
        """Return validation batches in a fixed order, or an empty list if there are none."""
        if not len(self.val_indices):
            return []
        return self._loader("val")

    def test_dataloader(self) -> Resumable | list[Resumable]:
        """Return test batches in a fixed order, or an empty list if there are none."""
        if not len(self.test_indices):
            return []
        return self._loader("test")

    def indices(self, part: Part) -> NDArray[np.int64]:
        """Return the indices of a part's images in its file; training and validation share one."""
        if part == "test":
            return self.test_indices
        return self.train_indices if part == "train" else self.val_indices

    def training_images(self, most: int) -> Tensor:
        """Return normalised training images without transforms, float32 [N, C, H, W].

        Args:
            most: Largest N. Fewer images than there are are taken at equal distances.
        """
        index = np.sort(self.train_indices)
        chosen = index[np.linspace(0, len(index) - 1, min(most, len(index))).astype(np.int64)]
        source = self.train_source
        normalise = Normalise(source.mean, source.std, torch.device("cpu"))
        return normalise(torch.from_numpy(source.take(chosen)[0]))

    def label_counts(self, part: Part) -> dict[str, int]:
        """Return how many samples of a part have a label, by head name."""
        if part not in self._label_counts:
            self._label_counts[part] = self._source_of(part).labelled(self.indices(part))
        return self._label_counts[part]

    def incomplete(self, part: Part) -> frozenset[str]:
        """Return the names of heads that lack labels of some samples of a part."""
        most = len(self.indices(part))
        return frozenset(n for n, count in self.label_counts(part).items() if count < most)

    def check_labels(self) -> None:
        """Check that every head has training labels.

        Raises:
            ConfigError: If a head has no label in the training images. The message names it.
        """
        for name, count in self.label_counts("train").items():
            if not count:
                raise ConfigError(
                    f"head {name!r} has no label among the {len(self.train_indices):,} training "
                    f"images; add labels, or leave the head out with data.only_heads."
                )

    @property
    def augmentation(self) -> Augmentation | None:
        """The transforms of training images, or None if there are none.

        Raises:
            ConfigError: If a transform makes a label wrong, or does not fit the images.
        """
        return self._augmentation[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about left-out transforms, to show before training."""
        return self._augmentation[1]

    @cached_property
    def _augmentation(self) -> tuple[Augmentation | None, tuple[str, ...]]:
        of_kinds = {name: head.kind.breaks for name, head in self.heads.items()}
        breaks = merged_breaks({**of_kinds, **self.train_source.breaks}, self.breaks)
        check_words(breaks, self.transforms)
        kept, left_out = allowed(self.transforms, breaks, list(self.heads))
        if not kept:
            return None, left_out
        augmentation = Augmentation(kept, self.seed)
        augmentation.check(self.image_shape)
        return augmentation, left_out

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch to the device, unless it is there already."""
        if batch[0].device == device:
            return batch
        moved: Batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return moved

    def _source_of(self, part: Part) -> Source:
        return self.test_source if part == "test" else self.train_source

    def _loader(self, part: Part) -> Resumable:
        batch_size, seed = self._batching(part)
        loading = Loading(
            batch_size=batch_size,
            seed=seed,
            device=self._device(),
            ranks=self.ranks,
            memory_budget_mb=self.memory_budget_mb,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
            persistent_workers=self.persistent_workers,
            augment=self.augmentation if part == "train" else None,
        )
        return make_loader(self._source_of(part), self.indices(part), loading)

    def _batching(self, part: Part) -> tuple[int, int | None]:
        """Return the images per batch, and the seed of the order."""
        if part == "train":
            return self.batch_size, self.seed
        # The size of an evaluation batch does not change results, so a fast size is used.
        return max(self.batch_size, 256), None

    def _folder_of(self, data_dir: str | Path | None) -> Path | str:
        if data_dir is None:
            return settings.data_dir()
        if not is_address(data_dir):
            return Path(data_dir).expanduser()
        if not is_address_reader(self.source):
            raise ConfigError(
                f"data.data_dir is {data_dir}, but only sets in shards are read from an address: "
                f"use data=vimh_stream, or give a folder."
            )
        return str(data_dir)

    def _device(self) -> torch.device:
        return torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device

    def _mapped(self, source: Source) -> Source:
        base = next(iter(source.heads.values()))
        if not self.multihead:
            return source.select([base.name])
        is_class = not base.has_range and np.dtype(base.kind.dtype).kind == "i"
        described = len(source.heads) > 1 or not is_class
        if described and self.heads_config is not None:
            raise ConfigError(
                f"data.heads maps one label, but {source.name} has the heads "
                f"{list(source.heads)}; remove data.heads."
            )
        if isinstance(source, LoadsItself) and self.heads_config is not None:
            raise ConfigError(f"data.heads maps labels in memory, and {source.name} is streamed.")
        config = self.heads_config
        if config is None and source.shipped_heads:
            config = shipped_heads(source.shipped_heads)
        if described or config is None:
            return source
        return LabelMaps(base, config).apply(source)
