"""The changes of a spectrogram that make the labels of its sound wrong."""

from dataclasses import replace
from typing import TypeVar

from multihead.data.source import Source

# Rows are frequencies and columns are times, so a moved picture shows another sound.
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
_IN_NAME = "_resonator_"  # part of the name of every dataset that `generate` names


def with_breaks(source: _Source) -> _Source:
    """Return the source with its `breaks` set, if it is a set of synthesised strings."""
    if _IN_NAME not in source.name:
        return source
    known = {name: _BREAKS[name] for name in source.heads if name in _BREAKS}
    return replace(source, breaks=known)
