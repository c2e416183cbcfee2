"""`multihead data generate shapes`: a folder of pictures and a table whose labels are true."""

from pathlib import Path
from typing import Any

import click

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


@click.command("shapes")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--count", default=DEFAULT.count, show_default=True, help="Pictures in all.")
@click.option("--test-count", type=int, help="Pictures of them for testing.  [default: a fifth]")
@click.option("--size", default=DEFAULT.size, show_default=True, help="Height and width in pixels.")
@click.option("--grey", is_flag=True, help="One channel, and no hue.")
@click.option(
    "--scale",
    nargs=2,
    type=float,
    default=tuple(DEFAULT.scale),
    show_default=True,
    metavar="LOW HIGH",
    help="Side of a square of the same area, as a share of the picture's side.",
)
@click.option(
    "--spread", default=DEFAULT.spread, show_default=True, help="Of centres; 0: in the middle."
)
@click.option(
    "--turn", default=DEFAULT.turn, show_default=True, help="Of orientations, in degrees."
)
@click.option(
    "--period",
    type=click.Choice([f"{period:g}" for period in PERIODS]),
    default=f"{DEFAULT.period:g}",
    show_default=True,
    help="Of orientation; a shape that is the same after a smaller turn has no label.",
)
@click.option(
    "--correlated",
    nargs=2,
    type=click.Choice(FACTORS),
    default=tuple(DEFAULT.correlated),
    show_default=True,
    help="Two factors.",
)
@click.option(
    "--correlation", default=DEFAULT.correlation, show_default=True, help="Of them, -1 to 1."
)
@click.option(
    "--imbalance",
    default=DEFAULT.imbalance,
    show_default=True,
    help="How many times the first shape is as frequent as the last.",
)
@click.option(
    "--label-noise", multiple=True, type=Shares(), help="Wrong training labels; may be repeated."
)
@click.option(
    "--missing", multiple=True, type=Shares(), help="Missing training labels; may be repeated."
)
@click.option("--clutter", default=DEFAULT.clutter, show_default=True, help="Spots behind.")
@click.option(
    "--pixel-noise", default=DEFAULT.pixel_noise, show_default=True, help="A share of white."
)
@click.option("--seed", default=DEFAULT.seed, show_default=True, help="Equal seeds, equal bytes.")
@click.option("--overwrite", is_flag=True, help="Take the place of a folder that is there.")
def shapes(
    out: Path,
    grey: bool,
    period: str,
    label_noise: tuple[tuple[str, float], ...],
    missing: tuple[tuple[str, float], ...],
    overwrite: bool,
    **chosen: Any,
) -> None:
    """Draw shapes as PNG files with a table, `metadata.csv`.

    OUT is the folder. `multihead train experiment=own_data data.table=OUT` learns from it.
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
