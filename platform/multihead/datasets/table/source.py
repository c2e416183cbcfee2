"""A table of pictures and labels, or a folder of pictures, as a dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.data.assign import SplitRules
from multihead.data.source import Source, Split, Trained
from multihead.data.source_function import reads_as_trained
from multihead.datasets.formats import is_dataset
from multihead.datasets.picture_files import PictureOptions
from multihead.datasets.table.cached import once_each
from multihead.datasets.table.described import frame
from multihead.datasets.table.folders import has_layout
from multihead.datasets.table.prepare import Prepared
from multihead.datasets.table.repeated import DUPLICATES
from multihead.datasets.table.samples import Wanted
from multihead.datasets.table.splits import TEST, TRAIN, VALIDATION
from multihead.errors import ConfigError
from multihead.heads import Heads

Size = int | float


@dataclass(frozen=True)
class TableSource(Source):
    """One split of a table.

    Attributes:
        described: A row per column of the table: what it became, and why.
    """

    described: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    files: tuple[str, ...] = ()


@reads_as_trained
def table(
    data_dir: Path,
    split: Split,
    table: str | None = None,
    columns: Mapping[str, Any] | None = None,
    image_column: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    stratify: Sequence[str] | None = None,
    sizes: Sequence[Size] = (0.7, 0.15, 0.15),
    folds: int | None = None,
    fold: int | None = None,
    split_seed: int = 0,
    size: Sequence[int] | None = None,
    resize: Literal["pad", "crop", "stretch"] | None = None,
    on_damaged: Literal["refuse", "skip"] = "refuse",
    cache: bool = True,
    follow_links: bool = False,
    colour: Literal["auto", "grey", "rgb", "rgba"] = "auto",
    duplicates: Literal["join", "keep"] = "join",
    trained: Trained | None = None,
) -> Source:
    """Open the training or the test split of a table. The table is read once for both.

    Args:
        data_dir: Not used.
        split: `train`, which includes the validation rows, or `test`.
        table: A CSV, TSV, Parquet or JSON Lines file, or a folder; see docs/data.md.
        columns: By name of a column or head: `ignore`, a kind, or keys of `choices.Choice`.
        image_column: The column that names pictures. None finds it.
        split_column: The column with `train`, `val` or `test`. None finds it.
        group_column: A column. Rows with the same value are in one part.
        stratify: Names of heads. Each part gets an equal share of their labels. None means all.
        sizes: Sizes of training, validation and test, as shares or counts, if the data give none.
        folds: Number of folds, 2 or more.
        fold: The fold that tests, from 0.
        split_seed: Seed of the draw of parts.
        size: Height and width of pictures. None chooses them from the pictures.
        resize: How pictures get that size. None chooses this.
        on_damaged: Whether unreadable pictures are refused or left out.
        cache: Whether prepared pictures are stored on disk.
        follow_links: Whether pictures may be links that lead out of the folder.
        colour: Channels of pictures.
        duplicates: `join` makes one sample of the rows of a picture, and refuses different labels.
            `keep` makes each row a sample, all in one part.
        trained: Training of a network that is tested on the table. Columns become its heads, and
            pictures are prepared as in its training. Then no training rows are needed.

    Raises:
        ConfigError: If there is no table, or a choice does not fit it.
        DataError: If table or pictures are missing, damaged or unsafe.
    """
    del data_dir
    if table is None:
        raise ConfigError(
            "data.table is missing; give a table or a folder: data.table=photos/labels.csv."
        )
    if duplicates not in DUPLICATES:
        raise ConfigError(f"data.duplicates is {duplicates!r:.80}; choose join or keep.")
    tests_all = trained is not None and len(sizes) == 3 and not sizes[0]
    wanted = Wanted(
        Path(table).expanduser().absolute(),
        columns or {},
        image_column,
        split_column,
        group_column,
        stratify,
        _rules((1.0, 0.0, 0.0) if tests_all else sizes, folds, fold, split_seed),
        PictureOptions(
            size=None if size is None else tuple(size),  # type: ignore[arg-type]  # checked there
            resize=resize,
            on_damaged=on_damaged,
            cache=cache,
            follow_links=follow_links,
            colour=colour,
        ),
        duplicates=duplicates,
        trained=trained,
        tests_all=tests_all,
    )
    return _source(once_each(wanted, split), split)


def is_own_table(path: Path) -> bool:
    """Return whether a path is a table, or a folder of pictures without a known format."""
    return has_layout(path) and not (path.is_dir() and is_dataset(path))


def _rules(sizes: Sequence[Size], folds: int | None, fold: int | None, seed: int) -> SplitRules:
    if len(sizes) != 3:
        raise ConfigError(f"data.sizes is {list(sizes)}; give three: training, validation, test.")
    return SplitRules(sizes=(sizes[0], sizes[1], sizes[2]), folds=folds, fold=fold, seed=seed)


def _source(read: Prepared, split: Split) -> TableSource:
    wanted = (TEST,) if split == "test" else (TRAIN, VALIDATION)
    rows = np.flatnonzero(np.isin(read.parts, wanted))
    if not len(rows) and split == "train":  # all rows are test rows
        rows = np.arange(len(read.parts))
    labels = {made.head.name: made.labels[rows] for made in read.columns.made}
    heads = Heads(made.head for made in read.columns.made)
    images = read.pictures.part(rows)
    channels = images.shape[1]
    return TableSource(
        name=read.name,
        images=images,
        labels=labels,
        heads=heads,
        mean=(0.5,) * channels,
        std=(0.5,) * channels,
        incomplete=_incomplete(heads, labels),
        groups=None if read.groups is None else _numbered(read.groups[rows]),
        breaks={name: said for name, said in read.columns.breaks.items() if name in heads},
        validation=read.parts[rows] == VALIDATION if split == "train" else None,
        preparation=read.pictures.preparation.record(),
        notes=read.notes,
        described=frame(read.columns.described),
        files=tuple(read.files[row] for row in rows),
    )


def _numbered(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _incomplete(heads: Heads, labels: Mapping[str, NDArray[Any]]) -> frozenset[str]:
    return frozenset(
        name for name, values in labels.items() if heads[name].kind.is_missing(values).any()
    )
