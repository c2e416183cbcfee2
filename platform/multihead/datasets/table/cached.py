"""One reading for both files of a table: each is handed out once, so that nothing gets stale."""

from multihead.data.source import Split
from multihead.datasets.table.prepare import Prepared, prepare
from multihead.datasets.table.samples import Wanted

# The last reading, and the files of it that have not been handed out.
_WAITING: dict[str, tuple[Prepared, set[Split]]] = {}


def once_each(wanted: Wanted, split: Split) -> Prepared:
    """Return a table as it was read for its other file, or read it.

    A file that is asked for again is read again, because it may have changed.
    """
    key = repr(wanted)
    read, left = _WAITING.pop(key, (None, set()))
    if read is None or split not in left:
        _WAITING.clear()  # of other tables: pictures may be large
        read, left = prepare(wanted), {"train", "test"}
    left.discard(split)
    if left:
        _WAITING[key] = (read, left)
    return read
