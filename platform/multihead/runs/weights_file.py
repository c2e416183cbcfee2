"""Weights in files that run nothing: safetensors, and checkpoints of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from multihead.checked_json import read_json_object
from multihead.errors import CheckpointError, DataError, message_of
from multihead.training.checkpoints import RECORD, are_numbers, read_checkpoint

_LARGEST_HEADER = 16 << 20
_BACKBONE = "backbone."
MODEL = "model.json"
SUFFIXES = (".ckpt", ".safetensors")


@dataclass(frozen=True)
class Weights:
    """A backbone's weights, and what its images were normalised by.

    Attributes:
        tensors: By name in the backbone.
        is_ours: Whether a network of ours had them, so that the names are those of its backbone.
        mean: Per channel, of pixels scaled to 0..1; None if the file does not say.
        std: As the mean.
    """

    tensors: Mapping[str, Tensor]
    is_ours: bool
    mean: list[float] | None = None
    std: list[float] | None = None


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a file of tensors.

    The library itself compares each tensor's place and size with the file's.

    Raises:
        CheckpointError: If it is damaged, or names more tensors than networks have.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length > _LARGEST_HEADER:
            raise ValueError(f"its header claims {length:,} bytes; {_LARGEST_HEADER:,} are read")
        return load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged: {message_of(error)}.") from error


def read_weights(path: Path) -> Weights:
    """Read the backbone's weights of a checkpoint of ours, a model of ours, or a file of timm's.

    Raises:
        CheckpointError: If the file is damaged, hostile or of something else.
    """
    if path.suffix == ".ckpt":
        return _of_checkpoint(path)
    tensors = read_safetensors(path)
    if not any(name.startswith(_BACKBONE) for name in tensors):
        return Weights(tensors, is_ours=False)
    mean, std = _statistics(_described(path.parent / MODEL), path)
    return Weights(_within(tensors, _BACKBONE), True, mean, std)


def _of_checkpoint(path: Path) -> Weights:
    checkpoint = read_checkpoint(path)
    record = checkpoint.get(RECORD)
    if not isinstance(record, dict):
        raise CheckpointError(f"{path} was not written by multihead; give a safetensors file.")
    mean, std = _statistics(record, path)
    return Weights(_within(checkpoint["state_dict"], f"net.{_BACKBONE}"), True, mean, std)


def _described(file: Path) -> Mapping[str, Any]:
    """Return what goes with the weights of a model that we exported."""
    if not file.is_file():
        return {}
    try:
        return read_json_object(file)
    except (OSError, ValueError, DataError) as error:
        raise CheckpointError(f"{file} is damaged: {message_of(error)}.") from error


def _statistics(
    record: Mapping[str, Any], path: Path
) -> tuple[list[float] | None, list[float] | None]:
    mean, std = record.get("mean"), record.get("std")
    if mean is None and std is None:
        return None, None
    if not (isinstance(mean, list) and isinstance(std, list)):
        raise CheckpointError(f"{path} is damaged: its mean and std are no lists.")
    if are_numbers([*mean, *std]) and len(mean) == len(std) and 0 not in std:
        return [float(value) for value in mean], [float(value) for value in std]
    raise CheckpointError(f"{path} is damaged: its mean and std do not fit.")


def _within(state: Mapping[Any, Any], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if isinstance(name, str) and name.startswith(prefix) and isinstance(value, Tensor)
    }
