"""Show how long trainings take to reach each accuracy: a table per minute, and a curve.

    python benchmarks/time_to_accuracy.py RUN [RUN...] [--metric val/class_acc] [--out FOLDER]

RUN is the id of a recorded run. Time is counted from the run's start to each validation, including
reading data.
"""

import argparse
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from multihead.tracking.find import find_run
from multihead.tracking.store import Store

MINUTE = 60_000  # milliseconds


def curve(store: Store, run_id: str, metric: str) -> pd.DataFrame:
    """Return minutes since the start and the value of each validation of a run."""
    run = find_run(store, run_id)
    points = store.client.get_metric_history(run.info.run_id, metric)
    if not points:
        raise SystemExit(f"run {run_id} has no {metric}.")
    rows = [((p.timestamp - run.info.start_time) / MINUTE, p.value) for p in points]
    return pd.DataFrame(rows, columns=["minutes", metric]).assign(run=run_id)


def first_to(curves: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the minutes in which each run reached each tenth and, from 0.8 on, each hundredth."""
    steps = [0.5, 0.6, 0.7, *(round(0.8 + step / 100, 2) for step in range(20))]
    columns = {}
    for run, found in curves.groupby("run", sort=False):
        reached = (found[found[metric] >= step]["minutes"] for step in steps)
        columns[run] = [minutes.iloc[0] if len(minutes) else None for minutes in reached]
    return pd.DataFrame(columns, index=pd.Index(steps, name=metric)).dropna(how="all")


def draw(curves: pd.DataFrame, metric: str, path: Path) -> None:
    """Draw one line per run."""
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for run, found in curves.groupby("run", sort=False):
        axes.plot(found["minutes"], found[metric], marker=".", label=run)
    axes.set(xlabel="minutes since the start of the run", ylabel=metric)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Read the runs and print the table; optionally write the table and a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--metric", default="val/class_acc")
    parser.add_argument("--out", type=Path, help="folder for time_to_accuracy.csv and .png")
    options = parser.parse_args()
    store = Store()
    curves = pd.concat([curve(store, run, options.metric) for run in options.runs])
    print(first_to(curves, options.metric).round(1).to_string(na_rep="-"))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        curves.round(4).to_csv(options.out / "time_to_accuracy.csv", index=False)
        draw(curves, options.metric, options.out / "time_to_accuracy.png")


if __name__ == "__main__":
    main()
