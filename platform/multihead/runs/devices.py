"""On how many devices a run trains, and Lightning's strategy for them.

One run uses devices of one machine, one process for each.
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
    """What `trainer.strategy`, `trainer.devices` and `trainer.accelerator` come to.

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
        trainer: Of its configuration.
        batch_size: Of all devices together; None for the DataModule's own.

    Raises:
        ConfigError: If there are no such devices, or they cannot train together.
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
            f"data.batch_size is {batch_size} for {found.count} devices; it is "
            f"the batch of all of them together, so give {found.count} or more."
        )
    return found


def _count(devices: Any, kind: str) -> int:
    there = torch.cuda.device_count() if kind == "cuda" else 1
    if isinstance(devices, list):
        return len(devices)
    if devices in ("auto", -1, "-1"):
        return there
    return int(devices) if str(devices).isdecimal() else 0  # Lightning says what is wrong with it


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
    """Tells Lightning which of the processes this is; `runs.group` starts and connects them.

    Without it Lightning would act as part of a Slurm job where it finds one's variables: expect as
    many processes as the job has tasks, and requeue the job, which is for whoever submitted it.

    Args:
        ranks: This process and their number.
    """

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks
        self.set_world_size(ranks.world_size)
        self.set_global_rank(ranks.rank)

    @property
    def creates_processes_externally(self) -> bool:
        """Whether Lightning leaves starting the processes to others."""
        return True

    def local_rank(self) -> int:
        """The number of this process, whatever the system's variables say."""
        return self.ranks.rank

    def node_rank(self) -> int:
        """The number of this machine."""
        return 0

    def teardown(self) -> None:
        """Leave the variables of the system alone."""


def make_strategy(
    devices: Devices, module: MultiheadLitModule, *, sync_batchnorm: bool
) -> tuple[Strategy, list[WholeBatchNorm]]:
    """Return Lightning's strategy for several devices, and its plugins.

    Raises:
        ConfigError: If the network's batch norm cannot be that of the whole batch.
    """
    if batch_norms(module) and not sync_batchnorm:
        raise ConfigError(
            "the network has batch norm, and trainer.sync_batchnorm is false, so that each device "
            "would normalise by its own part of a batch; remove it."
        )
    check_batch_norm(module, devices.kind)
    if devices.strategy == "fsdp":
        if module.finetuning.freezes or module.finetuning.groups_parameters:
            raise ConfigError(
                "trainer.strategy is fsdp, which divides parameters so that model.finetune cannot "
                "tell them apart; set trainer.strategy=ddp, or model/finetune=full as it comes."
            )
        return FSDPStrategy(state_dict_type="full"), [WholeBatchNorm(devices.kind)]
    strategy = DDPStrategy(
        forward_sync_buffers=False,  # batch norm's are the same everywhere
        find_unused_parameters=module.finetuning.thaws or _has_unused_parameters(module),
    )
    return strategy, [WholeBatchNorm(devices.kind)]


def check_gradients(
    devices: Devices, precision: str, module: MultiheadLitModule, callbacks: Sequence[Callback]
) -> None:
    """Refuse gradients of each head where there are none to be had.

    Args:
        devices: Of the run.
        precision: Lightning's name, such as bf16-mixed.
        module: Has the balancer.
        callbacks: Of the configuration.

    Raises:
        ConfigError: Naming the setting that asks for them.
    """
    balancer = module.balancer
    if balancer.is_alone:
        return
    by = asks_for_gradients(balancer, callbacks)
    if by and devices.strategy == "fsdp":
        raise ConfigError(
            f"{by[0]} asks for the gradients of each head, but under trainer=fsdp a device has but "
            f"a part of the parameters; use trainer=ddp, or "
            f"{'another model/balancer' if by[0] == 'model.balancer' else 'callbacks=default'}."
        )
    scaled = [name for name in by if name != "callbacks.affinity"]  # which computes in float32
    if scaled and precision == "16-mixed":
        raise ConfigError(
            f"{scaled[0]} asks for the gradients of each head, which would underflow: "
            f"trainer.precision=16-mixed scales the sum of the losses alone; use bf16-mixed or "
            f"32-true."
        )


def check_last_batch(module: MultiheadLitModule, data: MultiheadDataModule, count: int) -> None:
    """Refuse a network that takes no empty batch where a device will have one.

    Raises:
        ConfigError: Naming the batch.
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
            f"the last of {images} images make a batch of {last} for {count} devices, and the "
            f"network takes no empty batch ({message_of(error)}); change data.batch_size."
        ) from error
    finally:
        module.train(was_training)


def _has_unused_parameters(module: MultiheadLitModule) -> bool:
    """Tell whether a step leaves out trainable parameters, which costs DDP a look at every one."""
    was_training = module.training
    module.eval()
    total = torch.stack([values.sum() for values in module(_images(module, 2)).values()]).sum()
    module.train(was_training)
    trainable = [p for p in module.parameters() if p.requires_grad]
    return None in torch.autograd.grad(total, trainable, allow_unused=True)


def _images(module: MultiheadLitModule, count: int) -> torch.Tensor:
    net = cast(MultiheadNetwork, module.net)
    return torch.zeros(count, net.input_channels, *net.input_size)
