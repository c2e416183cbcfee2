"""A run is a function: `execute(config) -> RunResult`.

Studies call it with other weights and learning rates, ablations with other heads and seeds,
the command line with what was typed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from multihead import __version__
from multihead.data.datamodule import MultiheadDataModule, Part
from multihead.data.source import DescribesColumns, Source
from multihead.inspection.redundancy import functional_heads
from multihead.inspection.shared_pictures import shared_pictures
from multihead.inspection.unseen import unseen_labels
from multihead.metrics import registry
from multihead.models.network import MultiheadNetwork
from multihead.runs.affinity import store_affinity
from multihead.runs.augmented import store_augmented
from multihead.runs.build import Parts, build_run
from multihead.runs.collector import few_collections
from multihead.runs.conflict import store_conflict
from multihead.runs.fingerprint import HASH_TAG, SETTINGS_TAG, config_hash, settings_hash
from multihead.runs.first_step import SendAfterFirstStep
from multihead.runs.group import training_together
from multihead.runs.lifecycle import deserved_status
from multihead.runs.limits import ends_before_validation
from multihead.runs.log_filters import quiet_libraries
from multihead.runs.model import log_run_model
from multihead.runs.numerics import (
    ENVIRONMENT_FILE,
    Numerics,
    inexact,
    numerics_of,
    own_threads_afterwards,
    prepare,
    recorded_numerics,
)
from multihead.runs.per_head import OwnBest, test_heads, unkept_heads
from multihead.runs.profile import profile_into, store_profile
from multihead.runs.results import store_test
from multihead.runs.run_description import describing, finished
from multihead.runs.sections import ModelSection, RunConfig
from multihead.runs.start import Start, called, with_digest, with_file
from multihead.runs.unused import without_effect
from multihead.spreadsheet import write_csv
from multihead.tracking import facts
from multihead.tracking.code import record_code
from multihead.tracking.folder import CONFIG_FILE
from multihead.tracking.run import TrackedRun, flat
from multihead.tracking.secrets import masked_values, shareable, typed_command
from multihead.tracking.store import Store
from multihead.tracking.system import system_metrics
from multihead.tracking.tags import DESCRIPTION_TAG, METRICS_TAG, NOTES_TAG
from multihead.training.checkpoints import BEST, read_checkpoint
from multihead.training.interrupts import Interrupts, RunInterrupted
from multihead.training.metrics import shortest
from multihead.training.probe import asks_for_gradients
from multihead.yaml_file import read_yaml

# Of the many facts of `environment.json`, those worth a column in a list of runs.
_TAGGED_VERSIONS = ("python", "torch")
COLUMNS_FILE, START_FILE = "columns.csv", "init_from.csv"
_NOTED_SAMPLES = 10_000  # that show which heads are functions of others
_INEXACT_TAG = "resumed.inexact"


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Attributes:
        metrics: Last value of every metric of training and test, and `best/<metric>` at the
            epoch of best.ckpt.
        run_id: Our id, the name of the folder; None if nothing was recorded.
        mlflow_id: MLflow's id of the run, or None.
        folder: The run's folder, or None.
        url: The run's page, or None.
        best_checkpoint: best.ckpt, or None.
        optimized_value: `optimized_metric` at the epoch of best.ckpt, or None.
        heads: Number of outputs by head name.
        units: Unit by name of those heads that are parameters; empty text for none.
        notes: Lines a reader of the result should know.
        titles: What people call the heads, by name, where that is another than the name.
        per_head: The best epoch of each head beside the one network, on the test images, where a
            checkpoint of each was kept.
        profile: The folder of the profiler's reports, if `trainer.profiler` asked for them.
    """

    metrics: dict[str, float]
    run_id: str | None = None
    mlflow_id: str | None = None
    folder: Path | None = None
    url: str | None = None
    best_checkpoint: Path | None = None
    optimized_value: float | None = None
    heads: dict[str, int] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    titles: dict[str, str] = field(default_factory=dict)
    per_head: tuple[OwnBest, ...] = ()
    profile: Path | None = None


