"""Pictures of a hyperparameter search, drawn from tables and numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from multihead.figures.words import plain_words, word

_BLUE, _ORANGE, _GREY, _RED = "#2b6cb0", "#dd6b20", "#a0aec0", "#c53030"
_STATES = {"COMPLETE": _BLUE, "PRUNED": _ORANGE, "FAIL": _RED, "RUNNING": _GREY}
_DPI = 120
_LONGEST = 24


def _axes(width: float = 7.5, height: float = 4.2, columns: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = [figure.add_subplot(1, columns, i + 1) for i in range(columns)]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(color="#e2e8f0", linewidth=0.6)
        each.set_axisbelow(True)
    return figure, axes


def _is_log(values: pd.Series) -> bool:
    """Return whether values are positive and span more than a factor of 20, for a log scale."""
    return bool(values.min() > 0 and values.max() / values.min() > 20)


@plain_words()
def history(table: pd.DataFrame, metric: str, *, maximize: bool, path: Path) -> None:
    """Draw an objective over trial numbers, with the best value so far."""
    figure, (axes,) = _axes()
    done = table[table["state"] == "COMPLETE"]
    best = done[metric].cummax() if maximize else done[metric].cummin()
    axes.scatter(done["number"], done[metric], color=_BLUE, s=22, label="trial", zorder=3)
    axes.step(done["number"], best, where="post", color=_ORANGE, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(
        xlabel="trial",
        ylabel=word(metric),
        title=f"{word(metric)} over {len(done)} complete trials",
    )
    axes.legend(frameon=False)
    figure.savefig(path, dpi=_DPI)


@plain_words()
def importance(importances: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw the importance of each parameter, one panel per objective.

    Args:
        importances: For each objective, the importance of each parameter, 0 to 1.
        path: The picture to write. Its suffix sets the format.
    """
    names = list(next(iter(importances.values())))[::-1]
    height = 1.4 + 0.38 * len(names)
    figure, panels = _axes(2.5 + 4.2 * len(importances), height, len(importances))
    for index, (axes, (metric, shares)) in enumerate(zip(panels, importances.items(), strict=True)):
        axes.barh(range(len(names)), [shares.get(n, 0.0) for n in names], color=_BLUE)
        axes.set_yticks(range(len(names)), [word(name) for name in names])
        axes.set(title=word(metric), xlabel="importance", xlim=(0, 1))
        if index:
            axes.set_yticklabels([])
    figure.savefig(path, dpi=_DPI)


@plain_words()
def slices(table: pd.DataFrame, metric: str, params: Sequence[str], path: Path) -> None:
    """Draw an objective over each parameter; later trials are darker."""
    figure, panels = _axes(1 + 3.1 * len(params), 3.6, len(params))
    done = table[table["state"] == "COMPLETE"]
    for index, (axes, name) in enumerate(zip(panels, params, strict=True)):
        values = done[name]
        numeric = pd.api.types.is_numeric_dtype(values)
        shown, kinds = (values, []) if numeric else pd.factorize(values.astype(str))
        axes.scatter(
            shown, done[metric], c=done["number"], cmap="Blues", vmin=-len(table) / 2, s=24
        )
        if numeric and _is_log(values.dropna()):
            axes.set_xscale("log")
        if not numeric:
            axes.set_xticks(range(len(kinds)), [word(kind, _LONGEST) for kind in kinds])
        axes.set_xlabel(word(name))
        if index == 0:
            axes.set_ylabel(word(metric))
    figure.savefig(path, dpi=_DPI)


@plain_words()
def parallel_coordinates(
    table: pd.DataFrame, metric: str, params: Sequence[str], *, maximize: bool, path: Path
) -> None:
    """Draw each complete trial as a line through its parameters; the best ones are on top."""
    figure, (axes,) = _axes(2.5 + 1.6 * (len(params) + 1))
    done = table[table["state"] == "COMPLETE"].dropna(subset=[metric])
    done = done.sort_values(metric, ascending=maximize)
    columns = [*params, metric]
    places = np.column_stack([_scaled(done[name]) for name in columns])
    norm = Normalize(done[metric].min(), done[metric].max())
    mapped = ScalarMappable(norm, "viridis" if maximize else "viridis_r")
    for place, value in zip(places, done[metric], strict=True):
        axes.plot(range(len(columns)), place, color=mapped.to_rgba(value), linewidth=1.2, alpha=0.8)
    axes.set_xticks(range(len(columns)), [_ends(name, done[name]) for name in columns], fontsize=8)
    axes.set_yticks([])
    axes.set_title("one line per complete trial")
    figure.colorbar(mapped, ax=axes, label=word(metric))
    figure.savefig(path, dpi=_DPI)


