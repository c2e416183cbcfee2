"""What a head's outputs say: the one place that turns them into predictions.

| kind | prediction |
|---|---|
| classification | the class of the largest output |
| ordinal | the expected value of the softmax over the levels, in the parameter's unit |
| regression | the one output as a value in the parameter's unit |

A value's level is the nearest one.
"""

from typing import cast

from torch import Tensor, nn

from multihead.heads import Head, Heads
from multihead.models.scale import Scale


class Readout(nn.Module):
    """Point predictions of one head.

    Args:
        head: Its kind, and what its levels stand for.

    Shape:
        outputs [B, K] of the network (K is 1 for a regression), in float32 or float64.
    """

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.kind, self.bounded = head.kind, head.bounded
        self.scale = None if head.parameter is None else Scale(head.parameter)

    def codes(self, outputs: Tensor) -> Tensor:
        """Return the predicted class or level, int64 [B]."""
        return self.read(outputs)[0]

    def values(self, outputs: Tensor) -> Tensor:
        """Return what is predicted: a class, int64 [B], or a value [B] in the unit."""
        codes, offsets = self.read(outputs)
        if self.kind == "classification" or self.scale is None:
            return codes
        return widest(cast(Tensor, offsets)) + self.scale.centre

    def label_codes(self, labels: Tensor) -> Tensor:
        """Return labels [B] as classes or levels, int64; values get their nearest level."""
        if self.scale is None or not labels.is_floating_point():
            return labels
        return self.scale.to_level(self.scale.of_labels(labels))

    def read(self, outputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return codes int64 [B], and offsets [B] in the unit from `scale.centre`, if it has one.

        For a classification of levels, the offset is that of the predicted level.
        """
        if self.scale is None:
            return outputs.argmax(1), None
        if self.kind == "classification":
            codes = outputs.argmax(1)
            return codes, self.scale.offsets[codes]
        if self.kind == "ordinal":
            offsets = expected_offset(self.scale, outputs)
        else:
            offsets = self.scale.from_share(regressed_share(outputs, bounded=self.bounded))
        return self.scale.to_level(offsets), offsets


class Readouts(nn.Module):
    """A readout for each head, by name."""

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.by_head = nn.ModuleDict({f"{n}_head": Readout(head) for n, head in heads.items()})

    def __getitem__(self, name: str) -> Readout:
        return cast(Readout, self.by_head[f"{name}_head"])


def expected_offset(scale: Scale, outputs: Tensor) -> Tensor:
    """Return the expected offset [B], in the unit, of the softmax over levels [B, K]."""
    return outputs.softmax(1) @ scale.offsets.to(outputs.dtype)


def regressed_share(outputs: Tensor, *, bounded: bool) -> Tensor:
    """Return the share of the range [B] that outputs [B, 1] stand for.

    It is sigmoid(z) if bounded, else its tangent 1/2 + z/4: a new network, whose outputs are near
    0, starts in the middle of the range, and outputs of ordinary size span it.
    """
    return outputs[:, 0].sigmoid() if bounded else 0.5 + outputs[:, 0] / 4


def widest(tensor: Tensor) -> Tensor:
    """Return float64 where the device has it, else float32."""
    return tensor.float() if tensor.device.type == "mps" else tensor.double()
