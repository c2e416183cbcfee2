"""The rows of summary, costs, runs and redundancy on an ablation's page, as text."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from multihead.ablation.result import Result
from multihead.report.charts.arms import Arm
from multihead.report.costs import cost_table
from multihead.report.numbers import MISSING, duration, number, places, signed

_DIGEST = 10
_COLUMNS = 20  # largest number of columns of a heat map over epochs


def summary_rows(result: Result, arms: Mapping[str, Arm]) -> Iterator[dict[str, Any]]:
    """Yield a row per arm over all its heads."""
    for row in result.comparison.summary.to_dict("records"):
        yield {
            "arm": arms[row["arm"]],
            "heads": row["n_heads"],
            "delta_m": signed(row["delta_m"], 2),
            "worst_head": result.shown(row["worst_head"]) or MISSING,
            "worst_delta": signed(row["worst_delta"], places([row["worst_delta"]])),
            "mean_rank": number(row["mean_rank"], 2),
            "note": row["delta_m_note"],
        }


def cost_rows(result: Result, arms: Mapping[str, Arm]) -> Iterator[dict[str, Any]]:
    """Yield the cost of each arm."""
    for row in cost_table(result.runs, result.baseline).to_dict("records"):
        yield {
            "arm": arms[row["arm"]],
            "trainings": row["trainings"],
            "finished": row["finished"],
            "networks": number(row["networks"], 0),
            "parameters": number(row["parameters"], 0),
            "parameters_ratio": number(row["parameters_ratio"], 2),
            "epochs": number(row["epochs"], 0),
            "steps": number(row["steps"], 0),
            "time": duration(row["train_seconds"]),
            "time_ratio": number(row["train_seconds_ratio"], 2),
        }


def run_rows(result: Result, arms: Mapping[str, Arm]) -> Iterator[dict[str, Any]]:
    """Yield every run; those that did not finish come first."""
    order = result.runs["state"].eq("FINISHED").sort_values(kind="stable").index
    runs = result.runs.loc[order].astype({"epochs": "float64", "train_seconds": "float64"})
    for row in runs.to_dict("records"):
        yield {
            "run": row["run"] or row["mlflow_id"] or "not started",
            "link": web_address(row["url"]),
            "arm": arms[row["arm"]],
            "seed": row["seed"],
            "head": result.shown(row["head"]),
            "state": row["state"],
            "finished": row["state"] == "FINISHED",
            "epochs": number(row["epochs"], 0),
            "time": duration(row["train_seconds"]),
            "config": row["config_hash"][:_DIGEST],
            "data": row["data_digest"][:_DIGEST],
            "reason": row["reason"],
        }


def heat_rows(result: Result) -> list[dict[str, Any]]:
    """Return the redundancy matrix: for each head, the text and shade (0 to 10) of each cell."""
    nmi = result.redundancy
    return [
        {"name": result.shown(head), "cells": [(number(v, 2), _shade(v)) for v in values]}
        for head, values in zip(nmi.index, nmi.to_numpy(), strict=True)
    ]


def conflict_cards(
    result: Result, arms: Mapping[str, Arm]
) -> list[tuple[Arm, list[str], list[dict[str, Any]]]]:
    """Return a heat map per arm: the arm, its epochs, and text and shade for each pair of heads.

    Cosines are means over seeds. If there are many epochs, each of at most `_COLUMNS` columns is a
    mean over several epochs.
    """
    gradients = result.gradients
    if gradients.empty:
        return []
    cards = []
    for name, rows in gradients[gradients["arm"].isin(arms)].groupby("arm", sort=False):
        width = -(-int(rows["epoch"].max()) // _COLUMNS)
        pair = rows["a"].map(result.shown) + " and " + rows["b"].map(result.shown)
        rows = rows.assign(pair=pair, part=(rows["epoch"] - 1) // width)
        grid = rows.pivot_table(index="pair", columns="part", values="cosine", sort=False)
        grid = grid[sorted(grid)]
        epochs = [str(k + 1) if width == 1 else f"{k * width + 1}-{(k + 1) * width}" for k in grid]
        pairs = [
            {"name": pair, "cells": [(number(v, 2), _signed_shade(v)) for v in values]}
            for pair, values in zip(grid.index, grid.to_numpy(), strict=True)
        ]
        cards.append((arms[str(name)], epochs, pairs))
    return sorted(cards, key=lambda card: card[0].place)


def web_address(url: str | None) -> str | None:
    """Return the URL if it is http or https, else None: other kinds could run a script."""
    return url if url and url.startswith(("http://", "https://")) else None


def _shade(value: float) -> int:
    return min(max(round(10 * value), 0), 10) if math.isfinite(value) else 0


def _signed_shade(value: float) -> str:
    """Return the CSS class of a cell: `n` for conflict or `h` for agreement, and a shade to 10."""
    return f"{'n' if value < 0 else 'h'}{_shade(abs(value))}"
