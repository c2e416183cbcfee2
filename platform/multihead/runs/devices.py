"""Choose the devices of a run, and Lightning's strategy for them.

A run uses devices of one machine, with one process per device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, Strategy

from multihead.data.datamodule import MultiheadDataModule
from multihead.data.loader import EpochSampler
from multihead.data.ranks import Ranks
from multihead.errors import ConfigError, message_of
from multihead.models.network import MultiheadNetwork
from multihead.runs.sections import TrainerSection
from multihead.training.batch_norm import WholeBatchNorm, batch_norms, check_batch_norm
from multihead.training.hardware import resolve_accelerator
from multihead.training.module import MultiheadLitModule
from multihead.training.probe import asks_for_gradients

_STRATEGIES = ("auto", "ddp", "fsdp")


@dataclass(frozen=True)
class Devices:
    """The devices that `trainer.strategy`, `trainer.devices` and `trainer.accelerator` select.

    Attributes:
        strategy: auto (one device), ddp or fsdp.
        kind: cpu, cuda or mps.
        count: Number of devices, and of processes.
    """

    strategy: str
    kind: str
    count: int


def devices_of(trainer: TrainerSection, batch_size: int | None) -> Devices:
    """Return the devices of a run.

    Args:
        trainer: The trainer section of its configuration.
        batch_size: Batch size of all devices together; None for the DataModule's default.

    Raises:
        ConfigError: If the devices do not exist, or cannot train together.
    """
    strategy, devices = str(trainer.strategy), trainer.devices
    if trainer.strategy not in _STRATEGIES:
        raise ConfigError(
            f"trainer.strategy is {trainer.strategy!r}; choose auto for one device, or ddp or fsdp."
        )
    if trainer.machines != 1:
        raise ConfigError(
            f"trainer.num_nodes is {trainer.machines}; a run uses devices of one machine."
        )
    kind = resolve_accelerator(trainer.accelerator)
    found = Devices(strategy, kind, _count(devices, kind))
    _check(found, devices)
    if strategy != "auto" and batch_size is not None and batch_size < found.count:
        raise ConfigError(
            f"data.batch_size is {batch_size} for {found.count} devices; it is the batch size of "
            f"all devices together, so give {found.count} or more."
        )
    return found


def _count(devices: Any, kind: str) -> int:
    there = torch.cuda.device_count() if kind == "cuda" else 1
    if isinstance(devices, list):
        return len(devices)
    if devices in ("auto", -1, "-1"):
        return there
    return int(devices) if str(devices).isdecimal() else 0  # Lightning reports the error


def _check(found: Devices, devices: Any) -> None:
    strategy, kind, count = found.strategy, found.kind, found.count
    if strategy == "auto":
        if count > 1:
            raise ConfigError(
                f"trainer.devices is {devices}, which is {count} devices; add trainer=ddp to train "
                f"on them together, or set trainer.devices=1."
            )
        return
    if strategy == "fsdp" and kind != "cuda":
        raise ConfigError(
            f"trainer=fsdp shards a network over GPUs, but trainer.accelerator is {kind} here; "
            f"use trainer=ddp."
        )
    if kind not in ("cpu", "cuda"):
        raise ConfigError(
            f"trainer={strategy} trains on GPUs of CUDA or on the CPU, not on {kind}."
        )
    if count < 2:
        raise ConfigError(
            f"trainer.strategy is {strategy}, but trainer.devices={devices} is one device "
            f"({kind}); name two or more, or set trainer.strategy=auto."
        )
    if kind == "cuda" and count > torch.cuda.device_count():
        raise ConfigError(
            f"trainer.devices is {devices}, but there are {torch.cuda.device_count()} GPUs; name "
            f"that many or fewer."
        )


class OneMachine(LightningEnvironment):
    """Give Lightning the rank of this process; `runs.group` starts and connects the processes.

    Without this class, Lightning would use the variables of a Slurm job, if there are some. It
    would expect as many processes as the job has tasks, and it would requeue the job, which is the
    submitter's decision.

    Args:
        ranks: The rank of this process, and the number of processes.
    """

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks
        self.set_world_size(ranks.world_size)
        self.set_global_rank(ranks.rank)

    @property
    def creates_processes_externally(self) -> bool:
        """Return true, so that Lightning starts no processes."""
        return True

    def local_rank(self) -> int:
        """Return the rank of this process; environment variables are ignored."""
        return self.ranks.rank

    def node_rank(self) -> int:
        """Return 0, the number of the only machine."""
        return 0

    def teardown(self) -> None:
        """Do not change environment variables."""


def make_strategy(
    devices: Devices, module: MultiheadLitModule, *, sync_batchnorm: bool
) -> tuple[Strategy, list[WholeBatchNorm]]:
    """Return Lightning's strategy for several devices, and its plugins.

    Args:
        devices: The devices of the run, 2 or more.
        module: Has the network.
        sync_batchnorm: The value of `trainer.sync_batchnorm`.

    Raises:
        ConfigError: If the network's batch norm cannot be synchronised, or for fsdp with
            `model.finetune`.
    """
    if batch_norms(module) and not sync_batchnorm:
        raise ConfigError(
            "the network has batch norm, but trainer.sync_batchnorm is false, so each device would "
            "normalise by its own part of a batch; remove trainer.sync_batchnorm=false."
        )
    check_batch_norm(module, devices.kind)
    if devices.strategy == "fsdp":
        if module.finetuning.freezes or module.finetuning.groups_parameters:
            raise ConfigError(
                "trainer.strategy is fsdp, which flattens parameters, so model.finetune cannot be "
                "applied to them; set trainer.strategy=ddp, or use model/finetune=full unchanged."
            )
        return FSDPStrategy(state_dict_type="full"), [WholeBatchNorm(devices.kind)]
    strategy = DDPStrategy(
        forward_sync_buffers=False,  # batch norm's buffers are equal on all ranks
        find_unused_parameters=module.finetuning.thaws or _has_unused_parameters(module),
    )
    return strategy, [WholeBatchNorm(devices.kind)]


def check_gradients(
    devices: Devices, precision: str, module: MultiheadLitModule, callbacks: Sequence[Callback]
) -> None:
    """Check that the gradients of each head can be computed, if a setting needs them.

    Args:
        devices: The devices of the run.
        precision: Lightning's name, such as bf16-mixed.
        module: Has the balancer.
        callbacks: The callbacks of the configuration.

    Raises:
        ConfigError: If they cannot; the message names the setting that needs them.
    """
    balancer = module.balancer
    if balancer.is_alone:
        return
    by = asks_for_gradients(balancer, callbacks)
    if by and devices.strategy == "fsdp":
        raise ConfigError(
            f"{by[0]} needs the gradients of each head, but under trainer=fsdp a device has only "
            f"a part of the parameters; use trainer=ddp, or "
            f"{'another model/balancer' if by[0] == 'model.balancer' else 'callbacks=default'}."
        )
    scaled = [name for name in by if name != "callbacks.affinity"]  # which computes in float32
    if scaled and precision == "16-mixed":
        raise ConfigError(
            f"{scaled[0]} needs the gradients of each head, which would underflow: "
            f"trainer.precision=16-mixed scales only the sum of the losses. Use bf16-mixed or "
            f"32-true."
        )


def check_last_batch(module: MultiheadLitModule, data: MultiheadDataModule, count: int) -> None:
    """Check that the network accepts an empty batch, if a device will get one.

    Raises:
        ConfigError: If it does not; the message has the size of the last batch.
    """
    images = len(data.train_indices)
    last = len(EpochSampler(images, data.batch_size, data.seed).batches()[-1])
    if last >= count:
        return
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            module(_images(module, 0))
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"the last batch of {images} images has {last} for {count} devices, but the network "
            f"does not accept an empty batch ({message_of(error)}); change data.batch_size."
        ) from error
    finally:
        module.train(was_training)


def _has_unused_parameters(module: MultiheadLitModule) -> bool:
    """Return whether a step does not use all trainable parameters, which DDP must know."""
    was_training = module.training
    module.eval()
    total = torch.stack([values.sum() for values in module(_images(module, 2)).values()]).sum()
    module.train(was_training)
    trainable = [p for p in module.parameters() if p.requires_grad]
    return None in torch.autograd.grad(total, trainable, allow_unused=True)


def _images(module: MultiheadLitModule, count: int) -> torch.Tensor:
    net = cast(MultiheadNetwork, module.net)
    return torch.zeros(count, net.input_channels, *net.input_size)
