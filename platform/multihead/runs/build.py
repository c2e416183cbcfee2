"""Build the objects of a run from its configuration. No other module does this.

This module and `checks` detect every error of the user before a run is recorded.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.callbacks import BaseFinetuning, Callback, Checkpoint, ProgressBar
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from multihead.data.datamodule import MultiheadDataModule, Part
from multihead.data.ranks import Ranks
from multihead.data.source import Trained
from multihead.errors import ConfigError, MultiheadError, message_of
from multihead.metrics import registry
from multihead.metrics.metric import Metric
from multihead.metrics.own import own
from multihead.models.network import MultiheadNetwork
from multihead.models.own_network import own_network
from multihead.runs.checks import (
    BUILD_ERRORS,
    check_checkpoint,
    check_optimizer,
    check_per_head,
    check_step,
    check_test_part,
    reason_of,
    refusals,
    take_fits,
    take_normalisation,
    trained_on,
)
from multihead.runs.devices import (
    Devices,
    OneMachine,
    check_gradients,
    check_last_batch,
    devices_of,
    make_strategy,
)
from multihead.runs.directions import check_modes, with_mode
from multihead.runs.former_names import with_current_names
from multihead.runs.going_on import check_averaging, check_schedule_goes_on, check_settings_go_on
from multihead.runs.heads_left import check_heads_left
from multihead.runs.limits import check_limits, check_ours, why_no_validation
from multihead.runs.no_effect import check_effects
from multihead.runs.schema import locate, with_whole_numbers
from multihead.runs.sections import (
    DataSection,
    ModelSection,
    Node,
    RunConfig,
    RunSection,
    TrainerSection,
)
from multihead.runs.start import DIGEST, FROM, Start, start_network, with_file
from multihead.runs.tensors import with_tensors
from multihead.seeding import seed_everything
from multihead.settings import home_folder
from multihead.text import nearest
from multihead.tracking.logger import RunLogger
from multihead.training.affinity import TaskAffinity
from multihead.training.checkpoints import RECORD, AtomicCheckpointIO, RunCheckpoint
from multihead.training.conflict import GradientConflict
from multihead.training.gathering import Gathering
from multihead.training.hardware import choose_precision
from multihead.training.interrupts import Interrupts, StopOnSignal
from multihead.training.lightning_patches import (
    leave_signals_alone,
    skip_idle_hooks,
    stop_looking_for_gpus,
)
from multihead.training.metrics import metric_names
from multihead.training.module import MultiheadLitModule
from multihead.training.patience import OwnPatience
from multihead.training.synced_stop import StopTogether

# A `_target_` may also raise these, for packages that are not installed and for absurd numbers.
_MAKE_ERRORS = (*BUILD_ERRORS, OmegaConfBaseException, ImportError, ArithmeticError)


@dataclass
class Parts:
    """The objects of a run, checked to fit together.

    Attributes:
        data: Images and labels, read and split.
        module: The network with its criteria and weights.
        trainer: Lightning's trainer.
        logger: Gets its run when one is recorded.
        checkpoint: The callback that keeps best.ckpt and last.ckpt, or None.
        conflict: The callback that measures conflicts of the heads' gradients, or None.
        affinity: The callback that measures which heads help each other, or None.
        interrupts: Stores the received signals.
        settings: What the run does: train, test, seed and so on.
        ranks: The rank of this process, and the number of processes.
        start: The source of the network's initial weights; None for random weights or a checkpoint.
    """

    data: MultiheadDataModule
    module: MultiheadLitModule
    trainer: pl.Trainer
    logger: RunLogger
    checkpoint: RunCheckpoint | None
    conflict: GradientConflict | None
    affinity: TaskAffinity | None
    interrupts: Interrupts
    settings: RunSection
    ranks: Ranks
    start: Start | None = None

    def join(self) -> None:
        """Use only this rank's part of each batch from now on; call it when ranks are connected."""
        self.data.ranks, self.module.gathering = self.ranks, Gathering(self.ranks)

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.module.parameters() if p.requires_grad)


def build(
    config: Mapping[str, Any],
    *,
    opened: dict[str, MultiheadDataModule] | None = None,
    rank: int = 0,
) -> Parts:
    """Check a composed configuration in plain types, then call `build_run`.

    Raises:
        MultiheadError: For every error of the user, in one line.
    """
    checked = RunConfig.checked(config).composed
    return build_run(RunConfig.of(with_file(checked)), opened=opened, rank=rank)


