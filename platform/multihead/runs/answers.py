"""The answer of a served model: a table with one row per image and a few columns per head.

A head's kind defines its columns. A classification head has `{head}` (the class, int64),
`{head}_probability` and, if the classes have names, `{head}_name`. A parameter has `{head}`
(float64, in its unit), `{head}_low` and `{head}_high`. For an ordinal head, `low` and `high` bound
the central 90% of the predicted distribution of levels. A regression head predicts one number and
no distribution, so its `low` and `high` are NaN.

Models that were logged by earlier releases import this module by its name.
"""

from collections.abc import Mapping

from torch import Tensor

from multihead.heads import Heads
from multihead.heads.head import Column
from multihead.runs.load import LoadedRun


def columns(heads: Heads) -> dict[str, str]:
    """Return the columns of the answers and their types: `long`, `double` or `string`."""
    named: dict[str, str] = {}
    for head in heads.values():
        named |= head.kind.columns(head)
    return named


def answers(loaded: LoadedRun, outputs: Mapping[str, Tensor]) -> dict[str, Column]:
    """Turn a network's outputs into the columns of `columns`.

    Args:
        loaded: The loaded run, with its heads.
        outputs: float32 [B, K] by head name, from `loaded.outputs`.

    Returns:
        Arrays [B] by column name.
    """
    table: dict[str, Column] = {}
    for name, head in loaded.heads.items():
        table |= head.kind.answer(head, loaded.readouts[name], outputs[name])
    return table
