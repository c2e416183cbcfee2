"""Print a study at its end: the best trials, importances of parameters, the test and links."""

import shlex
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import TYPE_CHECKING

from multihead.cli.show import this_command
from multihead.cli.tables import show_table
from multihead.terminal.lines import say
from multihead.text import one_line

if TYPE_CHECKING:
    from multihead.studies.confirm import Confirmed
    from multihead.studies.create_or_resume import OpenStudy
    from multihead.studies.record import StudyRecord

_SHOWN = 5
_BAR = 30
_LONGEST = 60
_HIDDEN = ("state", "mlflow_id", "cause", "started", "attempts")


def again(name: str, overrides: Sequence[str]) -> str:
    """Return the command for a study that was called with this name and these overrides."""
    kept = [o for o in overrides if o.startswith(("name=", "storage="))]
    return shlex.join([this_command(), "study", name, *kept])


def show_trials(opened: "OpenStudy") -> None:
    """Print the states of the trials, the best trials, and the importances of parameters."""
    from multihead.studies.record import importances
    from multihead.studies.table import counted, ranked, trials_table

    order = [t.number for t in ranked(opened.definition, opened.trials())]
    space, trials = opened.plan.space, opened.trials()
    table = trials_table(opened.definition, space, trials, opened.storage)
    say(counted(table["state"]) or "no trials yet")
    if not order:
        return
    columns = [c for c in table.columns if c not in _HIDDEN and not c.startswith("simplex.")]
    best = table.set_index("number", drop=False).loc[order[:_SHOWN], columns]
    numbers = [c for c in best.columns if best[c].dtype.kind == "f"]
    for column in numbers:
        best[column] = [f"{value:.4g}" for value in best[column]]
    for number in best.index:
        params = trials[number].params
        missing = [p.name for p in space.parameters if p.when and p.name not in params]
        best.loc[number, [c for c in missing if c in best]] = ""
    best = best.loc[:, [(best[c] != "").any() for c in best.columns]]
    best = best.rename(columns=lambda c: c.removeprefix("model."))
    formats = dict.fromkeys([*(c.removeprefix("model.") for c in numbers), "number"], "{}")
    show_table(best, "the best of them" if len(order) > 1 else "the only complete trial", formats)
    shares = importances(opened.study, list(opened.definition.objectives))
    show_importances(shares)
    if shares and space.is_conditional:
        say("parameters that only some choices have are left out of this comparison", "")


def repeating(opened: "OpenStudy") -> str | None:
    """Return the command that trains the best trial's configuration again, or None."""
    from multihead.ablation.arms import override
    from multihead.studies.table import ranked

    order = ranked(opened.definition, opened.trials())
    if not order:
        return None
    definition, configs = opened.definition, opened.plan.configs
    base = [] if definition.experiment is None else [f"experiment={definition.experiment}"]
    values = opened.plan.space.values(order[0].params).items()
    chosen = [f"{p}={v}" if "/" in p else override(p.lstrip("+"), v, "++") for p, v in values]
    chosen.append(f"seed={configs.seed(0)}")
    return shlex.join([this_command(), "train", *base, *each_once(*definition.overrides, *chosen)])


def each_once(*overrides: str) -> list[str]:
    """Return overrides without those that a later one replaces.

    Hydra does not allow a group to be chosen twice. A mapping is merged with earlier values, so
    overrides before a mapping are kept.
    """
    kept: list[str] = []
    replaced: set[str] = set()
    for override in reversed(overrides):
        path, _, value = override.partition("=")
        path = path.lstrip("+")
        if path in replaced:
            continue
        kept.append(override)
        if not value.startswith("{"):
            replaced.add(path)
    return kept[::-1]


def show_importances(found: Mapping[str, Mapping[str, float]]) -> None:
    """Print a bar per parameter, for each objective."""
    for metric, shares in found.items():
        say(f"what {metric} depends on")
        names = {name: one_line(name, _LONGEST) for name in shares}
        width = max(map(len, names.values()))
        for name, share in shares.items():
            bar = "█" * round(_BAR * share)
            say(f"  {names[name]:{width}s}  {share:4.0%}  {bar}")
        say("")


def show_confirmed(opened: "OpenStudy", confirmed: "Sequence[Confirmed]") -> None:
    """Print a row per head with the test results of the best trial."""
    import pandas as pd

    from multihead.metrics.registry import METRICS

    if not confirmed:
        return
    rows = []
    for head in opened.plan.heads:
        row = {"head": head}
        for metric in METRICS.values():
            values = [c.metrics.get(f"test/{head}_{metric.name}") for c in confirmed]
            found = [value for value in values if value is not None]
            if found:
                row[metric.short] = f"{mean(found):.4f}"
                row[metric.short] += f" ± {stdev(found):.4f}" if len(found) > 1 else ""
        rows.append(row)
    table = pd.DataFrame(rows).fillna("")
    seeds = ", ".join(str(each.seed) for each in confirmed)
    title = (
        f"trial {confirmed[0].trial}, trained again on fresh seed{'s' * (len(confirmed) > 1)} "
        f"{seeds} and tested once"
    )
    show_table(table, title, dict.fromkeys(table.columns[1:], "{}"))
    for each in confirmed:
        say(f"confirm  {each.run_id}")


def show_links(opened: "OpenStudy", record: "StudyRecord", typed: str) -> None:
    """Print links, files and commands."""
    say(f"link     {record.run.url}", f"page     {record.folder / 'study.html'}")
    name = "pareto_front" if opened.definition.several else "importance"
    picture = record.folder / f"{name}.png"
    if picture.exists():
        say(f"picture  {picture}")
    if (command := repeating(opened)) is not None:
        say(f"repeat   {command}")
    say(f"browse   {this_command()} ui", f"trials   {typed} --ui")
