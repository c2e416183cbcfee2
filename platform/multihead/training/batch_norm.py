"""Batch norm over the whole batch in a training with several processes.

torch's SyncBatchNorm works on GPUs only. The layers here replace it on the CPU. They have the same
parameters and buffers, so checkpoints do not differ.
"""

from typing import Any, cast

import torch
from lightning.pytorch.plugins.layer_sync import TorchSyncBatchNorm
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from multihead.errors import ConfigError

# torch's batch norm classes; timm's are subclasses of them.
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class _WholeBatch(_BatchNorm):
    """Normalise with the statistics of all ranks' samples in training mode."""

    def forward(self, input: Tensor) -> Tensor:
        """Return [b, C, ...], normalised over all B samples and pixels; b may be 0."""
        if not self.training:
            return super().forward(input)
        normalised, mean, variance, count = _Normalised.apply(
            input, self.weight, self.bias, self.eps
        )
        if self.track_running_stats:
            self._track(mean, variance * count / (count - 1))
        return cast(Tensor, normalised)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _WholeBatch1d(_WholeBatch, nn.BatchNorm1d): ...


class _WholeBatch2d(_WholeBatch, nn.BatchNorm2d): ...


class _WholeBatch3d(_WholeBatch, nn.BatchNorm3d): ...


_WHOLE: dict[type[_BatchNorm], type[_WholeBatch]] = {
    nn.BatchNorm1d: _WholeBatch1d,
    nn.BatchNorm2d: _WholeBatch2d,
    nn.BatchNorm3d: _WholeBatch3d,
}
_PLAIN = {whole: plain for plain, whole in _WHOLE.items()}


class WholeBatchNorm(TorchSyncBatchNorm):
    """A Lightning plugin that synchronises batch norm over all devices, also on the CPU.

    On the CPU only the class of a layer changes; its parameters, buffers and hooks stay.

    Args:
        device: cpu or cuda.
    """

    def __init__(self, device: str) -> None:
        self.device = device

    def apply(self, model: nn.Module) -> nn.Module:
        """Make the layers share their statistics."""
        if self.device == "cuda":
            from timm.layers.norm_act import convert_sync_batchnorm  # also converts timm's layers

            return cast(nn.Module, convert_sync_batchnorm(model))  # type: ignore[no-untyped-call]
        for layer in batch_norms(model):
            layer.__class__ = _WHOLE[type(layer)]
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Restore the original layers, which use their own part of a batch."""
        if self.device == "cuda":
            return super().revert(model)
        for layer in batch_norms(model):
            layer.__class__ = _PLAIN[cast(type[_WholeBatch], type(layer))]
        return model


def batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """Return all batch norm layers of a model."""
    return [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]


def check_batch_norm(model: nn.Module, device: str) -> None:
    """Check that all batch norm layers can share their statistics.

    Raises:
        ConfigError: If a layer cannot; the message names its class.
    """
    for layer in batch_norms(model):
        if device == "cpu" and type(layer) not in _WHOLE:
            raise ConfigError(
                f"trainer=ddp on the CPU cannot synchronise the batch norm of "
                f"{type(layer).__name__}; use GPUs, or a network with nn.BatchNorm2d or without "
                f"batch norm."
            )


class _Normalised(torch.autograd.Function):
    """Batch norm over all ranks, with one exchange in forward and one in backward.

    Statistics are combined as in Chan, Golub & LeVeque, Algorithms for computing the sample
    variance, 1983, which avoids the difference of large numbers.
    """

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = input.float()
        mean, variance, count = _statistics(x)
        scale = (variance + eps).rsqrt()
        normal = (x - _wide(mean, x)) * _wide(scale, x)
        ctx.save_for_backward(normal, scale, weight, count)
        ctx.has_bias = bias is not None
        out = normal if weight is None else normal * _wide(weight, x)
        out = out if bias is None else out + _wide(bias, x)
        ctx.mark_non_differentiable(mean, variance, count)
        return out.to(input.dtype), mean, variance, count

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor, *_: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        normal, scale, weight, count = ctx.saved_tensors
        over = [0, *range(2, normal.dim())]
        incoming = gradient.float()
        sums = torch.stack([incoming.sum(over), (incoming * normal).sum(over)])
        to_bias, to_weight = sums[0].clone(), sums[1].clone()
        distributed.all_reduce(sums)
        means = sums / count
        inner = incoming - _wide(means[0], normal) - normal * _wide(means[1], normal)
        factor = scale if weight is None else scale * weight
        to_input = (inner * _wide(factor, normal)).to(gradient.dtype)
        return (
            to_input,
            None if weight is None else to_weight,
            to_bias if ctx.has_bias else None,
            None,
        )


def _statistics(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean [C], biased variance [C] and count [] over all ranks, in float32."""
    channels = x.shape[1]
    count = x.numel() // channels
    own = torch.zeros(3, channels, dtype=torch.float64, device=x.device)
    if count:
        over = [0, *range(2, x.dim())]
        mean = x.mean(over)  # in two passes: torch.var_mean is several times slower on a CPU
        variance = (x - _wide(mean, x)).square_().mean(over)
        own[0], own[1], own[2] = mean, variance, count
    found = own.new_empty(distributed.get_world_size() * 3, channels)
    distributed.all_gather_into_tensor(found, own)
    means, variances, counts = found.view(-1, 3, channels).unbind(1)
    total = counts.sum(0)
    if float(total[0]) < 2:
        raise ValueError("batch norm cannot train on a single value per channel")
    mean = (means * counts).sum(0) / total
    variance = ((variances + (means - mean).square()) * counts).sum(0) / total
    return mean.float(), variance.float(), total[0].float()


def _wide(values: Tensor, like: Tensor) -> Tensor:
    return values.view(1, -1, *[1] * (like.dim() - 2))