@dataclass(frozen=True)
class Membership:
    """What whoever starts many runs adds to each: a study to its trials, an ablation to its arms.

    Attributes:
        kind: The tag `multihead.kind`.
        run_id: Our id of the run, made beforehand so that it is known whatever happens; or None.
        tags: Further tags, such as the parent run.
        callbacks: Further callbacks of the training.
        opened: Data that earlier runs of this process read; see `build_data`.
    """

    kind: str = "run"
    run_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    callbacks: Sequence[Callback] = ()
    opened: dict[str, MultiheadDataModule] | None = None


class Announcer:
    """Told what a person would want to know while a run goes on; says nothing by itself."""

    def started(self, run: TrackedRun | None, parts: Parts, notes: list[str]) -> None:
        """Hear that the run is recorded (or not) and about to train."""

    def known(self, run: TrackedRun) -> None:
        """Hear that the store knows a run that it was told of after its first step, or is away."""


def execute(
    config: Mapping[str, Any],
    *,
    resume: str | None = None,
    announcer: Announcer | None = None,
    member: Membership | None = None,
    like: Numerics | None = None,
) -> RunResult:
    """Train, test and record one run.

    Args:
        config: A composed configuration in plain types.
        resume: Our id of a run to go on with, in the same record, or None.
        announcer: Told of the start.
        member: What the study or ablation adds to which the run belongs, if it does.
        like: Tags of a run whose threads and precision a new one is to have, where they can be
            had; one that goes on has its own.

    Raises:
        MultiheadError: For what a user can mend; nothing is recorded unless training began.
        RunInterrupted: After SIGTERM or Ctrl-C, with the run marked KILLED.
        RunPaused: If a callback of the member's pauses it; the run is marked KILLED.
    """
    interrupts = Interrupts()
    with quiet_libraries(), interrupts.installed(), own_threads_afterwards():
        asked = RunConfig.of(with_digest(RunConfig.checked(config).composed))
        store = asked.store()
        # A worker has imported MLflow already, and a run that goes on is refused before it trains.
        is_new = asked.run.train and member is None and resume is None
        later = SendAfterFirstStep() if is_new else None
        member = member or Membership("run" if asked.run.train else "evaluation")
        step, before = _left_at(store, asked.run.ckpt_path, resume)
        settled = prepare(asked, before if like is None else like)
        settled = RunConfig.of(with_file(settled.composed))
        callbacks = [*member.callbacks, *([] if later is None else [later])]
        parts = build_run(settled, interrupts, callbacks=callbacks, opened=member.opened)
        parts.module.numerics = numerics_of(parts)
        changed = inexact(before, parts.module.numerics)
        left_out = parts.data.notes if asked.run.train else ()
        start = None if parts.start is None else called(parts.start, asked.composed)
        of_start = [] if start is None else start.notes
        of_data = [*left_out, *_notes(parts), *_across_parts(parts, member)]
        found = [*of_start, *of_data, *unkept_heads(parts)]
        found += _unvalidated(asked, parts)
        notes = [*([changed] if changed else []), *found]
        announcer = announcer or Announcer()
        if asked.trainer.tries_only:
            announcer.started(None, parts, ["fast_dev_run: nothing is recorded", *notes])
            with training_together(parts, settled, None):
                return _train_and_test(parts, None, notes, None)
        interrupts.held = True  # until there is somebody to give the run its status
        run = _open(store, asked, resume, member, step, later=later is not None)
        with deserved_status(run, interrupts):
            interrupts.release()
            _record_start(run, asked, parts, notes)
            if member.kind != "trial":  # of which there may be thousands, all of one table
                _record_columns(run, parts)
            if asked.run.train and member.kind != "trial":  # a study keeps few pictures
                store_augmented(run, parts.data)
            if start is not None:
                _record_weights(run, start)
            if changed:
                run.set_tags({_INEXACT_TAG: changed})  # that stays when the run goes on once more
            parts.logger.run = run
            if parts.checkpoint is not None:
                parts.checkpoint.dirpath = run.folder / "checkpoints"
                before_it = asked.run.ckpt_path
                parts.checkpoint.start_from = Path(before_it) if before_it else None
                parts.checkpoint.saved = partial(_note_checkpoint, run)
            profile_into(parts.trainer, run.folder)
            announcer.started(run, parts, notes)
            if later is None:
                run.pace()
            else:
                later.run, later.known = run, partial(announcer.known, run)
            checkpoints = run.folder / "checkpoints"
            is_part = member.kind not in ("run", "evaluation")
            with (
                system_metrics(run.log_metrics, run.age),
                training_together(parts, settled, checkpoints),
                describing(run, parts, is_part=is_part),
            ):
                result = _train_and_test(parts, run, notes, later)
            store_conflict(run, parts)
            store_affinity(run, parts)
            result = replace(result, profile=store_profile(run, parts.trainer))
            is_trial = member.kind == "trial"
            text = finished(parts, result.metrics, run.run_id, result.per_head, is_trial=is_trial)
            run.set_tags({DESCRIPTION_TAG: text})
            if asked.run.train and member.kind != "trial":  # a study keeps few of them
                notes += log_run_model(run, parts.data, asked.model.net)
        # Only now has the store been told everything there was time for.
        return replace(result, mlflow_id=run.mlflow_id, url=run.url, notes=tuple(notes))


