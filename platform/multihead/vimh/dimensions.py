"""Compare the height, width and channels of the folder's name, the metadata and the data."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from multihead.errors import DataError
from multihead.text import one_line

LARGEST = 2**16 - 1
_FOLDER = re.compile(r"vimh-(\d{1,5})x(\d{1,5})(?:x(\d{1,5}))?(?=_|$)", re.IGNORECASE | re.ASCII)


class Dimensions(NamedTuple):
    """The size of an image: 1 to 65,535 each, or None if not stated."""

    height: int | None
    width: int | None
    channels: int | None

    def __str__(self) -> str:
        return "x".join(str(size) for size in self if size is not None)

    def agrees(self, other: "Dimensions") -> bool:
        """Return whether all sizes that both state are equal."""
        return all(a is None or b is None or a == b for a, b in zip(self, other, strict=True))


def folder_dimensions(folder: Path) -> Dimensions | None:
    """Return the sizes in a name such as `vimh-32x32x3_drums` or `vimh-32x32_drums`, or None."""
    match = _FOLDER.match(os.path.basename(os.path.abspath(folder)))
    if match is None:
        return None
    return Dimensions(*(None if part is None else int(part) for part in match.groups()))


def check_dimensions(
    folder: Path, stated: Dimensions, found: Dimensions | None, file: str, metadata: str
) -> None:
    """Compare the sizes in the folder's name, the metadata and the data.

    Args:
        folder: The dataset's folder.
        stated: The sizes in the metadata.
        found: The sizes in the data, or None if they do not state any.
        file: The name of the file with the data.
        metadata: The name of the metadata's file.

    Raises:
        DataError: If two of them disagree. It names all three.
    """
    named = folder_dimensions(folder)
    pairs = [(named, stated), (named, found), (stated, found)]
    if all(a is None or b is None or a.agrees(b) for a, b in pairs):
        return
    raise DataError(
        one_line(
            f"{folder}: the dimensions disagree (height x width x channels): the folder's name "
            f"says {named or 'nothing'}, {metadata} says {stated}, {file} says "
            f"{found or 'nothing'}. Correct the wrong one, or rename the folder."
        )
    )
