"""The labels of mixed images (mixup, cutmix).

For heads of every kind, the loss of a mixed sample is share * loss(outputs, own label) +
(1 - share) * loss(outputs, other label). Training metrics use the label with the larger share. If
labels of a head may be missing, they use only samples that have both labels.
"""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from multihead.data.transforms import Mixed
from multihead.heads import Heads
from multihead.training.gathering import Gathering

# Names of heads have no spaces, so these keys cannot clash with them.
_OTHER, _SHARE = "other {}", "own share"


def gathered(
    gathering: Gathering,
    outputs: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    mixed: Mixed | None,
) -> tuple[dict[str, Tensor], dict[str, Tensor], Mixed | None]:
    """Return outputs, labels and mixed labels of all ranks; see `Gathering.whole` for shapes."""
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
        heads: The heads of the network.
        labels: The samples' own labels, [B, ...] by head name.
        mixed: The labels of the other images, and the shares.
        incomplete: Heads whose labels may be missing. If one of the two is missing, the result is.
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
    """Reshape values [B] to [B, 1, ...], with as many dimensions as `like`."""
    return values.view(-1, *[1] * (like.ndim - 1))
