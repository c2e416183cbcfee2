"""One worker of a study: `python -m multihead.studies.worker --study NAME --storage URL`.

It may run on any machine that reaches the storage. It imports libraries and opens the data once,
and runs its trials one after another in the same process.
"""

from multihead.garbage import collect_all_rarely

if __name__ == "__main__":
    collect_all_rarely()  # before the libraries are imported

import argparse
import os
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import optuna

from multihead import settings
from multihead.errors import MultiheadError, StoreError, message_of
from multihead.runs.collector import few_collections
from multihead.studies.budget import Budget, limits_of, tell
from multihead.studies.check import prepare
from multihead.studies.create_or_resume import parent_of, store_of, trusted_by_worker
from multihead.studies.devices import GPU_SHARE_VARIABLE
from multihead.studies.heartbeat import Heart, lost, say
from multihead.studies.keep import drop_others
from multihead.studies.lease import Lease, LeaseLost, Outcome
from multihead.studies.pruners import make_dominance, make_pruner
from multihead.studies.recover import seal, workers_of
from multihead.studies.registry import Presence, known
from multihead.studies.samplers import sampler_of
from multihead.studies.storage import StudyStorage, patiently
from multihead.studies.trial import OutOfMemory, TrialRunner
from multihead.terminal.streams import keep_log
from multihead.training.interrupts import Interrupts, RunInterrupted, RunPaused
from multihead.workers import EXIT_MEMORY

_IDLE_SECONDS = 1.0


def work(
    study: str,
    url: str,
    interrupts: Interrupts,
    *,
    attached: bool = False,
    trust: Collection[str] = (),
) -> None:
    """Work on a study until no trial is left.

    Args:
        study: Its name.
        url: URL of the storage.
        interrupts: Records signals.
        attached: Whether the worker ends when the process that started it ends.
        trust: Targets that the study may name in addition to those of `runs.trust`. They are not
            needed if the environment says that the study is the user's own.

    Raises:
        MultiheadError: If the study does not exist, or its base cannot run here.
        RunInterrupted: After SIGTERM or Ctrl-C.
    """
    storage = patiently(lambda: StudyStorage(url), notice=say)
    found = known(storage, study)
    definition = found.definition
    plan = prepare(definition, trusted_by_worker(definition, trust))
    store = store_of(plan)
    presence = patiently(lambda: _enter(storage, study, workers_of(store)), notice=say)
    optunas = optuna.load_study(
        study_name=study,
        storage=storage.optuna,
        sampler=sampler_of(definition, plan.space, presence.position),
        pruner=make_pruner(definition),
    )
    heart = Heart(presence, storage, definition.hung_after, attached=attached)
    runner = TrialRunner(
        study=optunas,
        configs=plan.configs,
        space=plan.space,
        dominance=make_dominance(definition),
        parent=parent_of(store, found),
        store=store,
        guard=lambda lease: guard(storage, lease),
        tick=heart.tick,
        notice=say,
        opened=plan.opened,
    )
    heart.start()
    _cap_gpu_memory()
    try:
        with few_collections():
            _loop(Budget(storage, optunas, limits_of(definition)), runner, heart, interrupts)
    finally:
        heart.stop()
        presence.end()
        storage.close()


def _enter(storage: StudyStorage, study: str, folder: Path) -> Presence:
    with storage.lock(study):
        return Presence(storage, study, folder, "worker")


def _cap_gpu_memory() -> None:
    import torch

    share = float(os.environ.get(GPU_SHARE_VARIABLE, 1))
    if share < 1 and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share)