def _left_at(store: Store, start: str | None, resume: str | None) -> tuple[int, dict[str, str]]:
    """Return the step from which a run goes on, and what it was trained with up to there."""
    if resume is None:
        return 0, {}
    # None: it stopped before its first checkpoint.
    checkpoint = {} if start is None else read_checkpoint(start)
    return checkpoint.get("global_step", 0), recorded_numerics(store.home / resume, checkpoint)


def _open(
    store: Store,
    config: RunConfig,
    resume: str | None,
    member: Membership,
    step: int,
    *,
    later: bool,
) -> TrackedRun:
    if resume is not None:
        return TrackedRun.reopen(store, resume, config.composed, from_step=step)
    return TrackedRun.create(
        store,
        config.logger.experiment_name,
        config.composed,
        name=config.run.name,
        kind=member.kind,
        run_id=member.run_id,
        tags=member.tags,
        later=later,
    )


def _train_and_test(
    parts: Parts, run: TrackedRun | None, notes: list[str], later: SendAfterFirstStep | None
) -> RunResult:
    trainer, module, data, to_do = parts.trainer, parts.module, parts.data, parts.settings
    try:
        if to_do.train:
            with few_collections():
                trainer.fit(module, data, ckpt_path=to_do.ckpt_path)
            if later is not None:
                later.settle()
            if parts.checkpoint is not None:
                parts.checkpoint.check_best()
        metrics = {name: shortest(value) for name, value in trainer.callback_metrics.items()}
        best_metrics = dict(parts.checkpoint.best_metrics) if parts.checkpoint else {}
        best = {f"best/{n}": v for n, v in best_metrics.items() if "/" in n}
        if best and run is not None:
            run.log_metrics(best, trainer.global_step)
        per_head: tuple[OwnBest, ...] = ()
        if to_do.test:
            tested, per_head = _test(parts, run)
            metrics |= tested
    except SystemExit as stop:  # Lightning's answer to a signal it saw before we did
        if parts.interrupts.received is not None:
            raise RunInterrupted(parts.interrupts.received) from stop
        raise
    heads = module.heads or data.heads
    best_file = None if run is None else run.folder / "checkpoints" / BEST
    return RunResult(
        metrics={k: v for k, v in (metrics | best).items() if k not in ("step", "epoch")},
        run_id=run.run_id if run else None,
        folder=run.folder if run else None,
        best_checkpoint=best_file if best_file and best_file.exists() else None,
        optimized_value=(best_metrics or metrics).get(to_do.optimized_metric or ""),
        heads=heads.outputs,
        units={name: head.unit for name, head in heads.items() if head.has_range},
        notes=tuple(notes),
        titles={name: head.title for name, head in heads.items() if head.title},
        per_head=per_head,
    )


