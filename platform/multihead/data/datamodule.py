"""The one DataModule: a source, its heads, seeded splits and the loader that fits the data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray

from multihead import settings
from multihead.data.kinds import HeadKinds, fitted_to, with_fits, with_kinds
from multihead.data.labels import HeadsConfig, LabelMaps, shipped_heads
from multihead.data.loader import (
    Batch,
    EpochSampler,
    Loading,
    LoadsItself,
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
# Arguments that change how a dataset is split and loaded, not what is read.
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

    The first two parts of the split are drawn, seeded, from the training file; the third comes
    from the test file, which is not opened before it is asked for.

    Args:
        data_dir: Folder of datasets, or of the dataset; `MULTIHEAD_DATA_DIR` or `./data` if none.
        batch_size: Images per batch, 1 or more; of all devices together, where there are several.
        train_val_test_split: Number of images of each part, or their share of its file as a float
            from 0 to 1; if none, nine tenths and one tenth of the training file (or what the
            source says validates) and the whole test file.
        num_workers: Worker processes, used only for data beyond the memory budget.
        pin_memory: Page-locked batches, used only for data beyond the memory budget.
        persistent_workers: Keep workers between epochs.
        multihead: Use every head; otherwise only the dataset's own label.
        heads: By head name, a label map as in `LabelMaps`; the shipped ones if none.
        only_heads: Those of the heads that are used, in this order; all if none.
        head_kinds: How heads are predicted: `classification`, `ordinal`, `regression`,
            `bounded_regression` or a `multihead.heads.Kind`, for all parameters or by head name; as
            the data say if none.
        normalize: `default`, the dataset's own mean and deviation; `stats`, those of the training
            images; or `{mean: [...], std: [...]}` per channel, of pixels scaled to 0..1.
        memory_budget_mb: Largest split, in MB of 10**6 bytes of pixels, that is kept whole in
            the training device's memory.
        seed: Fixes the split and the order of each epoch.
        source: The dataset, a function `(data_dir, split) -> Source`.
        stratify: Heads of whose labels, missing ones among them, training and validation get equal
            shares, as near as counts allow.
        folds: Divide the training file into so many folds, instead of the first two sizes of
            `train_val_test_split`.
        fold: Which fold validates, from 0; of a table without test rows, which one tests.
        augment: Transforms of training images, by a name of each, in the order in which they are
            applied; a name with None has none. Validation and test images stay as they are.
        breaks: By head name, changes that make its labels wrong, such as `[hflip]`, besides those
            that the dataset says; None for a head forgets the dataset's.
        options: Further arguments of the source function, by name. One that takes `stratify`,
            `folds`, `fold` or `seed` is given it, too; one that takes `folds` divides by itself.

    Attributes:
        ranks: The processes that share each batch; set before the loaders are made.

    Batches are `(images float32 [B, C, H, W], {head: labels [B]})`; a label may be missing, see
    `Source.incomplete`. Where `augment` mixes images, what their labels are mixed with follows.

    Raises:
        ConfigError: For sizes that exceed the data, and maps that do not fit the labels.
        DataError: For files that are missing, damaged or hostile.
    """

    # The argument whose function takes the further ones; `runs.schema` asks for it.
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
                f"a batch holds 1 image or more, workers are 0 or more."
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
        self._table = options.get("table")  # which needs no folder of data
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
        """Read one file of the dataset, with the heads that it has by itself.

        Raises:
            ConfigError: If there is no source.
            DataError: If the file is missing, damaged or hostile.
        """
        if self.source is None:
            raise ConfigError(
                "data.source is missing; name a function (data_dir, split) -> Source."
            )
        return self.source(self.data_dir, split)

    @property
    def place(self) -> str:
        """Where the data are, as runs record it."""
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
        """Have the test images normalised as those that a network was trained on.

        Raises:
            DataError: If the images have another number of channels.
        """
        self.test_source = replace(self.test_source, mean=tuple(mean), std=tuple(std))

    def normalise_all_as(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Have all images normalised as those that the initial weights were trained on."""
        self._normalised_for = tuple(mean), tuple(std)
        for name in ("train_source", "test_source"):
            if name in vars(self):
                setattr(self, name, self._normalised(getattr(self, name)))

    def fit_as(self, heads: Heads) -> None:
        """Have kinds that are fitted to training labels as those that a network was trained with.

        Args:
            heads: Those of the network; others of the data are fitted here.
        """
        self._fitted_as = heads
        for name in ("_train_file", "train_source", "test_source"):
            if name in vars(self):
                setattr(self, name, with_fits(getattr(self, name), heads))

    def read_as(self, trained: Trained) -> bool:
        """Have files read as those that a network was trained on, before anything is read.

        Returns:
            Whether the source can; if not, labels are what the files say.
        """
        source = for_network(self.source, trained)
        if source is None:
            return False
        self.source, self._trained_heads = source, trained.heads
        return True

    def share(self, other: "MultiheadDataModule") -> None:
        """Use what another module of the same files has read, instead of reading it again."""
        if fixed_in(self.source) != fixed_in(other.source):
            return  # such as another fold, where the source divides the files
        # What is fitted to training images or labels is not shared: they may be others.
        for file in ("_whole_train_file", "_whole_test_file"):
            if file in vars(other):
                setattr(self, file, getattr(other, file))

    @property
    def heads(self) -> Heads:
        """The heads, read from the training file."""
        return self._train_file.heads

    @property
    def num_classes(self) -> dict[str, int]:
        """Width of the network's output by head name: its classes or levels, 1 for a regression."""
        return self.heads.outputs

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return self._train_file.image_shape

    @cached_property
    def train_indices(self) -> NDArray[np.int64]:
        """Which images of the training file train."""
        return self._train_val[0]

    @cached_property
    def val_indices(self) -> NDArray[np.int64]:
        """Which images of the training file validate."""
        return self._train_val[1]

    @cached_property
    def test_indices(self) -> NDArray[np.int64]:
        """Which images of the test file test."""
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
        """Return batches in a new order each epoch, fixed by (seed, epoch)."""
        source, index = self.train_source, self.train_indices
        return self._loader(source, index, self.seed, self.augmentation)

    def count_train_batches(self) -> int:
        """Return how many batches `train_dataloader` has, without making it where it is costly."""
        if isinstance(self.train_source, LoadsItself):
            return len(self.train_dataloader())
        return len(EpochSampler(len(self.train_indices), self.batch_size, self.seed))

    def val_dataloader(self) -> Resumable | list[Resumable]:
        """Return the validation batches in a fixed order; no loader where there are none."""
        if not len(self.val_indices):
            return []
        return self._loader(self.train_source, self.val_indices, None)

    def test_dataloader(self) -> Resumable | list[Resumable]:
        """Return the test batches in a fixed order; no loader where there are none."""
        if not len(self.test_indices):
            return []
        return self._loader(self.test_source, self.test_indices, None)

    def indices(self, part: Part) -> NDArray[np.int64]:
        """Return which images of its file a part has; training and validation share one."""
        if part == "test":
            return self.test_indices
        return self.train_indices if part == "train" else self.val_indices

    def label_counts(self, part: Part) -> dict[str, int]:
        """Return how many samples of a part have a label, by head name."""
        if part not in self._label_counts:
            source = self.test_source if part == "test" else self.train_source
            self._label_counts[part] = source.labelled(self.indices(part))
        return self._label_counts[part]

    def incomplete(self, part: Part) -> frozenset[str]:
        """Return the heads of which some samples of a part have no label."""
        most = len(self.indices(part))
        return frozenset(n for n, count in self.label_counts(part).items() if count < most)

    def check_labels(self) -> None:
        """Refuse a head that has nothing to learn from.

        Raises:
            ConfigError: Naming the first head without any label among the training images.
        """
        for name, count in self.label_counts("train").items():
            if not count:
                raise ConfigError(
                    f"head {name!r} has no label among the {len(self.train_indices):,} training "
                    f"images; label some, or leave it out with data.only_heads."
                )

    @property
    def augmentation(self) -> Augmentation | None:
        """What changes training images; none if nothing does.

        Raises:
            ConfigError: For a transform that would make a label wrong, or does not fit the images.
        """
        return self._augmentation[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the training images that a person should know before training."""
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
        """Leave batches alone that are there already, as those of a resident loader are."""
        if batch[0].device == device:
            return batch
        moved: Batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return moved

    def _loader(
        self,
        source: Source,
        index: NDArray[np.int64],
        seed: int | None,
        augment: Augmentation | None = None,
    ) -> Resumable:
        # Nothing is learned from an evaluation batch, so it may be as large as is fast.
        batch_size = self.batch_size if seed is not None else max(self.batch_size, 256)
        loading = Loading(
            batch_size=batch_size,
            seed=seed,
            device=self._device(),
            ranks=self.ranks,
            memory_budget_mb=self.memory_budget_mb,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
            persistent_workers=self.persistent_workers,
            augment=augment,
        )
        return make_loader(source, index, loading)

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
