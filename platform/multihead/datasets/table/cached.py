"""Read a table once for both of its splits. Each split is returned once, so none is outdated."""

from multihead.data.source import Split
from multihead.datasets.table.prepare import Prepared, prepare
from multihead.datasets.table.samples import Wanted

# The last table that was read, and its splits that have not been returned.
_WAITING: dict[str, tuple[Prepared, set[Split]]] = {}


def once_each(wanted: Wanted, split: Split) -> Prepared:
    """Return a table as read for its other split, or read it.

    A second call for the same split reads the table again, because it may have changed.
    """
    key = repr(wanted)
    read, left = _WAITING.pop(key, (None, set()))
    if read is None or split not in left:
        _WAITING.clear()  # frees other tables, as pictures may be large
        read, left = prepare(wanted), {"train", "test"}
    left.discard(split)
    if left:
        _WAITING[key] = (read, left)
    return read
