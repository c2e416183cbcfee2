"""Which rules of a fair comparison runs picked by hand meet, by what is on record of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from multihead.ablation.protocol import enough_seeds
from multihead.ablation.result import Check
from multihead.tracking.code import DIFF_TAG

# The tag by which MLflow says what a dataset was used for.
_USE = "mlflow.data.context"
_DATA = "the same data and test set"
# What is on record of data that does not depend on which of its heads are used.
_HEADLESS = ("name", "images_in_file", "image_shape")
# Tags that have to be the same for runs to be comparable, by what they are called.
_SAME = {
    _DATA: ("data.train_digest", "data.test_digest"),
    "the same code": ("git.commit", DIFF_TAG, "multihead.version"),
    "the same kind of machine": ("hardware.device", "precision"),
}


def checks(
    runs: pd.DataFrame,
    tags: Sequence[Mapping[str, str]],
    data: Sequence[Mapping[str, Mapping[str, Any]]],
    differing: Sequence[str],
    *,
    heads: int,
    level: float,
) -> tuple[Check, ...]:
    """Return the rules, met or not, with reasons.

    Args:
        runs: A row per run, as in a `Result`.
        tags: Of each run.
        data: From `data_of`, of each run.
        differing: Parameters in which the runs differ.
        heads: How many are compared.
        level: Of the intervals.
    """
    return (*_seeds(runs, heads, level), *_same(tags, data), _failures(runs), *_never(differing))


def _seeds(runs: pd.DataFrame, heads: int, level: float) -> Iterator[Check]:
    done = runs[runs["state"] == "FINISHED"]
    seeds = {arm: set(done.loc[done["arm"] == arm, "seed"]) for arm in dict.fromkeys(runs["arm"])}
    common = set.intersection(*seeds.values())
    equal = all(found == common for found in seeds.values())
    shown = "; ".join(f"{arm}: {_listed(found)}" for arm, found in seeds.items())
    yield Check("the same seeds in every arm", equal, shown)
    yield enough_seeds(len(common), heads, level)


def data_of(run: Any) -> dict[str, Mapping[str, Any]]:
    """Return what is on record of a run's data, by what they were used for: `train`, `test`."""
    return {
        tag.value: {"name": each.dataset.name, **_profile(each.dataset.profile)}
        for each in run.inputs.dataset_inputs
        for tag in each.tags
        if tag.key == _USE
    }


def _profile(text: str | None) -> Mapping[str, Any]:
    try:
        said = json.loads(text or "")
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _same(
    tags: Sequence[Mapping[str, str]], data: Sequence[Mapping[str, Mapping[str, Any]]]
) -> Iterator[Check]:
    for rule, names in _SAME.items():
        differ = [name for name in names if len({each.get(name, "") for each in tags}) > 1]
        unknown = all(name not in each for name in names for each in tags)
        reason = f"runs differ in {', '.join(differ)}" if differ else f"{', '.join(names)} agree"
        if rule == _DATA and differ and _by_heads_alone(tags, data):
            reason = (
                "the heads differ, so the digests do; names, numbers and shapes of the images "
                "agree, but whether the images do is not on record"
            )
        yield Check(rule, not (differ or unknown), "not on record" if unknown else reason)


def _by_heads_alone(
    tags: Sequence[Mapping[str, str]], data: Sequence[Mapping[str, Mapping[str, Any]]]
) -> bool:
    """Return whether the digests of runs may differ because their heads do, and only so.

    That is: runs with the same heads have the same digests, and what does not depend on heads is
    the same in all runs.
    """
    digests: dict[str, set[tuple[str, ...]]] = {}
    others = set()
    for tag, used in zip(tags, data, strict=True):
        heads = json.dumps({use: each.get("heads") for use, each in used.items()}, sort_keys=True)
        digests.setdefault(heads, set()).add(tuple(tag.get(name, "") for name in _SAME[_DATA]))
        rest = {use: [each.get(key) for key in _HEADLESS] for use, each in used.items()}
        others.add(json.dumps(rest, sort_keys=True))
    one_each = all(len(found) == 1 for found in digests.values())
    return len(digests) > 1 and one_each and len(others) == 1


def _failures(runs: pd.DataFrame) -> Check:
    unfinished = runs[runs["state"] != "FINISHED"]
    reason = "; ".join(
        f"{row.arm}, seed {row.seed}: {row.state} {row.reason}".strip()
        for row in unfinished.itertuples()
    )
    return Check("no training failed", unfinished.empty, reason or "none of those named did")


def _never(differing: Sequence[str]) -> Iterator[Check]:
    """Yield the rules that no choice by hand can meet."""
    yield Check(
        "arms differ only in what was planned",
        False,
        f"there is no plan; the runs differ in {', '.join(differing)}",
    )
    yield Check(
        "every run is shown",
        False,
        "these runs were picked by hand, perhaps by their results; others may exist",
    )
    yield Check(
        "equal tuning", False, "how much each arm was tuned cannot be told from picked runs"
    )
    yield Check(
        "no test before selection",
        False,
        "the test figures of these runs could be seen before they were picked",
    )


def _listed(seeds: set[int]) -> str:
    return ", ".join(map(str, sorted(seeds))) or "none finished"
