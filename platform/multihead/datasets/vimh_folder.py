"""A VIMH folder as a dataset. Its files define heads, classes, units, sizes and normalisation."""

from collections.abc import Callable
from pathlib import Path

from multihead.data.source import Source, Split
from multihead.datasets.resonator.breaks import with_breaks
from multihead.vimh.info import PixelOrder
from multihead.vimh.source import vimh_source


def vimh(
    data_dir: Path,
    split: Split,
    pixel_order: PixelOrder | None = None,
    generate: Callable[[Path], None] | None = None,
) -> Source:
    """Open one split of a folder.

    Args:
        data_dir: The dataset's folder.
        split: `train` or `test`.
        pixel_order: HWC (default) or CHW, for pickles whose metadata do not give it.
        generate: A function of the folder that may create it. It is called before reading.

    Raises:
        DataError: If files are missing, damaged or unsafe, or do not fit each other.
    """
    if generate is not None:
        generate(data_dir)
    return with_breaks(vimh_source(data_dir, split, pixel_order))
