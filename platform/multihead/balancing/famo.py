"""FAMO: weights that make all losses decrease at the same rate."""

from collections.abc import Mapping

import torch
from torch import Tensor

from multihead.balancing.scaled import ScaledBalancer
from multihead.balancing.weights import positive
from multihead.heads import Heads

_BETAS = (0.9, 0.999)
_SMALL = 1e-8


class FAMO(ScaledBalancer):
    """Weight heads by softmax(w)_t / L_t, where w learns how much each loss fell in the last step.

    The paper evaluates each batch again after the step. This method uses the loss of the next batch
    instead, which needs no further forward pass but is noisier. w has its own Adam optimizer. All
    parameters learn from the weighted losses, which must be positive.
    Source: Liu et al., FAMO: Fast Adaptive Multitask Optimization, NeurIPS 2023, algorithm 1.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        lr: Learning rate of w, above 0; 0.025 in the paper.
        decay: Weight decay of w, 0 or more; 0.001 in the paper.
        scaled: As in `ScaledBalancer`.

    Raises:
        ConfigError: For a value outside these ranges.
    """

    logits: Tensor
    previous: Tensor
    moments: Tensor
    steps: Tensor

    def __init__(
        self,
        heads: Heads,
        weights: Mapping[str, float] | None = None,
        *,
        lr: float = 0.025,
        decay: float = 0.001,
        scaled: bool = True,
    ) -> None:
        super().__init__(heads, weights, scaled=scaled)
        self.lr, self.decay = positive(lr, "lr"), positive(decay, "decay", or_zero=True)
        self.register_buffer("logits", torch.zeros(len(heads)))
        # NaN means that the head was not seen yet.
        self.register_buffer("previous", torch.full((len(heads),), float("nan")))
        self.register_buffer("moments", torch.zeros(2, len(heads)))
        self.register_buffer("steps", torch.zeros(len(heads)))

    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return softmax(w) / L, [T], after a step of w for the heads that were seen before."""
        losses = losses.clamp(min=_SMALL)
        self._learn(losses, seen)
        shares = self.logits.masked_fill(~seen, -float("inf")).softmax(0)
        return shares / losses

    def _learn(self, losses: Tensor, seen: Tensor) -> None:
        known = seen & ~self.previous.isnan()
        fallen = torch.where(known, self.previous.log() - losses.log(), 0)
        shares = self.logits.masked_fill(~known, -float("inf")).softmax(0).nan_to_num()
        # The derivative of the softmax times the decrease. A head whose loss fell more gets less
        # weight.
        gradient = shares * (fallen - (shares * fallen).sum()) + self.decay * self.logits
        first = torch.lerp(gradient, self.moments[0], _BETAS[0])
        second = torch.lerp(gradient.square(), self.moments[1], _BETAS[1])
        steps = self.steps + known
        hat = first / (1 - _BETAS[0] ** steps.clamp(min=1))
        scale = (second / (1 - _BETAS[1] ** steps.clamp(min=1))).sqrt() + _SMALL
        self.logits = torch.where(known, self.logits - self.lr * hat / scale, self.logits)
        self.moments = torch.where(known, torch.stack([first, second]), self.moments)
        self.steps, self.previous = steps, torch.where(seen, losses, self.previous)