def _scaled(values: pd.Series) -> np.ndarray:
    if not pd.api.types.is_numeric_dtype(values):
        codes, kinds = pd.factorize(values.astype(str), sort=True)
        return np.asarray(codes / max(1, len(kinds) - 1), dtype=float)
    norm = LogNorm if _is_log(values.dropna()) else Normalize
    if values.min() == values.max():
        return np.full(len(values), 0.5)
    return np.ma.filled(norm(values.min(), values.max())(values.to_numpy(float)), np.nan)


def _ends(name: str, values: pd.Series) -> str:
    if not pd.api.types.is_numeric_dtype(values):
        return f"{word(name)}\n{word(', '.join(sorted(set(values.astype(str)))), 30)}"
    return f"{word(name)}\n{values.min():.3g} to {values.max():.3g}"


@plain_words()
def pareto_front(
    table: pd.DataFrame, metrics: Sequence[str], front: Sequence[int], path: Path
) -> None:
    """Draw every pair of objectives, with the trials of the Pareto front marked.

    Args:
        table: Table of trials, with a column per objective.
        metrics: The objectives, two or more.
        front: Numbers of the trials that no other trial dominates.
        path: The picture to write. Its suffix sets the format.
    """
    pairs = [(a, b) for i, a in enumerate(metrics) for b in metrics[i + 1 :]]
    figure, panels = _axes(1 + 4.2 * len(pairs), 4.0, len(pairs))
    done = table[table["state"] == "COMPLETE"]
    best = done[done["number"].isin(front)]
    for axes, (a, b) in zip(panels, pairs, strict=True):
        axes.scatter(done[a], done[b], color=_GREY, s=22, label="dominated")
        axes.scatter(best[a], best[b], color=_ORANGE, s=34, label="Pareto front", zorder=3)
        for number, x, y in zip(best["number"], best[a], best[b], strict=True):
            axes.annotate(str(number), (x, y), (4, 4), textcoords="offset points", fontsize=7)
        axes.set(xlabel=word(a), ylabel=word(b))
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=_DPI)


@plain_words()
def intermediate_values(
    curves: Mapping[int, Mapping[int, float]], states: Mapping[int, str], metric: str, path: Path
) -> None:
    """Draw an objective by step for each trial; pruned trials are orange.

    Args:
        curves: For each trial number, the value by step.
        states: State by trial number.
        metric: The objective.
        path: The picture to write. Its suffix sets the format.
    """
    figure, (axes,) = _axes()
    seen: set[str] = set()
    for number, curve in curves.items():
        state = states[number]
        label = None if state in seen else state.lower()
        seen.add(state)
        marker = "o" if state == "PRUNED" else None
        axes.plot(
            list(curve), list(curve.values()), color=_STATES.get(state, _GREY), label=label,
            marker=marker, markevery=[-1] if marker else None, linewidth=1.1, alpha=0.75,
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="step", ylabel=word(metric), title="trials while they trained")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=_DPI)


@plain_words()
def timeline(table: pd.DataFrame, path: Path) -> None:
    """Draw when each trial ran and how it ended."""
    done = table.dropna(subset=["started", "seconds"])
    figure, (axes,) = _axes(height=1.6 + 0.09 * len(done))
    began = done["started"].min()
    starts = (done["started"] - began).dt.total_seconds()
    for state, colour in _STATES.items():
        rows = done["state"] == state
        if rows.any():
            axes.barh(
                done["number"][rows], done["seconds"][rows], left=starts[rows], color=colour,
                label=state.lower(), height=0.8,
            )  # fmt: skip
    axes.invert_yaxis()
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="seconds since the first trial", ylabel="trial", title="when each trial ran")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=_DPI)
