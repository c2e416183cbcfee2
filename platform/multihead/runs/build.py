"""The only place that makes objects of a configuration, and finds what cannot run.

Everything a user can get wrong is found here, before a run is recorded anywhere.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from torch.optim.lr_scheduler import ReduceLROnPlateau

from multihead.data.datamodule import LOADER_SETTINGS, MultiheadDataModule
from multihead.errors import CheckpointError, ConfigError, MultiheadError, message_of
from multihead.models.network import MultiheadNetwork
from multihead.runs.config import nearest
from multihead.runs.schema import check_config, locate
from multihead.seeding import seed_everything
from multihead.tracking.logger import RunLogger
from multihead.training.checkpoints import (
    AtomicCheckpointIO,
    RunCheckpoint,
    check_heads,
    check_record,
    check_training_state,
    read_checkpoint,
)
from multihead.training.hardware import choose_precision, resolve_accelerator
from multihead.training.interrupts import Interrupts, StopOnSignal
from multihead.training.lean import skip_idle_hooks, stop_looking_for_gpus
from multihead.training.metrics import metric_names
from multihead.training.module import MultiheadLitModule
from multihead.training.schedules import build_scheduler

_BUILD_ERRORS = (MisconfigurationException, ValueError, TypeError, RuntimeError, OSError)


@dataclass
class Parts:
    """The objects of a run, checked to fit together.

    Attributes:
        data: Images and labels, read and split.
        module: The network with its criteria and weights.
        trainer: Lightning's trainer.
        logger: Gets its run when one is recorded.
        checkpoint: The callback that keeps best.ckpt and last.ckpt, or None.
        interrupts: Where signals are noted.
        start_from: The checkpoint to go on from or to evaluate, or None.
    """

    data: MultiheadDataModule
    module: MultiheadLitModule
    trainer: pl.Trainer
    logger: RunLogger
    checkpoint: RunCheckpoint | None
    interrupts: Interrupts
    start_from: str | None

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.module.parameters() if p.requires_grad)


def build(
    config: Mapping[str, Any],
    interrupts: Interrupts | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    opened: dict[str, MultiheadDataModule] | None = None,
) -> Parts:
    """Make every object of a run and check that they fit.

    Args:
        config: A composed configuration in plain types.
        interrupts: Where signals are noted, if they are.
        callbacks: Further ones than the configuration's.
        opened: Data that earlier runs of this process read; see `build_data`.

    Raises:
        MultiheadError: In one line, for whatever cannot run.
    """
    check_config(config)
    if not config["train"] and config["ckpt_path"] is None:
        raise ConfigError("train is false and ckpt_path is not set; name a checkpoint to evaluate.")
    data = build_data(config, opened)
    seed_everything(config["seed"])
    module = build_module(config, data)
    if config["ckpt_path"] is not None:
        record = check_checkpoint(config["ckpt_path"], module, to_train=config["train"])
        if not config["train"]:
            data.normalise_as(record["mean"], record["std"])
    configured = build_callbacks(config, data, module)
    interrupts, logger = interrupts or Interrupts(), RunLogger()
    together = [*configured, *callbacks, StopOnSignal(interrupts)]
    trainer = build_trainer(config, together, logger)
    if config["train"]:
        check_optimizer(module, trainer)
    kept = [c for c in configured if isinstance(c, RunCheckpoint)]
    return Parts(
        data=data,
        module=module,
        trainer=trainer,
        logger=logger,
        checkpoint=kept[0] if kept else None,
        interrupts=interrupts,
        start_from=config["ckpt_path"],
    )


def build_data(
    config: Mapping[str, Any], opened: dict[str, MultiheadDataModule] | None = None
) -> MultiheadDataModule:
    """Read the data and split them.

    Args:
        config: A composed configuration in plain types.
        opened: Data that earlier runs of this process read, by their settings, to be shared and
            added to; none to read anew.

    Raises:
        DataError: For files that are missing, damaged or hostile.
        ConfigError: For sizes, maps or settings that do not fit the data.
    """
    data = _make(config["data"], "data")
    if not isinstance(data, MultiheadDataModule):
        raise ConfigError(
            f"data._target_ makes a {type(data).__name__}, not a MultiheadDataModule."
        )
    if opened is not None:
        same_files = {k: v for k, v in config["data"].items() if k not in LOADER_SETTINGS}
        data.share(opened.setdefault(json.dumps(same_files, sort_keys=True), data))
    _ = data.train_indices
    if config["test"]:
        _check_test_part(data)
    return data


def _check_test_part(data: MultiheadDataModule) -> None:
    if not len(data.test_indices):
        raise ConfigError(
            "test is true, but data.train_val_test_split has no test images; "
            "give some or set test=false."
        )
    if data.test_source.image_shape != data.image_shape:
        raise ConfigError(
            f"the test images are {data.test_source.image_shape}, the training images "
            f"{data.image_shape} (channels, height, width); they must be equal."
        )


def build_module(config: Mapping[str, Any], data: MultiheadDataModule) -> MultiheadLitModule:
    """Make the network for the data's images and heads, and the module around it.

    Raises:
        ConfigError: If heads, weights, criteria, network and data do not fit together.
    """
    model = dict(config["model"])
    channels, height, width = data.image_shape
    derived = {"input_channels": channels, "input_size": (height, width)}
    if model.get("auto_configure_from_dataset", True):
        derived["heads_config"] = data.num_classes
    net = make_network(model.pop("net"), derived)
    model["scheduler"] = model.get("scheduler") or None
    module = _make({**model, "_partial_": True}, "model", net=net)
    if not isinstance(module, MultiheadLitModule):
        raise ConfigError(f"model._target_ makes a {type(module).__name__}, not a module of ours.")
    module.configure_from(data)
    _check_step(module, data)
    return module


def make_network(node: Mapping[str, Any], derived: Mapping[str, Any]) -> MultiheadNetwork:
    """Make a network; what its node leaves out is derived from the data or a checkpoint.

    Raises:
        ConfigError: If the target is not a MultiheadNetwork (nothing else is called, because
            the node may come from someone else's run), or refuses its arguments.
    """
    target = locate(node.get("_target_"), "model.net._target_")
    if not (isinstance(target, type) and issubclass(target, MultiheadNetwork)):
        raise ConfigError(f"model.net._target_ is {node['_target_']}, not a MultiheadNetwork.")
    # Not Hydra's instantiate: that would also call every target inside the node.
    given = {k: v for k, v in node.items() if v is not None or k not in derived}
    given.pop("_target_")
    try:
        return target(**{**derived, **given})
    except _BUILD_ERRORS as error:
        raise ConfigError(f"model.net cannot be built: {message_of(error)}") from error


def build_callbacks(
    config: Mapping[str, Any], data: MultiheadDataModule, module: MultiheadLitModule
) -> list[Callback]:
    """Make the callbacks, and refuse a monitor of a metric that nobody will log.

    Raises:
        ConfigError: Naming the monitor and the nearest metric.
    """
    names = logged_metrics(config, data, module)
    monitors = {"optimized_metric": config["optimized_metric"]}
    callbacks = []
    for name, node in (config["callbacks"] or {}).items():
        if node is not None:
            monitors[f"callbacks.{name}.monitor"] = node.get("monitor")
            callbacks.append(_make(node, f"callbacks.{name}"))
    scheduler = str((config["model"].get("scheduler") or {}).get("_target_", ""))
    if scheduler.endswith("ReduceLROnPlateau"):
        monitors["model.scheduler_monitor"] = module.scheduler_monitor
    for key, metric in monitors.items():
        if config["train"] and metric is not None and metric not in names:
            raise ConfigError(
                f"{key} is {metric!r}, which this run will not log{nearest(metric, names)}; "
                f"logged are: {', '.join(names)}."
            )
    return callbacks


def logged_metrics(
    config: Mapping[str, Any], data: MultiheadDataModule, module: MultiheadLitModule
) -> list[str]:
    """Return the metrics that training will log (the test split is read after it)."""
    validates = len(data.val_indices) > 0 and config["trainer"].get("limit_val_batches") not in (
        0,
        0.0,
    )
    splits = ["train", "val"] if validates else ["train"]
    heads = module.heads
    assert heads is not None
    return metric_names(heads, splits, weighted=module.eval_weights is not None)


def build_trainer(
    config: Mapping[str, Any], callbacks: list[Callback], logger: RunLogger
) -> pl.Trainer:
    """Make Lightning's trainer for the device there is.

    Raises:
        ConfigError: If the trainer refuses its settings.
    """
    settings = dict(config["trainer"])
    device = resolve_accelerator(str(settings.get("accelerator", "auto")))
    if settings.get("precision") in (None, "auto"):
        settings["precision"] = choose_precision(device).value
    stop_looking_for_gpus(device)
    skip_idle_hooks(callbacks)
    settings |= {
        "enable_progress_bar": settings.get("enable_progress_bar", False),
        "enable_model_summary": settings.get("enable_model_summary", False),
        "default_root_dir": config["paths"]["home"],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = _make(
            {**settings, "_partial_": True},
            "trainer",
            callbacks=callbacks,
            logger=logger,
            plugins=[AtomicCheckpointIO()],
            enable_checkpointing=True,
        )
    assert isinstance(trainer, pl.Trainer)
    return trainer


def check_optimizer(module: MultiheadLitModule, trainer: pl.Trainer) -> None:
    """Make optimizer and scheduler once for nothing, so that a wrong value ends before the run.

    Raises:
        ConfigError: If one of them refuses its arguments, or the epochs make no training.
    """
    if trainer.max_epochs == 0:
        raise ConfigError("trainer.max_epochs is 0; give 1 or more, or train=false to evaluate.")
    spare = [torch.nn.Parameter(torch.zeros(1))]
    try:
        optimizer = module.optimizer(spare)
    except _BUILD_ERRORS as error:
        raise ConfigError(f"model.optimizer cannot be built: {message_of(error)}") from error
    if module.scheduler is None:
        return
    try:
        scheduler = build_scheduler(module.scheduler, optimizer, trainer.max_epochs or 1)
    except _BUILD_ERRORS as error:
        raise ConfigError(f"model.scheduler cannot be built: {message_of(error)}") from error
    if isinstance(scheduler, ReduceLROnPlateau) and module.scheduler_interval != "epoch":
        raise ConfigError(
            "model.scheduler_interval is 'step', but ReduceLROnPlateau watches a metric that is "
            "logged once an epoch; set it to epoch."
        )


def check_checkpoint(path: str, module: MultiheadLitModule, *, to_train: bool) -> dict[str, Any]:
    """Check that a checkpoint is readable and of this network.

    Args:
        path: The checkpoint.
        module: Has the network.
        to_train: Whether a training will go on from it.

    Returns:
        What our module wrote into it.

    Raises:
        CheckpointError: Naming the first difference.
    """
    checkpoint = read_checkpoint(path)
    weights = checkpoint["state_dict"]
    expected = module.state_dict()
    for name, tensor in expected.items():
        there = weights.get(name)
        if not isinstance(there, torch.Tensor) or there.shape != tensor.shape:
            found = "missing" if there is None else f"{list(getattr(there, 'shape', []))}"
            raise CheckpointError(
                f"{path} is of another architecture: {name} is {found} there, but "
                f"{list(tensor.shape)} in this network; choose the experiment it was trained with."
            )
    extra = sorted(set(weights) - set(expected))
    if extra:
        raise CheckpointError(
            f"{path} is of another architecture: it has {extra[0]}, which this network lacks; "
            f"choose the experiment it was trained with."
        )
    assert module.heads is not None
    record = check_record(checkpoint, path)
    check_heads(record, module.heads, path)
    if to_train:
        check_training_state(checkpoint, path)
        _check_optimizer_state(checkpoint, module, path)
    return record


def _check_optimizer_state(
    checkpoint: Mapping[str, Any], module: MultiheadLitModule, path: str
) -> None:
    """Load the optimizer's state into one made for nothing, and take a step with it."""
    parameters = [torch.nn.Parameter(torch.zeros_like(p)) for p in module.parameters()]
    optimizer = module.optimizer(parameters)
    try:
        optimizer.load_state_dict(checkpoint["optimizer_states"][0])
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    except (KeyError, IndexError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} holds the state of another optimizer than {type(optimizer).__name__}; "
            f"choose the one it was trained with."
        ) from error


def _check_step(module: MultiheadLitModule, data: MultiheadDataModule) -> None:
    """Run two blank images through network and criteria, so that misfits end before the run."""
    images = torch.zeros(2, *data.image_shape)
    labels = {name: torch.zeros(2, dtype=torch.long) for name in data.heads}
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            losses, _, _ = module.losses((images, labels))
        if losses.ndim != 1:
            raise ValueError("a criterion must return one number for a batch")
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ConfigError(
            f"network or criteria do not fit the data: {message_of(error)}"
        ) from error
    finally:
        module.train(was_training)


def _make(node: Mapping[str, Any], path: str, **objects: Any) -> Any:
    """Instantiate a node; with `_partial_`, call the result with objects that are not config."""
    try:
        made = instantiate(dict(node), _convert_="all")
        return made(**objects) if objects else made
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, MultiheadError):
            raise cause from error
        raise ConfigError(f"{path} cannot be built: {message_of(cause or error)}") from error
    except _BUILD_ERRORS as error:
        raise ConfigError(f"{path} cannot be built: {message_of(error)}") from error
