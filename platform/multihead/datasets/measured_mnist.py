"""MNIST with heads whose labels are measured in each picture, not looked up from its digit.

A measure is a parameter of 256 levels, or a few classes with equally many training pictures. Ranges
and boundaries come only from the training file, validation pictures included. So they are the same
for every seed, and the test file does not affect them.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead import settings
from multihead.data.source import Source, Split
from multihead.datasets.measures import check_measures
from multihead.datasets.mnist import mnist
from multihead.datasets.strokes import COLUMNS, UNITS
from multihead.datasets.strokes.cache import measured_once
from multihead.errors import ConfigError, DataError
from multihead.heads import KINDS, Head, Heads, Parameter
from multihead.heads.parameter import Spacing

MEASURES = ("thickness", "smoothness")
# Radii of curvature span a factor of ten.
_SCALES: dict[str, Spacing] = {"smoothness": "log"}
_LEVELS = 256
# Changes of a picture that change its measures.
_SIZE, _TURNED = frozenset(["scale", "crop"]), frozenset(["rotate", "shear"])
_BREAKS = {
    "thickness": _SIZE | {"colour"},
    "length": _SIZE | {"shear", "erase"},
    "slant": _TURNED | {"hflip", "vflip"},
    "width": _SIZE | _TURNED | {"erase"},
    "height": _SIZE | _TURNED | {"erase"},
    "smoothness": _SIZE | {"shear"},
}

Values = NDArray[np.float64]


def measured_mnist(
    data_dir: Path,
    split: Split,
    measures: Sequence[str] = MEASURES,
    quantiles: Mapping[str, int] | None = None,
) -> Source:
    """Return one split of MNIST with the digit and measures of its strokes.

    Args:
        data_dir: See `read_mnist`. The measures are stored there, too, or under the home of runs if
            it is not writable.
        split: `train` or `test`.
        measures: Columns of `measure_strokes`, one head for each.
        quantiles: By measure, the number of classes, for measures that become classes.

    Raises:
        ConfigError: If a measure does not exist, or has fewer than 2 classes.
        DataError: If files are missing or damaged, or a picture has no stroke.
    """
    quantiles = quantiles or {}
    _check(measures, quantiles)
    source = mnist(data_dir, split)
    values = _values(source, data_dir)
    training = values if split == "train" else _values(mnist(data_dir, "train"), data_dir)
    heads, labels = list(source.heads.values()), dict(source.labels)
    for name in measures:
        known, wanted = training[name].to_numpy(), values[name].to_numpy()
        if name in quantiles:
            head, labels[name] = _classes(name, known, wanted, quantiles[name])
        else:
            head = _parameter(name, known)
            labels[name] = head.encode(wanted)
        heads.append(head)
    breaks = dict(source.breaks) | {name: _BREAKS[name] for name in measures}
    return Source(
        "measured_mnist",
        source.images,
        labels,
        Heads(heads),
        source.mean,
        source.std,
        breaks=breaks,
    )


def _check(measures: Sequence[str], quantiles: Mapping[str, int]) -> None:
    check_measures(measures, COLUMNS)
    for name, count in quantiles.items():
        if name not in measures:
            raise ConfigError(
                f"data.quantiles names {name!r}, which is not in data.measures, {list(measures)}."
            )
        if count < 2:
            raise ConfigError(f"data.quantiles.{name} is {count}; give 2 classes or more.")


def _values(source: Source, data_dir: Path) -> pd.DataFrame:
    folders = [data_dir / "MNIST" / "strokes", settings.home() / "strokes"]
    values = measured_once(source.images[:, 0], folders)
    blank = np.flatnonzero(values.isna().any(axis=1))
    if len(blank):
        raise DataError(
            f"image {blank[0]:,} of {len(source):,} in {data_dir} shows no stroke that could be "
            f"measured; use data=multihead_mnist, or other images."
        )
    return values


def _parameter(name: str, training: Values) -> Head:
    low, high = float(training.min()), float(training.max())
    if low == high:
        raise DataError(f"the {name} of all training images is {low:g}; leave it out.")
    scale = _SCALES.get(name, "linear")
    parameter = Parameter(low, high, scale, UNITS[name], levels=_LEVELS)
    return Head(name, _LEVELS, kind=KINDS["ordinal"], parameter=parameter)


def _classes(
    name: str, training: Values, values: Values, count: int
) -> tuple[Head, NDArray[np.int64]]:
    """Turn a measure into classes at the quantiles of its training values."""
    cuts = np.quantile(training, np.arange(1, count) / count)
    if len(np.unique([training.min(), *cuts])) <= len(cuts):
        raise DataError(
            f"the {name} of the training images has too few different values for {count} "
            f"classes; lower data.quantiles.{name}."
        )
    head = Head(name, count, _class_names(cuts, UNITS[name]))
    return head, np.searchsorted(cuts, values, side="right").astype(np.int64)


def _class_names(cuts: Values, unit: str) -> tuple[str, ...]:
    ends = [f"{cut:.4g}" for cut in cuts]
    between = [f"{a}–{b} {unit}" for a, b in pairwise(ends)]
    return (f"under {ends[0]} {unit}", *between, f"over {ends[-1]} {unit}")
