"""Write one interactive page with Optuna's plots of a study; it works without a network."""

import html
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna import visualization as plots
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from multihead.studies.definition import Definition
from multihead.studies.table import best_of, counted
from multihead.studies.trial_names import WEIGHTS
from multihead.text import lines, one_line, shortened

# Plotly makes functions at run time to draw 3-D plots and parallel coordinates, so 'unsafe-eval' is
# needed. The page may not load anything.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)
_STYLE = """
:root { color-scheme: light dark;
  --page: #fbfbf9; --text: #1c1e21; --soft: #5d6470; --line: #dfe1e4 }
@media (prefers-color-scheme: dark) {
  :root { --page: #131518; --text: #e7e8ea; --soft: #a0a7b1; --line: #33383f }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1080px; padding: 0 1rem;
  background: var(--page); color: var(--text) }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin: 2.2rem 0 0 }
p { margin: 0 } p.lead { color: var(--soft) } .scroll { overflow: auto; max-height: 30rem }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th { position: sticky; top: 0; background: var(--page); color: var(--soft); text-align: left }
th, td { padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap }
"""
# These colours are readable on light and dark backgrounds. Plotly does not use the page's colours.
_INK, _GRID, _CLEAR = "#808791", "rgba(128, 135, 145, .25)", "rgba(0, 0, 0, 0)"
_BLUE, _ORANGE = "#4c8dd6", "#dd6b20"
_STATES = {"COMPLETE": _BLUE, "PRUNED": _ORANGE, "FAIL": "#d64545", "RUNNING": "#9aa3ae"}
# Markup that Optuna itself adds to texts.
_OPTUNAS = re.compile(r"&lt;(br|extra|/extra)&gt;")
_MOST, _MOST_OF_A_WORD = 1000, 80
_WORD = re.compile(r"[^\s<>]{81,}")
_SCALE, _FRONT = [[0, "#a9b4c2"], [1, "#3f93ee"]], [[0, "#f0b27a"], [1, _ORANGE]]


def write_page(
    study: optuna.Study,
    definition: Definition,
    table: pd.DataFrame,
    path: Path,
    notes: Sequence[str] = (),
) -> None:
    """Write the page.

    Args:
        study: The Optuna study.
        definition: The study's definition.
        table: The result of `trials_table`.
        path: The file to write. It contains plotly itself, which takes 5 MB.
        notes: Lines to show at the top.
    """
    lead = counted(table["state"])
    best = _escaped(best_of(definition, study.get_trials(deepcopy=False)))
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{_escaped(definition.name)}</title><style>{_STYLE}</style>",
        f"<h1>{_escaped(definition.name)}</h1><p>{best}</p>",
        f"<p class=lead>{lead or 'no trials yet'}</p>",
        *(f"<p class=lead>{_escaped(note)}</p>" for note in notes),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's plots are experimental, and PED-ANOVA warns
        for index, (title, figure) in enumerate(_figures(study, definition)):
            _paint(figure)
            shown = {"displaylogo": False}
            body = _as_text(figure).to_html(
                full_html=False, include_plotlyjs=index == 0, config=shown
            )
            parts.append(f"<h2>{_escaped(title)}</h2>{body}")
    hidden = [c for c in table.columns if c == "mlflow_id" or c.startswith("simplex.")]
    cells = table.drop(columns=hidden).map(_cell).rename(columns=_cell)
    rows = cells.to_html(index=False, float_format=lambda v: f"{v:.5g}", na_rep="", border=0)
    parts.append(f"<h2>Trials</h2><div class=scroll>{rows}</div></html>")
    path.write_text("\n".join(parts), encoding="utf-8")


def _escaped(text: str) -> str:
    return html.escape(one_line(text, _MOST))


def _cell(value: Any) -> Any:
    return one_line(value, _MOST) if isinstance(value, str) else value


def _as_text(figure: Any) -> Any:
    """Return a figure whose texts are escaped, except for Optuna's own line breaks."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):  # arrays are numbers in base64
            return {k: inside if k == "bdata" else plain(inside) for k, inside in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inside) for inside in value]
        if not isinstance(value, str):
            return value
        short = _WORD.sub(lambda word: shortened(word[0], _MOST_OF_A_WORD), lines(value))
        return _OPTUNAS.sub(r"<\1>", html.escape(short, quote=False))

    return type(figure)(plain(figure.to_dict()))


def _paint(figure: Any) -> None:
    """Make a figure transparent and as wide as the page, in colours for light and dark."""
    figure.update_layout(
        template="plotly_white",
        title=None,
        width=None,
        height=580 if any(trace.type == "scatter3d" for trace in figure.data) else 400,
        margin={"t": 30, "b": 50},
        font_color=_INK,
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        modebar={"bgcolor": _CLEAR, "color": _INK},
    )
    figure.update_xaxes(gridcolor=_GRID, zerolinecolor=_GRID)
    figure.update_yaxes(gridcolor=_GRID, zerolinecolor=_GRID)
    walls = {"backgroundcolor": _CLEAR, "gridcolor": _GRID}
    figure.update_scenes(xaxis=walls, yaxis=walls, zaxis=walls)
    for trace in figure.data:
        if trace.type == "bar":
            trace.marker.color = _STATES.get(trace.name, _BLUE)
        elif trace.type == "parcoords":
            trace.line.colorscale = _SCALE
        elif trace.marker.colorscale is not None:
            front = trace.marker.colorbar.title.text == "Best Trial"
            trace.marker.colorscale = _FRONT if front else _SCALE


def with_weights(study: optuna.Study) -> optuna.Study:
    """Return a study of the complete trials that has loss weights instead of their coordinates."""
    shown = optuna.create_study(directions=study.directions)
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not any(trial.user_attrs.get(WEIGHTS) for trial in done):
        return study
    for trial in done:  # trials with some choices have no searched weights
        weights = {f"weights.{h}": w for h, w in trial.user_attrs.get(WEIGHTS, {}).items()}
        kept = [n for n in trial.params if not n.startswith(("simplex.", "ratio."))]
        span = FloatDistribution(0.0, 1.001 * sum(weights.values()))
        shown.add_trial(
            optuna.trial.create_trial(
                params={n: trial.params[n] for n in kept} | weights,
                distributions={n: trial.distributions[n] for n in kept}
                | dict.fromkeys(weights, span),
                values=trial.values,
            )
        )
    return shown


def _all_params(study: optuna.Study) -> list[str]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return list(dict.fromkeys(name for trial in trials for name in trial.params))


def shared_params(study: optuna.Study) -> list[str]:
    """Return the parameters that every complete trial has."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [name for name in _all_params(study) if all(name in t.params for t in trials)]


def lowest_is_best(study: optuna.Study, index: int) -> Callable[[FrozenTrial], float]:
    """Return an objective as PED-ANOVA expects it: lower is better, so it may be negated."""
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
        shown = with_weights(study)
        common = shared_params(shown)
        of = "" if len(common) == len(_all_params(shown)) else ", parameters of all trials"
        yield (
            f"{metric}: importance{of}",
            plots.plot_param_importances(study, target=target, target_name=metric),
        )
        if common:
            yield (
                f"{metric}: parallel coordinates{of}",
                plots.plot_parallel_coordinate(shown, params=common, **options),
            )
        yield f"{metric}: slices", plots.plot_slice(shown, **options)
    if not definition.several and any(
        t.intermediate_values for t in study.get_trials(deepcopy=False)
    ):
        yield "While the trials trained", plots.plot_intermediate_values(study)
    yield "When each trial ran", plots.plot_timeline(study)