def _test(parts: Parts, run: TrackedRun | None) -> tuple[dict[str, float], tuple[OwnBest, ...]]:
    """Read the test split once for each checkpoint: best.ckpt where there is one, and of heads."""
    best = None if parts.checkpoint is None else parts.checkpoint.folder / BEST
    if not parts.settings.train:
        chosen = parts.settings.ckpt_path
    elif run is not None and best is not None and best.exists():
        chosen = str(best)
    else:
        chosen = None
    chosen = parts.trainer.strategy.broadcast(chosen)  # to the other processes, if there are any
    (metrics,) = parts.trainer.test(parts.module, parts.data, ckpt_path=chosen, verbose=False)
    measured = {name: shortest(value) for name, value in metrics.items()}
    found = {} if run is None else store_test(run, parts, measured)
    of_heads, compared = test_heads(parts, run, measured)
    return measured | found | of_heads, compared


def _record_start(run: TrackedRun, config: RunConfig, parts: Parts, notes: list[str]) -> None:
    """Record everything that is known before training."""
    versions, hardware, git = facts.versions(), facts.hardware(), facts.git_state()
    # A resumed run goes on from a checkpoint of its own; what it once began from stays on record.
    recorded = read_yaml(run.folder / CONFIG_FILE)
    begun = {**config.composed, "ckpt_path": recorded.get("ckpt_path")}
    measured = parts.module.head_metrics.of_head
    tags = {
        "multihead.version": __version__,
        "multihead.tags": ",".join(map(str, config.run.tags)),
        **{f"tag.{tag}": "true" for tag in config.run.tags},
        **{f"git.{key}": value for key, value in git.items()},
        **{f"version.{key}": versions[key] for key in _TAGGED_VERSIONS},
        **{f"hardware.{key}": value for key, value in hardware.items()},
        **parts.module.numerics,
        "parameters": str(parts.parameters),
        HASH_TAG: config_hash(begun),
        SETTINGS_TAG: settings_hash(begun),
        NOTES_TAG: "; ".join(notes),
        METRICS_TAG: registry.to_record(chain.from_iterable(measured.values())),
        "mlflow.user": facts.user(),
        "mlflow.source.name": "multihead",
        "multihead.command": typed_command(),
        "mlflow.source.type": "LOCAL",
    }
    if "commit" in git:
        tags["mlflow.source.git.commit"] = git["commit"]
    run.set_tags(tags)
    record_code(run)
    run.log_params(flat(masked_values(config.composed)) | _derived(config.model, parts))
    _record_data(run, parts)
    record = {
        "command": typed_command(),
        "versions": versions,
        "hardware": hardware,
        "git": git,
        "numerics": parts.module.numerics,
        "installed": facts.installed(),
    }
    (run.folder / ENVIRONMENT_FILE).write_text(json.dumps(record, indent=2))
    run.log_file(run.folder / ENVIRONMENT_FILE)
    run.log_file(shareable(run.folder / CONFIG_FILE))


def _record_columns(run: TrackedRun, parts: Parts) -> None:
    """Record what each column of a table became."""
    source = parts.data.train_source
    if isinstance(source, DescribesColumns):
        write_csv(source.described, run.folder / COLUMNS_FILE)
        run.log_file(run.folder / COLUMNS_FILE)


def _record_weights(run: TrackedRun, start: Start) -> None:
    """Record what the network's weights started from, and what fitted."""
    run.set_tags({name: value for name, value in start.tags.items() if value})
    if start.fits:
        write_csv(start.table(), run.folder / START_FILE)
        run.log_file(run.folder / START_FILE)


