"""Choose how the pictures of a set are prepared, from the settings or from the pictures.

Every choice that is not obvious gets a note of one sentence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from multihead.datasets.picture_survey import Look
from multihead.datasets.preparation import Preparation, Resize
from multihead.errors import DataError

Colour = Literal["auto", "grey", "rgb", "rgba"]
_CHANNELS = {"grey": 1, "rgb": 3, "rgba": 4}
_NAMES = {1: "grey", 3: "colour", 4: "colour and transparency"}
_LARGEST_KEPT = 512  # pixels per side up to which pictures of one size keep that size
_SIDE = 224  # usual for networks of photographs; longer sides are scaled down to it
_ALIKE = 1.05  # pictures whose proportions differ by less are stretched, which is hardly visible
_VARIED = 1.5  # if proportions differ by more, pictures are fitted into squares


@dataclass(frozen=True)
class Wishes:
    """The settings of the preparation.

    Attributes:
        size: Height and width. None chooses them.
        resize: How pictures of other sizes are fitted. None chooses this.
        colour: `auto`, or the colours of every prepared picture.
        alike: Whether pictures of several sizes are refused if `size` is None.
    """

    size: tuple[int, int] | None = None
    resize: Resize | None = None
    colour: Colour = "auto"
    alike: bool = False


def choose(looks: Sequence[Look], wishes: Wishes) -> tuple[Preparation, tuple[str, ...]]:
    """Return the preparation of all pictures of a set, and notes for the user.

    Args:
        looks: What was found in each picture with a readable header, 1 or more.
        wishes: The settings.

    Raises:
        DataError: If sizes differ and `wishes.alike` refuses that.
    """
    notes: list[str] = []
    channels = _channels(looks, wishes.colour, notes)
    size, resize = _size(looks, wishes, notes)
    deepest = _deepest(looks, notes)
    ground: Literal["black", "white"] = "white"
    _tell_oddities(looks, notes)
    return Preparation(channels, size, resize, deepest, ground), tuple(notes)


def notes_on_given(looks: Sequence[Look], given: Preparation) -> tuple[str, ...]:
    """Return notes on pictures that are prepared as those of a trained network were.

    Args:
        looks: What was found in each picture with a readable header, 1 or more.
        given: The preparation of the network.
    """
    notes: list[str] = []
    _tell_through(looks, given.channels, notes)
    _tell_grey(looks, given.channels, notes)
    if given.deepest is not None:
        _tell_range(looks, given.deepest, notes)
    _tell_oddities(looks, notes)
    return tuple(notes)


def _tell_oddities(looks: Sequence[Look], notes: list[str]) -> None:
    _tell(looks, lambda one: one.turned, "{} turned upright, as the EXIF orientation says", notes)
    several = "{} animated or of several pages: the first counts"
    _tell(looks, lambda one: one.several, several, notes)
    _tell(
        looks,
        lambda one: one.halved,
        "{} of 16 bits per colour, of which the upper 8 are used; scale them to 8 bits if they "
        "fill only a part of the range",
        notes,
    )


def _tell_range(looks: Sequence[Look], deepest: int, notes: list[str]) -> None:
    """Add notes if the values of pixels may not be those that a network was trained on."""
    deep = [one.deepest for one in looks if one.deepest >= 0]
    if not deep:
        notes.append(
            f"no picture has 16 bits per pixel, as some of the run's training had: their values "
            f"stay as they are, while 0 to {deepest:,} became 0 to 255 in training"
        )
        return
    above = sum(value > deepest for value in deep)
    if above:
        notes.append(
            f"{_of(above, len(looks))} of 16 bits per pixel with values above {deepest:,}, the "
            f"largest of the run's training: such pixels become white, so scale the pictures "
            f"(largest value: {max(deep):,})"
        )
    elif (1 << max(deep).bit_length()) - 1 < deepest:
        notes.append(
            f"{_of(len(deep), len(looks))} of 16 bits per pixel, with values up to {max(deep):,}: "
            f"0 to {deepest:,} become 0 to 255, as in the run's training; scale the pictures if "
            f"theirs is another range"
        )


def _channels(looks: Sequence[Look], colour: Colour, notes: list[str]) -> int:
    count = len(looks)
    grey = sum(one.grey for one in looks)
    varying = sum(one.alpha == 2 for one in looks)
    if colour == "auto":
        channels = 4 if 2 * varying > count else 1 if grey == count else 3
    else:
        channels = _CHANNELS[colour]
    if channels == 4 and colour == "auto":
        notes.append(
            f"{_of(varying, count)} transparent in parts: transparency is kept as a fourth channel "
            f"(data.colour=rgb puts them on white instead)"
        )
    _tell_through(looks, channels, notes)
    if grey < count or colour != "auto":
        _tell_grey(looks, channels, notes)
    return channels


def _tell_through(looks: Sequence[Look], channels: int, notes: list[str]) -> None:
    through = sum(one.alpha > 0 for one in looks)
    if channels in (1, 3) and through:
        notes.append(f"{_of(through, len(looks))} transparent in parts or throughout: put on white")


def _tell_grey(looks: Sequence[Look], channels: int, notes: list[str]) -> None:
    count, grey = len(looks), sum(one.grey for one in looks)
    if channels > 1 and grey:
        notes.append(f"{_of(grey, count)} grey: read as colour")
    if channels == 1 and grey < count:
        notes.append(f"{_of(count - grey, count)} in colour: read as grey")


def _deepest(looks: Sequence[Look], notes: list[str]) -> int | None:
    """Return the value that becomes 255: the largest value of the bits that are used."""
    deep = [one.deepest for one in looks if one.deepest >= 0]
    if not deep:
        return None
    bits = max(1, int(max(deep)).bit_length())
    notes.append(
        f"{_of(len(deep), len(looks))} of 16 bits per pixel, with values up to {max(deep):,}: "
        f"0 to {2**bits - 1:,} ({bits} bits) become 0 to 255 in all of them"
    )
    return (1 << bits) - 1


def _size(
    looks: Sequence[Look], wishes: Wishes, notes: list[str]
) -> tuple[tuple[int, int], Resize | None]:
    sizes = {(one.height, one.width) for one in looks}
    if wishes.size is not None:
        size = wishes.size
    elif len(sizes) == 1 and (wishes.alike or max(next(iter(sizes))) <= _LARGEST_KEPT):
        size = next(iter(sizes))
    else:
        if wishes.alike:
            raise DataError(
                f"the pictures are {_range(looks)} (height x width); make them equal, or choose "
                f"one size: data.size=[H,W]."
            )
        size = _usual(looks)
    if sizes == {size}:
        return size, wishes.resize
    how = wishes.resize or _how(looks, size)
    found = _range(looks)
    if wishes.size is None or wishes.resize is None:
        notes.append(
            f"pictures are {found} (height x width): {_DONE[how]} {_by(size)} "
            f"(data.size=[H,W] and data.resize=pad, crop or stretch choose otherwise)"
        )
    return size, how


def _range(looks: Sequence[Look]) -> str:
    least = _by((min(one.height for one in looks), min(one.width for one in looks)))
    most = _by((max(one.height for one in looks), max(one.width for one in looks)))
    return least if least == most else f"{least} to {most}"


_DONE = {"pad": "scaled and padded to", "crop": "scaled and cropped to", "stretch": "scaled to"}


def _usual(looks: Sequence[Look]) -> tuple[int, int]:
    """Return the median size within bounds, or a square if proportions differ much."""
    height = median(one.height for one in looks)
    width = median(one.width for one in looks)
    shapes = [one.width / one.height for one in looks]
    if max(shapes) / min(shapes) > _VARIED:
        height = width = median(max(one.height, one.width) for one in looks)
    scale = min(1.0, _SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _how(looks: Sequence[Look], size: tuple[int, int]) -> Resize:
    wanted = size[1] / size[0]
    off = [max(one.width / one.height / wanted, wanted * one.height / one.width) for one in looks]
    # Rounding the side of a small picture does not count as another proportion.
    small = 1 + 1 / min(size)
    return "stretch" if max(off) <= max(_ALIKE, small) else "pad"


def _tell(
    looks: Sequence[Look], which: Callable[[Look], bool], text: str, notes: list[str]
) -> None:
    found = sum(which(one) for one in looks)
    if found:
        notes.append(text.format(_of(found, len(looks))))


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _of(some: int, count: int) -> str:
    """Return the beginning of a sentence: how many pictures are something."""
    if some == count:
        return f"all {count:,} pictures are" if count > 1 else "the picture is"
    return f"{some:,} of {count:,} pictures {'is' if some == 1 else 'are'}"
