"""Tune arms by equal rules before any of them is tested: a study for each part, on one seed.

The chosen settings are trained again with the ablation's seeds. No search uses these seeds.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from multihead.ablation.arms import Part, override
from multihead.ablation.definition import Definition
from multihead.errors import ConfigError, StoreError, message_of
from multihead.settings import study_storage
from multihead.studies.check import check
from multihead.studies.create_or_resume import OpenStudy, load, start
from multihead.studies.definition import Definition as Study
from multihead.studies.definition import load_definition
from multihead.studies.file import explain
from multihead.studies.lease import rows_of
from multihead.studies.progress import Progress
from multihead.studies.record import StudyRecord
from multihead.studies.registry import registered
from multihead.studies.runner import Runner
from multihead.studies.storage import StudyStorage
from multihead.studies.table import causes, ranked
from multihead.training.interrupts import RunInterrupted


@dataclass(frozen=True)
class Tuned:
    """The result of a search.

    Attributes:
        study: Name of the study.
        overrides: Overrides that set the values of the best trial.
        trials: Number of trials that ended.
        seeds: Seeds that the trials trained with.
        ended: Time when the last trial ended, in seconds since 1970.
        failed: Number of trials that failed.
        lost: The reason why there is no best trial; empty if there is one.
        stopped: The reason why fewer trials ended than planned; empty if all ended.
    """

    study: str
    overrides: tuple[str, ...]
    trials: int
    seeds: tuple[int, ...]
    ended: float
    failed: int = 0
    lost: str = ""
    stopped: str = ""


def tuned(
    definition: Definition, parts: Sequence[Part], trust: Collection[str] = ()
) -> dict[str, Tuned]:
    """Return the results of the searches that have ended, by part.

    Args:
        definition: The ablation.
        parts: The parts of its arms.
        trust: Classes that a named study may use although the user did not write the study.

    Raises:
        ConfigError: If arms get unequal numbers of trials without a reason, a study does not
            exist or has no finished trial, or a search used a seed of the ablation.
    """
    found: dict[str, Tuned] = {}
    for part in parts:
        named = part.definition.study
        if named is not None:
            found[part.name] = _result(_opened(named, None, trust), definition)
        elif trials_of(definition, part):
            study = study_of(definition, part)
            if (opened := _if_ended(study)) is not None:
                found[part.name] = _result(opened, definition, own=True)
    counts = {
        p.name: found[p.name].trials if p.definition.study else trials_of(definition, p)
        for p in parts
    }
    if len(set(counts.values())) > 1 and definition.unequal is None:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ConfigError(
            f"{definition.name}: arms get unequal numbers of tuning trials ({shown}), which "
            f"favours those with more; give all the same number, or set unequal: to the reason."
        )
    for name, result in found.items():
        if seen := sorted({*result.seeds} & {*definition.seeds}):
            raise ConfigError(
                f"the search of {name} trained with seed {seen[0]}, which the ablation tests; "
                f"choose other seeds."
            )
    return found


def trials_of(definition: Definition, part: Part) -> int:
    """Return the number of trials of a part's own search; 0 if it has none."""
    if definition.tuning is None or part.definition.study is not None:
        return 0
    given = part.definition.trials
    return definition.tuning.trials if given is None else given


def study_of(definition: Definition, part: Part) -> Study:
    """Return the search of a part: the common search, with the additions of its method and arm."""
    tuning = definition.tuning
    assert tuning is not None
    content = {
        "name": f"{definition.name}-{part.name}",
        "experiment": definition.experiment,
        "overrides": [*definition.overrides, "optimized_metric=null", *part.overrides],
        "space": {**part.ranges, **tuning.space, **part.definition.space},
        "objectives": tuning.objectives,
        "sampler": tuning.sampler,
        "pruner": tuning.pruner,
        "n_trials": trials_of(definition, part),
        "workers": definition.workers,
        "keep": 1,
    }
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        raise explain(error, f"{definition.name}: tuning", Study) from error


def check_searches(definition: Definition, parts: Sequence[Part]) -> None:
    """Check all searches before the first one starts, because the last one may start hours later.

    Raises:
        MultiheadError: If a search cannot run. The message names the search and the problem.
    """
    for part in parts:
        study = study_of(definition, part)
        try:
            check(study)
        except ConfigError as error:
            raise ConfigError(f"the search {study.name}: {error}") from error


