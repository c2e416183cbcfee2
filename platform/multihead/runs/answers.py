"""What a model answers: a table with one row per image and a few columns per head.

A classification head has `{head}` (the class, int64), `{head}_probability` and, where the classes
have names, `{head}_name`. A parameter has `{head}` (float64, in its unit), `{head}_low` and
`{head}_high`: between them lie `LEVEL` of the probability that an ordinal head gives its levels,
with an equal share on either side (its value is the expected one, which a long tail can pull out
of them). A regression head gives one number and no distribution, so its `low` and `high` are NaN.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.heads import Head, Heads
from multihead.runs.load import LoadedRun

LEVEL = 0.9
Column = NDArray[np.int64] | NDArray[np.float64] | NDArray[np.object_]


def columns(heads: Heads) -> dict[str, str]:
    """Return the columns of the answers and their types: `long`, `double` or `string`."""
    named: dict[str, str] = {}
    for name, head in heads.items():
        if head.kind == "classification":
            named |= {name: "long", f"{name}_probability": "double"}
            if head.classes:
                named[f"{name}_name"] = "string"
        else:
            named |= {name: "double", f"{name}_low": "double", f"{name}_high": "double"}
    return named


def answers(loaded: LoadedRun, outputs: Mapping[str, Tensor]) -> dict[str, Column]:
    """Turn what a network says into the columns of `columns`.

    Args:
        loaded: Knows its heads.
        outputs: float32 [B, K] by head name, from `loaded.outputs`.

    Returns:
        Arrays [B] by column name.
    """
    table: dict[str, Column] = {}
    for name, head in loaded.heads.items():
        given = outputs[name]
        table[name] = loaded.readouts[name].values(given).numpy()
        if head.kind == "classification":
            table[f"{name}_probability"] = given.softmax(1).amax(1).double().numpy()
            if head.classes:
                table[f"{name}_name"] = np.array(head.classes, object)[table[name]]
        else:
            table[f"{name}_low"], table[f"{name}_high"] = _interval(head, given)
    return table


def _interval(head: Head, outputs: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values [B] of the levels that cut off the two ends of the distribution."""
    if head.kind == "regression":
        unknown = np.full(len(outputs), np.nan)
        return unknown, unknown
    below = outputs.double().softmax(1).cumsum(1)
    cuts = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    levels = torch.searchsorted(below, cuts.repeat(len(below), 1)).clamp(max=head.num_classes - 1)
    low, high = head.decode(levels.numpy()).T
    return low, high
