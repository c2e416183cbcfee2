"""Turn the pictures that a table names, of any type, size and colour, into one array."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from multihead import settings
from multihead.datasets.picture_arrays import DecodedPictures, PreparedPictures, StoredPictures
from multihead.datasets.picture_cache import prepare_once
from multihead.datasets.picture_choices import Colour, Wishes, choose, notes_on_given
from multihead.datasets.picture_one_pass import prepare_while_looking
from multihead.datasets.picture_opening import ignore_advice, load_decoders
from multihead.datasets.picture_paths import PictureFile, find_files, listed
from multihead.datasets.picture_store import Problems
from multihead.datasets.picture_survey import Look, survey, survey_path
from multihead.datasets.preparation import RESIZES, Preparation, Resize
from multihead.errors import ConfigError, DataError
from multihead.text import one_line

_FOLDER = "pictures"  # in the home of runs
_MOST_RANGES = 200
_LARGEST = 16_384  # pixels per side of a prepared picture
_COLOURS = ("auto", "grey", "rgb", "rgba")


@dataclass(frozen=True)
class PictureOptions:
    """Settings of pictures.

    Attributes:
        size: Height and width. None keeps a common size, or chooses one from the sizes found.
        resize: `pad` fits the whole picture and adds black borders, `crop` takes the middle,
            `stretch` changes the proportions. None chooses from the pictures' proportions.
        on_damaged: Whether missing or damaged pictures are refused (`refuse`) or left out (`skip`).
        cache: Whether prepared pictures are stored under the home of runs. If false, pictures are
            decoded in each epoch.
        follow_links: Whether symbolic links may lead out of the folder.
        colour: `grey`, `rgb`, `rgba` or `auto`. `auto` keeps colour if any picture has it, and
            transparency if most pictures have it.
        alike: Whether pictures of several sizes are refused if `size` is None. If true, pictures of
            one size keep it, however large it is.

    Raises:
        ConfigError: If a value is not one of these.
    """

    size: tuple[int, int] | None = None
    resize: Resize | None = None
    on_damaged: Literal["refuse", "skip"] = "refuse"
    cache: bool = True
    follow_links: bool = False
    colour: Colour = "auto"
    alike: bool = False

    def __post_init__(self) -> None:
        if self.size is not None:
            sides = tuple(self.size)
            if len(sides) != 2 or not all(type(n) is int and 0 < n <= _LARGEST for n in sides):
                raise ConfigError(
                    f"data.size is {list(sides)!r:.80}; give height and width, from 1 to "
                    f"{_LARGEST:,} pixels, as in [128, 128]."
                )
            object.__setattr__(self, "size", sides)
        for name, value, allowed in (
            ("resize", self.resize, (None, *RESIZES)),
            ("on_damaged", self.on_damaged, ("refuse", "skip")),
            ("colour", self.colour, _COLOURS),
        ):
            if value not in allowed:
                names = ", ".join(str(one) for one in allowed if one is not None)
                raise ConfigError(f"data.{name} is {value!r:.80}; choose from {names}.")


@dataclass(frozen=True)
class Pictures:
    """Prepared pictures for a network.

    Attributes:
        images: uint8 [n, C, H, W]. Pictures are read when they are indexed.
        kept: Indices of their paths, int64 [n]. Left-out pictures are not among them.
        preparation: How they were prepared. A model stores its record for serving.
        notes: Sentences about choices and oddities.
    """

    images: NDArray[np.uint8]
    kept: NDArray[np.int64]
    preparation: Preparation
    notes: tuple[str, ...] = ()

    def part(self, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return some of the images, by index, without reading them."""
        images = cast(PreparedPictures, self.images)
        return cast(NDArray[np.uint8], images.part(chosen))


