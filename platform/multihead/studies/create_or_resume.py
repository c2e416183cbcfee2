"""Open a study: make it, join it while it runs, or resume it."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from multihead import settings
from multihead.errors import ConfigError
from multihead.runs.api import recorded_values
from multihead.studies.budget import Budget, limits_of
from multihead.studies.check import Plan, check, check_directions, prepare
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
from multihead.studies.samplers import GRID, grid, sampler_of
from multihead.studies.space import WEIGHTS_PATH, Space
from multihead.studies.space_weights import WEIGHTS
from multihead.studies.storage import StudyStorage
from multihead.studies.trial_names import STATE_TAG, STUDY_TAG
from multihead.studies.warm_start import params_of_record
from multihead.text import nearest
from multihead.tracking.find import find_run
from multihead.tracking.run import TrackedRun
from multihead.tracking.secrets import command_variable
from multihead.tracking.store import Store
from multihead.tracking.tags import RUN_TAG


@dataclass
class OpenStudy:
    """A study in its storage.

    Attributes:
        definition: The definition that is run.
        plan: Configurations, space and data.
        storage: The database.
        store: Where runs are recorded.
        study: The Optuna study.
        parent: MLflow's id of the study's own run.
        presence: This command's entry in the list of workers; None if it only reads the study.
        trust: Targets that a study from the storage may name. None if the definition is the
            user's own, which may name any target.
    """

    definition: Definition
    plan: Plan
    storage: StudyStorage
    store: Store
    study: optuna.Study
    parent: str
    presence: Presence | None = None
    trust: Collection[str] | None = None

    @property
    def name(self) -> str:
        """The study's name."""
        return self.definition.name

    @property
    def told_to_workers(self) -> Mapping[str, str]:
        """The environment variables that tell workers what the study may name, and who started it.

        The command that started them is part of the record of their runs.
        """
        own = self.definition.fingerprint() if self.trust is None else ""
        names = {*settings.trusted(), *(self.trust or ())}
        return {
            settings.OWN_STUDY_VARIABLE: own,
            settings.TRUST_VARIABLE: ",".join(sorted(names)),
            **command_variable(),
        }

    @property
    def budget(self) -> Budget:
        """Its trials and limits."""
        d = self.definition
        return Budget(self.storage, self.study, limits_of(d))

    def trials(self) -> list[FrozenTrial]:
        """Return all trials."""
        return self.study.get_trials(deepcopy=False)


def log_of(opened: OpenStudy) -> Path:
    """Return the file that a study's workers on this machine print to."""
    return workers_of(opened.store) / f"{opened.name}.log"


def store_of(plan: Plan) -> Store:
    """Return where a study's runs are recorded."""
    return plan.configs.base.store()


def trusted_of(
    there: Definition, own: Definition, trust: Collection[str]
) -> Collection[str] | None:
    """Return the targets that a study from a storage may name; None if it may name any.

    Args:
        there: The definition in the storage.
        own: The definition from the user's file and command line. If both have the same
            fingerprint, the study is the user's own.
        trust: Targets that the user trusts.
    """
    return None if there.fingerprint() == own.fingerprint() else trust


def trusted_by_worker(there: Definition, trust: Collection[str]) -> Collection[str] | None:
    """Return the targets that a study may name in a worker, or None for any.

    See `OpenStudy.told_to_workers` for the environment variables.
    """
    if os.environ.get(settings.OWN_STUDY_VARIABLE) == there.fingerprint():
        return None
    return {*trust, *settings.trusted()}


def start(
    definition: Definition, *, resume: bool, trust: Collection[str] | None = None
) -> OpenStudy:
    """Check a study, then make it, join it while it runs, or resume it.

    Args:
        definition: From its file and the command line.
        resume: Give an existing study the new budget.
        trust: Targets that a study from the storage may name. None if it is the user's own.

    Raises:
        MultiheadError: If the study cannot run. Nothing is written in that case.
    """
    plan = check(definition, trust)
    points = first_points(definition, plan)
    store = store_of(plan)
    check_engine(definition, store)
    _ = store.client
    storage = StudyStorage(definition.storage_url, create=True)
    with storage.lock(definition.name):
        there = registered(storage, definition.name)
        if there is None:
            check_directions(definition)
            _make(definition, plan, storage, store, points)
        else:
            _join(definition, there.definition, storage, store, resume=resume)
        presence = Presence(storage, definition.name, workers_of(store), "command")
    opened = reopen(definition.name, storage, store, plan)
    # The user, not the storage, decides which engine starts workers and which storage they use.
    own = {"engine": definition.engine, "storage": definition.storage}
    as_there = opened.definition.model_copy(update=own)
    return replace(opened, definition=as_there, presence=presence, trust=trust)


