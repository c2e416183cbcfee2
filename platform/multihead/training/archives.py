"""Whether a checkpoint takes no more memory than it has bytes, found before it is unpacked.

A checkpoint is a zip archive of a pickle and of the bytes of its tensors, all of them as they
are. An archive from elsewhere may be packed a thousandfold, or have the pickle make large things.
"""

import pickletools
import re
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

from multihead.errors import CheckpointError

_LARGEST_DIRECTORY = 16 << 20  # bytes that tell of the members: a hundred thousand of them
_LARGEST_PICKLE = 64 << 20
_LARGEST_RATIO = 4  # of what tensors claim, which may share their bytes, to the file
_DEEPEST = 50
# The end of an archive, and what large ones have before it: where the directory's bytes stand.
_END, _END_BYTES = b"PK\5\6", struct.Struct("<12xL6x")
_END_64, _END_64_BYTES = b"PK\6\6", struct.Struct("<40xQ8x")
_LOCATOR_BYTES, _LONGEST_COMMENT = 20, 65_535
# What torch lets a pickle call, and what makes something of any size of a number.
_MAKERS = re.compile(r"(builtins|__builtin__)\.bytearray|torch(\.\w+)*\.\w*Tensor", re.ASCII)


def check_archive(path: Path) -> None:
    """Check the members of a checkpoint by what the archive says of them.

    Raises:
        CheckpointError: For an archive that is packed, has members that overlap or are too many, or
            a pickle that calls what makes things of any size.
        OSError, zipfile.BadZipFile, struct.error: For one that is damaged.
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
                    f"{path} is refused: it claims {claimed:,} bytes from {size:,} packed ones; "
                    f"checkpoints are not packed."
                )
            for member in members:
                if member.filename.endswith("data.pkl"):
                    _check_pickle(archive, member, path)


def _directory_bytes(file: BinaryIO, size: int) -> int:
    """Return how many bytes tell of the members; zipfile takes ten times as much to read them."""
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
                f"{path} is refused: it would make something of any size by "
                f"{str(argument).replace(' ', '.')}."
            )


def check_tensors(checkpoint: object, path: Path) -> None:
    """Check that each tensor has memory for each of its values, and all of them about the file's.

    A tensor may be a view that repeats one value a billion times.

    Raises:
        CheckpointError: If not, or if they are nested too deeply to be of a training.
    """
    claimed = 0
    level: list[Any] = [checkpoint]
    seen: set[int] = set()  # a list of itself twice, in a list twice, and so on has no end
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
        raise CheckpointError(f"{path} is refused: its tensors claim {claimed:,} bytes.")


def _bytes_of(tensor: torch.Tensor, path: Path) -> int:
    if tensor.device.type == "cpu" and tensor.layout == torch.strided and not tensor.is_quantized:
        claimed = tensor.numel() * tensor.element_size()
        if tensor.untyped_storage().nbytes() >= claimed:
            return claimed
    raise CheckpointError(
        f"{path} is refused: a tensor {list(tensor.shape)} in it has no memory of its own."
    )
