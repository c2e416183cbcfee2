"""Check the rules of a fair comparison for runs that the user picked, from their records."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from multihead.ablation.protocol import enough_seeds
from multihead.ablation.result import Check
from multihead.tracking.code import DIFF_TAG

# MLflow's tag for the use of a dataset.
_USE = "mlflow.data.context"
_DATA = "the same data and test set"
# Recorded facts about data that do not depend on the heads that are used.
_HEADLESS = ("name", "images_in_file", "image_shape")
# Tags that must be equal in all runs, by the name of the rule.
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
    """Return the rules, each with whether it is met and a reason.

    Args:
        runs: A row per run, as in a `Result`.
        tags: The tags of each run.
        data: The result of `data_of` for each run.
        differing: Parameters in which the runs differ.
        heads: Number of compared heads.
        level: Confidence level of the intervals, between 0 and 1.
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
    """Return the recorded facts about a run's data, by their use: `train` or `test`."""
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
                "the digests differ because the heads differ; names, numbers and shapes of the "
                "images agree, but the records do not show whether the images are the same"
            )
        yield Check(rule, not (differ or unknown), "not on record" if unknown else reason)


def _by_heads_alone(
    tags: Sequence[Mapping[str, str]], data: Sequence[Mapping[str, Mapping[str, Any]]]
) -> bool:
    """Return whether different heads can be the only reason why the digests of runs differ.

    This is so if runs with the same heads have the same digests, and all facts that do not depend
    on heads are the same in all runs.
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
    return Check("no training failed", unfinished.empty, reason or "none of the named runs failed")


def _never(differing: Sequence[str]) -> Iterator[Check]:
    """Yield the rules that picked runs can never meet."""
    yield Check(
        "arms differ only in what was planned",
        False,
        f"there is no plan; the runs differ in {', '.join(differing)}",
    )
    yield Check(
        "every run is shown",
        False,
        "these runs were picked by hand, perhaps because of their results; others may exist",
    )
    yield Check("equal tuning", False, "picked runs do not show how much each arm was tuned")
    yield Check(
        "no test before selection",
        False,
        "the test results of these runs were visible before the runs were picked",
    )


def _listed(seeds: set[int]) -> str:
    return ", ".join(map(str, sorted(seeds))) or "none finished"