def build_run(
    config: RunConfig,
    interrupts: Interrupts | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    opened: dict[str, MultiheadDataModule] | None = None,
    rank: int = 0,
) -> Parts:
    """Make every object of a run and check that they fit.

    Args:
        config: A checked configuration.
        interrupts: Stores the received signals; None for a new object.
        callbacks: Callbacks in addition to those of the configuration.
        opened: Data that earlier runs of this process read; see `build_data`.
        rank: Rank of this process among those that train together.

    Raises:
        MultiheadError: For every error of the user, in one line.
    """
    run, devices = config.run, devices_of(config.trainer, config.data.batch_size)
    if not run.train and run.ckpt_path is None:
        raise ConfigError("train is false and ckpt_path is not set; name a checkpoint to evaluate.")
    tested = None if run.train or run.ckpt_path is None else trained_on(run.ckpt_path)
    data = build_data(config.data, opened, test=run.test, tested=tested)
    check_heads_left(config.composed, list(data.heads))
    if run.ckpt_path is not None:
        take_fits(data, run.ckpt_path)
        if run.train and config.model.starts_from_weights:
            take_normalisation(data, run.ckpt_path)
    seed_everything(run.seed)
    module, start = start_module(config.model, data, from_checkpoint=run.ckpt_path is not None)
    configured = build_callbacks(config.callbacks)
    checkpoint = next((c for c in configured if isinstance(c, RunCheckpoint)), None)
    held: Mapping[str, Any] = {}
    if run.ckpt_path is not None:
        regrouped = any(isinstance(callback, BaseFinetuning) for callback in configured)
        held = check_checkpoint(run.ckpt_path, module, to_train=run.train, regrouped=regrouped)
        if not run.train:
            data.normalise_as(held[RECORD]["mean"], held[RECORD]["std"])
    if run.train:
        names = logged_metrics(module, data, validates=config.trainer.validates)
        check_monitors(_monitors(config, module), names, why_no_validation(config.trainer.node))
        check_per_head(checkpoint, module, names)
        if run.ckpt_path is None:  # a resumed run of an earlier release keeps its settings
            check_ours(config.trainer.node)
            check_effects(config.trainer.node, module, configured)
            check_modes(config.callbacks, _scheduler(config.model), module.optimization.monitor)
    check_limits(config.trainer.node, _batches_read(data, run))
    interrupts, logger = interrupts or Interrupts(), RunLogger()
    ours = [OwnPatience(configured), StopOnSignal(interrupts), StopTogether()]
    together = [*configured, *callbacks, *ours]
    ranks = Ranks(rank, devices.count)
    trainer = build_trainer(
        config.trainer, together, logger, module, devices, ranks, home=config.home
    )
    parts: list[Part] = ["val", "test"] if run.test else ["val"]
    module.head_metrics.check_memory({part: len(data.indices(part)) for part in parts})
    if run.train:
        check_gradients(devices, str(trainer.precision), module, configured)
        check_optimizer(module, trainer, data)
        check_averaging(configured, trainer, data, run.ckpt_path, held)
        if run.ckpt_path is not None:
            check_schedule_goes_on(run.ckpt_path, held, module, trainer, data)
            check_settings_go_on(run.ckpt_path, held, module)
        check_last_batch(module, data, devices.count)
    return Parts(
        data=data,
        module=module,
        trainer=trainer,
        logger=logger,
        checkpoint=checkpoint,
        conflict=next((c for c in configured if isinstance(c, GradientConflict)), None),
        affinity=next((c for c in configured if isinstance(c, TaskAffinity)), None),
        interrupts=interrupts,
        settings=run,
        ranks=ranks,
        start=start,
    )


def build_data(
    section: DataSection,
    opened: dict[str, MultiheadDataModule] | None = None,
    *,
    test: bool = False,
    tested: Trained | None = None,
) -> MultiheadDataModule:
    """Read the data and split them.

    Args:
        section: The data section of a configuration.
        opened: Data that earlier runs of this process read, by their settings. Equal data are
            shared and new data added. With None, the data are always read again.
        test: Whether the test split will be read, so that it is checked too.
        tested: What the network of a checkpoint was trained on, if it is only tested. Data that
            support this are read in the same way.

    Raises:
        DataError: For files that are missing, damaged or malicious.
        ConfigError: For sizes, maps or settings that do not fit the data.
    """
    data = _make(with_whole_numbers(section.node, "data"), "data")
    if not isinstance(data, MultiheadDataModule):
        raise ConfigError(
            f"data._target_ makes a {type(data).__name__}, not a MultiheadDataModule."
        )
    as_trained = tested is not None and data.read_as(tested)
    if opened is not None:
        data.share(opened.setdefault(section.files, data))
    if not as_trained:
        data.check_labels()
    if test:
        check_test_part(data)
    return data


