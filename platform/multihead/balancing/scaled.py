"""Base class of methods that only define the relative weights of the heads."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from multihead.balancing.balancer import Balancer
from multihead.heads import Heads

_PRIME = 1_000_003  # spreads the numbers of batches over the seeds


class ScaledBalancer(Balancer):
    """A method whose weights are scaled to the sum of the static weights.

    Without the scaling, a method would also change the effective learning rate, and a comparison of
    methods would be unfair. The method gets `base * losses` and the Gramian of these, and its
    weights multiply the static ones. It does not see heads without a label in the batch, nor heads
    with the static weight 0.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        scaled: If false, the weights keep the sum that the method gives them, as in its paper.
    """

    kept: Tensor

    def __init__(
        self, heads: Heads, weights: Mapping[str, float] | None = None, *, scaled: bool = True
    ) -> None:
        super().__init__(heads, weights)
        self.scaled = scaled
        # The weights of the last batch with a Gramian, for the batches without one.
        self.register_buffer("kept", torch.ones(len(heads)), persistent=self.needs_gramian)
        self._used = self.base > 0
        self._uses_all = bool(self._used.all())
        self._sees_all = False
        self._seed = _apart()

    @abstractmethod
    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the method's weights, [T]; those of heads not in `seen` are ignored.

        Args:
            losses: Losses times the static weights, [T].
            seen: Which heads the method weights, bool [T].
            gramian: The Gramian of these losses, [T, T], if the method needs it, else None.
        """

    def weigh(self, losses: Tensor, present: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the method's weights times the static ones."""
        if self._used.device != present.device:
            self._used = self._used.to(present.device)
        seen = present & self._used
        self._sees_all = self._uses_all and present is self.everyone
        if self.needs_gramian and gramian is None:
            found = self.kept
        else:
            of_weighted = None if gramian is None else gramian * self.base.outer(self.base)
            found = torch.where(seen, self.relative(losses * self.base, seen, of_weighted), 1)
            if self.needs_gramian:
                self.kept = torch.where(seen, found.to(self.kept), self.kept)
        return self._scaled(torch.where(seen, found, 0) * self.base, seen)

    def _scaled(self, weights: Tensor, seen: Tensor) -> Tensor:
        """Scale to the sum of the static weights.

        If the sum is not above 0, the sum of the absolute values is used. If that is 0 or not
        finite, the static weights are returned.
        """
        static = self.base * seen
        total = weights.sum()
        total = torch.where(total > 0, total, weights.abs().sum())
        good = torch.isfinite(total) & (total > 0)
        scaled = weights * (static.sum() / total) if self.scaled else weights
        return torch.where(good, scaled, static)

    def subset(self, seen: Tensor) -> Tensor | None:
        """Return the indices of the heads in `seen`, int64 [n]; None for all heads.

        It waits for the device only if labels may be missing or a static weight is 0.
        """
        return None if self._sees_all else seen.nonzero().flatten()

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Seed torch inside the block with the seed of the run and the number of the batch.

        So every device of a training and a resumed training draw the same numbers. Other random
        numbers, such as those of dropout, do not change.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed((self._seed + self.batch * _PRIME) % 2**63)
            yield


def _apart() -> int:
    """Draw a seed without changing the state of the random generator."""
    with torch.random.fork_rng(devices=[]):
        return int(torch.randint(2**62, (), device="cpu"))
