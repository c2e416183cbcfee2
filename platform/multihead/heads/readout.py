"""Predictions of heads whose labels are classes or levels.

A value's level is the nearest one. Offsets are taken from the middle of a parameter's range, so
that float32 resolves a ten-millionth of it, however far from 0 it lies.
"""

from typing import cast

import torch
from torch import Tensor, nn

from multihead.heads.collection import Heads
from multihead.heads.head import Head
from multihead.heads.results import Readout
from multihead.heads.scale import Scale

# float32 resolves a ten-millionth of the range, so an error of exactly the tolerance is within.
_SLACK = 1e-6
_OF_CLASSES = ("correct",)
# Errors and labels are offsets in the parameter's unit.
_OF_RANGES = (*_OF_CLASSES, "absolute", "squared", "within", "label", "label_squared")


class ClassReadout(Readout):
    """Predictions that are classes or levels."""

    def codes(self, outputs: Tensor) -> Tensor:
        """Return the predicted class or level, int64 [B]."""
        raise NotImplementedError

    def label_codes(self, labels: Tensor) -> Tensor:
        """Return labels [B] as classes or levels, int64."""
        return labels


class LevelReadout(ClassReadout):
    """Point predictions of one head.

    Args:
        head: What its labels stand for.

    Shape:
        outputs [B, K] of the network, in float32 or float64.
    """

    def __init__(self, head: Head) -> None:
        super().__init__()
        parameter = head.parameter
        self.scale = None if parameter is None else Scale(parameter)
        self.columns = _OF_CLASSES if parameter is None else _OF_RANGES
        self.slack = 0.0
        if parameter is not None:
            width = parameter.maximum - parameter.minimum
            self.slack = parameter.tolerance + _SLACK * width

    def read(self, outputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return codes int64 [B], and offsets [B] in the unit from `scale.centre`, if it has one.

        For a classification of levels, the offset is that of the predicted level.
        """
        codes = outputs.argmax(1)
        return codes, None if self.scale is None else self.scale.offsets[codes]

    def codes(self, outputs: Tensor) -> Tensor:
        """Return the predicted class or level, int64 [B]."""
        return self.read(outputs)[0]

    def values(self, outputs: Tensor) -> Tensor:
        """Return what is predicted: a class, int64 [B], or a value [B] in the unit."""
        return self.codes(outputs)

    def label_codes(self, labels: Tensor) -> Tensor:
        """Return labels [B] as classes or levels, int64; values get their nearest level."""
        if self.scale is None or not labels.is_floating_point():
            return labels
        return self.scale.to_level(self.scale.of_labels(labels))

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return hits, and for a range errors and labels in the unit; see `Readout`."""
        codes, offsets = self.read(outputs)
        correct = codes == self.label_codes(labels)
        if self.scale is None or offsets is None:
            return widest(correct).unsqueeze(0)
        true = self.scale.of_labels(labels)
        error, true = widest(offsets - true), widest(true)
        away = error.abs()
        each = [correct, away, error.square(), away <= self.slack, true, true.square()]
        return torch.stack([column.to(error.dtype) for column in each])


class RangeReadout(LevelReadout):
    """Predictions that are values of a range; subclasses say their offsets.

    Args:
        head: One with a parameter.
    """

    scale: Scale

    def offsets(self, outputs: Tensor) -> Tensor:
        """Return what is predicted, [B] in the unit, less the scale's centre."""
        raise NotImplementedError

    def read(self, outputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the nearest levels int64 [B], and the offsets [B]."""
        offsets = self.offsets(outputs)
        return self.scale.to_level(offsets), offsets

    def values(self, outputs: Tensor) -> Tensor:
        """Return values [B] in the unit."""
        return widest(self.offsets(outputs)) + self.scale.centre


class Readouts(nn.Module):
    """A readout for each head, by name."""

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        made = {f"{name}_head": head.kind.readout(head) for name, head in heads.items()}
        self.by_head = nn.ModuleDict(made)

    def __getitem__(self, name: str) -> Readout:
        return cast(Readout, self.by_head[f"{name}_head"])


def expected_offset(scale: Scale, outputs: Tensor) -> Tensor:
    """Return the expected offset [B], in the unit, of the softmax over levels [B, K]."""
    # No matrix product: autocast would do that in 16 bits, in steps of half a percent.
    return (outputs.softmax(1) * scale.offsets.to(outputs.dtype)).sum(1)


def regressed_share(outputs: Tensor, *, bounded: bool) -> Tensor:
    """Return the share of the range [B] that outputs [B, 1] stand for.

    It is sigmoid(z) if bounded, else its tangent 1/2 + z/4: a new network, whose outputs are near
    0, starts in the middle of the range, and outputs of ordinary size span it.
    """
    return outputs[:, 0].sigmoid() if bounded else 0.5 + outputs[:, 0] / 4


def widest(tensor: Tensor) -> Tensor:
    """Return float64 where the device has it, else float32."""
    return tensor.float() if tensor.device.type == "mps" else tensor.double()
