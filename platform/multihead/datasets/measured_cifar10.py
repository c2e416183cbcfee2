"""CIFAR-10 with heads whose labels are measured in each picture, not looked up from its class.

The class explains little of them. On the published test pictures it explains 19% of the variance of
the hue, 9% of the extent, 8% of the brightness, 7% of `centre_y` and 0.1% of `centre_x`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from multihead.data.source import Source, Split
from multihead.datasets.appearance import UNITS, measure_appearance
from multihead.datasets.cifar import cifar10
from multihead.datasets.measures import check_measures
from multihead.heads import Head, Heads
from multihead.heads.kinds.angle import Angle
from multihead.heads.kinds.float_regression import FloatRegression

# Changes of a picture that change its measures. A shift of a few pixels hardly changes hue,
# brightness and extent: after a shift by 4 of 32 pixels, their correlations with the old values are
# 0.90, 0.97 and 0.88.
_COLOUR = frozenset(["colour", "erase", "cutmix"])
_PLACE = _COLOUR | {"shift", "crop", "rotate", "shear", "scale"}
_BREAKS = {
    "brightness": _COLOUR,
    "hue": _COLOUR | {"hue"},
    "centre_x": _PLACE | {"hflip"},
    "centre_y": _PLACE | {"vflip"},
    "extent": _PLACE - {"shift"},
}


def measured_cifar10(
    data_dir: Path, split: Split, measures: Sequence[str] = ("hue", "brightness", "extent")
) -> Source:
    """Return one split of CIFAR-10 with its class and measures of its pictures.

    The hue is an angle, and is missing for nearly grey pictures. The other measures are numbers.

    Args:
        data_dir: See `read_cifar10`.
        split: `train` or `test`.
        measures: Names in `multihead.datasets.appearance.UNITS`, one head for each.

    Raises:
        ConfigError: If a measure does not exist or is named twice.
        DataError: If files are missing or damaged.
    """
    check_measures(measures, UNITS)
    source = cifar10(data_dir, split)
    values = measure_appearance(source.images) if measures else {}
    labels = {name: values[name].astype(np.float32) for name in measures}
    return Source(
        "measured_cifar10",
        source.images,
        {**source.labels, **labels},
        Heads([*source.heads.values(), *map(_head, measures)]),
        source.mean,
        source.std,
        incomplete=frozenset(["hue"]).intersection(measures),
        breaks={name: _BREAKS[name] for name in measures},
    )


def _head(name: str) -> Head:
    kind = Angle() if UNITS[name] == "degrees" else FloatRegression(unit=UNITS[name])
    return Head(name, kind=kind)
