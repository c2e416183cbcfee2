"""Read a backbone's weights from safetensors files and checkpoints, without running code."""

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
    """A backbone's weights, and the normalisation of its images.

    Attributes:
        tensors: The weights by their names in the backbone.
        is_ours: Whether a network of multihead had them. If not, the names are those of the file.
        mean: Mean per channel, of pixels scaled to 0..1; None if the file does not have it.
        std: Standard deviation per channel, of pixels scaled to 0..1, or None.
    """

    tensors: Mapping[str, Tensor]
    is_ours: bool
    mean: list[float] | None = None
    std: list[float] | None = None


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    The library checks the position and size of each tensor against the file.

    Raises:
        CheckpointError: If the file is damaged, or if its header has more than 16 MiB.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length > _LARGEST_HEADER:
            raise ValueError(
                f"its header claims {length:,} bytes, but the limit is {_LARGEST_HEADER:,}"
            )
        return load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged: {message_of(error)}.") from error


def read_weights(path: Path) -> Weights:
    """Read a backbone's weights from a run's checkpoint, an exported model, or a timm file.

    Raises:
        CheckpointError: If the file is damaged, malicious or of another kind.
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
    """Return the description of an exported model, or an empty mapping if there is none."""
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
        raise CheckpointError(f"{path} is damaged: its mean and std are not lists.")
    if are_numbers([*mean, *std]) and len(mean) == len(std) and 0 not in std:
        return [float(value) for value in mean], [float(value) for value in std]
    raise CheckpointError(f"{path} is damaged: its mean and std do not fit.")


def _within(state: Mapping[Any, Any], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if isinstance(name, str) and name.startswith(prefix) and isinstance(value, Tensor)
    }
