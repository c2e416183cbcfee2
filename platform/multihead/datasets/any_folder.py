"""A folder of any supported format as a dataset."""

from dataclasses import replace
from pathlib import Path

from multihead.data.source import Source, Split
from multihead.datasets.formats import SHARDS, open_dataset
from multihead.datasets.resonator.breaks import with_breaks
from multihead.errors import ConfigError
from multihead.vimh.info import PixelOrder


def any_folder(data_dir: Path, split: Split, pixel_order: PixelOrder | None = None) -> Source:
    """Open one split of a folder in its format, with the heads of its files.

    Args:
        data_dir: A folder of one of `formats.LAYOUTS`.
        split: `train` or `test`.
        pixel_order: Pixel order of pickles whose metadata do not give it.

    Raises:
        ConfigError: If it is a set in shards, which must be streamed.
        DataError: If the format is unknown, or files are missing, damaged or unsafe.
    """
    dataset = open_dataset(data_dir)
    if dataset.layout is SHARDS:
        raise ConfigError(
            f"{dataset.path} is a set in shards, which is streamed: use data=vimh_stream."
        )
    source = dataset.read(split, pixel_order, mapped=False)
    return with_breaks(replace(source, shipped_heads=""))
