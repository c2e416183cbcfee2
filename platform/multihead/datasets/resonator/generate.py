"""Synthesise the notes of a plan, and write their spectrograms as a VIMH dataset."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from multihead.datasets.resonator import spectrogram, synthesis
from multihead.datasets.resonator.plan import QUANTITIES, Plan
from multihead.datasets.resonator.synthesis import Floats, Notes, count_partials, synthesise
from multihead.errors import ConfigError
from multihead.vimh import VIMHWriter
from multihead.vimh.dimensions import Dimensions, folder_dimensions
from multihead.vimh.source import Form

Progress = Callable[[int], None]
# Sounds and windows of a batch should fit into the processor's cache.
# A sound takes as much memory as eight windows.
_FRAMES_PER_BATCH, _FEWEST_FRAMES = 512, 8
_PROBES = 65


def generate(
    plan: Plan,
    path: Path,
    *,
    forms: Sequence[Form] = ("binary",),
    overwrite: bool = False,
    progress: Progress | None = None,
    batch_size: int | None = None,
) -> None:
    """Generate a dataset. The folder appears only when it is complete.

    Args:
        plan: Description of the dataset.
        path: The dataset's folder.
        forms: `binary`, `pickle`, or both.
        overwrite: Whether to replace an existing dataset.
        progress: Called with the number of added samples.
        batch_size: Samples computed at once. The bytes do not depend on it.

    Raises:
        ConfigError: If the folder exists and `overwrite` is false, or its name gives another image
            size.
        DataError: If the folder is not writable.
    """
    named = folder_dimensions(path)
    if named is not None and not named.agrees(Dimensions(*plan.image)):
        raise ConfigError(
            f"{path} is named for images of {named}, not of {Dimensions(*plan.image)}, so it would "
            f"be unreadable; choose another name or size."
        )
    # More threads may change the order of sums in matrix products, and so the bytes.
    with threadpool_limits(limits=1, user_api="blas"):
        loudest = find_loudest(plan)
        with _writer(plan, path, loudest, forms, overwrite) as writer:
            for split in plan.counts:
                for notes in _batches(plan.draw(split), batch_size or _batch_size(plan)):
                    images, ends = plan.spectrogram.pictures(
                        _levels(plan, notes), loudest, plan.scaling
                    )
                    codes = {n: h.encode(getattr(notes, n)) for n, h in plan.heads.items()}
                    writer.write(split, images, codes, spec_range=ends)
                    if progress is not None:
                        progress(len(notes))


def find_loudest(plan: Plan) -> float:
    """Return the level, in whole decibels, that the loudest notes of the ranges do not exceed.

    It depends only on the ranges, so datasets of any size and seed have the same scale.
    """
    top = {name: np.full(2 * _PROBES, high) for name, (_, high) in plan.ranges.items()}
    top["note_number"] = np.tile(np.linspace(*plan.note, _PROBES), 2)
    top["inharmonicity"] = np.full(2 * _PROBES, plan.inharmonicity[0])
    probes = Notes(**top, struck=np.repeat([False, True], _PROBES))
    parts = _batches(probes, _batch_size(plan))
    return float(math.ceil(max(_levels(plan, part).max() for part in parts)))


def describe(plan: Plan, loudest: float) -> dict[str, Any]:
    """Return metadata about how the dataset was generated, in plain types."""
    return {
        "generator": "multihead data generate resonator",
        "sample_rate": synthesis.SAMPLE_RATE,
        "duration": synthesis.DURATION,
        "seed": plan.seed,
        "excitation": plan.excitation,
        "scaling": plan.scaling,
        "channels": list(spectrogram.CHANNELS[: plan.image[2]]),
        "window": spectrogram.WINDOW,
        "frequency_range": [spectrogram.LOWEST, spectrogram.HIGHEST],
        "level_range": [loudest - spectrogram.DYNAMIC_RANGE, loudest],
    }


def _writer(
    plan: Plan, path: Path, loudest: float, forms: Sequence[Form], overwrite: bool
) -> VIMHWriter:
    height, width, channels = plan.image
    return VIMHWriter(
        path,
        plan.heads,
        (channels, height, width),
        dataset_name=plan.folder_name,
        forms=forms,
        fixed=plan.fixed,
        descriptions={name: quantity.description for name, quantity in QUANTITIES.items()},
        metadata={"synthesis": describe(plan, loudest)},
        overwrite=overwrite,
    )


def _levels(plan: Plan, notes: Notes) -> Floats:
    # All notes have the same number of partials, so that bytes do not depend on the batch.
    partials = count_partials(plan.note[0], plan.inharmonicity[0])
    return plan.spectrogram.levels(synthesise(notes, partials))


def _batch_size(plan: Plan) -> int:
    return max(1, _FRAMES_PER_BATCH // max(plan.image[1], _FEWEST_FRAMES))


def _batches(notes: Notes, size: int) -> Iterator[Notes]:
    for start in range(0, len(notes), size):
        part = slice(start, start + size)
        yield Notes(**{f.name: getattr(notes, f.name)[part] for f in fields(notes)})
