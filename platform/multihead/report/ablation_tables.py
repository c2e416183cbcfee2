"""Write and read the tables of an ablation's report as files."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from multihead.ablation.result import Check, Result
from multihead.ablation.statistics import Comparison
from multihead.ablation.verdict_text import rounded_rows
from multihead.checked_json import read_json_object
from multihead.errors import DataError, message_of
from multihead.files import inside
from multihead.markdown import escaped, fenced, table
from multihead.metrics.registry import METRICS, learn, to_record
from multihead.report.ablation_affinity import affinity_from, affinity_section, affinity_tables
from multihead.report.costs import cost_table
from multihead.report.parquet import read_parquet
from multihead.text import one_line

WORDS = "result.json"
_MOST_CELLS = 10_000_000
_LONGEST_TITLE = 200
_VALUES = ["arm", "seed", "head", "metric", "split", "value", "run"]


def _overall(result: Result) -> dict[str, pd.DataFrame]:
    """Return the tables over all heads, if there are enough arms and heads."""
    found, front = result.ranking, result.front
    of_ranks = {} if found is None else {"ranks": found.table, "rank_pairs": found.pairs}
    return of_ranks | ({} if front is None else {"points": front.points, "front": front.table})


def tables(result: Result) -> dict[str, pd.DataFrame]:
    """Return the tables by file name without suffix."""
    return {
        "values": result.values[_VALUES],
        "statistics": result.comparison.table,
        "summary": result.comparison.summary,
        **_overall(result),
        "costs": cost_table(result.runs, result.baseline),
        "runs": result.runs,
        "curves": result.curves,
        "redundancy": _long(result.redundancy),
        "protocol": pd.DataFrame(
            [(check.name, check.met, check.reason) for check in result.protocol],
            columns=["rule", "met", "reason"],
        ),
        "test_reads": result.test_reads,
        **affinity_tables(result.affinity),
        **({} if result.gradients.empty else {"gradients": result.gradients}),
    }


def words(result: Result) -> str:
    """Return the parts of a result that are not tables, as JSON."""
    return json.dumps(
        {
            "name": result.name,
            "baseline": result.baseline,
            "url": result.url,
            "sentences": result.comparison.sentences,
            "level": result.comparison.level,
            "functions": result.functions,
            "commands": result.commands,
            "definition": result.definition,
            "titles": dict(result.titles),
            "units": dict(result.units),
            "metrics": to_record(
                METRICS[name] for name in result.values["metric"].unique() if name in METRICS
            ),
        },
        indent=2,
    )


def load(folder: Path) -> Result:
    """Return the result whose Parquet tables and `WORDS` are in a folder.

    Raises:
        DataError: If the files are damaged, or were written by a version with another format.
    """
    try:
        return _load(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"the report's files are damaged or of another version ({message_of(error)}); write "
            f"them again with `multihead ablate`."
        ) from error


def _load(folder: Path) -> Result:
    said = read_json_object(inside(folder, WORDS, "a report's file"))
    learn(said.get("metrics", ""))  # reports of earlier versions lack them
    files = [inside(folder, path.name, "a report's file") for path in folder.glob("*.parquet")]
    found = {path.stem: read_parquet(path) for path in files}
    _check_wide(found["values"])
    return Result(
        name=said["name"],
        definition=said["definition"],
        values=found["values"],
        runs=found["runs"],
        curves=found["curves"],
        comparison=Comparison(
            found["statistics"], found["summary"], tuple(said["sentences"]), said["level"]
        ),
        redundancy=_square(found["redundancy"]),
        functions=tuple(said["functions"]),
        protocol=tuple(Check(*row) for row in found["protocol"].itertuples(index=False)),
        commands=tuple(said["commands"]),
        baseline=said["baseline"],
        url=said["url"],
        test_reads=found["test_reads"],
        affinity=affinity_from(found),
        titles=_texts(said.get("titles", {})),  # reports of earlier versions lack these two
        units=_texts(said.get("units", {})),
        gradients=found.get("gradients", pd.DataFrame()),
    )


def _texts(found: object) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ValueError("titles or units of its heads are not texts")
    return {name: one_line(text, _LONGEST_TITLE) for name, text in found.items()}


def markdown(result: Result) -> str:
    """Return the page's content as Markdown, without charts and curves."""
    return "\n\n".join(_parts(result)) + "\n"


