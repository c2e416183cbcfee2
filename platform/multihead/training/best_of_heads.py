"""Track the best epoch of each head, for the checkpoints `best-<head>.ckpt`."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from multihead.metrics.metric import Metric


def file_of(head: str) -> str:
    """Return the file name of the best checkpoint of a head."""
    return f"best-{head}.ckpt"


class BestOfHeads:
    """Track the validation metric of each head.

    Args:
        judges: By head name, the metric that decides which epoch is best.

    Attributes:
        best: By head name, the best value so far and its epoch, counted from 0.
    """

    def __init__(self, judges: Mapping[str, Metric]) -> None:
        self.judges = dict(judges)
        self.best: dict[str, tuple[float, int]] = {}

    def monitor(self, head: str) -> str:
        """Return the name under which the head's metric is logged, such as `val/digit_acc`."""
        return f"val/{head}_{self.judges[head].name}"

    def update(self, metrics: Mapping[str, float], epoch: int) -> list[str]:
        """Update the best values with an epoch; of equal epochs the first one stays the best.

        Args:
            metrics: All logged metrics of this epoch. A head without a value keeps its best epoch.
            epoch: Counted from 0.

        Returns:
            The names of the heads for which this epoch is the best so far.
        """
        found = []
        for head, metric in self.judges.items():
            value = metrics.get(self.monitor(head), math.nan)
            if math.isnan(value):
                continue
            before = self.best.get(head, (math.nan, 0))[0]
            better = value > before if metric.higher_is_better else value < before
            if better or math.isnan(before):
                self.best[head] = value, epoch
                found.append(head)
        return found

    def state(self) -> dict[str, list[float]]:
        """Return the best values for a resumed training, in types that a checkpoint can hold."""
        return {head: [score, epoch] for head, (score, epoch) in self.best.items()}

    def recorded(self, state: object) -> Iterator[tuple[str, float, int]]:
        """Yield head, value and epoch of a state; unknown heads and damaged entries are skipped."""
        known: Mapping[Any, Any] = state if isinstance(state, Mapping) else {}
        for head in self.judges:
            match known.get(head):
                case [float() | int() as score, int() as epoch]:
                    yield head, float(score), epoch

    def unkept(self, names: Collection[str]) -> list[str]:
        """Return the heads whose metric is not among those that will be logged."""
        return [head for head in self.judges if self.monitor(head) not in names]
