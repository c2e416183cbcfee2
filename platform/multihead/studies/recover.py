"""Keep Optuna and MLflow in agreement, and repair what a crash left.

A trial that is COMPLETE or PRUNED has FINISHED runs, one that FAILed a FAILED run; the run says
why. A trial that nobody works on waits, and its run is KILLED until someone goes on with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from multihead.studies.budget import tell
from multihead.studies.configs import TrialConfigs
from multihead.studies.lease import Outcome, rows_of
from multihead.studies.registry import bury
from multihead.studies.storage import StudyStorage
from multihead.studies.trial import recorded
from multihead.studies.trial_names import (
    PARENT_TAG,
    RUNS,
    SEED_VALUES,
    STATE_TAG,
    STUDY_TAG,
    TRIAL_TAG,
)
from multihead.tracking.find import folder_of
from multihead.tracking.folder import RunFolder, run_path
from multihead.tracking.run import Status, TrackedRun
from multihead.tracking.store import Store
from multihead.tracking.sync import reap_and_tell, send
from multihead.tracking.tags import ERROR_TAG, TAG_LENGTH
from multihead.yaml_file import read_yaml

PRUNED_TAG = "multihead.pruned"
_PAGE = 1000


def seal(store: Store, configs: TrialConfigs, trial: FrozenTrial, *, parent: str) -> list[str]:
    """Make the runs of an ended trial say how it ended.

    Args:
        store: Where the runs are.
        configs: For a run that was never made, because its configuration cannot run.
        trial: COMPLETE, PRUNED or FAIL.
        parent: MLflow's id of the study's run.

    Returns:
        What differed, in a line each.
    """
    found: list[str] = []
    cause = str(trial.user_attrs.get("cause", ""))
    runs = dict(trial.user_attrs.get(RUNS, {}))
    made = {seed: recorded(store, run_id) for seed, run_id in runs.items()}
    if not any(made.values()):
        if any(_folder(store, run_id).spool.is_file() for run_id in runs.values()):
            return []  # it is on its way
        run = _standing_in(store, configs, trial, parent)
        if run is None:
            run = _stand_in(store, configs, trial, parent, next(iter(runs.values()), None))
        made = {"": run}
        if trial.state != TrialState.FAIL:
            found.append(f"trial {trial.number} had no run; a record was made for it")
    for seed, run in made.items():
        if run is not None:
            found += _agree(store, trial, run, cause, ended=seed in _finished_seeds(trial))
    return found


def _finished_seeds(trial: FrozenTrial) -> dict[str, Any]:
    return dict(trial.user_attrs.get(SEED_VALUES, {}))


def _agree(store: Store, trial: FrozenTrial, run: Any, cause: str, *, ended: bool) -> list[str]:
    state = trial.state.name
    failed = trial.state == TrialState.FAIL and not ended
    status: Status = "FAILED" if failed else "FINISHED"
    tags = {STATE_TAG: state}
    if cause and not ended:
        tags[ERROR_TAG if failed else PRUNED_TAG] = cause
    found = []
    if run.info.status != status:
        found.append(f"trial {trial.number} is {state}, its run was {run.info.status}")
        _end_run(store, run, status, cause)
    with store.errors():
        if any(run.data.tags.get(k) != v[:TAG_LENGTH] for k, v in tags.items()):
            for key, value in tags.items():
                store.client.set_tag(run.info.run_id, key, value[:TAG_LENGTH])
    return found


def _end_run(store: Store, run: Any, status: Status, reason: str) -> None:
    """Give a run another status, in its folder too where that is on this machine."""
    folder = RunFolder(folder_of(store, run))
    if not folder.spool.is_file():
        with store.errors():
            store.client.set_terminated(run.info.run_id, status)
        return
    config = read_yaml(folder.config)
    TrackedRun.reopen(store, folder.run_id, config).finish(status, reason)


def _folder(store: Store, run_id: object) -> RunFolder:
    return RunFolder(run_path(store.home, run_id, "a run of a trial"))


def _standing_in(store: Store, configs: TrialConfigs, trial: FrozenTrial, parent: str) -> Any:
    """Return the run that was made for a trial without one, or None.

    The trial does not name it: Optuna lets nobody add to a trial that has ended.
    """
    name, experiment = configs.definition.name, configs.base.logger.experiment_name
    runs = runs_of(store, experiment, name, "trial", number=trial.number)
    return next((run for run in runs if run.data.tags.get(PARENT_TAG) == parent), None)


def _stand_in(
    store: Store, configs: TrialConfigs, trial: FrozenTrial, parent: str, run_id: str | None
) -> Any:
    """Make a run for a trial that has none."""
    study = configs.definition.name
    tags = {PARENT_TAG: parent, STUDY_TAG: study, TRIAL_TAG: str(trial.number)}
    config = {"params": dict(trial.params), **configs.base.places}
    made = TrackedRun.create(
        store,
        configs.base.logger.experiment_name,
        config,
        name=f"{study}-{trial.number:03d}",
        kind="trial",
        run_id=run_id,
        tags=tags,
    )
    made.log_params({name: str(value) for name, value in trial.params.items()})
    made.finish("FAILED" if trial.state == TrialState.FAIL else "FINISHED")
    return recorded(store, made.run_id)


@dataclass(frozen=True)
class Agreement:
    """What a comparison of the two stores found.

    Attributes:
        repaired: What differed, in a line each.
        unsent: Trials whose runs are in their folders only, and why.
    """

    repaired: list[str]
    unsent: dict[int, str]


def check_agreement(
    store: Store, storage: StudyStorage, study: optuna.Study, configs: TrialConfigs, parent: str
) -> Agreement:
    """Compare the two stores, and repair what differs.

    What a run could not deliver while the store was away is sent first.
    """
    found = [
        f"worker {owner} had died" for owner in bury(storage, study.study_name, workers_of(store))
    ]
    reap_and_tell(store.home)
    with storage.lock(study.study_name):
        found += list(_mend_trials(store, storage, study))
    trials = study.get_trials(deepcopy=False)
    ended = [trial for trial in trials if trial.state.is_finished()]
    unsent = _send(store, ended)
    for trial in ended:
        if trial.number not in unsent:
            found += seal(store, configs, trial, parent=parent)
    return Agreement(found + list(_orphans(store, configs, trials)), unsent)


def _send(store: Store, trials: Sequence[FrozenTrial]) -> dict[int, str]:
    """Deliver what is unsent of trials' runs; return why that failed, by trial."""
    trial_of = {
        run_id: trial.number
        for trial in trials
        for run_id in dict(trial.user_attrs.get(RUNS, {})).values()
    }
    return {
        trial_of[done.run_id]: done.problem
        for done in send(store.home, trial_of)
        if done.problem is not None
    }


