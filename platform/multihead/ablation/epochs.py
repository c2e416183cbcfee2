"""Give the points of a recorded metric the epochs in which they were measured."""

from collections.abc import Iterator
from typing import Any

from multihead.tracking.store import Store


class Epochs:
    """The epochs of a run by optimizer step, from its metric `epoch`.

    A validation need not end every epoch, so a point's place in the history is not its epoch.

    Args:
        run: The MLflow run.
        store: The store with the run.
    """

    def __init__(self, run: Any, store: Store) -> None:
        self._id, self._store = run.info.run_id, store
        self._of_step = {int(p.step): int(p.value) + 1 for p in self._history("epoch")}

    def values(self, metric: str) -> Iterator[tuple[int, float]]:
        """Yield epoch (from 1) and value of a metric, in order; of an epoch, only the last value.

        The points of a run without epochs are numbered.
        """
        points = sorted(self._history(metric), key=lambda point: int(point.step))
        if not self._of_step:
            yield from ((number, point.value) for number, point in enumerate(points, 1))
            return
        places = ((self._of_step.get(int(point.step)), point.value) for point in points)
        yield from {epoch: value for epoch, value in places if epoch is not None}.items()

    def _history(self, metric: str) -> list[Any]:
        with self._store.errors():
            return list(self._store.client.get_metric_history(self._id, metric))
