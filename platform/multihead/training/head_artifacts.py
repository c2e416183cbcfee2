"""The artifacts of a test for each head: tables and pictures, as the head's kind defines them."""

from collections.abc import Collection, Mapping
from itertools import chain

import torch
from torch import Tensor

from multihead.heads import Heads


class HeadArtifacts:
    """The artifacts of every head, and the number of samples added so far.

    Args:
        heads: The heads of the network.

    Attributes:
        of_head: The artifacts by head name.
    """

    def __init__(self, heads: Heads) -> None:
        self.heads = heads
        self.of_head = {name: head.kind.artifacts(head) for name, head in heads.items()}
        self._seen = 0

    def reset(self) -> None:
        """Discard the samples of an earlier test."""
        self._seen = 0
        for artifact in chain.from_iterable(self.of_head.values()):
            artifact.reset()

    def add(
        self,
        outputs: Mapping[str, Tensor],
        labels: Mapping[str, Tensor],
        incomplete: Collection[str] = (),
    ) -> None:
        """Add one batch of outputs [B, K] and labels [B, ...] by head name.

        Args:
            outputs: By head name, [B, K].
            labels: By head name, [B, ...].
            incomplete: Heads whose labels may be missing. Samples without a label are left out.
        """
        size = len(next(iter(labels.values())))
        for name, artifacts in self.of_head.items():
            given, true = outputs[name], labels[name]
            numbers = torch.arange(self._seen, self._seen + size, device=true.device)
            if name in incomplete:
                true, given, numbers = self.heads[name].kind.labelled(true, given, numbers)
            for artifact in artifacts if len(true) else ():
                artifact.add(given, true, numbers)
        self._seen += size
