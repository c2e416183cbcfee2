"""Turn the statistics of an ablation into text: sentences and table rows per head and arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multihead.ablation.pairs import MEAN, with_mean
from multihead.ablation.result import Result
from multihead.ablation.rows import BETTER, WORSE
from multihead.ablation.statistics import falling_metrics
from multihead.metrics.metric import Unit
from multihead.metrics.registry import unit_of
from multihead.report.charts.arms import Arm
from multihead.report.numbers import MISSING, interval, number, places, probability, signed

_SIGNS = {BETTER: "▲", WORSE: "▼"}


@dataclass(frozen=True)
class Verdict:
    """A verdict with a sign, so that it can be read without its colour.

    Attributes:
        word: better, worse or inconclusive.
    """

    word: str

    @property
    def tone(self) -> str:
        """The CSS class."""
        return self.word if self.word in _SIGNS else "open"

    @property
    def sign(self) -> str:
        """A triangle up for better, down for worse, else a circle."""
        return _SIGNS.get(self.word, "○")


@dataclass(frozen=True)
class Answer:
    """The conclusions on a head.

    Attributes:
        head: Its display name.
        rows: One row per arm, for the metric by which the head is judged.
        sentences: One sentence per arm, with figures.
    """

    head: str
    rows: "list[Row]"
    sentences: list[str]

    @property
    def verdicts(self) -> "list[tuple[Verdict, list[Row]]]":
        """The arms by verdict: better, then worse, then inconclusive."""
        words = dict.fromkeys((BETTER, WORSE, *(row.verdict.word for row in self.rows)))
        found = [(word, [r for r in self.rows if r.verdict.word == word]) for word in words]
        return [(Verdict(word), rows) for word, rows in found if rows]


@dataclass(frozen=True)
class Row:
    """A table row: an arm compared with the baseline on one metric of one head.

    Attributes:
        arm: The arm.
        verdict: The verdict.
        level: Mean and standard deviation.
        delta: Mean of the paired differences.
        interval: Interval of `delta`.
        p: The p value of the test.
        p_holm: The p value, corrected for the number of heads.
        improvement: Probability of improvement.
        n: Number of pairs.
        needed: Number of seeds needed to show the difference.
        note: Notes for the reader.
    """

    arm: Arm
    verdict: Verdict
    level: str
    delta: str
    interval: str
    p: str
    p_holm: str
    improvement: str
    n: int
    needed: str
    note: str


@dataclass(frozen=True)
class Group:
    """All arms on one metric of one head.

    Attributes:
        head: Name of the head, or `mean`.
        shown: Display name of the head.
        metric: Name of the metric.
        unit: Unit of the metric, if it is the unit of the labels; else empty.
        falling: Whether lower values are better.
        baseline: Mean and standard deviation of the baseline over all its seeds.
        rows: One row per arm, without the baseline.
    """

    head: str
    shown: str
    metric: str
    unit: str
    falling: bool
    baseline: str
    rows: list[Row]

    @property
    def title(self) -> str:
        """Head, metric and unit."""
        unit = f" [{self.unit}]" if self.unit else ""
        return f"{self.shown}, {self.metric}{unit}"


def answers(result: Result, groups: Sequence[Group]) -> list[Answer]:
    """Return the conclusions on every head, in the order of the groups."""
    judged = result.comparison.table.drop_duplicates(["arm", "head"])
    arms_and_heads = zip(judged["arm"], judged["head"], strict=True)
    said = dict(zip(arms_and_heads, result.comparison.sentences, strict=True))
    first: dict[str, Group] = {}
    for group in groups:
        first.setdefault(group.head, group)
    return [
        Answer(
            group.shown,
            group.rows,
            [_renamed(said[row.arm.name, head], row.arm.name, head, result) for row in group.rows],
        )
        for head, group in first.items()
    ]


def _renamed(sentence: str, arm: str, head: str, result: Result) -> str:
    """Return a sentence that begins with arm and head, with the head's display name."""
    begins = f"{arm}, {head}:"
    if not sentence.startswith(begins):
        return sentence
    return f"{arm}, {result.shown(head)}:{sentence.removeprefix(begins)}"


def groups(result: Result, arms: Mapping[str, Arm], split: str) -> list[Group]:
    """Return the statistics by head and metric; the mean over heads comes last."""
    table = result.comparison.table.astype({"seeds_needed": "float64"})
    values = with_mean(result.values[result.values["split"] == split])
    values = values[values["arm"] == result.baseline]
    falling = falling_metrics(table["metric"].unique())
    found = []
    for (head, metric), part in table.groupby(["head", "metric"], sort=False):
        own = values[(values["head"] == head) & (values["metric"] == metric)]["value"]
        decimals = places([*part["sd"], own.std(), *(part["ci_high"] - part["ci_low"])])
        rows = [_row(row, arms, decimals) for row in part.to_dict("records")]
        level = _level(own.mean(), own.std(), decimals)
        unit = result.units.get(head, "") if unit_of(metric) is Unit.LABEL else ""
        shown = _shown(result, head)
        found.append(Group(head, shown, metric, unit, metric in falling, level, rows))
    return sorted(found, key=lambda group: group.head == MEAN)


def _row(row: Mapping[str, Any], arms: Mapping[str, Arm], decimals: int) -> Row:
    return Row(
        arm=arms[row["arm"]],
        verdict=Verdict(row["verdict"]),
        level=_level(row["mean"], row["sd"], decimals),
        delta=signed(row["delta"], decimals),
        interval=interval(row["ci_low"], row["ci_high"], decimals),
        p=probability(row["p"]),
        p_holm=probability(row["p_holm"]),
        improvement=probability(row["improvement"]),
        n=row["n"],
        needed=number(row["seeds_needed"], 0),
        note=row["note"],
    )


def _level(mean: float, sd: float, decimals: int) -> str:
    return number(mean, decimals) + ("" if sd != sd else f" ± {number(sd, decimals)}")


def _shown(result: Result, head: str) -> str:
    return "mean over heads" if head == MEAN else result.shown(head) or MISSING
