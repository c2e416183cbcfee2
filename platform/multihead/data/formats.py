"""A DataModule for a folder of any supported format."""

from multihead.data.datasets import SHARDS, open_dataset
from multihead.data.source import Source, Split
from multihead.data.vimh.datamodule import VIMHDataModule
from multihead.errors import ConfigError


class GenericDataModule(VIMHDataModule):
    """A folder of any format in `datasets.LAYOUTS`; see `VIMHDataModule` for the arguments."""

    def read(self, split: Split) -> Source:
        """Open one split in the folder's format, with the heads that its files have.

        Raises:
            ConfigError: For a set in shards, which is streamed.
            DataError: If the format is not known, or files are missing, damaged or hostile.
        """
        dataset = open_dataset(self.data_dir)
        if dataset.layout is SHARDS:
            raise ConfigError(
                f"{dataset.path} is a set in shards, which is streamed: use data=vimh_stream."
            )
        return dataset.read(split, self.pixel_order, mapped=False)
