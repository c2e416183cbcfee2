"""Save and load a model without pickle: `weights.safetensors` and `model.json`.

The JSON has everything that is needed to build the network and to predict with it, without the run:
the network's node, the heads, the image shape and the normalisation. If the training data were
picture files, it also has the way to read them.
"""

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from multihead.checked_json import read_json_object
from multihead.errors import CheckpointError, ConfigError, DataError, message_of
from multihead.files import inside
from multihead.heads import Heads
from multihead.runs.load import LoadedRun, assemble
from multihead.runs.trust import check_network, import_kinds
from multihead.runs.weights_file import MODEL, read_safetensors

WEIGHTS, EXAMPLES = "weights.safetensors", "examples.npy"
_FORMAT = 1
_LARGEST_EXAMPLES = 1 << 30
_KEYS = {"format", "net", "heads", "image_shape", "mean", "std"}


def describe(loaded: LoadedRun) -> dict[str, Any]:
    """Return the description of a model, without its weights, in JSON's types."""
    made = {} if loaded.preparation is None else {"preparation": loaded.preparation.record()}
    return {
        "format": _FORMAT,
        "net": dict(loaded.node),
        "heads": loaded.heads.to_record(),
        "image_shape": list(loaded.image_shape),
        "mean": list(loaded.mean),
        "std": list(loaded.std),
        **made,
    }


def write_bundle(loaded: LoadedRun, folder: Path, examples: NDArray[np.uint8]) -> str:
    """Write a model into a new folder.

    Args:
        loaded: The model.
        folder: The folder; it must not exist.
        examples: Some images, uint8 [B, H, W, C], to try the model with.

    Returns:
        The SHA-256 of the weights and the description, in hexadecimal.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    weights = {k: v.contiguous().clone() for k, v in loaded.network.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    (folder / MODEL).write_text(json.dumps(describe(loaded), indent=1))
    np.save(folder / EXAMPLES, examples, allow_pickle=False)
    sha = hashlib.sha256((folder / WEIGHTS).read_bytes())
    sha.update((folder / MODEL).read_bytes())
    return sha.hexdigest()


def read_bundle(folder: Path, *, trust: Collection[str] = ()) -> LoadedRun:
    """Build the model that `write_bundle` wrote.

    Args:
        folder: Its folder.
        trust: Full names of classes to trust, for a network that multihead does not ship.

    Raises:
        CheckpointError: If a file is missing, damaged or of another architecture.
        ConfigError: If the network is neither shipped nor trusted, or cannot be built.
    """
    path = inside(folder, WEIGHTS, "the file of the weights")
    try:
        description = read_json_object(inside(folder, MODEL, "the file of the model"))
        weights = read_safetensors(path)
    except (OSError, ValueError, DataError, CheckpointError) as error:
        raise CheckpointError(f"the model in {folder} is damaged: {message_of(error)}.") from error
    if (
        not set(description) >= _KEYS
        or description["format"] != _FORMAT
        or not isinstance(description["net"], Mapping)
    ):
        raise CheckpointError(f"{folder / MODEL} does not describe a model of format {_FORMAT}.")
    return described(description, weights, path, trust=trust)


def described(
    description: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    path: Path,
    *,
    trust: Collection[str] = (),
) -> LoadedRun:
    """Build a network from its weights and the return value of `describe`.

    Args:
        description: The description of the model.
        weights: The network's state.
        path: The file of the weights, for messages.
        trust: Full names of classes to trust, for a network that multihead does not ship.

    Raises:
        ConfigError: If the network is neither shipped nor trusted, or cannot be built.
        CheckpointError: If the description is damaged, or the weights do not fit.
    """
    import_kinds(description["heads"], f"{MODEL} of {path}", trust)
    try:
        heads = Heads.from_record(description["heads"])
    except ConfigError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    check_network(description["net"], f"{MODEL} of {path}", trust)
    return assemble(description["net"], {**description, "heads": heads}, weights, path)


def read_examples(folder: Path) -> NDArray[np.uint8]:
    """Return the example images of a model, uint8 [B, H, W, C].

    Raises:
        CheckpointError: If they are damaged.
    """
    path = inside(folder, EXAMPLES, "the file of the examples")
    try:
        with path.open("rb") as file:
            _check_examples(file, path.stat().st_size)
            file.seek(0)
            images: NDArray[np.uint8] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise CheckpointError(f"{path} is damaged and cannot be read.") from error
    return images


def _check_examples(file: BinaryIO, size: int) -> None:
    """Compare the size in an array's header with the file; NumPy would trust the header.

    Raises:
        ValueError: If they differ, or if the array is not of uint8.
    """
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("its format version is not 1.0")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype != np.uint8 or math.prod(shape) != size - file.tell() or size > _LARGEST_EXAMPLES:
        raise ValueError("its header does not fit the file")
