"""The description of a run, which its page in MLflow begins with.

Its first lines say what the run is, how it ended, what the test measured and how to go on: the page
shows no more until somebody opens the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from multihead.errors import MultiheadError, message_of
from multihead.heads import Head, Heads
from multihead.markdown import code, escaped, fenced, line_by_line
from multihead.metrics.registry import METRICS
from multihead.runs.build import Parts
from multihead.runs.constant import constant_figures
from multihead.runs.per_head import OwnBest, described
from multihead.tracking.run import TrackedRun
from multihead.tracking.secrets import typed_command
from multihead.tracking.tags import DESCRIPTION_TAG

_PICTURES = ("confusion or predicted against true", "reliability", "worst predictions")
_OPENING_HEADS = 4  # of which the opening gives figures


@contextmanager
def describing(run: TrackedRun, parts: Parts, *, is_part: bool) -> Iterator[None]:
    """Describe a run while it goes on, and again if something stops it.

    Args:
        run: Open.
        parts: The run's objects.
        is_part: Whether it is part of a study or an ablation, whose command goes on with it.
    """
    doing = "training" if parts.settings.train else "testing"
    going = f"It is {doing}, or its process died before it could write how it ended."
    run.set_tags({DESCRIPTION_TAG: _unfinished(run.run_id, parts, going, is_part=is_part)})
    try:
        yield
    except BaseException as error:
        trainer = parts.trainer
        stopped = (
            f"Stopped in epoch {trainer.current_epoch}, after {trainer.global_step:,} steps: "
            f"{escaped(message_of(error))}"
        )
        with suppress(MultiheadError):  # it says that the record is lost, or the disk is full
            text = _unfinished(run.run_id, parts, stopped, is_part=is_part)
            run.set_tags({DESCRIPTION_TAG: text})
        raise


def _unfinished(run_id: str, parts: Parts, state: str, *, is_part: bool) -> str:
    if not parts.settings.train:
        again = f"{code(typed_command())} tests again."
    else:
        command = typed_command() if is_part else f"multihead train resume={run_id}"
        again = f"{code(command)} goes on from the last checkpoint."
    return "\n".join([line_by_line(_what(parts), state, again), "", *_command()])


def finished(
    parts: Parts,
    metrics: Mapping[str, float],
    run_id: str,
    per_head: Sequence[OwnBest] = (),
    *,
    is_trial: bool = False,
) -> str:
    """Return the description of a run that has ended well, as Markdown.

    Args:
        parts: The run's objects.
        metrics: Those of the test are shown, else the best of validation.
        run_id: Our id of the run.
        per_head: The best epoch of each head beside the one network, if that was tested.
        is_trial: Whether it is a trial of a study, which may delete its checkpoint.
    """
    heads = parts.module.heads
    assert heads is not None
    tested = any(name.startswith("test/") for name in metrics)
    split = "test" if tested else "best/val"
    trained = parts.settings.train
    constant = constant_figures(parts) if tested and trained else {}
    opening = [_what(parts), _ended(parts), _figures(parts, heads, metrics, split, constant)]
    again = f"{code(f'multihead rerun {run_id}')} {'trains' if trained else 'tests'} it again"
    serves = f"; {code(f'multihead serve {run_id}')} serves it" if trained and not is_trial else ""
    opening.append(f"{again}{serves}.")
    lines = [line_by_line(*opening), "", *_table(parts, heads, metrics, split, constant), ""]
    if constant:
        lines += [
            "A constant answer ignores the image: it is the most frequent class, or the mean, of "
            "the training labels.",
            "",
        ]
    lines += described(per_head)
    if tested:
        lines += ["Per head in the artifacts under `test/`: " + ", ".join(_PICTURES) + ".", ""]
    return "\n".join([*lines, *_command()])


def _what(parts: Parts) -> str:
    """Say in a line what is learned, and from which images."""
    heads, data = parts.data.heads, parts.data
    titles = [escaped(head.shown) for head in heads.values()]
    more = len(titles) - _OPENING_HEADS
    shown = ", ".join(titles[:_OPENING_HEADS]) + (f" and {more} more heads" if more > 0 else "")
    if not parts.settings.train:
        return f"**{shown}**: a test on {escaped(data.test_source.name)}"
    return (
        f"**{shown}**, learned from {len(data.train_indices):,} images of "
        f"{escaped(data.train_source.name)}; {parts.parameters:,} parameters, "
        f"seed {parts.settings.seed}"
    )


def _ended(parts: Parts) -> str:
    """Say in a line how far the training came, and which epoch is the best."""
    trainer, checkpoint = parts.trainer, parts.checkpoint
    if not parts.settings.train:
        return f"Finished; the checkpoint was {code(parts.settings.ckpt_path or 'not given')}"
    epochs = f"{trainer.current_epoch} epoch{'s' * (trainer.current_epoch != 1)}"
    steps = f"Finished after {epochs}, {trainer.global_step:,} steps"
    if checkpoint is None or checkpoint.best_epoch is None or checkpoint.best_score is None:
        return steps
    best = f"{code(checkpoint.monitor)} {checkpoint.best_score:.4f}"
    return f"{steps}; best epoch {checkpoint.best_epoch}, counted from 0, by {best}"


def _figures(
    parts: Parts,
    heads: Heads,
    metrics: Mapping[str, float],
    split: str,
    constant: Mapping[str, float],
) -> str:
    """Say in a line the figure by which each of the first heads is judged."""
    images = len(parts.data.test_indices) if split == "test" else len(parts.data.val_indices)
    what = "Test" if split == "test" else "Best validation"
    found = []
    for name, head in heads.items():
        metric = parts.module.head_metrics.judge(name)
        value = metrics.get(f"{split}/{name}_{metric.name}")
        if value is None:
            continue
        text = f"{escaped(head.shown)} {metric.short} **{metric.shown(value, escaped(head.unit))}**"
        if name in constant:
            text += f" ({metric.shown(constant[name], escaped(head.unit))})"
        found.append(text)
    more = f" and {len(found) - _OPENING_HEADS} more" if len(found) > _OPENING_HEADS else ""
    against = ", with that of a constant answer in brackets" if constant else ""
    return f"{what} on {images:,} images{against}: {', '.join(found[:_OPENING_HEADS])}{more}"


def _command() -> list[str]:
    return ["It was started by", "", fenced(typed_command())]


def _table(
    parts: Parts,
    heads: Heads,
    metrics: Mapping[str, float],
    split: str,
    constant: Mapping[str, float],
) -> list[str]:
    there = [m for m in METRICS.values() if any(f"{split}/{h}_{m.name}" in metrics for h in heads)]
    titles = [metric.title for metric in there] + (["constant answer"] if constant else [])
    rows = ["| head | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(titles)]
    for name, head in heads.items():
        values = [(metric, metrics.get(f"{split}/{name}_{metric.name}")) for metric in there]
        cells = ["" if v is None else m.shown(v, escaped(head.unit)) for m, v in values]
        if constant:
            cells.append(_constant_cell(parts, head, constant.get(name)))
        rows.append(f"| {escaped(head.shown)} | " + " | ".join(cells) + " |")
    return rows


def _constant_cell(parts: Parts, head: Head, value: float | None) -> str:
    if value is None:
        return ""
    metric = parts.module.head_metrics.judge(head.name)
    return f"{metric.short} {metric.shown(value, escaped(head.unit))}"
