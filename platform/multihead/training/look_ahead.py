"""Measure how a step on one head's loss changes the losses of all heads, then undo the step."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import cast

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from multihead.balancing.gradients import HeadGradients
from multihead.seeding import random_state, restore_random_state
from multihead.training.module import Batch, MultiheadLitModule


@torch.no_grad()
def look_ahead(trainer: pl.Trainer, module: MultiheadLitModule, batch: Batch) -> Tensor | None:
    """Return which pairs of heads count in a batch, and their affinity, float64 [2, T, T].

    Row i is a step on head i: the shared parameters move by the current learning rate times the
    gradient of head i's weighted loss. Column j is the effect on head j, 1 - (loss after) /
    (loss before), on the same batch with the same dropout. A pair counts if both heads have a
    label in the batch and a weight, the loss before is above 0, and the affinity is finite. The
    affinity of other pairs is 0.

    Parameters, buffers, random generators and gradients are restored bit for bit, and the optimizer
    is only read. The computation uses float32 even in mixed-precision training: a step changes
    losses by thousandths, which 16 bits cannot resolve.

    Args:
        trainer: Has the optimizer and the precision.
        module: In training mode.
        batch: A batch as `training_step` takes it.

    Returns:
        The two matrices, or None if the heads share no trainable parameters.
    """
    shared = module.shared_parameters()
    if not shared:
        return None
    base = module.balancer.base
    kept, values = _Kept(module), [parameter.clone() for parameter in shared]
    rates = _learning_rates(trainer, shared)
    try:
        with _computing(trainer, module):
            with torch.enable_grad():
                losses, counts, *_ = module.losses(batch, "train")
                rows = HeadGradients(losses * base, shared, [[]] * len(losses)).rows
            rows = module.gathering.averaged(rows)
            before, there = losses.detach().double(), module.present(counts) & (base > 0)
            found = torch.zeros(2, len(base), len(base), dtype=torch.float64, device=base.device)
            for source, present in enumerate(there.tolist()):
                if not present:
                    continue
                kept.restore()
                _step(shared, values, rows[source], rates)
                after = module.losses(batch, "train")[0].double()
                affinity = 1 - after / before
                counted = there & (before > 0) & affinity.isfinite()
                found[0, source] = counted
                found[1, source] = affinity.where(counted, 0)
    finally:
        for parameter, value in zip(shared, values, strict=True):
            parameter.copy_(value)
        kept.restore()
    return found


class _Kept:
    """A copy of the state that a forward pass may change: buffers and random generators.

    Args:
        module: Has the network and the criteria whose buffers are copied.
    """

    def __init__(self, module: MultiheadLitModule) -> None:
        owners = [*cast(nn.Module, module.net).modules(), *module.criteria.modules()]
        self.buffers = [
            (owner, name, buffer, buffer.clone())
            for owner in owners
            for name, buffer in owner._buffers.items()
            if buffer is not None
        ]
        self.random = random_state()

    def restore(self) -> None:
        """Restore everything, also a buffer that was replaced by another tensor."""
        for owner, name, buffer, value in self.buffers:
            buffer.copy_(value)
            owner._buffers[name] = buffer
        restore_random_state(self.random)


@contextmanager
def _computing(trainer: pl.Trainer, module: MultiheadLitModule) -> Iterator[None]:
    """Compute as in training, but without mixed precision and compilation.

    A compiled network frees its graph's buffers in the first backward pass, but several are needed.
    """
    precise = str(trainer.precision).endswith("-mixed")
    context = nullcontext() if precise else trainer.precision_plugin.forward_context()
    eager = torch.compiler.set_stance("force_eager") if module.compile_net else nullcontext()
    with eager, context, torch.autocast(module.device.type, enabled=False):
        yield


def _learning_rates(trainer: pl.Trainer, shared: Sequence[nn.Parameter]) -> list[float]:
    """Return the current learning rate of each parameter; 0 if the optimizer does not have it."""
    groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
    rates = {id(p): float(group["lr"]) for group in groups for p in group["params"]}
    return [rates.get(id(parameter), 0.0) for parameter in shared]


def _step(
    shared: Sequence[nn.Parameter],
    values: Sequence[Tensor],
    gradient: Tensor,
    rates: Sequence[float],
) -> None:
    """Set each parameter to its value [...] minus its learning rate times its part of [P]."""
    parts = torch.split(gradient, [value.numel() for value in values])
    for parameter, value, part, rate in zip(shared, values, parts, rates, strict=True):
        parameter.copy_(value - rate * part.view_as(value))
