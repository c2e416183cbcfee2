"""The labels of images that are mixed with others.

The loss of a mixed sample is share * loss(outputs, own label) + (1 - share) * loss(outputs, the
other's label), for heads of every kind. What training metrics measure is the label that has the
larger share; of a head with gaps, only samples both of whose labels are there.
"""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from multihead.data.transforms import Mixed
from multihead.heads import Heads
from multihead.training.gathering import Gathering

# Heads have names without spaces.
_OTHER, _SHARE = "other {}", "own share"


def gathered(
    gathering: Gathering,
    outputs: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    mixed: Mixed | None,
) -> tuple[dict[str, Tensor], dict[str, Tensor], Mixed | None]:
    """Return outputs, labels and what these are mixed with of all ranks; see `Gathering.whole`."""
    if mixed is None:
        return *gathering.whole(outputs, labels), None
    others = {_OTHER.format(name): values for name, values in mixed.labels.items()}
    everyones, all_labels = gathering.whole(outputs, {**labels, **others, _SHARE: mixed.share})
    share = all_labels.pop(_SHARE)
    found = {name: all_labels.pop(_OTHER.format(name)) for name in mixed.labels}
    return everyones, all_labels, Mixed(found, share)


def dominant(
    heads: Heads, labels: Mapping[str, Tensor], mixed: Mixed, incomplete: Collection[str]
) -> dict[str, Tensor]:
    """Return the label of each sample that has the larger share, [B, ...] by head name.

    Args:
        heads: Those there are.
        labels: The samples' own, [B, ...] by head name.
        mixed: What they are mixed with.
        incomplete: Heads whose labels may be missing. Their label is missing if one of both is.
    """
    found = {}
    for name, head in heads.items():
        own, other = labels[name], mixed.labels[name]
        label = torch.where(spread(mixed.share >= 0.5, own), own, other)
        if name in incomplete:
            gap = head.kind.is_missing(own) | head.kind.is_missing(other)
            absent = torch.from_numpy(head.kind.absent(head, 1)).to(label)
            label = torch.where(spread(gap, own), absent, label)
        found[name] = label
    return found


def spread(values: Tensor, like: Tensor) -> Tensor:
    """Return values [B] as [B, 1, ...], with as many dimensions as another tensor."""
    return values.view(-1, *[1] * (like.ndim - 1))
