"""Methods that make weights of the Gramian of the heads' gradients, those of torchjd among them."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from multihead.balancing.balancer import GramianOf
from multihead.balancing.scaled import ScaledBalancer
from multihead.errors import ConfigError
from multihead.heads import Heads


class GramianBalancer(ScaledBalancer):
    """A method that weighs heads by the inner products of their gradients.

    The weights are for what the heads share; each head's own parameters learn from its own loss,
    as the papers of these methods have it.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        gramian_of: `shared`, exact, one backward pass per head; or `features`, cheap, with the
            gradients [B, F] with respect to what the backbone returns.
        every: Batches from one Gramian to the next; the weights stay in between.
        scaled: As `ScaledBalancer`.
    """

    needs_gramian: ClassVar[bool] = True
    only_shared: ClassVar[bool] = True

    def __init__(
        self,
        heads: Heads,
        weights: Mapping[str, float] | None = None,
        *,
        gramian_of: GramianOf = "shared",
        every: int = 1,
        scaled: bool = True,
    ) -> None:
        super().__init__(heads, weights, scaled=scaled)
        if gramian_of not in ("shared", "features"):
            raise ConfigError(
                f"model.balancer.gramian_of is {gramian_of!r}; choose shared or features."
            )
        if every < 1:
            raise ConfigError(f"model.balancer.every is {every}; give 1 or more batches.")
        self.gramian_of, self.every = gramian_of, every


class SolvingBalancer(GramianBalancer):
    """A method that keeps no state and solves a small problem for the heads that it weighs.

    A Gramian that is not finite, or all 0, gives the static weights.
    """

    @abstractmethod
    def solve(self, gramian: Tensor) -> Tensor:
        """Return how the heads of a Gramian [n, n] weigh relative to each other, [n]."""

    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the solution for the heads that are seen."""
        given, places = cast(Tensor, gramian), self.subset(seen)
        if places is not None:
            given = given[places][:, places]
        ones = torch.ones_like(losses)
        if not torch.isfinite(given).all() or given.trace() <= 0:
            return ones
        with self.drawing(), torch.autocast(losses.device.type, enabled=False):
            found = self.solve(given).to(losses)
        return found if places is None else ones.index_copy(0, places, found)


class GramianWeighting(SolvingBalancer):
    """Weigh heads by a weighting of torchjd that keeps no state.

    Of those that ship: PCGrad (Yu et al. 2020, in its random order), FairGrad (Ban & Ji 2024;
    with alpha 1 the equation of Nash-MTL, Navon et al. 2022), Aligned-MTL (Senushkin et al. 2023,
    with `scale_mode: min` as in the paper; its code has rmse as well) and UPGrad (Quinton & Rey
    2024). Each head's own parameters learn from its own loss. (The code of FairGrad and of Nash-MTL
    weighs them too.)

    Unless `scaled` is false, the squares of the gradients are brought to a mean of 1 first. That
    changes no direction, but torchjd compares with fixed numbers: UPGrad would take gradients
    whose squares sum to less than 0.0001, as late in a training, for 0.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        weighting: Of `torchjd.aggregation`; takes a Gramian [n, n] and returns weights [n].
        gramian_of: As `GramianBalancer`.
        every: As `GramianBalancer`.
        scaled: As `ScaledBalancer`.
    """

    def __init__(
        self,
        heads: Heads,
        weights: Mapping[str, float] | None = None,
        *,
        weighting: nn.Module,
        gramian_of: GramianOf = "shared",
        every: int = 1,
        scaled: bool = True,
    ) -> None:
        super().__init__(heads, weights, gramian_of=gramian_of, every=every, scaled=scaled)
        self.weighting = weighting

    def solve(self, gramian: Tensor) -> Tensor:
        """Return what the weighting makes of the Gramian."""
        if self.scaled:
            gramian = gramian / gramian.diagonal().mean()
        return cast(Tensor, self.weighting(gramian))
