"""A study's trials as a table: one row per trial, with the same columns however trials ended."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from multihead.errors import ConfigError
from multihead.spreadsheet import json_text, write_csv
from multihead.studies.definition import Definition
from multihead.studies.lease import rows_of
from multihead.studies.space import Space
from multihead.studies.storage import StudyStorage
from multihead.studies.trial_names import MLFLOW_RUNS, RUNS, WEIGHTS

SUFFIXES = (".parquet", ".csv", ".json")


def trials_table(
    definition: Definition, space: Space, trials: Sequence[FrozenTrial], storage: StudyStorage
) -> pd.DataFrame:
    """Return the trials by number.

    Returns:
        `number`, `state`, a column per objective, per parameter and per searched loss weight
        (`weights.HEAD`), `run_id` and `mlflow_id` (of the first seed), `attempts`, `cause`,
        `started` (UTC), `seconds`.
    """
    attempts = {row.number: row.attempt for row in rows_of(storage, definition.name)}
    rows = [_row(definition, space, t) | {"attempts": attempts.get(t.number, 0)} for t in trials]
    heads = dict.fromkeys(h for t in trials for h in t.user_attrs.get(WEIGHTS, {}))
    columns = [
        "number",
        "state",
        *definition.objectives,
        *(p.name for p in space.parameters),
        *(f"weights.{head}" for head in heads),
        *("run_id", "mlflow_id", "attempts", "cause", "started", "seconds"),
    ]
    return pd.DataFrame(rows, columns=columns)


def _row(definition: Definition, space: Space, trial: FrozenTrial) -> dict[str, Any]:
    row: dict[str, Any] = {"number": trial.number, "state": trial.state.name}
    if trial.state == TrialState.COMPLETE:
        row |= dict(zip(definition.objectives, trial.values, strict=True))
    row |= {p.name: trial.params.get(p.name) for p in space.parameters}
    row |= {f"weights.{head}": w for head, w in trial.user_attrs.get(WEIGHTS, {}).items()}
    row["run_id"] = next(iter(trial.user_attrs.get(RUNS, {}).values()), None)
    row["mlflow_id"] = next(iter(trial.user_attrs.get(MLFLOW_RUNS, {}).values()), None)
    row["cause"] = trial.user_attrs.get("cause", "")
    started = trial.datetime_start
    row["started"] = (
        None if started is None else pd.Timestamp(started.astimezone()).tz_convert("UTC")
    )
    row["seconds"] = None if trial.duration is None else trial.duration.total_seconds()
    return row


def check_suffix(path: Path) -> None:
    """Check that a file's suffix names a format.

    Raises:
        ConfigError: If the suffix is not in `SUFFIXES`.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"--export {path} has no known suffix; use {', '.join(SUFFIXES)}.")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table in the format that the file's suffix names.

    Raises:
        ConfigError: If the suffix is not in `SUFFIXES`, or the file cannot be written.
    """
    check_suffix(path)
    try:
        if path.suffix == ".parquet":
            table.to_parquet(path, index=False)
        elif path.suffix == ".csv":
            write_csv(table, path)
        else:
            path.write_text(json_text(table), encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"--export {path} cannot be written to ({reason}).") from error


def counted(states: Iterable[str]) -> str:
    """Return how many trials have each state, such as `9 complete, 3 pruned`."""
    counts = pd.Series(list(states), dtype="str").value_counts()
    return ", ".join(f"{count} {state.lower()}" for state, count in counts.items())


def best_of(definition: Definition, trials: Sequence[FrozenTrial]) -> str:
    """Describe the best trial in a line; with several objectives, the front and its first trial."""
    return best_of_ranked(definition, ranked(definition, trials))


def best_of_ranked(definition: Definition, order: Sequence[FrozenTrial]) -> str:
    """Describe the best trial as `best_of`, from trials in the order of `ranked`."""
    if not order:
        return "no complete trial yet"
    values = zip(definition.objectives, order[0].values, strict=True)
    text = "  ".join(f"{name} {value:.4f}" for name, value in values)
    first = f"trial {order[0].number}  {text}"
    if not definition.several:
        return f"best: {first}"
    points = _points(definition, order)
    count = sum(_dominators(own, points.values()) == 0 for own in points.values())
    return f"front: {count} of {len(order)} trials, by mean rank first {first}"


def causes(trials: Sequence[FrozenTrial]) -> list[str]:
    """Return the cause of each failed trial, in the order of the trials."""
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    return [str(trial.user_attrs.get("cause", "unknown")) for trial in failed]


def ranked(definition: Definition, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the complete trials, the best first.

    With several objectives, trials that fewer others dominate come first. Ties are ordered by the
    mean rank over the objectives.
    """
    done = [t for t in trials if t.state == TrialState.COMPLETE]
    points = _points(definition, done)

    def key(trial: FrozenTrial) -> tuple[float, ...]:
        own = points[trial.number]
        if len(own) == 1:
            return (-own[0], trial.number)
        ranks = sum(sum(p[i] > own[i] for p in points.values()) for i in range(len(own)))
        return (_dominators(own, points.values()), ranks, trial.number)

    return sorted(done, key=key)


def _points(definition: Definition, trials: Iterable[FrozenTrial]) -> dict[int, list[float]]:
    """Return the values of complete trials by number, negated where lower is better."""
    signs = [1 if d == "maximize" else -1 for d in definition.objectives.values()]
    return {t.number: [s * v for s, v in zip(signs, t.values, strict=True)] for t in trials}


def _dominators(own: list[float], points: Iterable[list[float]]) -> int:
    """Return how many points are as good in every objective and better in at least one."""
    return sum(all(a >= b for a, b in zip(p, own, strict=True)) and p != own for p in points)