def tune(study: Study, progress: Progress, notice: Callable[[str], None]) -> None:
    """Run a search to its end, or continue it.

    The search stops early if too many trials fail. The arm then reports this, and the other arms
    can still be compared.

    Raises:
        MultiheadError: If the search cannot run, or another command runs it.
        RunInterrupted: After a signal. The next call continues the search.
    """
    opened = start(study, resume=True)
    record = StudyRecord(opened)
    notice(f"tunes {study.name}  {record.run.url}")
    try:
        ended = Runner(opened, record.now_and_then).run(progress)
    except BaseException as error:
        record.end(message_of(error), interrupted=True)
        raise
    record.end(ended.recorded_reason, interrupted=ended.signum is not None)
    if ended.signum is not None:
        raise RunInterrupted(ended.signum)
    if _given_up(opened) is not None:
        notice(f"gives up {study.name}: {ended.reason}")
    elif ended.reason is not None:
        raise StoreError(f"the search {study.name} stopped early: {ended.reason}.")


def _if_ended(study: Study) -> OpenStudy | None:
    try:
        storage = StudyStorage(study_storage())
    except ConfigError:  # there is no storage yet
        return None
    there = registered(storage, study.name)
    storage.close()
    if there is None:
        return None
    opened = _opened(study.name, study)
    done = sum(trial.state.is_finished() for trial in opened.trials())
    return opened if done >= study.n_trials or _given_up(opened) else None


def _given_up(opened: OpenStudy) -> str | None:
    """Return the reason why a search was given up (too many trials failed), or None."""
    rows = rows_of(opened.storage, opened.name)
    done = sum(row.decided is not None for row in rows)
    return opened.budget.exhausted(rows) if done < opened.definition.n_trials else None


def _opened(name: str, wanted: Study | None, trust: Collection[str] = ()) -> OpenStudy:
    """Open a study by its name.

    Args:
        name: Name of the study.
        wanted: The definition that the study must have; None if any is allowed.
        trust: Classes that the study may use although the user did not write it.

    Raises:
        ConfigError: If the study does not exist, or differs from the wanted one.
    """
    storage = StudyStorage(study_storage())
    found = registered(storage, name)
    storage.close()
    if found is None:
        raise ConfigError(f"there is no recorded study {name!r}; run `multihead study {name}`.")
    if wanted is not None and found.definition.identity() != wanted.identity():
        raise ConfigError(
            f"the search {name!r} already exists with another space, sampler or base; give the new "
            f"ablation another name with name=..."
        )
    own = wanted or _own(name)
    shown = (own or found.definition).model_copy(update={"storage": None})
    return load(shown, trust, own=own is not None)


def _own(name: str) -> Study | None:
    """Return the study that the user has in a file of this name, or None."""
    try:
        return load_definition(name)
    except ConfigError:
        return None


def _result(opened: OpenStudy, definition: Definition, *, own: bool = False) -> Tuned:
    """Return the result of a study.

    Args:
        opened: The study.
        definition: The ablation.
        own: Whether the study is an arm's own search. Only then it may have no finished trial.

    Raises:
        ConfigError: If the study has another experiment, or no finished trial and is not `own`.
    """
    name = opened.name
    if opened.definition.experiment != definition.experiment:
        raise ConfigError(
            f"study {name!r} has experiment {opened.definition.experiment}, but the ablation has "
            f"{definition.experiment}; use a study with the same experiment."
        )
    trials = opened.trials()
    order = ranked(opened.definition, trials)
    if not order and not own:
        raise ConfigError(f"study {name!r} has no finished trial; run it first.")
    failed = causes(trials)
    why = failed[-1] if failed else "all were pruned"
    values = opened.plan.space.values(order[0].params).items() if order else ()
    ends = [t.datetime_complete.timestamp() for t in trials if t.datetime_complete is not None]
    configs = opened.plan.configs
    return Tuned(
        study=name,
        overrides=tuple(override(p.lstrip("+"), v, "" if "/" in p else "++") for p, v in values),
        trials=sum(trial.state.is_finished() for trial in trials),
        failed=len(failed),
        lost="" if order else f"no trial of its search {name} has a result: {why}",
        stopped=(_given_up(opened) or "") if own else "",
        seeds=tuple(configs.seed(index) for index in range(opened.definition.seeds)),
        ended=max(ends),
    )
