"""The description of a generated dataset: its size, its pictures and the ranges of its notes.

A quantity whose range has a width is drawn evenly (or its logarithm, if its scale is log) and
becomes a head of 256 levels. A quantity whose range is a single value is fixed and has no head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from multihead.data.source import Split
from multihead.datasets.resonator.spectrogram import CHANNELS, Scaling, Spectrogram
from multihead.datasets.resonator.synthesis import DURATION, SAMPLE_RATE, Floats, Notes
from multihead.errors import ConfigError
from multihead.heads import KINDS, Head, Heads, Parameter
from multihead.heads.parameter import Spacing

Excitation = Literal["both", "plucked", "struck"]
Range = tuple[float, float]
_HIGHEST_IMAGE, _WIDEST_IMAGE = 512, 2048
_SPLITS: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True)
class Quantity:
    """A quantity that may vary between notes.

    Attributes:
        option: Its name on the command line and in `Plan`.
        minimum: Smallest value that can be synthesised, in `unit`.
        maximum: Largest value that can be synthesised, in `unit`.
        scale: Scale of the draw and of the levels, linear or log.
        unit: Unit, such as `Hz`.
        step: Tolerance of a prediction, in `unit`, or None.
        description: Description for people.
    """

    option: str
    minimum: float
    maximum: float
    scale: Spacing
    unit: str
    step: float | None
    description: str


QUANTITIES: dict[str, Quantity] = {
    "note_number": Quantity(
        "note", 21, 105, "linear", "semitones", 1.0, "MIDI note number, 69 being 440 Hz"
    ),
    "note_velocity": Quantity(
        "velocity", 1, 127, "linear", "steps", 1.0, "MIDI velocity: level and brightness"
    ),
    "decay": Quantity(
        "decay", 0.05, 60, "log", "s", None, "Time in which the fundamental falls by 60 dB"
    ),
    "brightness": Quantity(
        "brightness", 100, 20_000, "log", "Hz", None, "Cutoff of the contact at velocity 127"
    ),
    "inharmonicity": Quantity(
        "inharmonicity", 0, 0.01, "linear", "", None, "Stiffness B: f_n = n f_0 sqrt(1 + B n^2)"
    ),
}


@dataclass(frozen=True)
class Plan:
    """The description of a dataset for `generate`. Equal plans give equal bytes.

    Attributes:
        size: Number of samples in both splits, 2 or more.
        image: Height (mel bands), width (frames) and channels (1 to 3) of a picture.
        note: Lowest and highest MIDI note number, within 21 to 105.
        velocity: Lowest and highest MIDI velocity, within 1 to 127.
        decay: Shortest and longest decay in seconds, within 0.05 to 60.
        brightness: Lowest and highest cutoff in Hz, within 100 to 20,000.
        inharmonicity: Lowest and highest stiffness, within 0 to 0.01.
        excitation: `plucked`, `struck`, or `both`, a random choice per note without a label.
        test_size: Samples of the test split, 1 to size - 1. None means an eighth of all.
        seed: Seed, 0 or more. With the same seed, a larger dataset begins with a smaller one.
        scaling: `dataset`, or `picture`, which hides how loud a note is.

    Raises:
        ConfigError: If a value is not one of these.
    """

    size: int = 16_384
    image: tuple[int, int, int] = (32, 32, 3)
    note: Range = (48.0, 96.0)
    velocity: Range = (1.0, 127.0)
    decay: Range = (2.0, 2.0)
    brightness: Range = (3000.0, 3000.0)
    inharmonicity: Range = (0.0001, 0.0001)
    excitation: Excitation = "both"
    test_size: int | None = None
    seed: int = 0
    scaling: Scaling = "dataset"

    def __post_init__(self) -> None:
        if self.size < 2:
            raise ConfigError(f"size is {self.size}; it must be 2 or more: training and test.")
        if not 1 <= self.counts["test"] < self.size:
            raise ConfigError(
                f"test-size is {self.test_size}; it must be 1 to {self.size - 1}, so that samples "
                f"are left for training."
            )
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; it must be 0 or more.")
        _check_image(self.image)
        _check_choice("excitation", self.excitation, get_args(Excitation))
        _check_choice("scaling", self.scaling, get_args(Scaling))
        for name, quantity in QUANTITIES.items():
            _check_range(quantity, self.ranges[name])
        if not self.varying:
            raise ConfigError("every range is a single value, so there is nothing to learn.")

    @property
    def counts(self) -> dict[Split, int]:
        """Number of samples by split."""
        test = max(1, self.size // 8) if self.test_size is None else self.test_size
        return {"train": self.size - test, "test": test}

    @property
    def ranges(self) -> dict[str, Range]:
        """The range of every quantity by name."""
        return {name: getattr(self, quantity.option) for name, quantity in QUANTITIES.items()}

    @property
    def varying(self) -> list[str]:
        """The quantities that are drawn, in order."""
        return [name for name, (low, high) in self.ranges.items() if low < high]

    @property
    def fixed(self) -> dict[str, float]:
        """The quantities that are not drawn, by name."""
        return {name: low for name, (low, high) in self.ranges.items() if low == high}

    @property
    def heads(self) -> Heads:
        """A head of 256 levels for each quantity that is drawn."""
        return Heads(
            Head(name, 256, kind=KINDS["ordinal"], parameter=_parameter(name, self.ranges[name]))
            for name in self.varying
        )

    @property
    def folder_name(self) -> str:
        """The customary name, such as vimh-32x32x3_8000Hz_1p0s_16384dss_resonator_2p."""
        image = "x".join(map(str, self.image))
        seconds = f"{DURATION:.1f}".replace(".", "p")
        return (
            f"vimh-{image}_{SAMPLE_RATE}Hz_{seconds}s_{self.size}dss_resonator_{len(self.varying)}p"
        )

    @property
    def spectrogram(self) -> Spectrogram:
        """The spectrogram that makes the pictures."""
        return Spectrogram(*self.image)

    def draw(self, split: Split) -> Notes:
        """Draw the notes of a split."""
        generator = np.random.default_rng([self.seed, _SPLITS.index(split)])
        rows = generator.random((self.counts[split], len(QUANTITIES) + 1))
        values = {
            name: _spread(rows[:, column], self.ranges[name], QUANTITIES[name].scale)
            for column, name in enumerate(QUANTITIES)
        }
        share = {"plucked": 0.0, "struck": 1.0, "both": 0.5}[self.excitation]
        return Notes(**values, struck=rows[:, -1] < share)


def parse_image(text: str) -> tuple[int, int, int]:
    """Read a size such as 32x32x3: height, width, channels.

    Raises:
        ConfigError: If it is not such a size.
    """
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise ConfigError(f"image is {text!r}; write HEIGHTxWIDTHxCHANNELS, such as 32x32x3.")
    height, width, channels = map(int, parts)
    return height, width, channels


def _spread(shares: Floats, ends: Range, scale: Spacing) -> Floats:
    low, high = ends
    if low == high:
        return np.full(len(shares), low)
    if scale == "log":
        return np.asarray(low * (high / low) ** shares)
    return np.asarray(low + shares * (high - low))


def _parameter(name: str, ends: Range) -> Parameter:
    quantity = QUANTITIES[name]
    return Parameter(*ends, scale=quantity.scale, unit=quantity.unit, step=quantity.step)


def _check_image(image: Sequence[int]) -> None:
    height, width, channels = image
    allowed = zip(image, (_HIGHEST_IMAGE, _WIDEST_IMAGE, len(CHANNELS)), strict=True)
    if not all(1 <= size <= most for size, most in allowed):
        raise ConfigError(
            f"image is {height}x{width}x{channels}; its height is 1 to {_HIGHEST_IMAGE} mel bands, "
            f"its width 1 to {_WIDEST_IMAGE} frames, its channels are 1 to {len(CHANNELS)} of "
            f"{', '.join(CHANNELS)}."
        )


def _check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}; choose one of {', '.join(allowed)}.")


def _check_range(quantity: Quantity, ends: Range) -> None:
    low, high = ends
    if not quantity.minimum <= low <= high <= quantity.maximum:
        unit = f" {quantity.unit}" if quantity.unit else ""
        raise ConfigError(
            f"{quantity.option} is {low:g} to {high:g}; it must rise, or be one value twice, "
            f"within {quantity.minimum:g} to {quantity.maximum:g}{unit}."
        )
