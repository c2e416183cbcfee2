"""Sums per head that stay on the device and are read once an epoch."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from multihead.heads import Heads
from multihead.heads.readout import Readouts, widest


class _Batch(NamedTuple):
    losses: Tensor
    outputs: dict[str, Tensor]
    labels: Mapping[str, Tensor]
    size: int
    counts: Tensor | None


class HeadSums(nn.Module):
    """Sum the losses and the readout's measures of each head over an epoch.

    A step only stores its outputs. The outputs of `STEPS` steps are summed together, because a
    dozen tiny operations in every step would take a tenth of a small network's time. The grouping
    depends only on the number and size of the batches, and `state` has the batches that are not yet
    summed. So a resumed epoch gives the same sums, bit for bit.

    Args:
        heads: Fixes T and the order of the losses.

    Attributes:
        incomplete: Heads whose labels may be missing. Samples without a label are not counted.
    """

    STEPS = 50
    ROOM = 2**20  # most numbers in the stored outputs

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.heads, self.names = heads, tuple(heads)
        self.readouts = Readouts(heads)
        self.columns = {name: self.readouts[name].columns for name in heads}
        self._width = max(map(len, self.columns.values()))
        self.incomplete: Collection[str] = ()
        self.reset()

    def add(
        self,
        losses: Tensor,
        outputs: Mapping[str, Tensor],
        labels: Mapping[str, Tensor],
        counts: Tensor | None = None,
    ) -> None:
        """Add one batch.

        Args:
            losses: Mean loss of each head, [T].
            outputs: By head name, [B, K].
            labels: By head name, [B, ...].
            counts: Number of labelled samples of each head, [T]; None means B for each.
        """
        kept = {name: outputs[name].detach() for name in self.names}
        size = len(labels[self.names[0]])
        self._waiting.append(_Batch(losses.detach(), kept, labels, size, counts))
        self._numbers += sum(tensor.numel() for tensor in kept.values())
        if len(self._waiting) == self.STEPS or self._numbers > self.ROOM:
            self._count_waiting()

    def read(self) -> dict[str, dict[str, float]]:
        """Return `count` and the means of `loss` and the readout's columns by head, and reset.

        The means of a head without any label are 0.
        """
        self._count_waiting()
        totals = self.totals.cpu()  # the epoch's one transfer
        self.reset()
        means = totals[:, 1:] / totals[:, :1].clamp(min=1)
        return {
            name: dict(zip(("count", "loss", *self.columns[name]), (count, *row), strict=False))
            for name, count, row in zip(
                self.names, totals[:, 0].tolist(), means.tolist(), strict=True
            )
        }

    def reset(self) -> None:
        """Set all sums to 0 and discard stored batches."""
        self._waiting: list[_Batch] = []
        self._numbers = 0
        # Not a buffer, because a change of the module's precision must not change the sums.
        self.totals = torch.zeros(len(self.names), 2 + self._width, dtype=torch.float64)

    def _count_waiting(self) -> None:
        if not self._waiting:
            return
        batches, self._waiting, self._numbers = self._waiting, [], 0
        losses = widest(torch.stack([b.losses for b in batches]))
        sizes = torch.tensor([b.size for b in batches]).to(losses)
        if all(b.counts is None for b in batches):
            of_losses = torch.stack([sizes.sum().expand(len(self.names)), sizes @ losses], 1)
        else:
            each = [
                s.expand_as(b.losses) if b.counts is None else b.counts.to(losses)
                for s, b in zip(sizes, batches, strict=True)
            ]
            counts = torch.stack(each)
            of_losses = torch.stack([counts.sum(0), (counts * losses).sum(0)], 1)
        rows = torch.stack([self._row(name, batches).to(losses) for name in self.names])
        sums = torch.cat([of_losses, rows], dim=1)
        self.totals = self.totals.to(sums) + sums

    def _row(self, name: str, batches: Sequence[_Batch]) -> Tensor:
        labels = torch.cat([b.labels[name] for b in batches])
        outputs = torch.cat([b.outputs[name] for b in batches])
        if name not in self.incomplete:
            found = self.readouts[name].measures(outputs, labels).sum(1)
        else:
            missing = self.heads[name].kind.is_missing(labels)
            filled = labels.masked_fill(missing.view(-1, *[1] * (labels.ndim - 1)), 0)
            each = self.readouts[name].measures(outputs, filled)
            found = each.masked_fill(missing, 0).sum(1)
        return functional.pad(found, (0, self._width - len(found)))

    def state(self) -> dict[str, Any]:
        """Return the sums and the stored batches, for a checkpoint within an epoch."""
        return {
            "totals": self.totals,
            "sizes": [b.size for b in self._waiting],
            "losses": [b.losses for b in self._waiting],
            "counts": [b.counts for b in self._waiting],
            "outputs": {n: [b.outputs[n] for b in self._waiting] for n in self.names},
            "labels": {n: [b.labels[n] for b in self._waiting] for n in self.names},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the return value of `state`, on the device of the readouts.

        Raises:
            ValueError: If the sums do not have the shape for these heads.
        """
        device = next(self.buffers(), state["totals"]).device
        self.reset()
        totals = state["totals"]
        if "count" in state:  # earlier releases had one count, and columns for every kind
            counts = totals.new_full((len(totals), 1), float(state["count"]))
            totals = torch.cat([counts, totals[:, : 1 + self._width]], 1)
        if totals.shape != self.totals.shape:
            raise ValueError(f"the sums are of shape {list(totals.shape)}")
        self.totals = totals.to(device)
        numbers = state.get("counts", [None] * len(state["sizes"]))
        parts = zip(state["sizes"], state["losses"], numbers, strict=True)
        for index, (size, losses, counts) in enumerate(parts):
            outputs = {n: state["outputs"][n][index].to(device) for n in self.names}
            labels = {n: state["labels"][n][index].to(device) for n in self.names}
            counts = None if counts is None else counts.to(device)
            self._waiting.append(_Batch(losses.to(device), outputs, labels, int(size), counts))
            self._numbers += sum(tensor.numel() for tensor in outputs.values())