def _derived(model: ModelSection, parts: Parts) -> dict[str, str]:
    """Return what the configuration comes to: sizes, and the learning rate at the start."""
    batch, devices = parts.data.batch_size, parts.ranks.world_size
    found: dict[str, float] = {
        "num_parameters": parts.parameters,
        "world_size": devices,
        "global_batch_size": batch,
        "device_batch_size": -(-batch // devices),  # of the device that has most of it
    }
    if model.learning_rate is not None:
        factor = parts.module.optimization.scaling.factor(batch)
        found["learning_rate"] = model.learning_rate * factor
    derived = {name: str(value) for name, value in found.items()}
    return derived | parts.module.weights_of_labels.record()


def _record_data(run: TrackedRun, parts: Parts) -> None:
    data = parts.data
    used: dict[Part, tuple[Source, int]] = {"train": (data.train_source, len(data.train_indices))}
    if parts.settings.test:
        used["test"] = (data.test_source, len(data.test_indices))
    for context, (source, count) in used.items():
        digest = source.digest()
        profile = {
            "images": count,
            "images_in_file": len(source),
            "image_shape": source.image_shape,
            "heads": data.num_classes,
            "labels": data.label_counts(context),
            "split_seed": data.seed,
        }
        run.log_dataset(
            name=source.name,
            digest=digest,
            context=context,
            source=data.place,
            profile=profile,
        )
        run.set_tags({f"data.{context}_digest": digest, "data.name": source.name})


def _note_checkpoint(run: TrackedRun, name: str, digest: str) -> None:
    run.note_file(f"checkpoints/{name}", digest)
    run.flush()


def _notes(parts: Parts) -> list[str]:
    data = parts.data
    labels = data.train_source.take_labels(data.train_indices[:_NOTED_SAMPLES])
    by_base: dict[str, list[str]] = {}
    for head, base in functional_heads(labels, data.heads).items():
        by_base.setdefault(base, []).append(head)
    of_kinds = [head.kind.notes(head, labels[name]) for name, head in data.heads.items()]
    module = parts.module
    of_start: list[str] = []
    if parts.settings.train and isinstance(module.net, MultiheadNetwork):
        of_start = module.finetuning.notes(module.net, parts.trainer.max_epochs or 1)
        of_start += _idle(parts)
    return [
        *of_start,
        *without_effect(data, module),
        *data.train_source.notes,
        *chain.from_iterable(of_kinds),
        *_functions(by_base),
    ]


def _idle(parts: Parts) -> list[str]:
    """Return what needs parameters that the heads share, where none of these train."""
    module = parts.module
    if module.balancer.is_alone or module.shared_parameters():
        return []
    callbacks = parts.trainer.callbacks  # type: ignore[attr-defined]
    idle = asks_for_gradients(module.balancer, callbacks)
    if not idle:
        return []
    return [
        f"{' and '.join(idle)} {'has' if len(idle) == 1 else 'have'} no effect: the heads share no "
        f"parameters that train"
    ]


def _unvalidated(asked: RunConfig, parts: Parts) -> list[str]:
    """Return that there will be no best.ckpt, where steps end before the first validation."""
    if asked.run.ckpt_path is not None or not asked.run.train or parts.checkpoint is None:
        return []
    if not ends_before_validation(asked.trainer.node, parts.data.count_batches("train")):
        return []
    return [
        "trainer.max_steps ends the training before its first validation: there will be last.ckpt, "
        "but no best.ckpt"
    ]


def _across_parts(parts: Parts, member: Membership) -> list[str]:
    """Return labels that the training lacks, and pictures that parts share, if seen in passing."""
    if (
        not parts.settings.train or member.kind == "trial"
    ):  # of which there are many, all of one split
        return []
    data = parts.data
    used = {
        "training": (data.train_source, data.train_indices),
        "validation": (data.train_source, data.val_indices),
    }
    if parts.settings.test:
        used["test"] = (data.test_source, data.test_indices)
    return [*unseen_labels(used), *shared_pictures(used)]


def _functions(by_base: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        f"{' and '.join(heads)} {'is a function' if len(heads) == 1 else 'are functions'} of "
        f"{base}, so {'its' if len(heads) == 1 else 'their'} accuracy follows that of {base}"
        for base, heads in by_base.items()
    ]
