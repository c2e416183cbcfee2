"""`multihead data generate`: make datasets with known labels."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from multihead.cli.data_generate_shapes import shapes
from multihead.cli.help import examples
from multihead.datasets.resonator.plan import QUANTITIES, Excitation, Plan, parse_image
from multihead.datasets.resonator.spectrogram import Scaling
from multihead.terminal.lines import say
from multihead.vimh.source import Form

if TYPE_CHECKING:
    from multihead.terminal.drawn import Progress

FORMS: dict[str, tuple[Form, ...]] = {
    "binary": ("binary",),
    "pickle": ("pickle",),
    "both": ("binary", "pickle"),
}


@click.group(
    "generate",
    epilog=examples(
        "multihead data generate resonator --size 4096",
        "multihead data generate shapes photos --count 2000",
    ),
)
def command() -> None:
    """Make a dataset with known labels."""


command.add_command(shapes)


def _ranges(function: Callable[..., None]) -> Callable[..., None]:
    """Add an option with two values for each quantity that may vary."""
    for quantity in reversed(QUANTITIES.values()):
        unit = f" in {quantity.unit}" if quantity.unit else ""
        function = click.option(
            f"--{quantity.option}",
            nargs=2,
            type=float,
            default=getattr(Plan, quantity.option),
            show_default=True,
            metavar="LOW HIGH",
            help=f"{quantity.description}. Least and greatest value{unit}, from "
            f"{quantity.minimum:g} to {quantity.maximum:g}.",
        )(function)
    return function


@command.command(
    "resonator",
    short_help="Spectrograms of plucked and struck strings, as VIMH.",
    epilog=examples(
        "multihead data generate resonator --size 4096 --note 60 72 --decay 0.5 4",
        "multihead data generate resonator --image 64x64x1 --out data/notes",
    ),
)
@click.option(
    "--size",
    default=Plan.size,
    show_default=True,
    help="Number of samples, training and test together.",
)
@click.option(
    "--image",
    default="x".join(map(str, Plan.image)),
    show_default=True,
    metavar="HxWxC",
    help="Size of an image: mel bands, frames, and 1 to 3 of the channels static, delta, onset.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    show_default="a folder in the data folder, named by its content",
    help="Folder of the dataset.",
)
@click.option(
    "--seed",
    default=Plan.seed,
    show_default=True,
    help="Random seed. Equal seeds give equal bytes.",
)
@click.option(
    "--test-size",
    type=int,
    show_default="an eighth of --size",
    help="Number of those samples that form the test split.",
)
@_ranges
@click.option(
    "--excitation",
    type=click.Choice(get_args(Excitation)),
    default=Plan.excitation,
    show_default=True,
    help="How a string is excited. `both` chooses one at random for each note.",
)
@click.option(
    "--scaling",
    type=click.Choice(get_args(Scaling)),
    default=Plan.scaling,
    show_default=True,
    help="Where the levels of black and white come from: the whole dataset, or each picture. "
    "`picture` hides how loud a note is.",
)
@click.option(
    "--form",
    type=click.Choice(list(FORMS)),
    default="binary",
    show_default=True,
    help="Form of the VIMH files.",
)
@click.option("--overwrite", is_flag=True, help="Replace a VIMH dataset in that folder.")
def resonator(image: str, out: Path | None, form: str, overwrite: bool, **chosen: Any) -> None:
    """Synthesise plucked and struck strings, and write their spectrograms as VIMH.

    A quantity with a LOW below its HIGH varies from note to note, and becomes a head. Give the
    same value twice to fix a quantity.
    """
    from multihead import settings
    from multihead.datasets.resonator.generate import generate
    from multihead.errors import ConfigError

    plan = Plan(image=parse_image(image), **chosen)
    folder = settings.data_dir() / plan.folder_name if out is None else out
    if folder.exists() and not overwrite:
        raise ConfigError(f"{folder} exists already; remove it, or pass --overwrite.")
    with _progress() as progress:
        task = progress.add_task("notes", total=plan.size)
        generate(
            plan,
            folder,
            forms=FORMS[form],
            overwrite=overwrite,
            progress=lambda count: progress.advance(task, count),
        )
    counts = ", ".join(f"{count:,} {split}" for split, count in plan.counts.items())
    say(folder, f"{counts}; heads: {', '.join(plan.heads)}")


def _progress() -> "Progress":
    from multihead.terminal.drawn import Screen, progress

    return progress(Screen(err=True), "{task.completed}/{task.total}")
