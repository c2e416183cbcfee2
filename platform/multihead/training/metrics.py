"""Per-head sums that stay on the device and are read once an epoch, and the names they get."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from multihead.heads import Heads


def metric_names(heads: Heads, splits: Sequence[str], *, weighted: bool) -> list[str]:
    """Return every metric that a run logs, so that a monitor can be checked before training.

    Args:
        heads: The heads of the network.
        splits: Those of train, val and test that will be run.
        weighted: Whether evaluation weights are given.
    """
    names = ["epoch", "lr", "step"]
    for split in splits:
        names += [f"{split}/{head}_{kind}" for head in heads for kind in ("acc", "loss")]
        names += [f"{split}/loss", f"{split}/acc"]
        names += [f"{split}/acc_weighted"] if weighted else []
    return names + (["val/acc_best"] if "val" in splits else [])


def shortest(value: float | Tensor) -> float:
    """Return the shortest decimal that stands for the same float32: 0.975, not 0.97500002."""
    return float(str(np.float32(float(value))))


class HeadSums(nn.Module):
    """Count correct predictions and add up losses for each head.

    Args:
        heads: Fixes T and the order of the losses.
    """

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.names = tuple(heads)
        self.count: int = 0
        self.register_buffer("loss", torch.zeros(len(heads)), persistent=False)
        self.register_buffer("correct", torch.zeros(len(heads)), persistent=False)

    loss: Tensor
    correct: Tensor

    @torch.no_grad()
    def add(
        self, losses: Tensor, logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]
    ) -> None:
        """Add one batch.

        Args:
            losses: Mean loss of each head, [T].
            logits: By head name, [B, K].
            labels: By head name, int64 [B].
        """
        hits = [(logits[n].argmax(1) == labels[n]).sum() for n in self.names]
        size = len(labels[self.names[0]])
        self.correct += torch.stack(hits)
        self.loss += losses.detach() * size
        self.count += size

    def read(self) -> tuple[Tensor, Tensor]:
        """Return mean loss [T] and accuracy [T] on the CPU, and start again from zero."""
        # One transfer for all heads; a sum over no batches has no mean.
        both = (torch.stack([self.loss, self.correct]) / max(1, self.count)).cpu()
        self.reset()
        return both[0], both[1]

    def reset(self) -> None:
        """Forget everything."""
        self.count = 0
        self.loss.zero_()
        self.correct.zero_()

    def state(self) -> dict[str, Any]:
        """Return the sums so far, for a checkpoint within an epoch."""
        return {"count": self.count, "loss": self.loss, "correct": self.correct}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from sums that `state` returned."""
        self.count = int(state["count"])
        self.loss.copy_(state["loss"])
        self.correct.copy_(state["correct"])


class ConfusionCounts(nn.Module):
    """Count (label, prediction) pairs for each head.

    Args:
        heads: The heads; head k has a matrix [K, K], rows are labels.
    """

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.sizes = heads.levels
        for name, size in self.sizes.items():
            self.register_buffer(f"{name}_counts", torch.zeros(size, size, dtype=torch.long), False)

    @torch.no_grad()
    def add(self, logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> None:
        """Add one batch of logits [B, K] and labels [B] by head name."""
        for name, size in self.sizes.items():
            pairs = labels[name] * size + logits[name].argmax(1)
            self.get_buffer(f"{name}_counts").add_(
                torch.bincount(pairs, minlength=size * size).view(size, size)
            )

    def matrices(self) -> dict[str, Tensor]:
        """Return the counts, int64 [K, K] on the CPU, by head name."""
        return {name: self.get_buffer(f"{name}_counts").cpu() for name in self.sizes}

    def reset(self) -> None:
        """Forget everything."""
        for name in self.sizes:
            self.get_buffer(f"{name}_counts").zero_()


class FiniteWatch(nn.Module):
    """Keep the losses of the last steps, to name the first that was not finite.

    One copy a step on the device; it is asked once in `LENGTH` steps, never in between.

    Args:
        heads: Fixes T and the order of the losses.
    """

    LENGTH = 50

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.names = tuple(heads)
        self.steps: list[int] = []
        self.register_buffer("recent", torch.zeros(self.LENGTH, len(heads)), persistent=False)

    recent: Tensor

    @torch.no_grad()
    def add(self, losses: Tensor, step: int) -> None:
        """Note the losses [T] of one step; `report` must be asked before there is no room.

        Raises:
            IndexError: If `LENGTH` steps were noted since the last report.
        """
        self.recent[len(self.steps)] = losses.detach()
        self.steps.append(step)

    @property
    def is_full(self) -> bool:
        """Whether `report` must be asked before the next step."""
        return len(self.steps) == self.LENGTH

    def report(self) -> tuple[int, str] | None:
        """Return step and head of the first loss that was not finite, or None, and forget all."""
        steps, self.steps = self.steps, []
        bad = (~self.recent[: len(steps)].isfinite()).nonzero()
        if not len(bad):
            return None
        row, column = bad[0].tolist()
        return steps[row], self.names[column]
