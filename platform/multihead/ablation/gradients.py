"""Read the gradient conflicts of heads from the store, for runs with `callbacks=conflict`."""

from collections.abc import Iterator
from typing import Any

from multihead.tracking.store import Store

COLUMNS = ("arm", "seed", "a", "b", "epoch", "cosine")


def gradient_rows(
    run: Any, arm: str, seed: int | str, store: Store
) -> Iterator[tuple[str, int | str, str, str, int, float]]:
    """Yield a row with `COLUMNS` per pair of heads and epoch of a run. Epochs start at 1.

    Args:
        run: The MLflow run.
        arm: The arm of the run.
        seed: The seed of the run, or its seed and fold.
        store: The store with the run.
    """
    metrics = run.data.metrics
    # A head may be named like a pair of others, so names are built from trained heads only.
    heads = [n.removeprefix("train/").removesuffix("_loss") for n in metrics if _is_loss(n)]
    names = {f"gradients/{a}_{b}_cosine": (a, b) for a in heads for b in heads if a != b}
    found = {name: pair for name, pair in names.items() if name in metrics}
    if not found:
        return
    history = store.client.get_metric_history
    with store.errors():
        steps = sorted({int(p.step) for p in history(run.info.run_id, f"train/{heads[0]}_loss")})
        epochs = {step: epoch for epoch, step in enumerate(steps, 1)}
        for name, (a, b) in found.items():
            for point in sorted(history(run.info.run_id, name), key=lambda p: int(p.step)):
                if int(point.step) in epochs:
                    yield arm, seed, a, b, epochs[int(point.step)], point.value


def _is_loss(metric: str) -> bool:
    return metric.startswith("train/") and metric.endswith("_loss")
