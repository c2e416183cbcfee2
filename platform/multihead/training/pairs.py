"""Which class or level was predicted for which: confusion, counted once at the end."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multihead.heads import Heads
from multihead.models.readout import Readouts


class PredictedPairs(nn.Module):
    """Keep (label, prediction) of every image and head on the device, 4 bytes each.

    A matrix of counts would be larger for most parameters: 256 levels make 65,536 pairs, of which
    few occur.

    Args:
        heads: What is predicted; parameters as their nearest level.
    """

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.sizes = heads.levels
        self.readouts = Readouts(heads)
        self._seen: dict[str, list[Tensor]] = {name: [] for name in heads}

    def add(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> None:
        """Add one batch of outputs [B, K] and labels [B] by head name."""
        for name, size in self.sizes.items():
            readout = self.readouts[name]
            true, predicted = readout.label_codes(labels[name]), readout.codes(outputs[name])
            codes = true * size + predicted
            self._seen[name].append(codes.int())

    def counts(self) -> dict[str, NDArray[np.int64]]:
        """Return (label, prediction, count) in rows [U, 3], sorted, by head name."""
        return {name: self._counted(name) for name in self.sizes}

    def _counted(self, name: str) -> NDArray[np.int64]:
        if not self._seen[name]:
            return np.zeros((0, 3), np.int64)
        codes, counts = np.unique(torch.cat(self._seen[name]).cpu().numpy(), return_counts=True)
        return np.column_stack([*np.divmod(codes.astype(np.int64), self.sizes[name]), counts])

    def reset(self) -> None:
        """Forget everything."""
        self._seen = {name: [] for name in self.sizes}