def _parts(result: Result) -> Iterator[str]:
    found = tables(result)
    yield f"# {escaped(result.name)}"
    yield "\n".join(f"- {escaped(sentence)}" for sentence in result.comparison.sentences)
    yield f"Baseline: {escaped(result.baseline)}. Differences are arm minus baseline."
    if result.ranking is not None:
        yield f"Ranks: {escaped(result.ranking.sentence)}"
    for title, name in (
        ("Statistics", "statistics"),
        ("Over all heads", "summary"),
        ("Ranks", "ranks"),
        ("Between the heads", "front"),
        ("Cost of a seed", "costs"),
        ("Redundancy between heads", "redundancy"),
    ):
        if name in found:
            yield f"## {title}"
            yield table(rounded_rows(found[name]) if name == "statistics" else found[name])
    if not result.gradients.empty:
        yield "## Cosines of the heads' gradients, mean over seeds and epochs"
        yield table(cosines(result.gradients))
    if result.functions:
        yield "\n".join(f"- {escaped(line)}" for line in result.functions)
    section = affinity_section(result)
    if section is not None:
        yield "## Which heads belong together"
        yield "\n".join(f"- {escaped(sentence)}" for sentence in section.sentences)
        yield table(found["affinity"])
        yield table(found["groupings"])
    yield "## Protocol"
    yield "\n".join(
        f"- [{'x' if check.met else ' '}] {escaped(check.name)}: {escaped(check.reason)}"
        for check in result.protocol
    )
    yield "## Runs"
    yield table(found["runs"])
    yield "## Values"
    yield table(_wide(found["values"]))
    yield "## Reproduce"
    yield fenced("\n".join(result.commands), "sh")
    if result.definition:
        yield fenced(result.definition, "yaml")


def cosines(gradients: pd.DataFrame) -> pd.DataFrame:
    """Return one row per arm and pair of heads, with the mean over seeds and epochs."""
    means = gradients.groupby(["arm", "a", "b"], sort=False)["cosine"].mean()
    return means.round(3).reset_index()


def _wide(values: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a row per head, metric, split and seed, and a column per arm."""
    keys = ["head", "metric", "split", "seed"]
    wide = values.pivot_table(index=keys, columns="arm", values="value", sort=False)
    return wide[list(dict.fromkeys(values["arm"]))].reset_index(allow_duplicates=True)


def _check_wide(values: pd.DataFrame) -> None:
    """Check that the wide table of the page does not get too large.

    Raises:
        ValueError: If it would have more than `_MOST_CELLS` cells.
    """
    rows = len(values.drop_duplicates(["head", "metric", "split", "seed"]))
    if rows * values["arm"].nunique() > _MOST_CELLS:
        raise ValueError(f"it has values of {values['arm'].nunique():,} arms, which are too many")


def _long(nmi: pd.DataFrame) -> pd.DataFrame:
    """Return a row per pair of heads, since a head may have the name of a column."""
    pairs = [(a, b, nmi.loc[a, b]) for a in nmi.index for b in nmi.columns]
    return pd.DataFrame(pairs, columns=["head", "other", "nmi"])


def _square(pairs: pd.DataFrame) -> pd.DataFrame:
    heads = list(dict.fromkeys(pairs["head"]))
    if len(heads) ** 2 != len(pairs):
        raise ValueError("the table of redundancy does not have every pair of heads")
    square = pairs.pivot(index="head", columns="other", values="nmi")
    return square.reindex(index=heads, columns=heads)
