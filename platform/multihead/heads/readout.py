"""Predictions of heads whose labels are classes or levels.

The level of a value is the nearest level. Offsets are differences from the middle of a parameter's
range. So float32 resolves a ten-millionth of the range, even if the range is far from 0.
"""

from typing import cast

import torch
from torch import Tensor, nn

from multihead.heads.collection import Heads
from multihead.heads.head import Head
from multihead.heads.results import Readout
from multihead.heads.scale import Scale

# Share of the range. With it, rounding cannot put an error of exactly the tolerance outside.
_SLACK = 1e-6
_OF_CLASSES = ("correct",)
# Errors and labels are offsets in the parameter's unit.
_OF_RANGES = (*_OF_CLASSES, "absolute", "squared", "within", "label", "label_squared")


class ClassReadout(Readout):
    """Readout of a head that predicts classes or levels."""

    def codes(self, outputs: Tensor) -> Tensor:
        """Return the predicted class or level, int64 [B]."""
        raise NotImplementedError

    def label_codes(self, labels: Tensor) -> Tensor:
        """Return labels [B] as classes or levels, int64."""
        return labels


class LevelReadout(ClassReadout):
    """Point predictions of one head.

    Args:
        head: The head.

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
        """Return codes int64 [B], and offsets [B] from `scale.centre` in the unit.

        Offsets are None without a range. If a range is predicted by classification, the offset is
        that of the predicted level.
        """
        codes = outputs.argmax(1)
        return codes, None if self.scale is None else self.scale.offsets[codes]

    def codes(self, outputs: Tensor) -> Tensor:
        """Return the predicted class or level, int64 [B]."""
        return self.read(outputs)[0]

    def values(self, outputs: Tensor) -> Tensor:
        """Return predictions: classes int64 [B], or values [B] in the unit."""
        return self.codes(outputs)

    def label_codes(self, labels: Tensor) -> Tensor:
        """Return labels [B] as classes or levels, int64; values get their nearest level."""
        if self.scale is None or not labels.is_floating_point():
            return labels
        return self.scale.to_level(self.scale.of_labels(labels))

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return hits; for a range also errors and labels in the unit. See `Readout.measures`."""
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
    """Predictions that are values of a range; subclasses define `offsets`.

    Args:
        head: A head with a parameter.
    """

    scale: Scale

    def offsets(self, outputs: Tensor) -> Tensor:
        """Return predicted values [B] in the unit, minus the scale's centre."""
        raise NotImplementedError

    def read(self, outputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the nearest levels int64 [B], and the offsets [B]."""
        offsets = self.offsets(outputs)
        return self.scale.to_level(offsets), offsets

    def values(self, outputs: Tensor) -> Tensor:
        """Return values [B] in the unit."""
        return widest(self.offsets(outputs)) + self.scale.centre


class Readouts(nn.Module):
    """The readouts of all heads, by name."""

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        made = {f"{name}_head": head.kind.readout(head) for name, head in heads.items()}
        self.by_head = nn.ModuleDict(made)

    def __getitem__(self, name: str) -> Readout:
        return cast(Readout, self.by_head[f"{name}_head"])


def expected_offset(scale: Scale, outputs: Tensor) -> Tensor:
    """Return the expected offset [B], in the unit, for logits [B, K] over levels."""
    # Not a matrix product: autocast would compute that in 16 bits, with errors of half a percent.
    return (outputs.softmax(1) * scale.offsets.to(outputs.dtype)).sum(1)


def regressed_share(outputs: Tensor, *, bounded: bool) -> Tensor:
    """Return the positions [B] in the range (0 to 1) that outputs z [B, 1] predict.

    The position is sigmoid(z) if bounded, else the tangent of it, 1/2 + z/4. A new network has
    outputs near 0, so it starts in the middle of the range. Outputs from -2 to 2 span the range.
    """
    return outputs[:, 0].sigmoid() if bounded else 0.5 + outputs[:, 0] / 4


def widest(tensor: Tensor) -> Tensor:
    """Return the tensor as float64 if the device supports it, else as float32."""
    return tensor.float() if tensor.device.type == "mps" else tensor.double()