def start_module(
    section: ModelSection, data: MultiheadDataModule, *, from_checkpoint: bool
) -> tuple[MultiheadLitModule, Start | None]:
    """Make network and module, and return the source of the initial weights or None.

    Args:
        section: The model section of a configuration.
        data: The data, read and split.
        from_checkpoint: Whether weights are loaded later, so that no initial weights are needed.

    Raises:
        ConfigError: If heads, weights, criteria, network and data do not fit together.
    """
    model = dict(section.node)
    channels, height, width = data.image_shape
    derived = {"input_channels": channels, "input_size": (height, width)}
    if section.takes_heads_of_data:
        derived["heads_config"] = data.num_classes
    del model["net"]
    net = make_network(section.net, derived, from_checkpoint=from_checkpoint)
    if net.initial_images and not from_checkpoint:
        net.initialise_from(data.training_images(net.initial_images))
    start = None if from_checkpoint else start_network(model, net, data)
    for key in (FROM, DIGEST):
        model.pop(key, None)
    model["scheduler"] = _scheduler(section) or None
    module = _make(with_tensors({**model, "_partial_": True}, locate), "model", net=net)
    if not isinstance(module, MultiheadLitModule):
        raise ConfigError(
            f"model._target_ makes a {type(module).__name__}; it must make a MultiheadLitModule."
        )
    module.configure_from(data)
    check_step(module, data)
    return module, start


def _scheduler(section: ModelSection) -> Node:
    """Return the scheduler's node; a ReduceLROnPlateau gets the `mode` of its metric."""
    node: Node = section.node.get("scheduler") or {}
    if not section.scheduler.endswith("ReduceLROnPlateau"):
        return node
    learn_metrics(section)
    return with_mode(node, section.node.get("scheduler_monitor"), locate, "model.scheduler")


def learn_metrics(section: ModelSection) -> None:
    """Register the user's own metrics that `model.metrics` names.

    This needs neither the data nor the network.

    Raises:
        ConfigError: If a metric cannot be made, or does not define whether higher is better.
    """
    for head, chosen in section.metrics.items():
        for node in chosen if isinstance(chosen, list) else ():
            if isinstance(node, Mapping):
                made = _make(node, f"model.metrics.{head}")
                registry.join([made if isinstance(made, Metric) else own(made)])


def make_network(
    node: Node, derived: Mapping[str, Any], *, from_checkpoint: bool = False
) -> MultiheadNetwork:
    """Make a network.

    Args:
        node: The network's node. A recorded node must first be checked by `runs.trust`.
        derived: Arguments from the data or a checkpoint, used where the node has none.
        from_checkpoint: Whether weights are loaded later, so that no initial weights are needed.

    Raises:
        ConfigError: If the target is not a module class and does not return a module, or if it
            refuses its arguments.
    """
    target = locate(node.get("_target_"), "model.net._target_")
    if isinstance(target, type) and not issubclass(target, nn.Module):
        raise ConfigError(
            f"model.net._target_ is {node['_target_']}; it must be a subclass of torch.nn.Module "
            f"that turns images into features, a function that makes one, or a MultiheadNetwork."
        )
    refused: tuple[type[Exception], ...] = (*_MAKE_ERRORS, *refusals(target))
    # Hydra's instantiate is not used, because it would also call every target inside the node.
    given = {k: v for k, v in node.items() if v is not None or k not in derived}
    given.pop("_target_")
    try:
        if not (isinstance(target, type) and issubclass(target, MultiheadNetwork)):
            return own_network(target, derived, given)
        if from_checkpoint:
            given = {k: v for k, v in given.items() if k not in target.initial_weights}
        return target(**{**derived, **given})
    except refused as error:
        raise ConfigError(f"model.net cannot be built: {reason_of(error, target)}") from error


def build_callbacks(nodes: Mapping[str, Node]) -> list[Callback]:
    """Make the callbacks of a configuration.

    Raises:
        ConfigError: If a target does not make a callback, or refuses its arguments.
    """
    callbacks = []
    for name, node in nodes.items():
        path = f"callbacks.{name}"
        callback = _make(with_mode(node, node.get("monitor"), locate, path), path)
        if not isinstance(callback, Callback):
            raise ConfigError(
                f"callbacks.{name} makes a {type(callback).__name__}, not a callback."
            )
        callbacks.append(callback)
    return callbacks


def _monitors(config: RunConfig, module: MultiheadLitModule) -> dict[str, str | None]:
    """Return the metrics that a run depends on, by the keys that name them."""
    monitors = {"optimized_metric": config.run.optimized_metric}
    for name, node in config.callbacks.items():
        monitors[f"callbacks.{name}.monitor"] = node.get("monitor")
    if config.model.scheduler.endswith("ReduceLROnPlateau"):
        monitors["model.scheduler_monitor"] = module.optimization.monitor
    return monitors