def workers_of(store: Store) -> Path:
    """Return the folder of the locks of this machine's workers."""
    return store.home / "workers"


def _mend_trials(store: Store, storage: StudyStorage, study: optuna.Study) -> Iterator[str]:
    rows = {row.number: row for row in rows_of(storage, study.study_name)}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        row = rows.get(trial.number)
        if row is not None and row.outcome is not None:
            tell(study, trial.number, Outcome.from_json(row.outcome))
            yield f"trial {trial.number} had ended, but Optuna was not told"
        elif row is None or not row.alive:
            study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
            for run_id in dict(trial.user_attrs.get(RUNS, {})).values():
                _kill(store, recorded(store, run_id), "WAITING")
            yield f"trial {trial.number} was RUNNING, but nobody works on it; it waits"


def _kill(store: Store, run: Any, state: str) -> bool:
    if run is None or run.info.status != "RUNNING":
        return False
    with store.errors():
        store.client.set_tag(run.info.run_id, STATE_TAG, state)
        store.client.set_terminated(run.info.run_id, "KILLED")
    return True


def _orphans(store: Store, configs: TrialConfigs, trials: list[FrozenTrial]) -> Iterator[str]:
    """Mark runs of the study that belong to none of its trials."""
    study, experiment = configs.definition.name, configs.base.logger.experiment_name
    ours = {run_id for t in trials for run_id in dict(t.user_attrs.get(RUNS, {})).values()}
    bare = {str(t.number) for t in trials if not t.user_attrs.get(RUNS)}
    for run in runs_of(store, experiment, study, "trial"):
        tags = run.data.tags
        belongs = tags.get("multihead.run") in ours or tags.get(TRIAL_TAG) in bare
        if not belongs and tags.get(STATE_TAG) not in ("ORPHAN", "COMPLETE", "PRUNED", "FAIL"):
            with store.errors():
                store.client.set_tag(run.info.run_id, STATE_TAG, "ORPHAN")
            _kill(store, run, "ORPHAN")
            yield f"run {tags.get('multihead.run')} belongs to no trial"


def runs_of(
    store: Store, experiment: str, study: str, kind: str, *, number: int | None = None
) -> list[Any]:
    """Return a study's MLflow runs of a kind (study, trial or confirm), or one trial's."""
    wanted = f"tags.`{STUDY_TAG}` = '{study}' AND tags.`multihead.kind` = '{kind}'"
    if number is not None:
        wanted += f" AND tags.`{TRIAL_TAG}` = '{number}'"
    found: list[Any] = []
    token = None
    ids = [store.experiment_id(experiment)]
    while True:
        with store.errors():
            page = store.client.search_runs(ids, wanted, max_results=_PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def seal_parent(run: TrackedRun, reason: str, *, interrupted: bool) -> None:
    """Give the study's own run its state: INTERRUPTED or STOPPED with the reason, or COMPLETE."""
    state = "INTERRUPTED" if interrupted else "STOPPED" if reason else "COMPLETE"
    run.set_tags({STATE_TAG: state})
    run.finish("KILLED" if interrupted else "FINISHED", reason)
