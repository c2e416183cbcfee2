"""Per-head sums that stay on the device and are read once an epoch."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from multihead.heads import Heads
from multihead.models.readout import Readouts, widest

# Errors and labels are offsets in the parameter's unit; heads without one leave these at 0.
COLUMNS = ("loss", "correct", "absolute", "squared", "within", "label", "label_squared")
# float32 resolves a ten-millionth of the range, so an error of exactly the tolerance is within.
_SLACK = 1e-6


class _Batch(NamedTuple):
    losses: Tensor
    outputs: dict[str, Tensor]
    labels: Mapping[str, Tensor]
    size: int


class HeadSums(nn.Module):
    """Add up losses, hits and errors of each head over an epoch.

    A step only keeps its outputs; `STEPS` of them are counted together, because a dozen tiny
    operations for every step would take a tenth of a small network's time. Which batches are
    counted together depends on their number and size alone, and what waits is part of the state,
    so a resumed epoch comes to the same sums to the bit.

    Args:
        heads: Fixes T and the order of the losses.
    """

    STEPS = 50
    ROOM = 2**20  # numbers, of all outputs that wait

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.names = tuple(heads)
        self.readouts = Readouts(heads)
        self.slack = {
            name: 0.0 if p is None else p.tolerance + _SLACK * (p.maximum - p.minimum)
            for name, p in ((n, head.parameter) for n, head in heads.items())
        }
        self.reset()

    def add(
        self, losses: Tensor, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]
    ) -> None:
        """Add one batch.

        Args:
            losses: Mean loss of each head, [T].
            outputs: By head name, [B, K].
            labels: By head name, [B]: int64 classes or levels, or float values of a parameter.
        """
        kept = {name: outputs[name].detach() for name in self.names}
        size = len(labels[self.names[0]])
        self._waiting.append(_Batch(losses.detach(), kept, labels, size))
        self._numbers += sum(tensor.numel() for tensor in kept.values())
        if len(self._waiting) == self.STEPS or self._numbers > self.ROOM:
            self._count_waiting()

    def read(self) -> Tensor:
        """Return the sums [T, columns] divided by the number of images, on the CPU; start anew."""
        self._count_waiting()
        means = self.totals.cpu() / max(1, self.count)  # the epoch's one transfer
        self.reset()
        return means

    def reset(self) -> None:
        """Forget everything."""
        self.count = 0
        self._waiting: list[_Batch] = []
        self._numbers = 0
        # No buffer: a change of the module's precision must not reach the sums.
        self.totals = torch.zeros(len(self.names), len(COLUMNS), dtype=torch.float64)

    def _count_waiting(self) -> None:
        if not self._waiting:
            return
        batches, self._waiting, self._numbers = self._waiting, [], 0
        losses = widest(torch.stack([b.losses for b in batches]))
        sizes = torch.tensor([b.size for b in batches]).to(losses)
        rows = torch.stack([self._row(name, batches) for name in self.names])
        sums = torch.cat([(sizes @ losses).unsqueeze(1), rows], dim=1)
        self.totals = self.totals.to(sums) + sums
        self.count += sum(b.size for b in batches)

    def _row(self, name: str, batches: Sequence[_Batch]) -> Tensor:
        readout = self.readouts[name]
        labels = torch.cat([b.labels[name] for b in batches])
        codes, offsets = readout.read(torch.cat([b.outputs[name] for b in batches]))
        if readout.scale is None or offsets is None:
            hits = widest((codes == labels).sum())
            return functional.pad(hits.unsqueeze(0), (0, len(COLUMNS) - 2))
        true = readout.scale.of_labels(labels)
        error, true = widest(offsets - true), widest(true)
        away = error.abs()
        each = [
            codes == readout.label_codes(labels),
            away,
            error.square(),
            away <= self.slack[name],
            true,
            true.square(),
        ]
        return torch.stack([column.to(error.dtype) for column in each]).sum(1)

    def state(self) -> dict[str, Any]:
        """Return the sums and what waits, for a checkpoint within an epoch."""
        return {
            "count": self.count,
            "totals": self.totals,
            "sizes": [b.size for b in self._waiting],
            "losses": [b.losses for b in self._waiting],
            "outputs": {n: [b.outputs[n] for b in self._waiting] for n in self.names},
            "labels": {n: [b.labels[n] for b in self._waiting] for n in self.names},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned, on whatever device the readouts are.

        Raises:
            ValueError: If the state is of other heads.
        """
        device = next(self.buffers(), state["totals"]).device
        self.reset()
        if state["totals"].shape != self.totals.shape:
            raise ValueError(f"the sums are of shape {list(state['totals'].shape)}")
        self.totals = state["totals"].to(device)
        for index, (size, losses) in enumerate(zip(state["sizes"], state["losses"], strict=True)):
            outputs = {n: state["outputs"][n][index].to(device) for n in self.names}
            labels = {n: state["labels"][n][index].to(device) for n in self.names}
            self._waiting.append(_Batch(losses.to(device), outputs, labels, int(size)))
            self._numbers += sum(tensor.numel() for tensor in outputs.values())
        self.count = int(state["count"])
