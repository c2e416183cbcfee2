"""What a network that ignores its images would reach, to compare a run's test figures with."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.heads import Head
from multihead.metrics.metric import Metric
from multihead.runs.build import Parts

_TRAINING_LABELS = 50_000  # enough for shares and means
_CHUNK = 10_000  # test images at a time


def constant_figures(parts: Parts) -> dict[str, float]:
    """Return each head's figure on the test split for the same outputs for every image.

    The outputs are those of `Kind.constant`, from at most 50,000 training labels spread evenly over
    the training split.

    Args:
        parts: Of a run that has trained and whose heads have been tested.

    Returns:
        By head name, in the metric that the head is judged by. A head is left out whose kind has
        no constant outputs, whose metric does not come from means over images, or without labels.
    """
    data, metrics = parts.data, parts.module.head_metrics
    if data.train_source.is_streamed or data.test_source.is_streamed:
        return {}  # labels would be read with their images, a second time
    every = data.train_indices
    known = data.train_source.take_labels(every[:: max(1, len(every) // _TRAINING_LABELS)])
    true = data.test_source.take_labels(data.test_indices)
    found = {}
    for name, head in metrics.heads.items():
        figure = _figure(head, metrics.judge(name), known[name], true[name])
        if figure is not None:
            found[name] = figure
    return found


def _figure(head: Head, metric: Metric, known: NDArray[Any], true: NDArray[Any]) -> float | None:
    known, true = (labels[~head.kind.is_missing(labels)] for labels in (known, true))
    # Equal metrics may be computed differently: the kind's own one comes from means.
    own = next((each for each in head.kind.metrics(head) if each == metric), None)
    if own is None or not len(known) or not len(true):
        return None
    outputs = head.kind.constant(head, known)
    return None if outputs is None else own.of(_means(head, outputs, torch.from_numpy(true)))


def _means(head: Head, outputs: Tensor, true: Tensor) -> Mapping[str, float]:
    """Return the means of the readout's columns over labels [N, ...], by name."""
    readout = head.kind.readout(head)

    def sums() -> Iterator[Tensor]:
        for first in range(0, len(true), _CHUNK):
            labels = true[first : first + _CHUNK]
            yield readout.measures(outputs.expand(len(labels), -1), labels).double().sum(1)

    means = torch.stack(list(sums())).sum(0) / len(true)
    return dict(zip(readout.columns, means.tolist(), strict=True))