def parent_of(store: Store, found: Registered) -> str:
    """Return MLflow's id of a study's own run; an empty text if the run does not exist yet."""
    return "" if found.parent is None else str(find_run(store, found.parent).info.run_id)


def record_of(definition: Definition, plan: Plan) -> dict[str, Any]:
    """Return the configuration that is recorded in the study's own run."""
    study = definition.model_dump(mode="json", exclude={"storage"})
    return {"study": study, **plan.configs.base.places}


def reopen(name: str, storage: StudyStorage, store: Store, plan: Plan) -> OpenStudy:
    """Return a study that is in the storage."""
    found = known(storage, name)
    sampler = sampler_of(found.definition, plan.space)
    study = optuna.load_study(study_name=name, storage=storage.optuna, sampler=sampler)
    return OpenStudy(found.definition, plan, storage, store, study, parent_of(store, found))


def load(definition: Definition, trust: Collection[str] = (), *, own: bool = True) -> OpenStudy:
    """Return an existing study with the definition it was started with, for reading.

    Args:
        definition: Names the study and the storage.
        trust: Targets that the stored study may name if it is not the user's own.
        own: Whether `definition` comes from the user's own file.

    Raises:
        ConfigError: If the storage does not have the study, or the study names an untrusted target.
    """
    storage = StudyStorage(definition.storage_url)
    found = known(storage, definition.name)
    allowed = trusted_of(found.definition, definition, trust) if own else trust
    plan = prepare(found.definition, allowed)
    return reopen(definition.name, storage, store_of(plan), plan)


def as_started(definition: Definition, arguments: Sequence[str]) -> Definition:
    """Return the definition of a study to resume: the stored one with the new arguments applied.

    Args:
        definition: From its file and the command line. It names the study and the storage.
        arguments: The `key=value` of the command line.

    Raises:
        ConfigError: If the storage does not have it.
    """
    storage = StudyStorage(definition.storage_url)
    try:
        there = changed(known(storage, definition.name).definition, arguments)
    finally:
        storage.close()
    _check_engine_of(there, definition)
    return there.model_copy(update={"storage": definition.storage})


def _check_engine_of(there: Definition, own: Definition) -> None:
    """Refuse engine settings that come only from the storage, unless the user also gives them.

    The cluster's address is accepted from the storage in the home folder, since nobody else
    writes to that one.
    """
    told = there.engine.tells
    if own.storage_url == f"sqlite:///{settings.home() / 'studies.db'}":
        told = [key for key in told if key != "address"]
    if told and there.engine != own.engine:
        raise ConfigError(
            f"the storage says that {own.name} is run with engine {there.engine.name} and "
            f"{' and '.join(told)} of its own; give engine=... with them, as when it was started."
        )


def _make(
    definition: Definition, plan: Plan, storage: StudyStorage, store: Store, points: list[Any]
) -> None:
    """Write a new study. The last step makes it valid; each step may be repeated after a crash."""
    experiment = plan.configs.base.logger.experiment_name
    runs = runs_of(store, experiment, definition.name, "study")  # first, since MLflow may be down
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
    """Join an existing study. With `resume`, it also gets the new budget.

    Raises:
        ConfigError: If the storage has a different study of this name, or the same study with
            another budget and `resume` is False.
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
    """Return the parameters of trials that are not sampled: the base, enqueued ones, or a grid."""
    space, configs = plan.space, plan.configs
    if definition.sampler["name"] == GRID:
        return grid(space)
    points = [space.params_of(configs.base.composed, configs.groups)] if definition.defaults else []
    for given in definition.enqueue:
        if isinstance(given, str):
            points.append(params_of_record(recorded_values(given), given, configs, space))
            continue
        groups = {k: v for k, v in given.items() if "/" in k}
        weights = given.get("loss_weights")
        values = {k: v for k, v in given.items() if k != "loss_weights"}
        if weights is not None:
            values["model.loss_weights"] = weights
        point = space.params_of(configs.config(values), {**configs.groups, **groups})
        _check_searched([*given], point, space)
        points.append(point)
    return points


def _check_searched(paths: Sequence[str], point: Mapping[str, Any], space: Space) -> None:
    """Check that every path of an enqueued trial is one of its parameters.

    Raises:
        ConfigError: If one is not, so that the trial would not have its value.
    """
    found = [p for p in space.parameters if p.name in point]
    known = {WEIGHTS if p.of_weights else p.path.lstrip("+") for p in found}
    for path in paths:
        of_weights = path.startswith(WEIGHTS_PATH) and WEIGHTS in known
        if path.lstrip("+") not in known and not of_weights:
            raise ConfigError(
                f"enqueue gives {path!r}{nearest(path, known)}, which the space does not search in "
                f"this trial; it searches: {', '.join(sorted(known))}."
            )
