"""Figures of study_scale.py and mlflow_ingest.py: rates and times by number of processes."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd

_LINES = {"multihead": "-", "optuna": "--", "grpc": ":"}


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the table, with one colour per length of trials and one line style per way."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "multihead"  # the same table gives the same file
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    colours = {seconds: f"C{i}" for i, seconds in enumerate(table.seconds.unique())}
    for (way, seconds), part in table.groupby(["way", "seconds"], sort=False):
        style = {"color": colours[seconds], "linestyle": _LINES[str(way)], "marker": "o", "ms": 3}
        left.plot(part.workers, part.trials_per_s, label=f"{way}, {seconds:g} s", **style)
        right.plot(part.workers, part.storage_ms_p50, **style)
        right.plot(part.workers, part.storage_ms_p95, color=colours[seconds], alpha=0.15)
    counts = sorted(table.workers.unique())
    for seconds, colour in colours.items():
        if seconds:
            ideal = [count / seconds for count in counts]
            left.plot(counts, ideal, color=colour, alpha=0.3, lw=4, zorder=0)
    left.set(ylabel="trials per second (broad: ideal)", ylim=(table.trials_per_s.min() / 2, None))
    right.set(ylabel="storage per trial, ms: median, p95 faint")
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="workers", xticks=counts, xticklabels=counts)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    left.legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def draw_ingest(rates: pd.DataFrame, ui: pd.DataFrame, path: Path) -> None:
    """Draw points per second and times of the UI's requests by number of clients."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "multihead"
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    left.plot(rates.clients, rates.points_per_s, marker="o")
    left.set(ylabel="points per second", ylim=(0, None), xscale="log")
    for name, part in ui.groupby("request", sort=False):
        (line,) = right.plot(part.clients, part.ms_p50, marker="o", ms=3, label=name)
        right.plot(part.clients, part.ms_p95, color=line.get_color(), alpha=0.3)
    right.set(ylabel="ms of a request: median, p95 faint", yscale="log")
    right.set_xscale("symlog", linthresh=1)
    for axes, counts in ((left, sorted(rates.clients)), (right, sorted(ui.clients.unique()))):
        axes.set(xlabel="clients that record", xticks=counts, xticklabels=counts)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    right.legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
