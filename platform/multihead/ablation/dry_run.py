"""Describe an ablation before it runs: missing and recorded trainings, time, and smallest p."""

from collections.abc import Iterator

from multihead.ablation.arms import Part
from multihead.ablation.plan import Plan
from multihead.ablation.power import smallest_p
from multihead.ablation.tuning import study_of, trials_of
from multihead.studies.like_trainings import NO_ESTIMATE, Estimate, LikeTrainings
from multihead.studies.progress import span
from multihead.tracking.store import Store


def describe(plan: Plan, store: Store) -> Iterator[str]:
    """Yield the lines of the plan. Time estimates come from similar recorded trainings.

    Raises:
        StoreError: If the store does not respond.
    """
    definition, missing = plan.definition, {cell.name for cell in plan.missing(store)}
    known = LikeTrainings(store)
    seconds: float | None = 0.0
    for part in plan.parts:
        if part.name in plan.lost:
            yield f"{part.name}: cannot be trained: {plan.lost[part.name]}"
            continue
        cells = [cell for cell in plan.cells if cell.part.name == part.name]
        left = sum(cell.name in missing for cell in cells)
        to_come = left + trials_of(definition, part) * (part in plan.untuned)
        each = known.estimate(cells[0].config.composed) if to_come else None
        if each is not None and seconds is not None:
            seconds += each.seconds * to_come
        elif to_come:
            seconds = None
        yield _line(plan, part, f"{len(cells) - left} on record, {left} to train", each)
    count, total = len(definition.seeds), len(plan.trainable)
    folds = f", {definition.folds} folds each" if definition.folds else ""
    yield (
        f"{total} trainings with seeds {', '.join(map(str, definition.seeds))}{folds}: "
        f"{total - len(missing)} on record, {len(missing)} to train"
    )
    yield _whole(seconds, definition.workers)
    if plan.untuned:
        names = ", ".join(part.name for part in plan.untuned)
        trials = sum(trials_of(definition, part) for part in plan.untuned)
        yield (
            f"tuning with {trials} trials comes first, so none of these trainings is recorded yet "
            f"(the time above includes the trials): {names}"
        )
    p, heads = smallest_p(count), len(plan.metrics)
    if definition.folds is None:
        yield (
            f"the smallest p that {count} seeds can reach is {p:.2g}; with Holm's correction for "
            f"{heads} heads {min(1.0, p * heads):.2g}"
        )
    else:
        yield "folds are not independent, so p comes from the corrected resampled t test"
    yield from plan.notes


def _whole(seconds: float | None, workers: int) -> str:
    """Return the time that is left, if all parts have an estimate."""
    if seconds is None:
        return NO_ESTIMATE
    return f"time left: about {span(seconds / workers)} with {workers} workers"


def _line(plan: Plan, part: Part, count: str, each: Estimate | None) -> str:
    tuning = ""
    if part in plan.untuned:
        searched = ", ".join(study_of(plan.definition, part).space)
        tuning = f"{trials_of(plan.definition, part)} trials of tuning of {searched}, "
    time = "" if each is None else f", {each}"
    own = part.definition.overrides
    changes = f"; changes {', '.join(own)}" if own else ""
    return (
        f"{part.name}: heads {', '.join(part.heads)}{_loss(part)}; "
        f"{plan.parameters[part.name]:,} parameters; {tuning}{count}{time}{changes}"
    )


def _loss(part: Part) -> str:
    """Return how the losses of a part's heads are combined, if the arm defines it."""
    weights = part.definition.loss_weights
    if part.method:
        return f"; balancer {part.method}"
    if weights is None:
        return ""
    if isinstance(weights, str):  # uniform
        return "; the same weight for each loss"
    return f"; loss weights {', '.join(f'{name} {weights.get(name, 1):g}' for name in part.heads)}"
