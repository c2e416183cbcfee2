"""Find the tables and pictures of a folder, in the usual layouts.

The layouts are tried in this order: one table (`metadata.*` before others), tables named after
splits, folders named after splits, one folder per class.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from multihead.datasets.table.cells import Table
from multihead.datasets.table.files import is_table, read_table
from multihead.datasets.table.limits import MOST_ROWS
from multihead.datasets.table.splits import have_training, split_in, split_of
from multihead.errors import DataError
from multihead.text import one_line

FILE_COLUMN, CLASS_COLUMN = "file_name", "class"
_METADATA = "metadata"
_SHEETS = frozenset({".xls", ".xlsx", ".xlsm", ".ods", ".numbers"})
_NO_PICTURES = frozenset({".eps", ".ps", ".pdf", ".mpg", ".mpeg", ".h5", ".hdf", ".grib"})


@dataclass(frozen=True)
class Part:
    """One table, and the folder that its file names are relative to.

    Attributes:
        table: Its rows.
        folder: Folder of the pictures.
        split: 0 for training, 1 for validation, 2 for test, None if unknown.
        complete: Whether the table was made from the files of the folder.
    """

    table: Table
    folder: Path
    split: int | None = None
    complete: bool = False


def picture_suffixes() -> frozenset[str]:
    """Return the file suffixes of pictures, in lower case, with dots."""
    return frozenset(Image.registered_extensions()) - _NO_PICTURES


def open_parts(path: Path) -> tuple[list[Part], list[str]]:
    """Read the tables of a path: a table, or a folder with a known layout.

    Returns:
        The parts, and notes.

    Raises:
        DataError: If there is no table or known layout, or more than one table.
    """
    if path.is_file():
        return [Part(read_table(path), path.parent)], []
    if not path.is_dir():
        raise DataError(
            f"data.table is {one_line(str(path))}, but there is no such file or folder."
        )
    found, notes = _tables_of(path)
    if found:
        return [
            Part(read_table(table), path, split_in(table.stem) if len(found) > 1 else None)
            for table in found
        ], notes
    folders = _folders_in(path)
    if have_training(split_of(folder.name) for folder in folders):
        return [_part_of_split(folder) for folder in folders], []
    sheets = sorted(p for p in path.iterdir() if p.suffix.lower() in _SHEETS)
    if sheets and len(folders) < 2:  # one folder of pictures is no folder per class
        raise DataError(f"{one_line(str(sheets[0]))} is a spreadsheet; save it as CSV.")
    return [_part_of_classes(path, folders)], []


def has_layout(path: Path) -> bool:
    """Return whether a path is a table, or a folder with a table or with folders of pictures."""
    if path.is_file():
        return is_table(path)
    return path.is_dir() and (
        bool(_tables_in(path)) or any(_pictures_in(folder) for folder in _folders_in(path))
    )


def _tables_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and is_table(path))


def _folders_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def _tables_of(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the table of a folder, or its tables of splits, and notes."""
    there = _tables_in(folder)
    named = [path for path in there if path.stem.casefold() == _METADATA]
    splits = [path for path in there if split_in(path.stem) is not None]
    if len(there) <= 1:
        return there, []
    if len(named) == 1:
        chosen = named
    elif have_training(split_in(path.stem) for path in splits) and _are_different(splits):
        chosen = splits
    else:
        names = ", ".join(one_line(path.name) for path in there[:10])
        raise DataError(
            f"{one_line(str(folder))} has {len(there)} tables, {names}; name one of them."
        )
    others = [one_line(path.name) for path in there if path not in chosen]
    return chosen, [f"not read: {', '.join(others[:10])}"] if others else []


def _are_different(tables: Sequence[Path]) -> bool:
    return len({split_in(path.stem) for path in tables}) == len(tables)


def _part_of_split(folder: Path) -> Part:
    split = split_of(folder.name)
    found, _ = _tables_of(folder)
    if len(found) == 1:
        return Part(read_table(found[0]), folder, split)
    part = _part_of_classes(folder, _folders_in(folder))
    return Part(part.table, folder, split, complete=True)


def _part_of_classes(folder: Path, classes: Sequence[Path]) -> Part:
    files: list[str] = []
    names: list[str] = []
    for place in classes:
        inside = _pictures_in(place)
        files += [f"{place.name}/{file}" for file in inside]
        names += [place.name] * len(inside)
        if len(files) > MOST_ROWS:
            raise DataError(f"{one_line(str(folder))} has more than {MOST_ROWS:,} pictures.")
    if not files:
        raise DataError(
            f"{one_line(str(folder))} has neither a table nor a folder of pictures per class; give "
            f"a CSV, TSV, Parquet or JSON Lines file with a row per picture."
        )
    table = Table(folder, {}, len(files)).with_column(FILE_COLUMN, files)
    return Part(table.with_column(CLASS_COLUMN, names), folder, complete=True)


def _pictures_in(folder: Path) -> list[str]:
    """Return the pictures in a folder and its subfolders, relative to it."""
    return sorted(_walk(folder))


def _walk(folder: Path) -> Iterator[str]:
    suffixes = picture_suffixes()
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            suffix = Path(name).suffix.lower()
            if not name.startswith(".") and (suffix in suffixes or not suffix):
                yield (Path(place) / name).relative_to(folder).as_posix()
