"""What methods have in common that only say how heads weigh relative to each other."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from multihead.balancing.balancer import Balancer
from multihead.heads import Heads

_PRIME = 1_000_003  # spreads the numbers of batches over the seeds


class ScaledBalancer(Balancer):
    """A method whose weights are scaled to the sum of the static ones.

    Otherwise a method would change the learning rate, and a comparison would find that instead of
    the method. The static weights are part of the losses that the method sees: it is given
    `base * losses` and the Gramian of these, and its own weights multiply the static ones. A head
    without a label in the batch, or with the static weight 0, is not seen by the method.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        scaled: False leaves the sum of the weights to the method, as its paper has it.
    """

    kept: Tensor

    def __init__(
        self, heads: Heads, weights: Mapping[str, float] | None = None, *, scaled: bool = True
    ) -> None:
        super().__init__(heads, weights)
        self.scaled = scaled
        # Of the last batch that had a Gramian, for those that have none.
        self.register_buffer("kept", torch.ones(len(heads)), persistent=self.needs_gramian)
        self._used = self.base > 0
        self._uses_all = bool(self._used.all())
        self._sees_all = False
        self._seed = _apart()

    @abstractmethod
    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return how the method weighs the losses, [T]; what is not seen is not read.

        Args:
            losses: Times the static weights, [T].
            seen: Which heads the method weighs, bool [T].
            gramian: Of these losses, [T, T], for a method that needs it.
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
        """Scale to the static sum; static weights where the method found nothing to go on.

        Where weights below 0 outweigh the others, it is the sum of the sizes that is scaled.
        """
        static = self.base * seen
        total = weights.sum()
        total = torch.where(total > 0, total, weights.abs().sum())
        good = torch.isfinite(total) & (total > 0)
        scaled = weights * (static.sum() / total) if self.scaled else weights
        return torch.where(good, scaled, static)

    def subset(self, seen: Tensor) -> Tensor | None:
        """Return the places of the heads that are seen, int64 [n]; None for all.

        It waits for the device only where labels may be missing, or a static weight is 0.
        """
        return None if self._sees_all else seen.nonzero().flatten()

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Draw numbers that depend on the seed of the run and the batch alone.

        They are alike on every device of a training, a training that goes on draws the same, and
        other numbers, such as those of dropout, are what they are without the method.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed((self._seed + self.batch * _PRIME) % 2**63)
            yield


def _apart() -> int:
    """Draw a seed without moving the numbers that others draw."""
    with torch.random.fork_rng(devices=[]):
        return int(torch.randint(2**62, (), device="cpu"))