def _batches_read(data: MultiheadDataModule, run: RunSection) -> dict[str, int]:
    """Return the number of batches of each part (train, val, test) that a run will read."""
    parts: list[Part] = ["train", "val"] if run.train else []
    parts += ["test"] if run.test else []
    return {part: data.count_batches(part) for part in parts}


def check_monitors(
    monitors: Mapping[str, str | None], names: Sequence[str], unvalidated: str | None = None
) -> None:
    """Check that every monitored metric is logged.

    Args:
        monitors: The metrics that a run depends on, by the keys that name them.
        names: The metrics that the run logs.
        unvalidated: The reason why the run never validates, or None if it does.

    Raises:
        ConfigError: If one is not logged; the message names the monitor and the nearest metric.
    """
    for key, metric in monitors.items():
        if metric is not None and metric.startswith("val/") and unvalidated:
            raise ConfigError(
                f"{key} is {metric!r}, which this run will not log, because it never validates: "
                f"{unvalidated}. Validate, or set {key} to null or to a metric of training."
            )
        if metric is not None and metric not in names:
            raise ConfigError(
                f"{key} is {metric!r}, which this run will not log{nearest(metric, names)}; "
                f"logged are: {', '.join(names)}."
            )


def logged_metrics(
    module: MultiheadLitModule, data: MultiheadDataModule, *, validates: bool = True
) -> list[str]:
    """Return the metrics that training will log, without those of the test.

    Args:
        module: Has the metrics of the heads.
        data: Has the number of labels of each head.
        validates: Whether validation batches are read, if there are any.
    """
    validates = validates and len(data.val_indices) > 0
    parts: list[Part] = ["train", "val"] if validates else ["train"]
    splits = {part: [n for n, count in data.label_counts(part).items() if count] for part in parts}
    weighted = module.eval_weights is not None
    return metric_names(
        module.head_metrics, splits, weighted=weighted, balanced=module.balancer.changes
    )


def build_trainer(
    section: TrainerSection,
    callbacks: list[Callback],
    logger: RunLogger,
    module: MultiheadLitModule,
    devices: Devices,
    ranks: Ranks,
    *,
    home: str,
) -> pl.Trainer:
    """Make Lightning's trainer for the run's devices.

    Args:
        section: The trainer section of a configuration.
        callbacks: All callbacks of the run.
        logger: The run's logger.
        module: Has the network, for the strategy.
        devices: The devices of the run.
        ranks: The rank of this process, and the number of processes.
        home: The folder of runs.

    Raises:
        ConfigError: If the trainer refuses its settings.
    """
    settings = dict(section.node)
    if section.precision is None:
        settings["precision"] = choose_precision(devices.kind).value
    plugins: list[Any] = [
        AtomicCheckpointIO(home_folder(home)),
        OneMachine(ranks),
    ]
    objects: dict[str, Any] = {}
    if devices.count > 1:
        synced = bool(settings.pop("sync_batchnorm", True))
        objects["strategy"], further = make_strategy(devices, module, sync_batchnorm=synced)
        plugins += further
        del settings["strategy"]
    stop_looking_for_gpus(devices.kind)
    skip_idle_hooks(callbacks)
    has_bar = any(isinstance(callback, ProgressBar) for callback in callbacks)
    settings |= {
        "enable_progress_bar": settings.get("enable_progress_bar", has_bar),
        "enable_model_summary": settings.get("enable_model_summary", False),
        "default_root_dir": home,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = _make(
            {**settings, "_partial_": True},
            "trainer",
            callbacks=callbacks,
            logger=logger,
            plugins=plugins,
            # Without this, Lightning adds its own checkpoint callback if there is none.
            enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
            **objects,
        )
    assert isinstance(trainer, pl.Trainer)
    if devices.count > 1:
        leave_signals_alone(trainer)
    return trainer


def _make(node: Node, path: str, **objects: Any) -> Any:
    """Instantiate a node. If `objects` are given, call the partial result with them."""
    try:
        made = instantiate(with_current_names(node), _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, MultiheadError):
            raise cause from error
        raise ConfigError(f"{path} cannot be built: {reason_of(cause or error)}") from error
    except _MAKE_ERRORS as error:
        raise ConfigError(f"{path} cannot be built: {message_of(error)}") from error
    if not objects:
        return made
    target = locate(node["_target_"], f"{path}._target_")
    refused: tuple[type[Exception], ...] = (*_MAKE_ERRORS, *refusals(target))
    try:
        return made(**objects)
    except refused as error:
        raise ConfigError(f"{path} cannot be built: {reason_of(error, target)}") from error
