"""The criteria of heads whose classes have weights of their own in the loss."""

from collections.abc import Mapping, Sequence
from typing import cast

from torch import nn

from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import ConfigError
from multihead.heads import Head, Heads

# `balanced`, or a number per class or tag.
ClassWeights = Mapping[str, str | Sequence[float]]
BALANCED = "balanced"


def weighted_criteria(
    chosen: ClassWeights, heads: Heads, data: MultiheadDataModule
) -> dict[str, nn.Module]:
    """Return the criterion of each head whose classes are weighed, by name.

    Args:
        chosen: By head name; `balanced` weighs by the labels of the training part.
        heads: Of the network.
        data: What is trained on.

    Raises:
        ConfigError: For a head that does not exist or has no classes, and weights that do not fit.
    """
    made = {}
    for name, weights in chosen.items():
        if name not in heads:
            raise ConfigError(
                f"model.class_weights names head {name!r}, but the network has {list(heads)}; "
                f"remove it."
            )
        head = heads[name]
        given = _numbers(head, weights, data)
        made[name] = head.kind.weighted_criterion(head, given)
    return made


def _numbers(
    head: Head, weights: str | Sequence[float], data: MultiheadDataModule
) -> Sequence[float]:
    if not isinstance(weights, str) and isinstance(weights, Sequence):
        return cast(Sequence[float], weights)
    if weights != BALANCED:
        raise ConfigError(
            f"model.class_weights.{head.name} is {weights!r}; give balanced, or a list of numbers."
        )
    labels = data.train_source.take_labels(data.train_indices)[head.name]
    found = head.kind.balanced_weights(head, labels[~head.kind.is_missing(labels)])
    return [float(weight) for weight in found]
