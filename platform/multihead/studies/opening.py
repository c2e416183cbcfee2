"""Open a study for running it: make it once, join it, or go on with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from multihead.errors import ConfigError
from multihead.runs.api import resumed_config
from multihead.studies.budget import Budget, Limits
from multihead.studies.check import Plan, check, prepare
from multihead.studies.definition import Definition, changed
from multihead.studies.engines.checks import check_engine
from multihead.studies.lease import ended_of
from multihead.studies.recover import runs_of, workers_of
from multihead.studies.registry import (
    Presence,
    Registered,
    alive,
    known,
    register,
    registered,
    update,
)
from multihead.studies.samplers import GRID, grid, make_sampler
from multihead.studies.storage import StudyStorage
from multihead.studies.trial import STATE_TAG, STUDY_TAG
from multihead.tracking.run import RUN_TAG, TrackedRun, find_run
from multihead.tracking.store import Store


@dataclass
class OpenStudy:
    """A study in its storage.

    Attributes:
        definition: As it is run.
        plan: Configurations, space and data.
        storage: The database.
        store: Where runs are recorded.
        study: Optuna's view of it.
        parent: MLflow's id of its run.
        presence: That this command runs it, or None if it only looks.
    """

    definition: Definition
    plan: Plan
    storage: StudyStorage
    store: Store
    study: optuna.Study
    parent: str
    presence: Presence | None = None

    @property
    def name(self) -> str:
        """The study's name."""
        return self.definition.name

    @property
    def budget(self) -> Budget:
        """Its trials and limits."""
        d = self.definition
        return Budget(self.storage, self.study, Limits(d.n_trials, d.retries, d.patience))

    def trials(self) -> list[FrozenTrial]:
        """Return all trials."""
        return self.study.get_trials(deepcopy=False)


def log_of(opened: OpenStudy) -> Path:
    """Return the file that a study's workers on this machine print to."""
    return workers_of(opened.store) / f"{opened.name}.log"


def store_of(plan: Plan) -> Store:
    """Return where a study's runs are recorded."""
    base = plan.configs.base
    return Store(base["logger"]["tracking_uri"], Path(base["paths"]["home"]).expanduser())


def start(definition: Definition, *, resume: bool) -> OpenStudy:
    """Check a study and make it, join it if it is being run, or go on with it.

    Args:
        definition: From its file and the command line.
        resume: Take a new budget for a study that is there.

    Raises:
        MultiheadError: For what cannot run; nothing is left then.
    """
    plan = check(definition)
    points = first_points(definition, plan)
    store = store_of(plan)
    check_engine(definition, store)
    _ = store.client
    storage = StudyStorage(definition.storage_url, create=True)
    with storage.lock(definition.name):
        there = registered(storage, definition.name)
        if there is None:
            _make(definition, plan, storage, store, points)
        else:
            _join(definition, there.definition, storage, store, resume=resume)
        presence = Presence(storage, definition.name, workers_of(store), "command")
    return replace(reopen(definition.name, storage, store, plan), presence=presence)


def parent_of(store: Store, found: Registered) -> str:
    """Return MLflow's id of a study's own run; nothing for a study that is only just made."""
    return "" if found.parent is None else str(find_run(store, found.parent).info.run_id)


def record_of(definition: Definition, plan: Plan) -> dict[str, Any]:
    """Return what the study's own run says of its configuration."""
    study = definition.model_dump(mode="json", exclude={"storage"})
    return {"study": study, **{key: plan.configs.base[key] for key in ("logger", "paths")}}


def reopen(name: str, storage: StudyStorage, store: Store, plan: Plan) -> OpenStudy:
    """Return a study that is in the storage."""
    found = known(storage, name)
    study = optuna.load_study(
        study_name=name, storage=storage.optuna, sampler=make_sampler(found.definition.sampler)
    )
    return OpenStudy(found.definition, plan, storage, store, study, parent_of(store, found))


def load(definition: Definition) -> OpenStudy:
    """Return a study to look at, as it was started.

    Raises:
        ConfigError: If the storage does not have it.
    """
    storage = StudyStorage(definition.storage_url)
    found = known(storage, definition.name)
    plan = prepare(found.definition)
    return reopen(definition.name, storage, store_of(plan), plan)


def as_started(definition: Definition, arguments: Sequence[str]) -> Definition:
    """Return a study to be resumed: as it was started, with what the command line changes now.

    Args:
        definition: From its file and the command line; it names study and storage.
        arguments: The `key=value` of the command line.

    Raises:
        ConfigError: If the storage does not have it.
    """
    storage = StudyStorage(definition.storage_url)
    try:
        return changed(known(storage, definition.name).definition, arguments)
    finally:
        storage.close()


def _make(
    definition: Definition, plan: Plan, storage: StudyStorage, store: Store, points: list[Any]
) -> None:
    """Write a study; it counts as made with the last step, and each may have been done before."""
    experiment = plan.configs.base["logger"]["experiment_name"]
    runs = runs_of(store, experiment, definition.name, "study")  # first: it may not answer
    study = register(storage, definition)
    if not study.get_trials(deepcopy=False):
        for point in points:
            study.enqueue_trial(point)
    if runs:
        parent = str(runs[0].data.tags[RUN_TAG])
    else:
        made = TrackedRun.create(
            store,
            experiment,
            record_of(definition, plan),
            name=definition.name,
            kind="study",
            tags={STUDY_TAG: definition.name, STATE_TAG: "RUNNING"},
        )
        parent = made.run_id
        made.finish("KILLED", "the study was made, but not begun")
    update(storage, definition, parent=parent, stop=None, interrupt=False)


def _join(
    wanted: Definition, there: Definition, storage: StudyStorage, store: Store, *, resume: bool
) -> None:
    """Go on with a study that is the same, with a new budget if it is resumed.

    Raises:
        ConfigError: If it is another study of the same name, or one with another budget that is not
            to be resumed.
    """
    old, new = there.identity(), wanted.identity()
    different = [key for key in new if new[key] != old.get(key)]
    if different:
        key = different[0]
        raise ConfigError(
            f"the storage has a study {wanted.name!r} with another {key} ({old.get(key)}, now "
            f"{new[key]}); name the new one with name=..."
        )
    running = alive(storage, wanted.name, workers_of(store))
    if not running and not resume and wanted.model_dump_json() != there.model_dump_json():
        ended = ended_of(storage, wanted.name)
        raise ConfigError(
            f"the storage has the study {wanted.name!r} with another budget or end, and {ended} of "
            f"its {there.n_trials} trials have ended; go on with --resume, or start another with "
            f"name=..."
        )
    parent = known(storage, wanted.name).parent
    update(storage, wanted if resume else there, parent=parent, stop=None, interrupt=False)


def first_points(definition: Definition, plan: Plan) -> list[dict[str, Any]]:
    """Return the parameters of the trials that are not sampled: defaults, enqueued, a grid."""
    space, configs = plan.space, plan.configs
    if definition.sampler["name"] == GRID:
        return grid(space)
    points = [space.params_of(configs.base, configs.groups)] if definition.defaults else []
    for given in definition.enqueue:
        if isinstance(given, str):
            _, config = resumed_config(given, [])
            points.append(space.params_of(config, configs.groups))
            continue
        groups = {k: v for k, v in given.items() if "/" in k}
        weights = given.get("loss_weights")
        values = {k: v for k, v in given.items() if k != "loss_weights"}
        if weights is not None:
            values["model.loss_weights"] = weights
        points.append(space.params_of(configs.config(values), {**configs.groups, **groups}))
    return points
