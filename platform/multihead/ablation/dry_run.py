"""What an ablation would train, what of it is on record, what it costs and what it can show."""

from collections.abc import Iterator

from multihead.ablation.arms import Part
from multihead.ablation.plan import Cell, Plan
from multihead.ablation.power import smallest_p
from multihead.ablation.tuning import study_of, trials_of
from multihead.runs.build import build
from multihead.studies.dry_run import epoch_seconds
from multihead.studies.progress import span
from multihead.tracking.store import Store


def describe(plan: Plan, store: Store) -> Iterator[str]:
    """Yield the plan in lines; times some batches of every network.

    Raises:
        StoreError: If the store does not answer.
    """
    definition, missing = plan.definition, {cell.name for cell in plan.missing(store)}
    seconds = 0.0
    for part in plan.parts:
        if part.name in plan.lost:
            yield f"{part.name}: is not trained: {plan.lost[part.name]}"
            continue
        cells = [cell for cell in plan.cells if cell.part.name == part.name]
        left = sum(cell.name in missing for cell in cells)
        each = training_seconds(cells[0])
        seconds += each * (left + trials_of(definition, part) * (part in plan.untuned))
        yield _line(plan, part, f"{len(cells) - left} on record, {left} to train", each)
    count, total = len(definition.seeds), len(plan.trainable)
    folds = f", {definition.folds} folds each" if definition.folds else ""
    yield (
        f"{total} trainings with seeds {', '.join(map(str, definition.seeds))}{folds}: "
        f"{total - len(missing)} on record, {len(missing)} to train, at most "
        f"{span(seconds / definition.workers)} with {definition.workers} workers on the CPU"
    )
    if plan.untuned:
        names = ", ".join(part.name for part in plan.untuned)
        trials = sum(trials_of(definition, part) for part in plan.untuned)
        yield (
            f"to be tuned before that with {trials} trials, whose time is counted above, so none "
            f"of their trainings is on record yet: {names}"
        )
    p, heads = smallest_p(count), len(plan.metrics)
    if definition.folds is None:
        yield (
            f"the smallest p that {count} seeds can reach is {p:.2g}; with Holm's correction for "
            f"{heads} heads {min(1.0, p * heads):.2g}"
        )
    else:
        yield "folds are not independent, so p is that of the corrected resampled t test"
    yield from plan.notes


def training_seconds(cell: Cell) -> float:
    """Return how long a training would take on the CPU at most, from some of its batches."""
    parts = build({**cell.config.composed, "test": False})
    return epoch_seconds(parts) * int(parts.trainer.max_epochs or 1)


def _line(plan: Plan, part: Part, count: str, seconds: float) -> str:
    tuning = ""
    if part in plan.untuned:
        searched = ", ".join(study_of(plan.definition, part).space)
        tuning = f"{trials_of(plan.definition, part)} trials of tuning of {searched}, "
    return (
        f"{part.name}: heads {', '.join(part.heads)}; {plan.parameters[part.name]:,} parameters; "
        f"{tuning}{count}, about {span(seconds)} each; {' '.join(part.overrides) or 'the base'}"
    )
