"""Check, before a checkpoint is loaded, that it needs no more memory than its file size suggests.

A checkpoint is an uncompressed zip archive of a pickle and the bytes of its tensors. A malicious
archive may be compressed a thousandfold, or its pickle may create large objects.
"""

import pickletools
import re
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

from multihead.errors import CheckpointError

_LARGEST_DIRECTORY = 16 << 20  # bytes of the zip directory; enough for 100,000 members
_LARGEST_PICKLE = 64 << 20  # bytes
_LARGEST_RATIO = 4  # of the tensors' total size, which may share memory, to the file's size
_DEEPEST = 50
# The end record of an archive, and the zip64 end record before it in large ones. Both contain the
# size of the directory.
_END, _END_BYTES = b"PK\5\6", struct.Struct("<12xL6x")
_END_64, _END_64_BYTES = b"PK\6\6", struct.Struct("<40xQ8x")
_LOCATOR_BYTES, _LONGEST_COMMENT = 20, 65_535
# torch lets a pickle call these, and each can create an object of any size from one number.
_MAKERS = re.compile(r"(builtins|__builtin__)\.bytearray|torch(\.\w+)*\.\w*Tensor", re.ASCII)


def check_archive(path: Path) -> None:
    """Check the members of a checkpoint by the directory of the archive, and its pickle.

    Raises:
        CheckpointError: If members are compressed, overlap or are too many, or if the pickle calls
            a function that creates objects of any size.
        OSError, zipfile.BadZipFile, struct.error: If the archive is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if _directory_bytes(file, size) > _LARGEST_DIRECTORY:
            raise CheckpointError(f"{path} is refused: it has too many members for a checkpoint.")
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            packed = any(m.compress_type != zipfile.ZIP_STORED for m in members)
            claimed = sum(m.file_size for m in members)
            if packed or claimed > size:
                raise CheckpointError(
                    f"{path} is refused: it would unpack {claimed:,} bytes from a file of "
                    f"{size:,}; checkpoints are not compressed."
                )
            for member in members:
                if member.filename.endswith("data.pkl"):
                    _check_pickle(archive, member, path)


def _directory_bytes(file: BinaryIO, size: int) -> int:
    """Return the size of the zip directory in bytes; zipfile needs ten times this to read it."""
    before = _LOCATOR_BYTES + _END_64_BYTES.size
    file.seek(max(0, size - before - _END_BYTES.size - _LONGEST_COMMENT))
    tail = file.read()
    place = tail.rfind(_END)
    if place < 0:
        raise zipfile.BadZipFile("it has no end")
    large = place - before
    if large >= 0 and tail.startswith(_END_64, large):
        return int(_END_64_BYTES.unpack_from(tail, large)[0])
    return int(_END_BYTES.unpack_from(tail, place)[0])


def _check_pickle(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    if member.file_size > _LARGEST_PICKLE:
        raise CheckpointError(f"{path} is refused: its pickle is too large for a checkpoint.")
    for opcode, argument, _ in pickletools.genops(archive.read(member)):
        if opcode.name == "GLOBAL" and _MAKERS.fullmatch(str(argument).replace(" ", ".")):
            raise CheckpointError(
                f"{path} is refused: it calls {str(argument).replace(' ', '.')}, which can create "
                f"an object of any size."
            )


def check_tensors(checkpoint: object, path: Path) -> None:
    """Check that each tensor has memory for all its values, and that their total fits the file.

    Without this check, a tensor could be a view that repeats one value a billion times.

    Raises:
        CheckpointError: If a tensor has no memory of its own, if the total is more than 4 times the
            file, or if the content is nested deeper than 50 levels.
    """
    claimed = 0
    level: list[Any] = [checkpoint]
    seen: set[int] = set()  # a list may contain itself, which would never end
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for value in level:
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, torch.Tensor):
                claimed += _bytes_of(value, path)
            elif isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list | tuple):
                below += value
        level = below
        if not level:
            break
    if level:
        raise CheckpointError(f"{path} is refused: it nests deeper than {_DEEPEST} levels.")
    if claimed > _LARGEST_RATIO * path.stat().st_size:
        raise CheckpointError(
            f"{path} is refused: its tensors would take {claimed:,} bytes, too many for its size."
        )


def _bytes_of(tensor: torch.Tensor, path: Path) -> int:
    if tensor.device.type == "cpu" and tensor.layout == torch.strided and not tensor.is_quantized:
        claimed = tensor.numel() * tensor.element_size()
        if tensor.untyped_storage().nbytes() >= claimed:
            return claimed
    raise CheckpointError(
        f"{path} is refused: a tensor {list(tensor.shape)} in it has less memory than values."
    )
