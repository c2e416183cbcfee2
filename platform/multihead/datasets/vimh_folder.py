"""A VIMH folder as a dataset; it tells its heads, classes, units, sizes and normalisation."""

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
        pixel_order: Of pickles whose metadata do not say, HWC (default) or CHW.
        generate: Called with the folder before it is read; may make it.

    Raises:
        DataError: For files that are missing, damaged or hostile, or do not fit each other.
    """
    if generate is not None:
        generate(data_dir)
    return with_breaks(vimh_source(data_dir, split, pixel_order))
