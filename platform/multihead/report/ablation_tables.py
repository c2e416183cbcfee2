"""The tables of an ablation as files, to be recomputed from elsewhere."""

from collections.abc import Iterator

import pandas as pd

from multihead.ablation.result import Result
from multihead.report.costs import cost_table
from multihead.report.markdown import escaped, fenced, table

_VALUES = ["arm", "seed", "head", "metric", "split", "value", "run"]


def tables(result: Result) -> dict[str, pd.DataFrame]:
    """Return the tables by the name of their file."""
    nmi = result.redundancy
    return {
        "values": result.values[_VALUES],
        "statistics": result.comparison.table,
        "summary": result.comparison.summary,
        "costs": cost_table(result.runs, result.baseline),
        "runs": result.runs,
        "curves": result.curves,
        "redundancy": nmi.rename_axis("head").reset_index(),
        "protocol": pd.DataFrame(
            [(check.name, check.met, check.reason) for check in result.protocol],
            columns=["rule", "met", "reason"],
        ),
    }


def markdown(result: Result) -> str:
    """Return what the page says as Markdown, without charts and curves."""
    return "\n\n".join(_parts(result)) + "\n"


def _parts(result: Result) -> Iterator[str]:
    found = tables(result)
    yield f"# {escaped(result.name)}"
    yield "\n".join(f"- {escaped(sentence)}" for sentence in result.comparison.sentences)
    yield f"Baseline: {escaped(result.baseline)}. Differences are arm minus baseline."
    for title, name in (
        ("Statistics", "statistics"),
        ("Over all heads", "summary"),
        ("Cost of a seed", "costs"),
        ("Redundancy between heads", "redundancy"),
    ):
        yield f"## {title}"
        yield table(found[name])
    if result.functions:
        yield "\n".join(f"- {escaped(line)}" for line in result.functions)
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


def _wide(values: pd.DataFrame) -> pd.DataFrame:
    """Return a row per head, metric, split and seed, a column per arm."""
    keys = ["head", "metric", "split", "seed"]
    wide = values.pivot_table(index=keys, columns="arm", values="value", sort=False)
    return wide[list(dict.fromkeys(values["arm"]))].rename_axis(columns=None).reset_index()
