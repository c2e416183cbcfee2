"""What makes the labels of a sound wrong that is shown as a spectrogram."""

from dataclasses import replace
from typing import TypeVar

from multihead.data.source import Source

# Rows are frequencies and columns are times, so moving a picture makes another sound of it.
_GEOMETRY = frozenset(["hflip", "vflip", "shift", "crop", "scale", "rotate", "shear"])
_LEVELS = frozenset(["colour"])
_BREAKS = {
    "note_number": _GEOMETRY,
    "note_velocity": _GEOMETRY | _LEVELS,
    "decay": _GEOMETRY | _LEVELS,
    "brightness": _GEOMETRY | _LEVELS,
    "inharmonicity": _GEOMETRY,
}
_Source = TypeVar("_Source", bound=Source)
_IN_NAME = "_resonator_"  # of every dataset that `generate` names


def with_breaks(source: _Source) -> _Source:
    """Return a source that says what breaks its labels, if it is a set of synthesised strings."""
    if _IN_NAME not in source.name:
        return source
    known = {name: _BREAKS[name] for name in source.heads if name in _BREAKS}
    return replace(source, breaks=known)
