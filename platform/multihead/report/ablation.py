"""Write the report on an ablation: one self-contained page, and its tables as files."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from multihead.ablation.pairs import over_folds
from multihead.ablation.result import Result
from multihead.errors import ConfigError
from multihead.report.ablation_affinity import affinity_section
from multihead.report.ablation_answers import answers, groups
from multihead.report.ablation_charts import curve_cards, interval_cards, pair_cards
from multihead.report.ablation_overall import MOST_PAIRS, front_cards, front_rows, ranks
from multihead.report.ablation_rows import (
    conflict_cards,
    cost_rows,
    heat_rows,
    run_rows,
    summary_rows,
    web_address,
)
from multihead.report.ablation_tables import WORDS, markdown, tables, words
from multihead.report.charts.arms import arms_of
from multihead.report.files import write_files
from multihead.report.page import render
from multihead.studies.definition import PLAIN_NAME

PAGE, TEXT = "report.html", "report.md"


def write(result: Result, folder: Path) -> Path:
    """Write the page, its tables as CSV and Parquet, its text as Markdown, and the definition.

    Args:
        result: The result to report.
        folder: The folder. It is made if it does not exist; files of these names are replaced.

    Returns:
        The path of the page.

    Raises:
        ConfigError: If the folder cannot be written to, or the result's name is not valid.
    """
    definition = {_definition_file(result): result.definition} if result.definition else {}
    texts = {WORDS: words(result), TEXT: markdown(result), PAGE: page(result)}
    write_files(tables(result), {**definition, **texts}, folder)
    return folder / PAGE


def page(result: Result) -> str:
    """Return the page as HTML."""
    arms = arms_of([*result.runs["arm"], *result.values["arm"]], result.baseline)
    split = result.split
    found = groups(result, arms, split)
    return render(
        "ablation",
        kind="Ablation" if result.definition else "Comparison",
        title=result.name,
        lead=lead(result, split),
        link=web_address(result.url),
        warnings=list(_warnings(result)),
        answers=answers(result, found),
        arms=list(arms.values()),
        split=split,
        level=f"{100 * result.comparison.level:g}%",
        groups=found,
        summary=list(summary_rows(result, arms)),
        ranks=ranks(result.ranking, arms),
        fronts=list(front_cards(result, arms)),
        volumes=list(front_rows(result, arms)),
        most_pairs=MOST_PAIRS,
        intervals=list(interval_cards(result, found, arms, split)),
        pairs=list(pair_cards(result, found, arms, split)),
        curves=list(curve_cards(result, found, arms)),
        costs=list(cost_rows(result, arms)),
        machines=_machines(result.runs),
        redundancy=heat_rows(result),
        conflicts=conflict_cards(result, arms),
        functions=result.functions,
        affinity=affinity_section(result),
        protocol=result.protocol,
        folds=over_folds(result.values),
        met=sum(check.met for check in result.protocol),
        runs=list(run_rows(result, arms)),
        commands=result.commands,
        definition=result.definition,
        tables=list(tables(result)),
    )


def lead(result: Result, split: str) -> str:
    """Return in a sentence what was compared, on which split."""
    values = result.values
    arms, heads = result.runs["arm"].unique(), values["head"].nunique()
    seeds = values.groupby("arm")["seed"].nunique().reindex(arms, fill_value=0)
    count = _many(seeds.max(), "fold" if over_folds(values) else "seed")
    if seeds.min() < seeds.max():
        count = f"{seeds.min()} to {count}"
    return (
        f"{_many(len(arms), 'arm')} on {_many(heads, 'head')}, {count} each, measured on the "
        f"{split} split; {result.baseline} is the baseline."
    )


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _warnings(result: Result) -> Iterator[str]:
    """Yield warnings that a reader must see."""
    missing = result.runs[result.runs["state"] != "FINISHED"]
    if len(missing):
        yield (
            f"{len(missing)} of {len(result.runs)} trainings did not finish; the list below says "
            f"which, and why."
        )
    unmet = [check.name for check in result.protocol if not check.met]
    if unmet:
        yield f"Rules of the protocol that are not met: {'; '.join(unmet)}."
    yield from result.functions


def _machines(runs: pd.DataFrame) -> str:
    hosts = sorted(set(runs["host"]) - {""})
    return f"Times were measured on {', '.join(hosts)}." if hosts else ""


def _definition_file(result: Result) -> str:
    """Return the name of the file with the ablation's definition.

    Raises:
        ConfigError: If the name could lead out of the folder. Anyone may have written the record.
    """
    if not PLAIN_NAME.fullmatch(result.name):
        raise ConfigError(f"{result.name!r} is not a valid name; the ablation's record is damaged.")
    return f"{result.name}.yaml"
