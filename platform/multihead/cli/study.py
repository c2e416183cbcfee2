"""`multihead study`: start, resume, watch, stop or show a search."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from multihead.cli.help import examples
from multihead.cli.overrides import trust_option
from multihead.errors import StoreError, message_of
from multihead.terminal.lines import complain, say

if TYPE_CHECKING:
    from multihead.studies.create_or_resume import OpenStudy
    from multihead.studies.definition import Definition
    from multihead.studies.runner import Ended


@click.command(
    "study",
    context_settings={"ignore_unknown_options": False},
    epilog=examples(
        "multihead study digits_quick --dry-run",
        "multihead study digits_quick n_trials=20 workers=2",
        "multihead study digits_quick n_trials=40 --resume",
    ),
)
@click.argument("name")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--resume",
    "mode",
    flag_value="resume",
    help="Continue the study until it has n_trials trials in total, which may be a new number.",
)
@click.option(
    "--dry-run",
    "mode",
    flag_value="dry-run",
    help="Check the study, show three trials and estimate the time. Train nothing.",
)
@click.option(
    "--status", "mode", flag_value="status", help="Show trial counts, the best trial and workers."
)
@click.option("--best", "mode", flag_value="best", help="Show the best trials.")
@click.option(
    "--stop", "mode", flag_value="stop", help="Stop the workers. They write checkpoints first."
)
@click.option(
    "--check",
    "mode",
    flag_value="check",
    help="Compare the records in Optuna and MLflow, and repair them.",
)
@click.option(
    "--ui", "mode", flag_value="ui", help="Start optuna-dashboard on 127.0.0.1. Ctrl-C stops it."
)
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a table of the trials to FILE, which ends in .parquet, .csv or .json.",
)
@trust_option
def command(
    name: str,
    overrides: tuple[str, ...],
    mode: str | None,
    export: Path | None,
    trust: tuple[str, ...],
) -> None:
    """Search for good settings with many trainings, which may run in parallel.

    Each trial is a run. Without an option, the command starts the study NAME, continues it after
    an interruption, or shows its results. The exit code is 1 if all trials failed.

    NAME is a name from `multihead list`, or a YAML file. KEY=VALUE changes a key of the study,
    such as n_trials=50, workers=2 or pruner=none. Any other key is one of the experiment that the
    study trains, such as trainer.max_epochs=1.
    """
    from multihead.studies.definition import load_definition

    definition = load_definition(name, overrides)
    if export is not None:
        _export(definition, export)
    elif mode in (None, "resume"):
        _run(name, definition, overrides, trust, resume=mode == "resume")
    else:
        assert mode is not None
        _ACTIONS[mode](definition, trust)


def _run(
    name: str,
    own: "Definition",
    overrides: tuple[str, ...],
    trust: tuple[str, ...],
    *,
    resume: bool,
) -> None:
    from multihead.cli.study_show import again, show_confirmed, show_links, show_trials
    from multihead.studies.confirm import confirm
    from multihead.studies.create_or_resume import as_started, start, trusted_of
    from multihead.studies.progress import Progress
    from multihead.studies.record import StudyRecord
    from multihead.studies.runner import Runner, agree
    from multihead.terminal.drawn import Screen
    from multihead.training.interrupts import RunInterrupted

    definition = as_started(own, overrides) if resume else own
    opened = start(definition, resume=resume, trust=trusted_of(definition, own, trust))
    typed = again(name, overrides)
    try:
        record = StudyRecord(opened)
    except StoreError:
        _help(opened, typed)
        return
    say(f"study {opened.name}  {record.run.url}", *opened.plan.notes)
    runner = Runner(opened, record.now_and_then)
    if not runner.left:
        say("all its trials have ended; n_trials=N --resume adds trials, name=... starts anew")
    try:
        with Progress(Screen(err=True)) as progress:
            ended = runner.run(progress)
        agreement = agree(opened)
        for line in agreement.repaired:
            say(f"repaired: {line}", err=True)
        for number, problem in agreement.unsent.items():
            say(f"unsent: the run of trial {number}: {problem}", err=True)
    except BaseException as error:
        record.end(message_of(error), interrupted=True)
        raise
    record.end(ended.recorded_reason, interrupted=ended.signum is not None)
    _end(ended, typed)
    show_trials(opened)
    try:
        confirmed = confirm(opened)
    except RunInterrupted as stop:
        _end_interrupted(stop.signum, typed)
    show_confirmed(opened, confirmed)
    show_links(opened, record, typed)
    _refuse_failure(opened)


def _refuse_failure(opened: "OpenStudy") -> None:
    """Exit with 1 if trials failed and none was completed or pruned."""
    from multihead.studies.table import causes

    trials = [trial for trial in opened.trials() if trial.state.is_finished()]
    failed = causes(trials)
    if failed and len(failed) == len(trials):
        complain(f"all {len(failed)} trials failed; the last one: {failed[-1]}")
        sys.exit(1)


def _help(opened: "OpenStudy", typed: str) -> None:
    """Add workers to a study that another command records."""
    from multihead.cli.study_show import show_trials
    from multihead.studies.progress import Progress
    from multihead.studies.runner import Runner
    from multihead.terminal.drawn import Screen

    say(f"study {opened.name} is being run by another command; adding workers to it")
    with Progress(Screen(err=True)) as progress:
        _end(Runner(opened, lambda: None).run(progress), typed)
    show_trials(opened)


def _end(ended: "Ended", typed: str) -> None:
    """Print why a study ended early, and exit if a signal ended it."""
    if ended.signum is not None:
        _end_interrupted(ended.signum, typed)
    if ended.reason is not None:
        say(f"stopped: {ended.reason}", err=True)


def _end_interrupted(signum: int, typed: str) -> NoReturn:
    complain(f"interrupted; `{typed} --resume` continues")
    sys.exit(128 + signum)


def _dry_run(definition: "Definition", trust: tuple[str, ...]) -> None:
    import yaml

    from multihead.studies.dry_run import estimate, sampled

    plan, configs = sampled(definition, 3)
    if plan.notes:
        say(*plan.notes)
    defaults = definition.defaults and definition.sampler["name"] != "grid"
    for number, (params, values) in enumerate(configs):
        say(f"# trial {number}{' (the defaults)' if number == 0 and defaults else ''}")
        shown = yaml.safe_dump({"parameters": params, "sets": values}, sort_keys=False)
        say(*shown.splitlines())
    say(estimate(definition, plan))


def _status(definition: "Definition", trust: tuple[str, ...]) -> None:
    from multihead.studies.create_or_resume import load
    from multihead.studies.progress import Snapshot
    from multihead.studies.recover import workers_of
    from multihead.studies.registry import alive, known
    from multihead.studies.table import best_of

    opened = load(definition, trust)
    running = alive(opened.storage, opened.name, workers_of(opened.store))
    workers = [process for process in running if process.kind == "worker"]
    snapshot = Snapshot(opened.definition, opened.trials(), workers)
    say(snapshot.counts())
    say(best_of(snapshot.definition, snapshot.trials))
    for worker in workers:
        say(f"worker {worker.position} ({worker.place}): trial {worker.number}, {worker.note}")
    stop = known(opened.storage, opened.name).stop
    if stop is not None:
        say(f"stopped: {stop}")


def _best(definition: "Definition", trust: tuple[str, ...]) -> None:
    from multihead.cli.study_show import show_trials
    from multihead.studies.create_or_resume import load

    show_trials(load(definition, trust))


def _stop(definition: "Definition", trust: tuple[str, ...]) -> None:
    from multihead.studies.registry import ask_to_stop, known
    from multihead.studies.storage import StudyStorage

    storage = StudyStorage(definition.storage_url)
    known(storage, definition.name)
    ask_to_stop(storage, definition.name, "asked to stop", interrupt=True)
    say(f"the workers of {definition.name} save checkpoints and end; --resume continues")


def _check(definition: "Definition", trust: tuple[str, ...]) -> None:
    from multihead.studies.create_or_resume import load
    from multihead.studies.runner import agree

    opened = load(definition, trust)
    agreement = agree(opened)
    for line in agreement.repaired:
        say(f"repaired: {line}")
    if agreement.unsent:
        number, problem = next(iter(agreement.unsent.items()))
        raise StoreError(
            f"{len(agreement.unsent)} runs are in their folders only, such as that of trial "
            f"{number}: {problem} `multihead sync` sends them."
        )
    ended = sum(t.state.is_finished() for t in opened.trials())
    say(f"{ended} of {opened.definition.n_trials} trials have ended; Optuna and MLflow agree")


def _export(definition: "Definition", path: Path) -> None:
    from multihead.studies.export import export

    say(f"{export(definition, path)} trials in {path}")


def _ui(definition: "Definition", trust: tuple[str, ...]) -> None:
    from multihead.cli.dashboard import serve

    serve(definition)


_ACTIONS = {
    "dry-run": _dry_run,
    "status": _status,
    "best": _best,
    "stop": _stop,
    "check": _check,
    "ui": _ui,
}
