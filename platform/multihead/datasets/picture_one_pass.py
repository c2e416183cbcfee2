"""Inspect and prepare pictures in one pass, if the preparation can be predicted.

The preparation depends on all pictures. So normally all are inspected first and prepared next, and
each file is read twice. Usually a few pictures are enough to predict the preparation. If the other
pictures agree, the pixels are kept. Otherwise they are deleted, and both steps follow separately.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from multihead.datasets.picture_cache import enough_room, making, prepared_path
from multihead.datasets.picture_choices import Wishes, choose
from multihead.datasets.picture_opening import PictureError, read_content
from multihead.datasets.picture_paths import PictureFile
from multihead.datasets.picture_store import of_shape, write_picture, write_pictures
from multihead.datasets.picture_survey import Look, keep_survey, kept_survey, look, look_at
from multihead.datasets.picture_workers import in_threads, in_workers
from multihead.datasets.preparation import Preparation
from multihead.files import put_in_place

_LEAST = 256  # pictures; reading fewer twice is fast
_SAMPLE = 32  # pictures, spread over the set
_FIRST_CHECK = 1024  # pictures; each further check comes at twice as many


def prepare_while_looking(
    files: Sequence[PictureFile], survey: Path, folder: Path, wishes: Wishes
) -> None:
    """Write the survey and the prepared pixels of pictures, if one pass can make both.

    It does nothing if one of them may already exist, or if the pictures are too few or too
    different for a prediction. If several processes call it at once, all but one wait.

    Args:
        files: The picture files.
        survey: The file of the survey.
        folder: Folder of all files of prepared pictures.
        wishes: Settings of the preparation.

    Raises:
        DataError: If the folder is not writable.
    """
    if len(files) < _LEAST or kept_survey(survey, len(files)) is not None:
        return
    sample = _sample(files)
    guess = _foreseen(sample, wishes)
    if guess is None:
        return
    shape = (len(files), *guess.shape)
    # Copied files are only inspected, as their prepared pixels may have been copied, too.
    if any(of_shape(path, shape) for path in folder.glob("pictures-*.npy")):
        return
    with making(survey):
        there = kept_survey(survey, len(files)) is not None
        if not there and enough_room(folder, int(np.prod(shape))):
            _Attempt(sample, wishes, guess).make(files, survey, folder)


def _sample(files: Sequence[PictureFile]) -> list[Look]:
    chosen = [files[i] for i in np.linspace(0, len(files) - 1, _SAMPLE).astype(int)]
    looks = in_threads(partial(look, whole=False), chosen)
    return [one for one in looks if one.height]


def _foreseen(sample: Sequence[Look], wishes: Wishes) -> Preparation | None:
    """Return the preparation of a sample, if both of its halves give the same one."""
    parts = (sample, sample[::2], sample[1::2])
    if not all(parts):
        return None
    whole, *halves = (choose(part, wishes)[0] for part in parts)
    return whole if halves == [whole, whole] else None


class _Attempt:
    """Pictures that are prepared by a predicted preparation until a picture contradicts it."""

    def __init__(self, sample: Sequence[Look], wishes: Wishes, guess: Preparation) -> None:
        self.sample, self.wishes, self.guess = sample, wishes, guess
        self.looks: list[Look] = []

    def make(self, files: Sequence[PictureFile], survey: Path, folder: Path) -> None:
        """Inspect all pictures, and keep their pixels if the prediction was right."""
        name = f".pictures-{survey.stem}.npy"
        for left in folder.glob(f"{name}.*.tmp"):
            left.unlink()
        path = folder / f"{name}.{os.getpid()}.tmp"
        try:
            prepare = partial(self._prepare, files, path)
            write_pictures(path, (len(files), *self.guess.shape), prepare)
            if path.exists() and self._right(self.looks):
                put_in_place(path, prepared_path(self.looks, self.guess, folder))
            keep_survey(survey, self.looks)
        finally:
            path.unlink(missing_ok=True)

    def _prepare(self, files: Sequence[PictureFile], path: Path, start: int) -> Iterator[str]:
        work = partial(_look_and_prepare, path, start, self.guess)
        check = _FIRST_CHECK
        for seen, reason in in_workers(work, list(enumerate(files)), "preparing pictures"):
            self.looks.append(seen)
            yield reason
            if len(self.looks) == check:
                check *= 2
                if not self._right([*self.sample, *self.looks]):
                    path.unlink(missing_ok=True)  # the others are only inspected

    def _right(self, looks: Sequence[Look]) -> bool:
        known = [one for one in looks if one.height]
        return bool(known) and choose(known, self.wishes)[0] == self.guess


def _look_and_prepare(
    path: Path, start: int, guess: Preparation, wanted: tuple[int, PictureFile]
) -> tuple[Look, str]:
    """Return what is in a picture and its problem, if any; write the pixels if wanted."""
    position, file = wanted
    if file.problem:
        return look(file, whole=False), file.problem
    try:
        content = read_content(file.path)
    except PictureError as error:
        return Look("", problem=str(error)), str(error)
    seen = look_at(content, whole=False)
    if seen.problem or not os.path.exists(path):
        return seen, seen.problem
    try:
        pixels = guess.read(content)
    except PictureError as error:
        return seen, str(error)
    with suppress(FileNotFoundError):  # just deleted, as the prediction was wrong
        write_picture(path, start, position, pixels)
    return seen, ""
