"""The one DataModule: a source, its heads, seeded splits and the loader that fits the data."""

from collections.abc import Sequence
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
from multihead.data.loader import Batch, Loading, LoadsItself, Resumable, make_loader
from multihead.data.normalization import Normalization, channel_statistics, given_statistics
from multihead.data.ranks import Ranks
from multihead.data.source import Source, SourceFunction, Split
from multihead.data.source_function import is_address, is_address_reader, with_options
from multihead.errors import ConfigError, DataError
from multihead.heads import Heads

Part = Literal["train", "val", "test"]
# Arguments that change how a dataset is split and loaded, not what is read.
LOADER_SETTINGS = {
    "batch_size",
    "train_val_test_split",
    "num_workers",
    "pin_memory",
    "persistent_workers",
    "memory_budget_mb",
    "seed",
}


class MultiheadDataModule(pl.LightningDataModule):
    """Training, validation and test batches of one dataset for several heads.

    The first two parts of the split are drawn, seeded, from the training file; the third comes
    from the test file, which is not opened before it is asked for.

    Args:
        data_dir: Folder of datasets, or of the dataset; `MULTIHEAD_DATA_DIR` or `./data` if none.
        batch_size: Images per batch, 1 or more; of all devices together, where there are several.
        train_val_test_split: Number of images of each part; if none, nine tenths and one tenth
            of the training file and the whole test file.
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
        options: Further arguments of the source function, by name.

    Attributes:
        ranks: The processes that share each batch; set before the loaders are made.

    Batches are `(images float32 [B, C, H, W], {head: labels [B]})`; a label may be missing, see
    `Source.incomplete`.

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
        train_val_test_split: Sequence[int] | None = None,
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
        **options: Any,
    ) -> None:
        super().__init__()
        if batch_size < 1 or num_workers < 0:
            raise ConfigError(
                f"data.batch_size is {batch_size} and data.num_workers {num_workers}; "
                f"a batch holds 1 image or more, workers are 0 or more."
            )
        if train_val_test_split is not None and len(train_val_test_split) != 3:
            raise ConfigError(
                f"data.train_val_test_split is {list(train_val_test_split)}; give three sizes: "
                f"training, validation, test."
            )
        self.source = with_options(source, options)
        self.data_dir = self._folder_of(data_dir)
        self.batch_size = batch_size
        self.train_val_test_split = train_val_test_split
        self.num_workers, self.pin_memory = num_workers, pin_memory
        self.persistent_workers = persistent_workers
        self.multihead, self.heads_config = multihead, heads
        self.head_kinds, self.normalize = head_kinds, normalize
        self.memory_budget_mb, self.seed = memory_budget_mb, seed
        self.only_heads = only_heads
        self.ranks = Ranks()
        self._fitted_as: Heads | None = None
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
        return str(self.data_dir)

    @cached_property
    def train_source(self) -> Source:
        """The training file, with the configured heads and normalisation."""
        return self._normalised(self._train_file)

    @cached_property
    def test_source(self) -> Source:
        """The test file, with the configured heads and normalisation."""
        source = self._configured(self.read("test"))
        if any(head.kind.is_fitted_to_labels for head in source.heads.values()):
            source = with_fits(source, self._train_file.heads)
        return self._normalised(source)

    def normalise_as(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Have the test images normalised as those that a network was trained on.

        Raises:
            DataError: If the images have another number of channels.
        """
        self.test_source = replace(self.test_source, mean=tuple(mean), std=tuple(std))

    def fit_as(self, heads: Heads) -> None:
        """Have kinds that are fitted to training labels as those that a network was trained with.

        Args:
            heads: Those of the network; others of the data are fitted here.
        """
        self._fitted_as = heads
        for name in ("_train_file", "train_source", "test_source"):
            if name in vars(self):
                setattr(self, name, with_fits(getattr(self, name), heads))

    def share(self, other: "MultiheadDataModule") -> None:
        """Use what another module of the same files has read, instead of reading it again."""
        for split in ("train_source", "test_source"):
            if split in vars(other):
                setattr(self, split, getattr(other, split))

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
        count = len(self.test_source)
        size = count if self.train_val_test_split is None else self.train_val_test_split[2]
        what = f"the test file of {self.test_source.name}"
        return self.test_source.parts([size], self.seed, what)[0]

    @cached_property
    def _unfitted_file(self) -> Source:
        return self._configured(self.read("train"))

    @cached_property
    def _train_file(self) -> Source:
        source = self._unfitted_file
        if any(head.kind.is_fitted_to_labels for head in source.heads.values()):
            source = fitted_to(source, self.train_indices)
        return source if self._fitted_as is None else with_fits(source, self._fitted_as)

    @cached_property
    def _statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return channel_statistics(self._train_file, self.train_indices)

    def _configured(self, source: Source) -> Source:
        return self._chosen(with_kinds(self._mapped(source), self.head_kinds))

    def _chosen(self, source: Source) -> Source:
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
        if self.normalize == "default":
            return source
        if self.normalize == "stats":
            mean, std = self._statistics
        else:
            mean, std = given_statistics(self.normalize, source.image_shape[0])
        return replace(source, mean=mean, std=std)

    @cached_property
    def _train_val(self) -> list[NDArray[np.int64]]:
        count = len(self._unfitted_file)
        if not count:
            raise DataError(
                f"the training file of {self._unfitted_file.name} has no samples; there is nothing "
                f"to train on."
            )
        if self.train_val_test_split is None:
            sizes = [count - count // 10, count // 10]
        else:
            sizes = list(self.train_val_test_split[:2])
        if sizes[0] == 0:
            raise ConfigError("data.train_val_test_split has no training images; give at least 1.")
        what = f"the training file of {self._unfitted_file.name}"
        return self._unfitted_file.parts(sizes, self.seed, what)

    def train_dataloader(self) -> Resumable:
        """Return batches in a new order each epoch, fixed by (seed, epoch)."""
        return self._loader(self.train_source, self.train_indices, self.seed)

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

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Leave batches alone that are there already, as those of a resident loader are."""
        if batch[0].device == device:
            return batch
        moved: Batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return moved

    def _loader(self, source: Source, index: NDArray[np.int64], seed: int | None) -> Resumable:
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
        described = len(source.heads) > 1 or base.has_range
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
