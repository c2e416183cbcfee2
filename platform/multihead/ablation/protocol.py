"""Check whether an ablation meets the rules of a fair comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from multihead.ablation.definition import UNIFORM
from multihead.ablation.plan import Plan
from multihead.ablation.power import smallest_p
from multihead.ablation.result import Check
from multihead.ablation.tuning import trials_of


def checks(
    plan: Plan,
    runs: pd.DataFrame,
    reads: pd.DataFrame,
    early: Mapping[str, pd.DataFrame],
    functions: Sequence[str],
) -> tuple[Check, ...]:
    """Return the rules, each with whether it is met and a reason.

    Args:
        plan: Plan of the ablation.
        runs: Table with the columns `collect.RUNS`.
        reads: Table with the columns `ledger.COLUMNS`.
        early: Result of `ledger.early_reads`.
        functions: A sentence for each head that is a function of another.
    """
    return (
        _arms(plan),
        _data(plan),
        equal_steps(runs),
        tuning(plan),
        *([no_trial_failed(plan)] if plan.tuned else []),
        _seeds(plan, runs),
        _independent(plan)
        if plan.definition.folds
        else enough_seeds(len(plan.definition.seeds), len(plan.metrics), plan.definition.level),
        Check(
            "selection on the validation split",
            True,
            "checkpoints are chosen by validation metrics, and trials of a search never read the "
            "test split",
        ),
        _test_once(runs, reads),
        _not_before(early),
        _failures(runs),
        Check(
            "heads that say something new",
            not functions,
            "; ".join(functions) or "no head is a function of another",
        ),
    )


def _arms(plan: Plan) -> Check:
    arms = plan.definition.arms.values()
    methods = {part.method for part in plan.parts}
    has = {
        "a single-task network per head": any(a.single_task == "all" for a in arms),
        "uniform weights": any(a.loss_weights == UNIFORM for a in arms) or UNIFORM in methods,
        "other static weights": any(
            isinstance(a.loss_weights, dict) or "loss_weights" in a.space or a.study for a in arms
        )
        or ("static" in methods and plan.definition.tuning is not None),
    }
    missing = [what for what, there in has.items() if not there]
    reason = f"missing: {', '.join(missing)}" if missing else f"there are {', '.join(has)}"
    return Check("single-task, uniform and weighted arms", not missing, reason)


def _data(plan: Plan) -> Check:
    reason = "; ".join(plan.notes) or "the digests of both files and the sizes of the parts agree"
    return Check("the same data, split and test set in every arm", not plan.notes, reason)


def equal_steps(runs: pd.DataFrame) -> Check:
    """Check that all trainings that ended took the same number of optimizer steps."""
    rule, done = "the same steps in every training", runs[runs["state"] == "FINISHED"]
    if done.empty:
        return Check(rule, False, "no training has ended yet")
    steps, epochs = done["steps"].astype("float64"), done["epochs"].astype("float64")
    if unknown := int(steps.isna().sum()):
        reason = f"the steps of {unknown} of {len(done)} trainings were not recorded"
        return Check(rule, False, f"{reason}; {_range(epochs)} epochs")
    return Check(rule, steps.nunique() == 1, f"{_range(steps)} steps in {_range(epochs)} epochs")


def _range(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def tuning(plan: Plan) -> Check:
    """Check that all arms had the same number of trials."""
    counts = {
        p.name: plan.tuned[p.name].trials if p.name in plan.tuned else trials_of(plan.definition, p)
        for p in plan.parts
    }
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        given_up = [f"{n} was given up: {t.stopped}" for n, t in plan.tuned.items() if t.stopped]
        reasons = [f"trials: {shown}", plan.definition.unequal, *given_up]
        return Check("equal tuning", False, "; ".join(filter(None, reasons)))
    count = next(iter(counts.values()))
    reason = f"{count} trials for each network" if count else "no arm is tuned"
    return Check("equal tuning", True, reason)


def no_trial_failed(plan: Plan) -> Check:
    """Check that no trial failed in the searches of all arms.

    A failed trial counts in the budget. So an arm with failed trials chose among fewer trials.
    """
    said = [
        f"{name}: {result.failed} of {result.trials} failed"
        for name, result in plan.tuned.items()
        if result.failed
    ]
    reason = f"{', '.join(said)}; these arms chose among fewer trials than others" * bool(said)
    return Check("no trial of a search failed", not said, reason or "none did")


def _seeds(plan: Plan, runs: pd.DataFrame) -> Check:
    done = runs[runs["state"] == "FINISHED"]
    trained = set(zip(done["arm"], done["head"], done["seed"], strict=True))
    lacking = [c.name for c in plan.cells if (c.part.arm, c.part.head, c.block) not in trained]
    seeds = ", ".join(map(str, plan.definition.seeds))
    folds = f", {plan.definition.folds} folds each" if plan.definition.folds else ""
    reason = f"missing: {', '.join(lacking)}" if lacking else f"seeds {seeds}{folds}, in no search"
    return Check("the same fresh seeds in every arm", not lacking, reason)


def _independent(plan: Plan) -> Check:
    folds = plan.definition.folds
    assert folds is not None
    share = 100 * (folds - 2) / (folds - 1)
    return Check(
        "pairs that are independent",
        False,
        f"{folds} folds are not independent: the training sets of two folds share {share:.0f}% of "
        f"their images; p and intervals come from the corrected resampled t test (Nadeau & Bengio "
        f"2003), which corrects for this approximately",
    )


def enough_seeds(count: int, heads: int, level: float) -> Check:
    """Check that this number of seeds can give a verdict on every head at once."""
    corrected = min(1.0, smallest_p(count) * heads)
    return Check(
        "seeds enough for a verdict on every head",
        corrected <= 1 - level,
        f"{count} seeds can reach p = {smallest_p(count):.2g}; Holm's correction for {heads} heads "
        f"makes it {corrected:.2g}; a verdict needs {1 - level:.2g} or less",
    )


def _test_once(runs: pd.DataFrame, reads: pd.DataFrame) -> Check:
    counts: Any = reads.loc[reads["config_hash"] != "", ["config_hash", "test_digest"]]
    counts = counts[counts["config_hash"].isin(set(runs["config_hash"]))].value_counts()
    often = int((counts > 1).sum())
    reason = (
        f"{often} of {len(counts)} trainings had their test split read again; see test_reads"
        if often
        else "once per training, with its best checkpoint"
    )
    return Check("the test split is read once per arm and seed", not often, reason)


def _not_before(early: Mapping[str, pd.DataFrame]) -> Check:
    said = [
        f"{arm}: its configuration had read the test split on {reads['read'].min():%Y-%m-%d %H:%M} "
        f"({len(reads)} times, first in run {reads['run'].iloc[0]})"
        for arm, reads in early.items()
    ]
    reason = "; ".join(said) or "no arm's configuration was tested before it was selected"
    return Check("no test before selection", not said, reason)


def _failures(runs: pd.DataFrame) -> Check:
    failed = runs[runs["state"].isin(["FAILED", "KILLED"])]
    reason = "; ".join(
        f"{row.arm} {row.head} seed {row.seed}: {row.reason or row.state}".replace("  ", " ")
        for row in failed.itertuples()
    )
    return Check("no training failed", failed.empty, reason or "none did")
