"""`multihead data generate`: datasets whose labels are true because they were chosen."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from multihead.cli.data_generate_shapes import shapes
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


@click.group("generate")
def command() -> None:
    """Make a dataset whose labels are true."""


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
            help=f"{quantity.description};{unit} within {quantity.minimum:g} to "
            f"{quantity.maximum:g}.",
        )(function)
    return function


@command.command("resonator")
@click.option("--size", default=Plan.size, show_default=True, help="Samples in all.")
@click.option(
    "--image",
    default="x".join(map(str, Plan.image)),
    show_default=True,
    metavar="HxWxC",
    help="Mel bands, frames, and 1 to 3 channels: static, delta, onset.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The dataset's folder; by default one in the data folder, named by what it holds.",
)
@click.option("--seed", default=Plan.seed, show_default=True, help="Equal seeds, equal bytes.")
@click.option("--test-size", type=int, help="Samples of them for testing.  [default: an eighth]")
@_ranges
@click.option(
    "--excitation",
    type=click.Choice(get_args(Excitation)),
    default=Plan.excitation,
    show_default=True,
    help="How strings are set going; both: each either way, by chance.",
)
@click.option(
    "--scaling",
    type=click.Choice(get_args(Scaling)),
    default=Plan.scaling,
    show_default=True,
    help="What becomes black and white; picture hides how loud a note is.",
)
@click.option("--form", type=click.Choice(list(FORMS)), default="binary", show_default=True)
@click.option("--overwrite", is_flag=True, help="Take the place of a dataset that is there.")
def resonator(image: str, out: Path | None, form: str, overwrite: bool, **chosen: Any) -> None:
    """Synthesise plucked and struck strings as VIMH spectrograms.

    A quantity whose LOW is below its HIGH is drawn for every note and labelled; give the same
    value twice to fix it.
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