def _loop(budget: Budget, runner: TrialRunner, heart: Heart, interrupts: Interrupts) -> None:
    while True:
        interrupts.obey()  # no other trial begins, even if the trial's code caught the exception
        heart.tick("looks for a trial")
        found = patiently(lambda: _next(budget, heart.presence.owner), notice=say)
        seal_stopped(budget, runner)
        if found == "done":
            return
        if found == "wait":
            time.sleep(_IDLE_SECONDS)
            continue
        assert isinstance(found, Lease)
        heart.lease = found
        try:
            outcome = _outcome(runner, found)
        except OutOfMemory as error:
            say(f"trial {found.number}: {error}; another worker goes on")
            heart.lease = None
            give_back(budget.storage, found, lost=True)
            sys.exit(EXIT_MEMORY)
        except RunPaused:
            heart.lease = None
            pause(budget.storage, found)
            continue
        except (RunInterrupted, StoreError) as stop:
            heart.lease = None
            give_back(budget.storage, found, lost=isinstance(stop, StoreError))
            raise
        heart.tick("records the trial")
        heart.lease = None
        finish(budget, runner, found, outcome)


def _next(budget: Budget, owner: str) -> Lease | str:
    stop = known(budget.storage, budget.name).stop
    return "done" if stop is not None else budget.claim(owner)


def _outcome(runner: TrialRunner, lease: Lease) -> Outcome:
    """Run a trial. An error in its own code fails the trial and does not end the worker."""
    try:
        return runner.run(lease)
    except (OutOfMemory, LeaseLost, StoreError):
        raise
    except MultiheadError as error:
        return Outcome("FAIL", cause=message_of(error)[:1000])
    except Exception as error:  # noqa: BLE001 - a trial may run any code; its failure is a result
        return Outcome("FAIL", cause=f"{type(error).__name__}: {message_of(error)}"[:1000])


def finish(budget: Budget, runner: TrialRunner, lease: Lease, outcome: Outcome) -> None:
    """Record how a trial ended: in its lease, in Optuna and in its MLflow runs."""
    try:
        patiently(lambda: lease.decide(budget.storage, outcome), notice=say)
    except LeaseLost:
        lost(lease)
    patiently(lambda: tell(budget.study, lease.number, outcome), notice=say)
    trial = next(t for t in budget.trials() if t.number == lease.number)
    seal(runner.store, runner.configs, trial, parent=runner.parent)
    drop_others(runner.store, runner.configs.definition, budget.trials())


def seal_stopped(budget: Budget, runner: TrialRunner) -> None:
    """Record the end of trials that the `best_after` rule stopped in their MLflow runs."""
    while budget.stopped:
        trial = next(t for t in budget.trials() if t.number == budget.stopped[-1])
        seal(runner.store, runner.configs, trial, parent=runner.parent)
        budget.stopped.pop()
        drop_others(runner.store, runner.configs.definition, budget.trials())


def pause(storage: StudyStorage, lease: Lease) -> None:
    """Pause a trial until the `best_after` rule decides whether it goes on."""
    try:
        patiently(lambda: lease.pause(storage), notice=say)
    except LeaseLost:
        lost(lease)


def give_back(storage: StudyStorage, lease: Lease, *, lost: bool) -> None:
    """Free a trial, so that another worker continues it."""
    patiently(lambda: lease.release(storage, lost=lost), notice=say)


def guard(storage: StudyStorage, lease: Lease) -> None:
    """Renew the lease, waiting while the storage does not answer; exit if it is lost."""
    try:
        patiently(lambda: lease.renew(storage), notice=say)
    except LeaseLost:
        lost(lease)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m multihead.studies.worker")
    parser.add_argument("--study", required=True, help="name of the study in the storage")
    parser.add_argument(
        "--storage", default=os.environ.get(settings.STUDIES_VARIABLE), help="its URL"
    )
    parser.add_argument(
        "--trust", action="append", default=[], help="a class that the study may name"
    )
    parser.add_argument("--attached", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.storage is None:
        parser.error("--storage is required")
    interrupts = Interrupts()
    try:
        with interrupts.installed():
            work(
                given.study,
                given.storage,
                interrupts,
                attached=given.attached,
                trust=given.trust,
            )
    except MultiheadError as error:
        say(message_of(error))
        return 2
    except RunInterrupted as stop:
        return stop.exit_code
    return 0


if __name__ == "__main__":
    keep_log()
    sys.exit(main())
