"""The DataModule of folders that describe themselves."""

from collections.abc import Callable, Sequence
from pathlib import Path

from multihead.data.datamodule import MultiheadDataModule
from multihead.data.kinds import HeadKinds
from multihead.data.labels import HeadsConfig
from multihead.data.normalization import Normalization
from multihead.data.source import Source, Split
from multihead.data.vimh.info import PixelOrder
from multihead.data.vimh.source import vimh_source


class VIMHDataModule(MultiheadDataModule):
    """A VIMH folder; heads, classes, units, sizes and normalisation come from its files.

    Args:
        data_dir: The dataset's folder.
        batch_size: Images per batch, 1 or more.
        num_workers: Worker processes, used only for data beyond the memory budget.
        train_val_test_split: As in `MultiheadDataModule`, which has the arguments below as well.
        pixel_order: Of pickles whose metadata do not say, HWC (default) or CHW.
        multihead: Use every head; otherwise the first alone.
        pin_memory: Page-locked batches.
        persistent_workers: Keep workers between epochs.
        heads: A label map for a dataset with one head of classes.
        head_kinds: How parameters are predicted.
        normalize: Of pixels.
        memory_budget_mb: What is kept whole in memory, in MB.
        seed: Fixes the split and the order of each epoch.
        only_heads: Those of the heads that are used.
        generate: Called with the folder before it is first read; may make it.

    Raises:
        ConfigError: For sizes, kinds and names that do not fit the data.
        DataError: For files that are missing, damaged or hostile, or do not fit each other.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        train_val_test_split: Sequence[int] | None = None,
        pixel_order: PixelOrder | None = None,
        multihead: bool = True,
        pin_memory: bool = False,
        persistent_workers: bool = False,
        heads: HeadsConfig | None = None,
        head_kinds: HeadKinds = None,
        normalize: Normalization = "default",
        memory_budget_mb: float = 4000,
        seed: int = 0,
        generate: Callable[[Path], None] | None = None,
        only_heads: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            data_dir,
            batch_size,
            train_val_test_split,
            num_workers,
            pin_memory=pin_memory,
            persistent_workers=persistent_workers,
            multihead=multihead,
            heads=heads,
            head_kinds=head_kinds,
            normalize=normalize,
            memory_budget_mb=memory_budget_mb,
            seed=seed,
            only_heads=only_heads,
        )
        self.pixel_order, self.generate = pixel_order, generate

    def read(self, split: Split) -> Source:
        """Open one split of the folder."""
        if self.generate is not None:
            self.generate(self.data_dir)
        return vimh_source(self.data_dir, split, self.pixel_order)
