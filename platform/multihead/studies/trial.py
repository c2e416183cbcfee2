"""Run one trial: sample its parameters, train once per seed, and return how it ended."""

import math
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.trial import TrialState

from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import CheckpointError, ConfigError, MultiheadError, message_of
from multihead.runs.api import resumed_config
from multihead.runs.execute import Announcer, Membership, RunResult, execute
from multihead.runs.group import RankError
from multihead.runs.trust import targets_of
from multihead.studies.best_after import GOES_ON, make_best_after
from multihead.studies.budget import LOST
from multihead.studies.configs import TrialConfigs
from multihead.studies.dominance import DominancePruner
from multihead.studies.lease import Lease, Outcome
from multihead.studies.reporter import Reporter
from multihead.studies.space import WEIGHTS_PATH, Space
from multihead.studies.storage import patiently
from multihead.studies.trial_names import (
    MLFLOW_RUNS,
    PARENT_TAG,
    RUNS,
    SEED_VALUES,
    STATE_TAG,
    STEPS,
    STUDY_TAG,
    TRIAL_TAG,
    WEIGHTS,
)
from multihead.tracking.folder import RunFolder, run_path
from multihead.tracking.run import TrackedRun, new_run_id
from multihead.tracking.store import Store
from multihead.tracking.tags import RUN_TAG

T = TypeVar("T")
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")


class OutOfMemory(MultiheadError):
    """The machine had too little memory for a trial. Another worker may have enough."""


