"""Methods that compute weights from the Gramian of the heads' gradients, also those of torchjd."""

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
    """A method that weights heads by the inner products of their gradients.

    The weights apply to the shared parameters. As in the papers of these methods, each head's own
    parameters learn from its own loss.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        gramian_of: `shared` is exact and needs one backward pass per head. `features` is cheaper
            and uses the gradients [B, F] of the backbone's output.
        every: Batches from one Gramian to the next, 1 or more; the weights stay in between.
        scaled: As in `ScaledBalancer`.

    Raises:
        ConfigError: For another `gramian_of`, or for `every` below 1.
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
    """A method without state that solves a small problem for the heads that it weights.

    A Gramian that is not finite, or all 0, gives the static weights.
    """

    @abstractmethod
    def solve(self, gramian: Tensor) -> Tensor:
        """Return the relative weights of the heads, [n], for a Gramian [n, n]."""

    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the solution for the heads in `seen`."""
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
    """Weight heads by a weighting of torchjd without state.

    Shipped configurations use PCGrad (Yu et al. 2020, with its random order), FairGrad (Ban & Ji
    2024; with alpha 1 it is the equation of Nash-MTL, Navon et al. 2022), Aligned-MTL (Senushkin et
    al. 2023, with `scale_mode: min` as in the paper; its code also has rmse) and UPGrad (Quinton &
    Rey 2024). Each head's own parameters learn from its own loss. (The code of FairGrad and
    Nash-MTL weights these parameters as well.)

    Unless `scaled` is false, the gradients are first scaled to a mean square of 1. This changes no
    direction, but torchjd compares with fixed thresholds. For example, UPGrad treats gradients
    whose squares sum to less than 0.0001 as 0, which happens late in a training.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        weighting: A weighting of `torchjd.aggregation`: a Gramian [n, n] to weights [n].
        gramian_of: As in `GramianBalancer`.
        every: As in `GramianBalancer`.
        scaled: As in `ScaledBalancer`.
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
        """Return the weights of the weighting, [n]."""
        if self.scaled:
            gramian = gramian / gramian.diagonal().mean()
        return cast(Tensor, self.weighting(gramian))
