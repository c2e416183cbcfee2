"""Survey picture files: content, size, colours and problems of each.

The result is stored, so that an unchanged set is not read again.
"""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image

from multihead.datasets.picture_opening import (
    EIGHT_BITS,
    SIXTEEN_BITS,
    PictureError,
    decoding,
    open_picture,
    read_content,
)
from multihead.datasets.picture_paths import PictureFile
from multihead.datasets.picture_workers import in_workers
from multihead.datasets.preparation import SIDEWAYS, orientation
from multihead.files import write_text_atomically

_VERSION = 1
_GREY = ("1", "L", "LA")


@dataclass(frozen=True)
class Look:
    """The survey of one file.

    Attributes:
        digest: Digest of its content, 32 hexadecimal digits.
        height: Height of the upright picture, in pixels.
        width: Width of the upright picture, in pixels.
        grey: Whether it has no colours.
        alpha: 0 without transparency, 1 if all pixels are equally transparent, 2 if they differ.
        deepest: Largest value if it has 16 bits per pixel, else -1.
        several: Whether the file has several pictures, such as an animation.
        turned: Whether its EXIF orientation rotates it.
        halved: Whether it has 16 bits per colour, of which Pillow reads 8.
        problem: Why it cannot be used, as the end of a sentence. Empty if it can. Height and width
            are 0 if its header is unreadable.
    """

    digest: str
    height: int = 0
    width: int = 0
    grey: bool = True
    alpha: int = 0
    deepest: int = -1
    several: bool = False
    turned: bool = False
    halved: bool = False
    problem: str = ""


def survey(files: Sequence[PictureFile], path: Path, *, whole: bool) -> list[Look]:
    """Return the survey of each file, from the stored result if nothing changed.

    Args:
        files: The result of `find_files`.
        path: Path of the stored survey, from `survey_path`. If it is not writable, nothing is
            stored.
        whole: Whether every picture is decoded to check it.
    """
    found = kept_survey(path, len(files))
    if found is None:
        found = list(in_workers(partial(look, whole=whole), files, "looking at pictures"))
        keep_survey(path, found)
    return found


def survey_path(files: Sequence[PictureFile], folder: Path, *, whole: bool) -> Path:
    """Return the path of a survey. It changes when a file is written or replaced."""
    key = blake2b(f"{_VERSION} {PIL.__version__} {whole}".encode(), digest_size=16)
    for file in files:
        facts = f"{file.path}\0{file.size} {file.stamp} {file.problem}\n"
        key.update(facts.encode("utf-8", "backslashreplace"))
    return folder / f"survey-{key.hexdigest()}.json"


def kept_survey(path: Path, count: int) -> list[Look] | None:
    """Return a stored survey of `count` files, or None if there is no valid one."""
    try:
        rows: Any = json.loads(path.read_text(encoding="utf-8"))
        found = [Look(*row) for row in rows]
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return found if len(found) == count else None


def keep_survey(path: Path, looks: Sequence[Look]) -> None:
    """Store a survey, if the folder is writable."""
    with contextlib.suppress(OSError):
        write_text_atomically(path, json.dumps([[*vars(one).values()] for one in looks]))


def look(file: PictureFile, *, whole: bool) -> Look:
    """Survey one file."""
    if file.problem:
        return Look("", problem=file.problem)
    try:
        content = read_content(file.path)
    except PictureError as error:
        return Look("", problem=str(error))
    return look_at(content, whole=whole)


def look_at(content: bytes, *, whole: bool) -> Look:
    """Survey the bytes of one file."""
    found = digest(content)
    try:
        with open_picture(content) as picture:
            return _look(picture, content, Look(found), whole=whole)
    except PictureError as error:
        return Look(found, problem=str(error))


def digest(content: bytes) -> str:
    """Return the digest of a file's bytes, 32 hexadecimal digits."""
    return blake2b(content, digest_size=16).hexdigest()


def _look(picture: Image.Image, content: bytes, found: Look, *, whole: bool) -> Look:
    """Add facts of the header, and those of the pixels that decide the preparation."""
    mode, width, height = picture.mode, *picture.size
    if mode not in SIXTEEN_BITS and mode not in EIGHT_BITS:
        raise PictureError(
            f"has pixels of mode {mode}, which have no fixed range; save it with 8 or 16 bits per "
            f"pixel"
        )
    halved = mode not in SIXTEEN_BITS and _halved(picture)
    turn = _orientation(picture, content)
    if turn in SIDEWAYS:
        width, height = height, width
    grey = mode in _GREY or mode in SIXTEEN_BITS
    found = replace(found, height=height, width=width, grey=grey, turned=turn > 1, halved=halved)
    try:
        with decoding():
            several = bool(getattr(picture, "is_animated", False))
            if mode in SIXTEEN_BITS:
                return replace(found, several=several, deepest=_deepest(picture))
            if picture.has_transparency_data:
                return replace(found, several=several, alpha=_alpha(picture))
            if whole:
                picture.load()
            return replace(found, several=several)
    except PictureError as error:
        return replace(found, problem=str(error))


def _halved(picture: Image.Image) -> bool:
    """Return whether Pillow drops the lower 8 of 16 bits per colour."""
    return any(";16" in str(part[3]) for part in getattr(picture, "tile", ()))


def _orientation(picture: Image.Image, content: bytes) -> int:
    """Return the EXIF orientation without decoding a PNG, which Pillow would do."""
    if picture.format == "PNG" and b"eXIf" not in content and b"rientation" not in content:
        return 1
    return orientation(picture)


def _deepest(picture: Image.Image) -> int:
    values = np.asarray(picture)
    if values.size and (values.min() < 0 or values.max() > 0xFFFF):
        raise PictureError("has pixels beyond 16 bits, 0 to 65,535")
    return int(values.max(initial=0))


def _alpha(picture: Image.Image) -> int:
    low, high = picture.convert("RGBA").getchannel("A").getextrema()
    return 0 if low == 255 else 1 if low == high else 2
