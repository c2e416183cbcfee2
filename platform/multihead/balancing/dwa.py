"""DWA: weights from the rate at which each loss decreases."""

from collections.abc import Mapping

import torch
from torch import Tensor

from multihead.balancing.scaled import ScaledBalancer
from multihead.balancing.weights import positive
from multihead.heads import Heads


class DynamicWeightAverage(ScaledBalancer):
    """Weight heads by softmax(r_t / T), where r_t is the last epoch's loss over the one before.

    The first two epochs use the static weights. An epoch's loss is the mean over the batches in
    which the head had a label. A head without a label keeps its last loss. All parameters learn
    from the weighted losses.
    Source: Liu, Johns & Davison, CVPR 2019, arXiv:1803.10704, section 3.3.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        temperature: Above 0; a larger value makes the weights more equal. It is 2 in the paper.
        scaled: As in `ScaledBalancer`.

    Raises:
        ConfigError: If `temperature` is not above 0.
    """

    sums: Tensor
    counts: Tensor
    means: Tensor

    def __init__(
        self,
        heads: Heads,
        weights: Mapping[str, float] | None = None,
        *,
        temperature: float = 2.0,
        scaled: bool = True,
    ) -> None:
        super().__init__(heads, weights, scaled=scaled)
        self.temperature = positive(temperature, "temperature")
        self.register_buffer("sums", torch.zeros(len(heads)))
        self.register_buffer("counts", torch.zeros(len(heads)))
        # Mean losses of the last epoch and the one before; NaN if there is none yet.
        self.register_buffer("means", torch.full((2, len(heads)), float("nan")))

    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the softmax over the heads in `seen`, [T], and add the losses to the sums."""
        self.sums += losses * seen
        self.counts += seen
        ratios = torch.nan_to_num(self.means[0] / self.means[1], nan=1.0, posinf=1.0)
        return (ratios / self.temperature).masked_fill(~seen, -float("inf")).softmax(0)

    def end_epoch(self) -> None:
        """Store the mean losses of the epoch, and reset the sums."""
        newest = torch.where(self.counts > 0, self.sums / self.counts, self.means[0])
        self.means = torch.stack([newest, self.means[0]])
        self.sums.zero_()
        self.counts.zero_()