def open_pictures(
    paths: Sequence[Path],
    *,
    root: Path,
    rows: Sequence[int],
    options: PictureOptions,
    like: Preparation | None = None,
) -> Pictures:
    """Prepare the pictures of a table: inspect them, choose the preparation, decode and store.

    The caller passes all splits at once, so that all pictures get the same preparation.

    Args:
        paths: Cells of the table joined to the folder, otherwise unchanged.
        root: The folder that must contain them.
        rows: The table's row of each path, for messages.
        options: Settings of the pictures.
        like: Preparation of a trained network, which is then used here.

    Raises:
        DataError: If paths lead out of the folder, or pictures are missing, damaged or too large.
            The message lists them with their rows.
    """
    ignore_advice()
    load_decoders()
    if not paths:
        raise DataError(f"the table names no pictures in {one_line(str(root))}.")
    files = find_files(paths, rows, root, follow_links=options.follow_links)
    folder = settings.home() / _FOLDER
    wishes = Wishes(options.size, options.resize, options.colour, options.alike)
    kept_at = survey_path(files, folder, whole=not options.cache)
    if options.cache and like is None and not options.alike:
        prepare_while_looking(files, kept_at, folder, wishes)
    looks = survey(files, kept_at, whole=not options.cache)
    # Damage found only by decoding changes no choice; with a cache, it is found later.
    known = [one for one in looks if one.height]
    if not known:
        raise DataError(_refusal(files, _problems(looks), options))
    if like is None:
        preparation, notes = choose(known, wishes)
    else:
        preparation, notes = like, notes_on_given(known, like)
    digests, problems = [one.digest for one in looks], _problems(looks)
    images: PreparedPictures
    if options.cache:
        path, start, problems = prepare_once(files, looks, preparation, folder)
        kept = _without(problems, len(files))
        images = StoredPictures(path, start, kept, preparation, digests)
    else:
        kept = _without(problems, len(files))
        images = DecodedPictures(files, kept, preparation, digests)
    if problems and (options.on_damaged == "refuse" or not len(kept)):
        raise DataError(_refusal(files, problems, options))
    notes += _found_otherwise(files)
    if problems:
        left_out = [files[i].row for i in sorted(problems)]
        notes += (f"{_damaged(files, problems)}; left out: {_ranges(left_out)}",)
    return Pictures(cast(NDArray[np.uint8], images), kept, preparation, notes)


def _problems(looks: Sequence[Look]) -> Problems:
    return {i: one.problem for i, one in enumerate(looks) if one.problem}


def _without(problems: Problems, count: int) -> NDArray[np.int64]:
    return np.array([i for i in range(count) if i not in problems], np.int64)


def _damaged(files: Sequence[PictureFile], problems: Problems) -> str:
    found = [
        f"row {files[i].row:,}: {files[i].name} {reason}" for i, reason in sorted(problems.items())
    ]
    return f"{len(problems):,} of {len(files):,} pictures cannot be used: {listed(found)}"


def _ranges(rows: Sequence[int]) -> str:
    """Return the numbers of some rows as text; consecutive rows become a range."""
    runs: list[list[int]] = []
    for row in rows:
        if runs and row == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], row]
        else:
            runs.append([row])
    shown = ", ".join(" to ".join(f"{row:,}" for row in run) for run in runs[:_MOST_RANGES])
    more = f" and {len(runs) - _MOST_RANGES:,} more" if len(runs) > _MOST_RANGES else ""
    return f"rows {shown}{more}"


def _refusal(files: Sequence[PictureFile], problems: Problems, options: PictureOptions) -> str:
    if len(problems) == len(files):
        return f"{_damaged(files, problems)}; does this column name pictures?"
    assert options.on_damaged == "refuse"
    return f"{_damaged(files, problems)}; repair them, or leave them out with data.on_damaged=skip."


def _found_otherwise(files: Sequence[PictureFile]) -> tuple[str, ...]:
    found = [f"row {file.row:,}: {file.name} is {file.path.name}" for file in files if file.other]
    if not found:
        return ()
    return (
        f"{len(found):,} of {len(files):,} files were found under another spelling or with a "
        f"suffix: {listed(found[:3])}",
    )
