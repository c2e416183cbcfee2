"""Height, width and channels, as folder name, metadata and data state them."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from multihead.errors import DataError
from multihead.text import one_line

LARGEST = 2**16 - 1
_FOLDER = re.compile(r"vimh-(\d{1,5})x(\d{1,5})(?:x(\d{1,5}))?(?=_|$)", re.IGNORECASE | re.ASCII)


class Dimensions(NamedTuple):
    """The size of an image; 1 to 65,535 each, or None for what a statement leaves open."""

    height: int | None
    width: int | None
    channels: int | None

    def __str__(self) -> str:
        return "x".join(str(size) for size in self if size is not None)

    def agrees(self, other: "Dimensions") -> bool:
        """Tell whether all that both state is equal."""
        return all(a is None or b is None or a == b for a, b in zip(self, other, strict=True))


def folder_dimensions(folder: Path) -> Dimensions | None:
    """Return what a name such as `vimh-32x32x3_drums` or `vimh-32x32_drums` says, if anything."""
    match = _FOLDER.match(os.path.basename(os.path.abspath(folder)))
    if match is None:
        return None
    return Dimensions(*(None if part is None else int(part) for part in match.groups()))


def check_dimensions(
    folder: Path, stated: Dimensions, found: Dimensions | None, file: str, metadata: str
) -> None:
    """Compare the three statements of an image's size.

    Args:
        folder: The dataset, for its name.
        stated: By the metadata.
        found: In the data, or None where they say nothing.
        file: The name of the file with the data.
        metadata: The name of the metadata's file.

    Raises:
        DataError: With all three, if two of them disagree.
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
