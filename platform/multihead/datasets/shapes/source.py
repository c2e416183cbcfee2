"""Drawn shapes as a dataset, without files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from multihead.data.source import Source, Split
from multihead.datasets.shapes.draw import draw
from multihead.datasets.shapes.factors import draw_factors, labels_of
from multihead.datasets.shapes.heads import heads_of
from multihead.datasets.shapes.plan import Plan

# Approximate means and deviations of scaled pixels of pictures without clutter.
_COLOUR_MEAN, _COLOUR_STD = (0.14, 0.14, 0.14), (0.1, 0.1, 0.1)
_GREY_MEAN, _GREY_STD = (0.14,), (0.1,)
_MOVED = frozenset(["shift", "crop", "rotate", "scale", "shear"])
# Changes that make a label wrong. Erasing may also hide a mark.
_BREAKS = {
    "scale": frozenset(["crop", "scale", "shear"]),
    "x": _MOVED | {"hflip"},
    "y": _MOVED | {"vflip"},
    "orientation": frozenset(["hflip", "vflip", "rotate", "shear"]),
    "hue": frozenset(["hue", "colour"]),
    "marked": frozenset(["erase", "cutmix"]),
}


def shapes(
    data_dir: Path,
    split: Split,
    count: int = 10_000,
    test_count: int | None = None,
    size: int = 64,
    colour: bool = True,
    scale: Sequence[float] = (0.12, 0.26),
    spread: float = 1.0,
    turn: float = 360.0,
    period: float = 360.0,
    correlated: Sequence[str] = ("shape", "hue"),
    correlation: float = 0.0,
    imbalance: float = 1.0,
    label_noise: Mapping[str, float] | None = None,
    missing: Mapping[str, float] | None = None,
    clutter: int = 0,
    pixel_noise: float = 0.0,
    picture_seed: int = 0,
) -> Source:
    """Draw one split of shapes. No files are read or written.

    All arguments after the split are those of `Plan`, which describes them.

    Args:
        data_dir: Not used.
        split: `train` or `test`.
        count: Number of pictures in both splits.
        test_count: Number of test pictures. None means a fifth.
        size: Height and width in pixels.
        colour: Whether there are three channels and the head `hue`.
        scale: Smallest and largest scale, as shares of `size`.
        spread: Range of centres, 0 to 1.
        turn: Range of orientations, in degrees.
        period: Period of the head `orientation`, in degrees.
        correlated: Two factors.
        correlation: How closely the second follows the first, -1 to 1.
        imbalance: Frequency of the first class of `shape` divided by that of the last.
        label_noise: Share of wrong training labels by head.
        missing: Share of missing training labels by head.
        clutter: Number of spots behind the shape.
        pixel_noise: Standard deviation of the pixel noise, as a share of white.
        picture_seed: Seed of the pictures. It is not the run's seed, so runs with different seeds
            use the same pictures.

    Raises:
        ConfigError: If a value is outside its range.
    """
    plan = Plan(
        count=count,
        test_count=test_count,
        size=size,
        colour=colour,
        scale=scale,
        spread=spread,
        turn=turn,
        period=period,
        correlated=correlated,
        correlation=correlation,
        imbalance=imbalance,
        label_noise=label_noise or {},
        missing=missing or {},
        clutter=clutter,
        pixel_noise=pixel_noise,
        seed=picture_seed,
    )
    drawn = draw_factors(plan, split)
    heads, labels = heads_of(plan), labels_of(plan, split, drawn)
    return Source(
        name="shapes",
        images=draw(plan, split, drawn),
        labels=labels,
        heads=heads,
        mean=_COLOUR_MEAN if colour else _GREY_MEAN,
        std=_COLOUR_STD if colour else _GREY_STD,
        incomplete=frozenset(
            name for name, head in heads.items() if head.kind.is_missing(labels[name]).any()
        ),
        breaks={name: _BREAKS[name] for name in heads if name in _BREAKS},
    )
