"""A DataModule for a folder of any supported format."""

from multihead.data.datasets import open_dataset
from multihead.data.source import Source, Split
from multihead.data.vimh.datamodule import VIMHDataModule


class GenericDataModule(VIMHDataModule):
    """A folder of any format in `datasets.LAYOUTS`; see `VIMHDataModule` for the arguments."""

    def read(self, split: Split) -> Source:
        """Open one split in the folder's format, with the heads that its files have.

        Raises:
            DataError: If the format is not known, or files are missing, damaged or hostile.
        """
        return open_dataset(self.data_dir).read(split, self.pixel_order, mapped=False)