@dataclass
class TrialRunner:
    """Runs the trials of a worker.

    Attributes:
        study: The Optuna study.
        configs: Makes the configurations of runs.
        space: What is searched.
        dominance: The pruner for several objectives, or None.
        parent: MLflow's id of the study's own run.
        store: Where runs are recorded.
        guard: Called before every write about a trial. It does not return if this worker has lost
            the trial.
        tick: Called with the current activity whenever the work makes progress.
        notice: Called with a message when the storage stops answering, and when it answers again.
        opened: Data shared by the runs of this process.
    """

    study: optuna.Study
    configs: TrialConfigs
    space: Space
    dominance: DominancePruner | None
    parent: str
    store: Store
    guard: Callable[[Lease], None]
    tick: Callable[[str], None]
    notice: Callable[[str], None]
    opened: dict[str, MultiheadDataModule] = field(default_factory=dict)

    def patiently(self, call: Callable[[], T]) -> T:
        """Make a call, and wait while the storage does not answer."""
        return patiently(call, notice=self.notice)

    @property
    def metrics(self) -> list[str]:
        """The objectives."""
        return list(self.configs.definition.objectives)

    def run(self, lease: Lease) -> Outcome:
        """Run a trial, or the rest of it if an earlier attempt was interrupted.

        Raises:
            OutOfMemory: If the machine has too little memory for it now.
            RunInterrupted: After a signal. A checkpoint to resume from is written.
            RunPaused: If the trial waits for the first epochs of the other trials.
        """
        self.tick("samples")
        trial, params = self.patiently(lambda: self._sample(lease))
        values = self.space.values(params)
        if WEIGHTS_PATH in values and WEIGHTS not in trial.user_attrs:
            self._note(lease, trial, WEIGHTS, values[WEIGHTS_PATH])
        done: dict[str, list[float]] = dict(trial.user_attrs.get(SEED_VALUES, {}))
        for index in range(self.configs.definition.seeds):
            seed = str(self.configs.seed(index))
            if seed not in done:
                found, cause = self._train(lease, trial, values, seed)
                if found is None:
                    return Outcome("PRUNED", cause=cause)
                if not all(map(math.isfinite, found)):
                    return Outcome("FAIL", cause=_not_finite(self.metrics, found))
                done[seed] = found
                self._note(lease, trial, SEED_VALUES, done)
            reason = self._across_seeds(lease, trial, index, done)
            if reason is not None:
                return Outcome("PRUNED", cause=reason)
        means = [sum(column) / len(done) for column in zip(*done.values(), strict=True)]
        return Outcome("COMPLETE", tuple(means))

    def _sample(self, lease: Lease) -> tuple[optuna.Trial, dict[str, Any]]:
        trial = optuna.Trial(self.study, lease.trial_id)
        return trial, self.space.suggest(trial)

    def _note(self, lease: Lease, trial: optuna.Trial, key: str, value: Any) -> None:
        self.guard(lease)
        self.patiently(lambda: trial.set_user_attr(key, value))

    def _should_prune(self, lease: Lease, trial: optuna.Trial, step: int, value: float) -> bool:
        self.guard(lease)
        self.patiently(lambda: trial.report(value, step))
        return self.patiently(trial.should_prune)

    def _train(
        self, lease: Lease, trial: optuna.Trial, values: Mapping[str, Any], seed: str
    ) -> tuple[list[float] | None, str]:
        """Train once. Return the objectives, or None and the reason why the trial was pruned."""
        run_id = self._run_id(lease, trial, seed)
        several = self.configs.definition.seeds > 1
        name = f"{lease.study}-{lease.number:03d}" + (f"-seed{seed}" if several else "")
        config = self.configs.config(values, seed=int(seed), name=name)
        reporter = Reporter(
            self.metrics,
            None if several else lambda step, found: self._report(lease, trial, step, found),
            self.tick,
            self._pause_after(trial),
        )
        tags = {
            PARENT_TAG: self.parent,
            STUDY_TAG: lease.study,
            TRIAL_TAG: str(lease.number),
            STATE_TAG: "RUNNING",
        }
        member = Membership("trial", run_id, tags, [reporter], self.opened)
        announcer = _Noting(lambda key, v: self._note(lease, trial, key, v), lease, trial, seed)
        try:
            result = self._attempt(config, run_id, member, announcer)
        except (MemoryError, RuntimeError, ConfigError, RankError) as error:  # it may not fit
            if _is_out_of_memory(error):
                reason = f"out of memory ({message_of(error)[:200]})"
                self._note(lease, trial, LOST, reason)
                raise OutOfMemory(reason) from error
            raise
        if reporter.pruned is not None:
            return None, reporter.pruned
        best = [result.metrics.get(f"best/{m}", result.metrics.get(m)) for m in self.metrics]
        return [math.nan if value is None else value for value in best], ""

    def _pause_after(self, trial: optuna.Trial) -> int | None:
        """Return the epoch after which a trial pauses to wait for the others, or None."""
        rule = make_best_after(self.configs.definition)
        return None if rule is None or trial.user_attrs.get(GOES_ON) else rule.epochs

    def _attempt(
        self, config: dict[str, Any], run_id: str, member: Membership, announcer: Announcer
    ) -> RunResult:
        """Resume the run of an earlier attempt, or start it."""
        folder = RunFolder(run_path(self.store.home, run_id, "a run of the trial"))
        if not folder.spool.is_file():
            shutil.rmtree(folder.path, ignore_errors=True)
            return execute(config, announcer=announcer, member=member)
        with suppress(CheckpointError):  # no checkpoint yet: the same run starts from epoch 0
            ours = [f"paths.home={self.store.home}"]
            _, config = resumed_config(run_id, ours, trust=targets_of(config))
        return execute(config, resume=run_id, announcer=announcer, member=member)

    def _run_id(self, lease: Lease, trial: optuna.Trial, seed: str) -> str:
        """Return our id of the run. It is recorded in the trial before the run is made."""
        runs: dict[str, str] = dict(trial.user_attrs.get(RUNS, {}))
        if seed not in runs:
            runs[seed] = new_run_id()
            self._note(lease, trial, RUNS, runs)
        return runs[seed]

    def _report(
        self, lease: Lease, trial: optuna.Trial, step: int, values: list[float]
    ) -> str | None:
        if len(values) == 1:
            stop = self._should_prune(lease, trial, step, values[0])
            return f"{self._pruner} at step {step}" if stop else None
        self._note(lease, trial, STEPS, {**trial.user_attrs.get(STEPS, {}), str(step): values})
        if self.dominance is None:
            return None
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        others = [
            {int(s): v for s, v in t.user_attrs[STEPS].items()}
            for t in self.patiently(lambda: self.study.get_trials(deepcopy=False, states=states))
            if t.number != trial.number and STEPS in t.user_attrs
        ]
        return self.dominance.reason(step, values, others)

    def _across_seeds(
        self, lease: Lease, trial: optuna.Trial, index: int, done: Mapping[str, list[float]]
    ) -> str | None:
        """Report after each seed; return why the trial is pruned, or None.

        Wilcoxon's pruner gets the value of this seed, the others get the means over the seeds so
        far.
        """
        definition = self.configs.definition
        if definition.seeds == 1 or index + 1 == definition.seeds:
            return None
        so_far = list(done.values())[: index + 1]
        means = [sum(column) / len(so_far) for column in zip(*so_far, strict=True)]
        if definition.several:
            return None if self.dominance is None else self._report(lease, trial, index + 1, means)
        value = so_far[index][0] if definition.pruner["name"] == "wilcoxon" else means[0]
        stop = self._should_prune(lease, trial, index + 1, value)
        return f"{self._pruner} after {index + 1} seeds" if stop else None

    @property
    def _pruner(self) -> str:
        return f"pruner {self.configs.definition.pruner['name']}"


@dataclass
class _Noting(Announcer):
    """Records MLflow's id of a run in its trial as soon as the run has started."""

    note: Callable[[str, Any], None]
    lease: Lease
    trial: optuna.Trial
    seed: str

    def started(self, run: TrackedRun | None, parts: Any, notes: list[str]) -> None:
        """Record the id."""
        assert run is not None
        known = self.trial.user_attrs.get(MLFLOW_RUNS, {})
        run.set_tags({"multihead.attempt": str(self.lease.attempt)})
        if run.mlflow_id is not None:
            self.note(MLFLOW_RUNS, {**known, self.seed: run.mlflow_id})


def recorded(store: Store, run_id: str) -> Any:
    """Return the MLflow run with our id, or None."""
    with store.errors():
        experiments = [e.experiment_id for e in store.client.search_experiments()]
        found = store.client.search_runs(
            experiments, f"tags.`{RUN_TAG}` = '{run_id}'", max_results=1
        )
    return found[0] if found else None


def drop_checkpoints(folder: Path) -> None:
    """Delete the checkpoints of a run's folder."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    killed = isinstance(error, RankError) and error.killed  # most likely for its use of memory
    return (
        killed or isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY)
    )


def _not_finite(metrics: list[str], values: list[float]) -> str:
    bad = [m for m, v in zip(metrics, values, strict=True) if not math.isfinite(v)]
    return f"{bad[0]} is not a finite number"
