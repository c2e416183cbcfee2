"""The conflict of the heads' gradients in runs with `callbacks=conflict`, read from the store."""

from collections.abc import Iterator
from typing import Any

from multihead.tracking.store import Store

COLUMNS = ("arm", "seed", "a", "b", "epoch", "cosine")


def gradient_rows(
    run: Any, arm: str, seed: int | str, store: Store
) -> Iterator[tuple[str, int | str, str, str, int, float]]:
    """Yield a row per pair of heads and epoch of a run, as `COLUMNS` says; epochs from 1.

    Args:
        run: MLflow's run.
        arm: That it is of.
        seed: Of the run, or its seed and fold.
        store: Where it is.
    """
    metrics = run.data.metrics
    # A head of one's own may be called like two others: only pairs of heads that were trained.
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
