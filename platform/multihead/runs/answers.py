"""What a model answers: a table with one row per image and a few columns per head.

A classification head has `{head}` (the class, int64), `{head}_probability` and, where the classes
have names, `{head}_name`. A parameter has `{head}` (float64, in its unit), `{head}_low` and
`{head}_high`: between them lie `LEVEL` of the probability that an ordinal head gives its levels,
with an equal share on either side. A regression head gives one number and no distribution, so
its `low` and `high` are NaN.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.heads import Head, Heads

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


def answers(heads: Heads, outputs: Mapping[str, Tensor]) -> dict[str, Column]:
    """Turn what a network says into the columns of `columns`.

    Args:
        heads: What the network predicts.
        outputs: float32 [B, K] by head name, as the network returns them.

    Returns:
        Arrays [B] by column name.
    """
    table: dict[str, Column] = {}
    for name, head in heads.items():
        kinds = {
            "classification": _classes,
            "ordinal": _levels,
            "regression": _numbers,
        }
        table |= {f"{name}{end}": c for end, c in kinds[head.kind](head, outputs[name]).items()}
    return table


def _classes(head: Head, logits: Tensor) -> dict[str, Column]:
    probability, index = logits.softmax(1).max(1)
    chosen = index.numpy()
    found: dict[str, Column] = {"": chosen, "_probability": probability.double().numpy()}
    if head.classes:
        found["_name"] = np.array(head.classes, object)[chosen]
    return found


def _levels(head: Head, logits: Tensor) -> dict[str, Column]:
    """The level in the middle of the distribution, and those that cut off its ends."""
    below = logits.double().softmax(1).cumsum(1)
    cuts = torch.tensor([(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2], dtype=torch.float64)
    found = torch.searchsorted(below, cuts.expand(len(below), 3).contiguous())
    low, middle, high = head.decode(found.clamp(max=head.num_classes - 1).numpy()).T
    return {"": middle, "_low": low, "_high": high}


def _numbers(head: Head, outputs: Tensor) -> dict[str, Column]:
    share = outputs[:, 0].sigmoid() if head.bounded else outputs[:, 0]
    value = head.decode(share.double().numpy() * (head.num_classes - 1))
    unknown = np.full(len(value), np.nan)
    return {"": value, "_low": unknown, "_high": unknown}
