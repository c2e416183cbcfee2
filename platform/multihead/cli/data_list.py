"""`multihead data list`: list the datasets of a folder with their sizes and heads."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from multihead import settings
from multihead.cli.help import examples
from multihead.terminal.lines import say

if TYPE_CHECKING:
    from multihead.datasets.formats import Dataset


@click.command("list", epilog=examples("multihead data list", "multihead data list /mnt/datasets"))
@click.argument("folder", required=False, metavar="[FOLDER]", type=click.Path(path_type=Path))
def command(folder: Path | None) -> None:
    """List the datasets in FOLDER with their formats, sizes and heads.

    Without FOLDER, it is the value of MULTIHEAD_DATA_DIR, or else ./data.
    """
    import pandas as pd

    from multihead.cli.tables import show_table
    from multihead.datasets.formats import find_datasets
    from multihead.errors import DataError

    place = settings.data_dir() if folder is None else folder
    if folder is not None and not folder.is_dir():
        raise DataError(f"{folder} is not a folder; name the folder that contains the datasets.")
    found = find_datasets(place)
    if not found:
        say(f"{place} contains no dataset; `multihead data generate resonator` makes one")
        return
    show_table(pd.DataFrame([_row(dataset, place) for dataset in found]), str(place))


def _row(dataset: "Dataset", place: Path) -> dict[str, str]:
    from multihead.errors import MultiheadError

    row = {"path": str(dataset.path.relative_to(place)), "format": dataset.layout.name}
    try:
        sources = {split: dataset.read(split) for split in dataset.splits}
    except MultiheadError as error:
        return {**row, "images": "", "splits": "", "heads": f"unreadable: {error}"}
    first = next(iter(sources.values()))
    channels, height, width = first.image_shape
    return {
        **row,
        "images": f"{height}x{width}x{channels}",
        "splits": ", ".join(f"{split} {len(source):,}" for split, source in sources.items()),
        "heads": ", ".join(f"{name} ({count})" for name, count in first.heads.levels.items()),
    }
