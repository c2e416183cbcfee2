"""`multihead data generate shapes`: make a folder of pictures and a table of known labels."""

from pathlib import Path
from typing import Any

import click

from multihead.cli.help import examples
from multihead.datasets.shapes.plan import FACTORS, PERIODS, Plan
from multihead.terminal.lines import say

DEFAULT = Plan()


class Shares(click.ParamType[tuple[str, float]]):
    """An option HEAD=SHARE, such as shape=0.2."""

    name = "HEAD=SHARE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Return the head and the share."""
        head, _, share = str(value).partition("=")
        try:
            return head, float(share)
        except ValueError:
            self.fail(f"{value!r} is not HEAD=SHARE, such as shape=0.2.", param, ctx)


@click.command(
    "shapes",
    short_help="Images of shapes as PNG files, with a table of labels.",
    epilog=examples(
        "multihead data generate shapes photos --count 2000 --size 32",
        "multihead data generate shapes photos --correlation 0.8 --missing shape=0.5",
    ),
)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--count",
    default=DEFAULT.count,
    show_default=True,
    help="Number of images, training and test together.",
)
@click.option(
    "--test-count",
    type=int,
    show_default="a fifth of --count",
    help="Number of those images that form the test split.",
)
@click.option(
    "--size",
    default=DEFAULT.size,
    show_default=True,
    help="Height and width of an image in pixels, 8 to 512.",
)
@click.option("--grey", is_flag=True, help="Draw images with one channel, without the head hue.")
@click.option(
    "--scale",
    nargs=2,
    type=float,
    default=tuple(DEFAULT.scale),
    show_default=True,
    metavar="LOW HIGH",
    help="Least and greatest size of a shape: the side of a square with the same area, as a "
    "share of the image's side, above 0 and up to 0.4.",
)
@click.option(
    "--spread",
    default=DEFAULT.spread,
    show_default=True,
    help="How far centres are from the middle, as a share of the free room, 0 to 1. With 0 all "
    "are in the middle, and there are no heads x and y.",
)
@click.option(
    "--turn",
    default=DEFAULT.turn,
    show_default=True,
    help="Range of orientations in degrees, 0 to 360: from -TURN/2 to TURN/2. With 0 there is no "
    "head orientation.",
)
@click.option(
    "--period",
    type=click.Choice([f"{period:g}" for period in PERIODS]),
    default=f"{DEFAULT.period:g}",
    show_default=True,
    help="Period of the head orientation in degrees. A shape that looks the same after a "
    "smaller turn has no label.",
)
@click.option(
    "--correlated",
    nargs=2,
    type=click.Choice(FACTORS),
    default=tuple(DEFAULT.correlated),
    show_default=True,
    help="The two factors that --correlation makes dependent on each other.",
)
@click.option(
    "--correlation",
    default=DEFAULT.correlation,
    show_default=True,
    help="Correlation of the two factors of --correlated, -1 to 1. With 0 they are independent.",
)
@click.option(
    "--imbalance",
    default=DEFAULT.imbalance,
    show_default=True,
    help="How many times as often the first shape occurs as the last, 1 to 1000.",
)
@click.option(
    "--label-noise",
    multiple=True,
    type=Shares(),
    show_default="0",
    help="Share of wrong training labels of a head, 0 to 1. May be repeated.",
)
@click.option(
    "--missing",
    multiple=True,
    type=Shares(),
    show_default="0",
    help="Share of missing training labels of a head, 0 to below 1. May be repeated.",
)
@click.option(
    "--clutter",
    default=DEFAULT.clutter,
    show_default=True,
    help="Number of coloured spots behind the shape, 0 to 100.",
)
@click.option(
    "--pixel-noise",
    default=DEFAULT.pixel_noise,
    show_default=True,
    help="Standard deviation of the noise of a pixel, as a share of white, 0 to 1.",
)
@click.option(
    "--seed",
    default=DEFAULT.seed,
    show_default=True,
    help="Random seed. Equal seeds give equal images.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is a folder of shapes.")
def shapes(
    out: Path,
    grey: bool,
    period: str,
    label_noise: tuple[tuple[str, float], ...],
    missing: tuple[tuple[str, float], ...],
    overwrite: bool,
    **chosen: Any,
) -> None:
    """Draw images of shapes into the new folder OUT: PNG files, and a table `metadata.csv`.

    To train on them, run `multihead train experiment=own_data data.table=OUT`.
    """
    from multihead.datasets.shapes.folder import write_folder
    from multihead.errors import ConfigError
    from multihead.terminal.drawn import Screen, progress

    plan = Plan(
        colour=not grey,
        period=float(period),
        label_noise=dict(label_noise),
        missing=dict(missing),
        **chosen,
    )
    if out.exists() and not overwrite:
        raise ConfigError(f"{out} exists already; remove it, or pass --overwrite.")
    with progress(Screen(err=True), "{task.completed}/{task.total}") as shown:
        task = shown.add_task("pictures", total=plan.count)
        write_folder(plan, out, overwrite=overwrite, progress=lambda n: shown.advance(task, n))
    counts = ", ".join(f"{count:,} {split}" for split, count in plan.counts.items())
    say(out, f"{counts}; heads: {', '.join(plan.heads)}")
