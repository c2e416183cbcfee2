"""Find the column that names the pictures, and the files of its cells."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from multihead.datasets.table.cells import Column, Table, is_missing
from multihead.datasets.table.folders import FILE_COLUMN, Part, picture_suffixes
from multihead.datasets.table.names import head_names
from multihead.errors import ConfigError, DataError
from multihead.text import nearest, one_line

_LOOKED_AT = 50  # cells of a column
_MOST_FOLDERS = 100


@dataclass(frozen=True)
class PictureColumn:
    """The column that names pictures.

    Attributes:
        name: Name of the column.
        folder: Folder that its cells are relative to.
        paths: Cell of each row as a path in the folder, [N].
        notes: Sentences for the user.
    """

    name: str
    folder: Path
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def picture_column(part: Part, wanted: str | None) -> PictureColumn:
    """Find the column that names pictures.

    If `wanted` is None, it is `file_name`, else the only column whose cells are files, else the
    only column whose cells are files without suffix. Pictures are in the folder of the table, or in
    one subfolder.

    Args:
        part: A table and its folder.
        wanted: `data.image_column`.

    Raises:
        ConfigError: If there is no such column.
        DataError: If no column or more than one names pictures, or a row names none.
    """
    _listing.cache_clear()  # folders may have changed since
    table = part.table
    if wanted is not None:
        column = table.columns[column_named(table, wanted, "data.image_column")]
        return _with_paths(part, column)
    if FILE_COLUMN in table.columns:
        return _with_paths(part, table.columns[FILE_COLUMN])
    texts = [c for c in table.columns.values() if all(isinstance(v, str) for v in c.values)]
    for full in (True, False):
        found = [column for column in texts if _share(part, column, full=full) > 0]
        if not full:  # a class may also be the name of a file
            found = [column for column in found if len(column.values) == table.count]
        if len(found) > 1:
            best = [column for column in found if len(column.values) == table.count]
            found = best if len(best) == 1 else found
        if len(found) > 1:
            names = ", ".join(repr(one_line(column.name, 60)) for column in found)
            raise DataError(
                f"{_shown(table)}: the columns {names} all name pictures; choose one with "
                f"data.image_column=..."
            )
        if found:
            return _with_paths(part, found[0])
    ending = [column for column in texts if _ends_as_pictures(column)]
    if len(ending) == 1:  # the files are missing; opening them reports the rows
        return _with_paths(part, ending[0])
    columns = ", ".join(repr(one_line(name, 60)) for name in list(table.columns)[:20])
    raise DataError(
        f"{_shown(table)} has no column that names pictures in {one_line(str(part.folder))}; it "
        f"has {columns}. Name one with data.image_column=..., or put the table beside its pictures."
    )


def column_named(table: Table, wanted: str, key: str) -> str:
    """Return the column that the user names, by column name or head name.

    Raises:
        ConfigError: If there is none.
    """
    if wanted in table.columns:
        return wanted
    for name, head in head_names(table.columns).items():
        if head == wanted:
            return name
    columns = ", ".join(repr(one_line(name, 60)) for name in list(table.columns)[:20])
    raise ConfigError(
        f"{key} is {wanted!r:.80}{nearest(wanted, table.columns)}, but {_shown(table)} has the "
        f"columns {columns}."
    )


def _shown(table: Table) -> str:
    return one_line(table.path.name)


def _with_paths(part: Part, column: Column) -> PictureColumn:
    empty = [place for place, cell in enumerate(column.values) if _is_empty(cell)]
    if empty:
        row = column.row_of(column.values[empty[0]])
        raise DataError(
            f"{_shown(part.table)}: row {row:,} names no picture in column "
            f"{one_line(column.name, 60)!r}; remove the row."
        )
    cells = [str(cell) for cell in column.values]
    notes: tuple[str, ...] = ()
    if part.complete:
        base, files = part.folder, [part.folder / cell for cell in cells]
    else:
        base, notes = _base_of(part.folder, cells[:_LOOKED_AT])
        files = [base / _slashed(base, cell) for cell in cells]
    return PictureColumn(column.name, base, tuple(files[code] for code in column.codes), notes)


def _base_of(folder: Path, cells: Sequence[str]) -> tuple[Path, tuple[str, ...]]:
    """Return the folder with most of the files, and a note if others have as many of these names.

    A folder of masks or thumbnails often has the names of the pictures.
    """
    counts = {base: _count(base, cells) for base in _bases(folder)}
    most = max(counts.values())
    first, *others = (base for base, count in counts.items() if count == most)
    if first == folder or not others:
        return first, ()
    names = ", ".join(repr(one_line(base.name, 60)) for base in others[:5])
    return first, (
        f"pictures are read from the folder {one_line(first.name, 60)!r}, but {names} has files of "
        f"the same names; to choose a folder, write it into the cells, as in "
        f"{one_line(others[0].name, 60)}/{one_line(cells[0], 60)}",
    )


def _is_empty(cell: object) -> bool:
    return not isinstance(cell, str) or is_missing(cell)


def _share(part: Part, column: Column, *, full: bool) -> float:
    cells = [str(c) for c in column.values if not _is_empty(c)][:_LOOKED_AT]
    if not cells:
        return 0
    return max(_count(base, cells, full=full) for base in _bases(part.folder)) / len(cells)


def _count(base: Path, cells: Sequence[str], *, full: bool = False) -> int:
    return sum(_is_file(base, cell, full=full) for cell in cells)


def _bases(folder: Path) -> Iterator[Path]:
    """Yield the folder of the table and its subfolders."""
    yield folder
    for place in sorted(folder.iterdir())[:_MOST_FOLDERS]:
        if place.is_dir() and not place.name.startswith("."):
            yield place


def _is_file(base: Path, cell: str, *, full: bool) -> bool:
    """Return whether a cell names a file. Unless `full`, case and suffix may differ."""
    return any(_is_there(base, name, full=full) for name in {cell, cell.replace("\\", "/")})


def _is_there(base: Path, name: str, *, full: bool) -> bool:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        return False
    there = _listing(base / path.parent)
    return path.name in there.full or (not full and _spelling(path.name) in there.alike)


def _slashed(base: Path, cell: str) -> str:
    r"""Return `a/b.png` for `a\b.png`, as Windows writes it, unless such a file exists."""
    return cell if "\\" not in cell or _is_there(base, cell, full=True) else cell.replace("\\", "/")


@dataclass(frozen=True)
class _Listing:
    full: frozenset[str]
    alike: frozenset[str]


@cache
def _listing(folder: Path) -> _Listing:
    try:
        names = [path.name for path in folder.iterdir() if not path.is_dir()]
    except OSError:
        return _Listing(frozenset(), frozenset())
    pictures = [PurePosixPath(_spelling(name)) for name in names]
    pictures = [path for path in pictures if path.suffix in picture_suffixes()]
    alike = {path.name for path in pictures} | {path.stem for path in pictures}
    return _Listing(frozenset(names), frozenset(alike))


def _spelling(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _ends_as_pictures(column: Column) -> bool:
    suffixes = picture_suffixes()
    cells = [str(cell) for cell in column.values[:_LOOKED_AT]]
    return all(PurePosixPath(cell.replace("\\", "/")).suffix.lower() in suffixes for cell in cells)
