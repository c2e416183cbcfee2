"""Check that the objects of a run fit together, with blank images and dummy parameters."""

import warnings
from collections.abc import Collection, Mapping
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.optim.lr_scheduler import ReduceLROnPlateau

from multihead.data.datamodule import MultiheadDataModule
from multihead.data.source import Trained
from multihead.data.transforms import Mixed
from multihead.errors import CheckpointError, ConfigError, message_of
from multihead.heads import Head
from multihead.training.checkpoints import (
    RECORD,
    RunCheckpoint,
    check_heads,
    check_record,
    check_training_state,
    read_checkpoint,
)
from multihead.training.module import MultiheadLitModule
from multihead.training.schedules import (
    Scheduler,
    accumulates_by_epoch,
    build_scheduler,
    has_own_rates,
    planned_length,
)

# torch, Lightning or a user's own class may raise these for wrong arguments.
BUILD_ERRORS = (MisconfigurationException, ValueError, TypeError, RuntimeError, OSError)


# A class that does not check its arguments may raise these.
_CARELESS = (AttributeError, AssertionError, LookupError)


def refusals(target: object) -> tuple[type[Exception], ...]:
    """Return the exceptions that a class or function may raise for wrong arguments.

    Classes of multihead check their arguments, so another exception is a bug and shows a traceback.

    Args:
        target: The class or function that a `_target_` names.
    """
    ours = getattr(target, "__module__", "").partition(".")[0] == __name__.partition(".")[0]
    return BUILD_ERRORS if ours else (*BUILD_ERRORS, *_CARELESS)


def reason_of(error: BaseException, target: object = None) -> str:
    """Return in one line why something could not be made.

    A class that does not check its arguments often raises an unclear error, so the line then also
    names the class and the type of the error.

    Args:
        error: The exception.
        target: The class or function that raised it, if known.
    """
    if not isinstance(error, _CARELESS):
        return message_of(error)
    name = getattr(target, "__qualname__", "")
    return f"{f'{name} raised ' if name else ''}{type(error).__name__}: {message_of(error)}"


def check_test_part(data: MultiheadDataModule) -> None:
    """Check that there are test images and that they have the size of the training images.

    Raises:
        ConfigError: If there are none, or if they have another size.
    """
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


def check_step(module: MultiheadLitModule, data: MultiheadDataModule) -> None:
    """Run two blank images through network and criteria, to find errors before the run starts.

    Raises:
        ConfigError: If the network or a criterion does not fit the data.
    """
    images = torch.zeros(2, *data.image_shape)
    labels = {name: _two_labels(head) for name, head in data.heads.items()}
    mixes = data.augmentation is not None and data.augmentation.mixes
    mixed = Mixed(dict(labels), torch.full((2,), 0.5))
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            losses, _, outputs, _ = module.losses(
                (images, labels, mixed) if mixes else (images, labels), "train"
            )
            for name in outputs:
                module.readouts[name].measures(outputs[name], labels[name])
        if losses.ndim != 1:
            raise ValueError("a criterion must return one number for a batch or for each sample")
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ConfigError(
            f"network or criteria do not fit the data: {message_of(error)}"
        ) from error
    finally:
        module.train(was_training)


def _two_labels(head: Head) -> torch.Tensor:
    kind = head.kind
    return torch.from_numpy(np.zeros((2, *kind.label_shape(head)), kind.dtype))


def check_per_head(
    checkpoint: RunCheckpoint | None, module: MultiheadLitModule, names: Collection[str]
) -> None:
    """Check for `per_head` that at least one head has a validation metric.

    Args:
        checkpoint: The checkpoint callback, or None.
        module: Has the heads.
        names: The metrics that will be logged.

    Raises:
        ConfigError: If `per_head` is set, but no head is validated.
    """
    if checkpoint is None or not checkpoint.per_head:
        return
    checkpoint.know_heads(module)
    assert checkpoint.of_heads is not None
    if len(checkpoint.of_heads.unkept(names)) == len(module.head_metrics.heads):
        raise ConfigError(
            "callbacks.model_checkpoint.per_head keeps the best epoch of each head on validation, "
            "but no head is validated in this run; give validation images with labels, or set it "
            "to false."
        )


def check_optimizer(
    module: MultiheadLitModule, trainer: pl.Trainer, data: MultiheadDataModule
) -> None:
    """Make optimizer and scheduler once as a test, to find wrong values before the run starts.

    Raises:
        ConfigError: If one of them refuses its arguments, or if nothing would be trained.
    """
    if trainer.max_epochs == 0:
        raise ConfigError("trainer.max_epochs is 0; give 1 or more, or train=false to evaluate.")
    if trainer.accumulate_grad_batches < 1:
        raise ConfigError(
            f"trainer.accumulate_grad_batches is {trainer.accumulate_grad_batches}; give 1 or more."
        )
    if trainer.accumulate_grad_batches > 1 and accumulates_by_epoch(trainer):
        raise ConfigError(
            "trainer.accumulate_grad_batches and a GradientAccumulationScheduler both set the "
            "batches per step; remove one of them."
        )
    optimization = module.optimization
    spare = _spare(torch.zeros(1))
    maker = getattr(optimization.optimizer, "func", optimization.optimizer)
    device = trainer.strategy.root_device.type
    try:
        options = optimization.options(trainer, device)
        optimizer = optimization.made([{"params": [spare]}], **options)
        _try_step(optimizer, spare)
    except refusals(maker) as error:
        raise ConfigError(f"model.optimizer cannot be built: {reason_of(error, maker)}") from error
    optimization.check_clipping(optimizer, trainer)
    if module.finetuning.groups_parameters:
        optimizer = _grouped(module)
    if not (optimization.scheduler and has_own_rates(optimization.scheduler)):
        _check_rates(optimizer)
    if optimization.scheduler is None:
        return
    scheduler = made_scheduler(module, optimizer, trainer, data)
    if has_own_rates(optimization.scheduler):
        optimization.scaling.check_scheduler(scheduler)
    if isinstance(scheduler, ReduceLROnPlateau) and optimization.interval != "epoch":
        raise ConfigError(
            "model.scheduler_interval is 'step', but ReduceLROnPlateau watches a metric that is "
            "logged once an epoch; set it to epoch."
        )


