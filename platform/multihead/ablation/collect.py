"""Read the results of an ablation from the store: tables of values, runs and learning curves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from multihead.ablation.epochs import Epochs
from multihead.ablation.gradients import COLUMNS, gradient_rows
from multihead.ablation.measured_affinity import MEASURED, affinities
from multihead.ablation.plan import Cell, Plan
from multihead.ablation.records import is_result, our_id
from multihead.ablation.worker import Work
from multihead.runs.fingerprint import config_hash
from multihead.tracking.store import Store
from multihead.tracking.tags import ERROR_TAG

VALUES = ("arm", "seed", "head", "metric", "split", "value", "run")
RUNS = (
    *("arm", "seed", "head", "run", "mlflow_id", "state", "reason", "config_hash", "data_digest"),
    *("parameters", "train_seconds", "epochs", "steps", "host", "url"),
)
CURVES = ("arm", "seed", "head", "metric", "split", "epoch", "value")
# Prefix of the metrics of each split: at the epoch of best.ckpt, and on the test split.
_PLACES = {"val": "best/val", "test": "test"}


@dataclass(frozen=True)
class Collected:
    """The tables of an ablation.

    Attributes:
        values: Columns `VALUES`, a row per arm, seed, head, metric and split.
        runs: Columns `RUNS`, a row per training, failed ones too. `head` is the head of a
            single-task network. `state` is MLflow's status or PENDING.
        curves: Columns `CURVES`, a row per arm, seed, head, metric, split and epoch, from 1.
        affinities: Columns `MEASURED`, a row per arm, seed and ordered pair of heads.
        gradients: Columns `gradients.COLUMNS`, a row per arm, seed, pair of heads and epoch, from
            1.
    """

    values: pd.DataFrame
    runs: pd.DataFrame
    curves: pd.DataFrame
    affinities: pd.DataFrame
    gradients: pd.DataFrame


def collect(plan: Plan, store: Store, works: Mapping[str, Work]) -> Collected:
    """Read the recorded results of an ablation's cells.

    Args:
        plan: Plan of the ablation.
        store: The store with the runs.
        works: The states of cells on this machine, by name. They are the only record of a training
            that failed before it had a run.
    """
    on_record = plan.on_record(store)
    values: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    affinity: list[dict[str, Any]] = []
    gradients: list[tuple[Any, ...]] = []
    for cell in plan.cells:
        found = on_record[cell.name]
        result = next(filter(is_result, found), None)
        shown = [run for run in found if run is result or not is_result(run)]
        runs += [_run_row(cell, run, store) for run in shown]
        if not shown or (result is None and all(r.info.status == "FINISHED" for r in shown)):
            lost = plan.lost.get(cell.part.name)
            work = Work("FAILED", reason=lost) if lost else works.get(cell.name, Work())
            runs.append(_row_without_run(cell, work))
        if result is not None:
            values += _values(plan, cell, result)
            curves += _curves(plan, cell, result, store)
            affinity += affinities(cell, result)
            gradients += gradient_rows(result, cell.part.arm, cell.block, store)
    return Collected(
        pd.DataFrame(values, columns=list(VALUES)),
        pd.DataFrame(runs, columns=list(RUNS)),
        pd.DataFrame(curves, columns=list(CURVES)),
        pd.DataFrame(affinity, columns=list(MEASURED)),
        pd.DataFrame(gradients, columns=list(COLUMNS)),
    )


def _values(plan: Plan, cell: Cell, run: Any) -> Iterator[dict[str, Any]]:
    for head in cell.part.heads:
        for metric in plan.metrics[head]:
            for split, place in _PLACES.items():
                value = run.data.metrics.get(f"{place}/{head}_{metric}")
                if value is not None:
                    yield {
                        **_key(cell, head),
                        "metric": metric,
                        "split": split,
                        "value": value,
                        "run": our_id(run),
                    }


def _run_row(cell: Cell, run: Any, store: Store) -> dict[str, Any]:
    info, tags = run.info, run.data.tags
    seconds = None if info.end_time is None else (info.end_time - info.start_time) / 1000
    epoch = run.data.metrics.get("epoch")
    return {
        **_key(cell, cell.part.head),
        "run": our_id(run),
        "mlflow_id": info.run_id,
        "state": info.status,
        "reason": tags.get(ERROR_TAG, ""),
        "config_hash": config_hash(cell.config.composed),
        "data_digest": cell.test_digest,
        "parameters": int(tags["parameters"]) if "parameters" in tags else None,
        "train_seconds": seconds,
        "epochs": None if epoch is None else int(epoch) + 1,
        "steps": steps_of(run, store),
        "host": tags.get("hardware.host", ""),
        "url": store.run_url(info.experiment_id, info.run_id),
    }


def steps_of(run: Any, store: Store) -> int | None:
    """Return the number of optimizer steps of a run: the step of its best metrics (logged last)."""
    name = next((name for name in sorted(run.data.metrics) if name.startswith("best/")), None)
    if name is None:
        return None
    with store.errors():
        points = store.client.get_metric_history(run.info.run_id, name)
    return max(map(_step, points))


def _row_without_run(cell: Cell, work: Work) -> dict[str, Any]:
    return {
        **_key(cell, cell.part.head),
        **{"run": "", "mlflow_id": "", "host": "", "url": ""},
        "state": "FAILED" if work.state == "FAILED" else "PENDING",
        "reason": work.reason,
        "config_hash": config_hash(cell.config.composed),
        "data_digest": cell.test_digest,
    }


def _curves(plan: Plan, cell: Cell, run: Any, store: Store) -> Iterator[dict[str, Any]]:
    epochs = Epochs(run, store)
    for head in cell.part.heads:
        for metric in dict.fromkeys((*plan.metrics[head], "loss")):
            for split in ("train", "val"):
                for epoch, value in epochs.values(f"{split}/{head}_{metric}"):
                    yield {
                        **_key(cell, head),
                        "metric": metric,
                        "split": split,
                        "epoch": epoch,
                        "value": value,
                    }


def _key(cell: Cell, head: str) -> dict[str, Any]:
    return {"arm": cell.part.arm, "seed": cell.block, "head": head}


def _step(point: Any) -> int:
    return int(point.step)
