"""`multihead ablate`: compare arms over seeds. Recorded trainings are not repeated."""

import sys
from typing import TYPE_CHECKING

import click

from multihead.cli.help import examples
from multihead.cli.overrides import Override, trust_option
from multihead.errors import message_of
from multihead.terminal.lines import complain, say

if TYPE_CHECKING:
    from multihead.ablation.plan import Plan
    from multihead.ablation.result import Result
    from multihead.ablation.runner import Runner
    from multihead.ablation.worker import Work
    from multihead.tracking.store import Store

_FIGURES = (
    *("arm", "head", "metric", "n", "mean", "baseline_mean"),
    *("delta", "ci_low", "ci_high", "p", "p_holm"),
)


@click.command(
    "ablate",
    epilog=examples(
        "multihead ablate digits_single_vs_multitask --dry-run",
        "multihead ablate digits_single_vs_multitask seeds=8 workers=2",
    ),
)
@click.argument("name")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", type=Override())
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check the ablation, and show the trainings, the time they take and the smallest "
    "p-value that so many seeds can give. Train nothing.",
)
@trust_option
def command(name: str, overrides: tuple[str, ...], dry_run: bool, trust: tuple[str, ...]) -> None:
    """Compare methods (arms) over several seeds, and write a report.

    Trainings that are recorded already are not repeated. If something stops the command, run it
    again: it continues. The exit code is 1 if a training failed.

    NAME is a name from `multihead list`, or a YAML file. KEY=VALUE changes a key of the ablation,
    such as seeds=8, workers=2 or reuse=any. Any other key is one of the experiment that the
    ablation trains, such as trainer.max_epochs=1.
    """
    from multihead.ablation.definition import load_definition
    from multihead.ablation.plan import prepare
    from multihead.ablation.tuning import check_searches

    definition = load_definition(name, overrides)
    plan = prepare(definition, trust)
    store = plan.base.store()
    check_searches(definition, plan.untuned)
    if dry_run:
        from multihead.ablation.dry_run import describe

        say(*describe(plan, store))
        return
    from multihead.training.interrupts import RunInterrupted

    try:
        _run(plan, store, trust)
    except RunInterrupted as stop:
        complain("interrupted; the same command continues")
        sys.exit(stop.exit_code)


def _run(plan: "Plan", store: "Store", trust: tuple[str, ...]) -> None:
    from multihead.ablation.outcome import outcome
    from multihead.ablation.plan import prepare
    from multihead.ablation.record import AblationRecord
    from multihead.ablation.runner import Runner, failures
    from multihead.ablation.tuning import study_of, tune
    from multihead.report.ablation_record import attach
    from multihead.studies.progress import Progress as Trials
    from multihead.terminal.drawn import Screen
    from multihead.training.interrupts import RunInterrupted

    _ = store.client
    if plan.untuned:
        for part in plan.untuned:
            with Trials(Screen(err=True)) as trials:
                tune(study_of(plan.definition, part), trials, say)
        plan = prepare(plan.definition, trust)
    record = AblationRecord(plan, store)
    say(f"ablation {plan.definition.name}  {record.run.url}")
    try:
        runner = Runner(plan, store, record.mlflow_id)
        works = _train(runner)
        result = outcome(plan, store, runner.states(plan.cells))
        attach(result, record.run)
    except RunInterrupted as stop:
        record.run.finish("KILLED", str(stop), stop.exit_code)
        raise
    except BaseException as error:
        record.run.finish("FAILED", message_of(error))
        raise
    record.run.finish("FINISHED")
    _show(result)
    lost = [f"{name}: {reason}" for name, reason in plan.lost.items()]
    failed = [*lost, *failures(works)]
    for line in failed:
        complain(f"FAILED {line}")
    if failed:
        sys.exit(1)


def _train(runner: "Runner") -> dict[str, "Work"]:
    from multihead.ablation.progress import Progress
    from multihead.terminal.drawn import Screen

    cells = runner.missing()
    total = len(runner.plan.trainable)
    say(f"{total} trainings: {total - len(cells)} on record, {len(cells)} to run")
    with Progress(Screen(err=True)) as progress:
        return runner.run(cells, progress)


def _show(result: "Result") -> None:
    """Print the sentences, the table, the rules that are not met, and the link."""
    from multihead.ablation.verdict_text import rounded_rows
    from multihead.cli.tables import show_table

    say(*result.comparison.sentences)
    if result.ranking is not None:
        say(f"ranks: {result.ranking.sentence}")
    table = rounded_rows(result.comparison.table)[[*_FIGURES, "verdict"]]
    show_table(table, f"differences from {result.baseline}:", dict.fromkeys(_FIGURES[3:], "{}"))
    if result.affinity is not None:
        from multihead.ablation.agreement import sentences

        say(*sentences(result.affinity, result.comparison.level))
    for check in result.protocol:
        if not check.met:
            say(f"not met: {check.name}: {check.reason}")
    say(f"link     {result.url}")
