"""Map names of classes in old records to their current names.

A record keeps the names that it was written with, so that its hash stays the same. Each import
replaces them by the current names.
"""

from collections.abc import Mapping
from typing import Any

# Each key is the name of a class, or of a module whose contents have all moved.
_NOW: Mapping[str, str] = {
    "multihead.data.cifar.CIFAR10DataModule": "multihead.CIFAR10DataModule",
    "multihead.data.cifar100mh.CIFAR100MHDataModule": "multihead.CIFAR100MHDataModule",
    "multihead.data.digits.DigitsDataModule": "multihead.DigitsDataModule",
    "multihead.data.formats": "multihead",
    "multihead.data.measured_mnist.MeasuredMNISTDataModule": "multihead.MeasuredMNISTDataModule",
    "multihead.data.mnist.MNISTDataModule": "multihead.MNISTDataModule",
    "multihead.data.multi_mnist.MultiMNISTDataModule": "multihead.MultiMNISTDataModule",
    "multihead.data.resonator": "multihead.datasets.resonator",
    "multihead.data.stream.datamodule": "multihead",
    "multihead.data.vimh.datamodule": "multihead",
    **{
        f"multihead.models.losses.{module}": f"multihead.heads.losses.{module}"
        for module in (
            *("cross_entropy", "distance_weighted", "expected_value"),
            *("regression", "soft_targets"),
        )
    },
}


def current(name: str) -> str:
    """Return the current name for a dotted name; a name that never changed stays as it is."""
    known, rest = name, ""
    while known and known not in _NOW:
        known, _, last = known.rpartition(".")
        rest = f".{last}{rest}"
    return f"{_NOW[known]}{rest}" if known else name


def with_current_names(node: Any) -> Any:
    """Return a node with all `_target_`s, at any depth, replaced by their current names."""
    if isinstance(node, Mapping):
        return {
            key: current(value)
            if key == "_target_" and isinstance(value, str)
            else with_current_names(value)
            for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [with_current_names(each) for each in node]
    return node
