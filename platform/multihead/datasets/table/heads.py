"""Make the head of a column by its kind."""

from collections.abc import Callable, Mapping

from multihead.datasets.table.classes import binary, classification, multilabel
from multihead.datasets.table.made import Made, WantedHead
from multihead.datasets.table.quantities import angle, ordinal, regression

_MAKERS: Mapping[str, Callable[[WantedHead], Made]] = {
    "classification": classification,
    "binary": binary,
    "multilabel": multilabel,
    "ordinal": ordinal,
    "regression": regression,
    "angle": angle,
}


def make_head(wanted: WantedHead, kind: str) -> Made:
    """Make the head of a column that has labels.

    Args:
        wanted: The column.
        kind: `classification`, `binary`, `multilabel`, `ordinal`, `regression` or `angle`.

    Raises:
        DataError: If a label does not fit the kind or the choice. The message has its row.
        ConfigError: If the choice does not fit the kind.
    """
    return _MAKERS[kind](wanted)