def made_scheduler(
    module: MultiheadLitModule,
    optimizer: torch.optim.Optimizer,
    trainer: pl.Trainer,
    data: MultiheadDataModule,
) -> Scheduler:
    """Make the scheduler of a training, for an optimizer that was made as a test.

    Raises:
        ConfigError: If the scheduler refuses its arguments, or if one is missing.
    """
    optimization = module.optimization
    assert optimization.scheduler is not None
    try:
        length = planned_length(trainer, optimization.interval, data.count_batches("train"))
        return build_scheduler(optimization.scheduler, optimizer, length)
    except (*BUILD_ERRORS, ArithmeticError) as error:
        raise ConfigError(f"model.scheduler cannot be built: {message_of(error)}") from error


def _check_rates(optimizer: torch.optim.Optimizer) -> None:
    """Refuse a training that would change no weight."""
    if not any(float(group.get("lr", 1)) for group in optimizer.param_groups):
        raise ConfigError(
            "model.optimizer.lr is 0, so no weight would change; give a rate above 0, or "
            "train=false to evaluate."
        )


def _try_step(optimizer: torch.optim.Optimizer, spare: torch.nn.Parameter) -> None:
    """Take a step with a dummy parameter, because some arguments are checked only in a step."""
    spare.grad = torch.zeros_like(spare)
    with torch.random.fork_rng(devices=[]):
        optimizer.step(lambda: 0.0)
    optimizer.state.clear()


def _grouped(module: MultiheadLitModule) -> torch.optim.Optimizer:
    """Make an optimizer with the parameter groups of the training, but dummy parameters."""
    try:
        return module.optimization.made(spare_groups(module))
    except BUILD_ERRORS as error:
        raise ConfigError(
            f"model.optimizer does not take the groups that model.finetune makes: "
            f"{message_of(error)}"
        ) from error


def spare_groups(module: MultiheadLitModule) -> list[dict[str, Any]]:
    """Return the optimizer's groups of a training, each with one dummy parameter."""
    return [{**group, "params": [_spare(torch.zeros(1))]} for group in module.parameter_groups()]


def take_fits(data: MultiheadDataModule, path: str) -> None:
    """Use a checkpoint's kinds of heads for the labels, if some kinds are fitted to labels.

    Raises:
        CheckpointError: If the checkpoint is damaged.
    """
    if any(head.kind.is_fitted_to_labels for head in data.heads.values()):
        data.fit_as(check_record(read_checkpoint(path), path)["heads"])


def trained_on(path: str) -> Trained:
    """Return what the network of a checkpoint was trained on.

    Raises:
        CheckpointError: If the checkpoint is damaged.
    """
    record = check_record(read_checkpoint(path), path)
    return Trained(record["heads"], record.get("preparation"))


def take_normalisation(data: MultiheadDataModule, path: str) -> None:
    """Normalise images as in a checkpoint, for a run that started from given weights.

    Raises:
        CheckpointError: If the checkpoint is damaged.
    """
    record = check_record(read_checkpoint(path), path)
    data.normalise_all_as(record["mean"], record["std"])


def check_checkpoint(
    path: str, module: MultiheadLitModule, *, to_train: bool, regrouped: bool = False
) -> dict[str, Any]:
    """Check that a checkpoint is readable and fits this network.

    Args:
        path: The checkpoint.
        module: Has the network.
        to_train: Whether a training is resumed from it.
        regrouped: Whether a Lightning callback changes the optimizer's groups during training.

    Returns:
        The content of the checkpoint, with the return value of `check_record` under `RECORD`.

    Raises:
        CheckpointError: If it does not fit; the message names the first difference.
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
        _check_optimizer_state(checkpoint, module, path, regrouped=regrouped)
    return {**checkpoint, RECORD: record}


def _check_optimizer_state(
    checkpoint: Mapping[str, Any], module: MultiheadLitModule, path: str, *, regrouped: bool
) -> None:
    """Load the optimizer's state into a test optimizer, and take a step with it."""
    try:
        groups = _recorded_groups(checkpoint, module) if regrouped else module.parameter_groups()
        groups = [{**g, "params": [_spare(p) for p in g["params"]]} for g in groups]
        parameters = [parameter for group in groups for parameter in group["params"]]
        optimizer = module.optimization.made(groups)
        optimizer.load_state_dict(checkpoint["optimizer_states"][0])
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    except (KeyError, IndexError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        name = type(module.optimization.made([{"params": [_spare(torch.zeros(1))]}])).__name__
        raise CheckpointError(
            f"{path} has the state of another optimizer than {name}; "
            f"choose the optimizer it was trained with."
        ) from error


def _spare(parameter: torch.Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros_like(parameter))


def _recorded_groups(
    checkpoint: Mapping[str, Any], module: MultiheadLitModule
) -> list[dict[str, Any]]:
    """Return the recorded groups of Lightning's `BaseFinetuning`, which it will make again."""
    named = dict(module.named_parameters())
    for state in checkpoint["callbacks"].values():
        groups = state.get("internal_optimizer_metadata", {}).get(0)
        if groups is not None:
            return [{"params": [named[name] for name in group["params"]]} for group in groups]
    return module.parameter_groups()
