"""One interactive page of a study that needs no network: Optuna's plots under a common head."""

import html
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna import visualization as plots
from optuna.trial import FrozenTrial, TrialState

from multihead.studies.definition import Definition

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1080px; color: #1a202c }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
p.lead { color: #4a5568; margin-top: 0 } .scroll { overflow-x: auto; max-height: 30rem }
table { border-collapse: collapse; font-size: 13px } th { position: sticky; top: 0 }
th { text-align: left }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #e2e8f0; background: #fff }
td { font-variant-numeric: tabular-nums }
"""


def write_page(
    study: optuna.Study, definition: Definition, table: pd.DataFrame, path: Path
) -> None:
    """Write the page.

    Args:
        study: Optuna's view.
        definition: The study.
        table: From `trials_table`.
        path: Of the page; it holds plotly itself, 5 MB, once.
    """
    counts = table["state"].value_counts().to_dict()
    lead = ", ".join(f"{count} {state.lower()}" for state, count in counts.items())
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{html.escape(definition.name)}</title><style>{_STYLE}</style>",
        f"<h1>{html.escape(definition.name)}</h1><p class=lead>{lead or 'no trials yet'}</p>",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental, and that low values are explained
        for index, (title, figure) in enumerate(_figures(study, definition)):
            figure.update_layout(template="plotly_white", title=None, height=440)
            body = figure.to_html(full_html=False, include_plotlyjs=index == 0)
            parts.append(f"<h2>{html.escape(title)}</h2>{body}")
    shown = table.drop(columns=["mlflow_id"])
    rows = shown.to_html(index=False, float_format=lambda v: f"{v:.5g}", na_rep="", border=0)
    parts.append(f"<h2>Trials</h2><div class=scroll>{rows}</div></html>")
    path.write_text("\n".join(parts), encoding="utf-8")


def lowest_is_best(study: optuna.Study, index: int) -> Callable[[FrozenTrial], float]:
    """Return an objective with the sign that PED-ANOVA expects: it explains low values."""
    sign = -1 if study.directions[index] == optuna.study.StudyDirection.MAXIMIZE else 1
    return lambda trial: sign * trial.values[index]


def _figures(study: optuna.Study, definition: Definition) -> Iterator[tuple[str, Any]]:
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not done:
        return
    metrics = list(definition.objectives)
    if 1 < len(metrics) < 4:
        yield "Pareto front", plots.plot_pareto_front(study, target_names=metrics)
    for index, metric in enumerate(metrics):
        options: dict[str, Any] = {"target_name": metric}
        if definition.several:
            options["target"] = lambda trial, i=index: trial.values[i]
        yield f"{metric}: history", plots.plot_optimization_history(study, **options)
        if len(done) < 4 or len({t.values[index] for t in done}) < 2:
            continue
        target = lowest_is_best(study, index)
        yield (
            f"{metric}: importance",
            plots.plot_param_importances(study, target=target, target_name=metric),
        )
        yield f"{metric}: parallel coordinates", plots.plot_parallel_coordinate(study, **options)
        yield f"{metric}: slices", plots.plot_slice(study, **options)
    if not definition.several and any(
        t.intermediate_values for t in study.get_trials(deepcopy=False)
    ):
        yield "While the trials trained", plots.plot_intermediate_values(study)
    yield "When each trial ran", plots.plot_timeline(study)
