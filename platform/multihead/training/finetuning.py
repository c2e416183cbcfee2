"""Freeze and unfreeze the weights of a network, and set learning rates per layer.

A frozen parameter has no gradient, so the optimizer does not change it. Batch norm in a frozen
layer keeps its running statistics and normalises with them. The optimizer has all parameters from
the first step on, so a checkpoint has the same structure in every epoch.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

from torch import nn

from multihead.errors import ConfigError
from multihead.models.network import MultiheadNetwork
from multihead.models.stages import count_layers, is_norm_or_bias, layer_numbers, not_decayed
from multihead.training.batch_norm import BATCH_NORMS

# These layers update running statistics in training mode.
_NORMS = (*BATCH_NORMS, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
Groups = list[dict[str, Any]]
SCALE = "lr_scale"


class Finetuning:
    """Freeze stages of a backbone, and set the learning rates of its layers.

    For a timm network, a stage is the stem, a stage of blocks or a transformer block, as timm
    defines it. For another network, a stage is a layer; see `models.stages`.

    Args:
        unfreeze: `all` trains everything, `none` trains the heads only. A rising list of epochs,
            counted from 0, trains the heads first. At each of these epochs one more stage starts to
            train, from the last stage to the first. At the last epoch of the list, all remaining
            stages start to train.
        layer_decay: Factor above 0 and up to 1. The learning rate of a layer is this factor times
            that of the next layer; the heads have the full learning rate. Source: H. Bao et al.,
            BEiT, ICLR 2022, arXiv:2106.08254, appendix; timm's `param_groups_layer_decay`.
        head_lr: Learning rate of the heads; by default the optimizer's.
        bias_lr_scale: Factor above 0 for the learning rates of the backbone's biases. It speeds up
            short trainings with large batches. Source: K. Jordan, 94% on CIFAR-10 in 3.29 Seconds
            on a Single GPU, 2024, arXiv:2404.00498, which uses 64 for the biases of batch norms.
        decay_norms_and_biases: Whether weight decay is also applied to norms, to biases, and to
            parameters that timm excludes from it, such as position embeddings.

    Raises:
        ConfigError: For a value outside these ranges.
    """

    def __init__(
        self,
        unfreeze: str | Sequence[int] = "all",
        layer_decay: float = 1.0,
        head_lr: float | None = None,
        bias_lr_scale: float = 1.0,
        decay_norms_and_biases: bool = True,
    ) -> None:
        self.epochs = _checked_epochs(unfreeze)
        self.trains_backbone = unfreeze != "none"
        if not 0 < layer_decay <= 1:
            raise ConfigError(
                f"model.finetune.layer_decay is {layer_decay}; give a number above 0 and up to 1."
            )
        if head_lr is not None and not head_lr > 0:
            raise ConfigError(f"model.finetune.head_lr is {head_lr}; give a number above 0.")
        if not bias_lr_scale > 0:
            raise ConfigError(
                f"model.finetune.bias_lr_scale is {bias_lr_scale}; give a number above 0."
            )
        self.layer_decay, self.head_lr, self.bias_scale = layer_decay, head_lr, bias_lr_scale
        self.decays_all = decay_norms_and_biases

    @property
    def freezes(self) -> bool:
        """Whether any parameter is frozen in any epoch."""
        return bool(self.epochs) or not self.trains_backbone

    @property
    def thaws(self) -> bool:
        """Whether frozen parameters are unfrozen during the training."""
        return bool(self.epochs)

    @property
    def scales_rates(self) -> bool:
        """Whether parameters have other learning rates than the optimizer's."""
        return self.layer_decay != 1 or self.bias_scale != 1 or self.head_lr is not None

    @property
    def groups_parameters(self) -> bool:
        """Whether the optimizer gets more than one group of the network's parameters."""
        return self.scales_rates or not self.decays_all

    def rates(self) -> dict[str, Any]:
        """Return the settings that become learning rates and weight decays, by key."""
        return {
            "model.finetune.layer_decay": self.layer_decay,
            "model.finetune.head_lr": self.head_lr,
            "model.finetune.bias_lr_scale": self.bias_scale,
            "model.finetune.decay_norms_and_biases": self.decays_all,
        }

    def check(self, net: MultiheadNetwork) -> None:
        """Check that a network has a stage for each epoch, and freeze a backbone that never trains.

        Raises:
            ConfigError: If the network has fewer stages than `unfreeze` has epochs.
        """
        stages = self._stages(net)
        if len(self.epochs) > stages:
            raise ConfigError(
                f"model.finetune.unfreeze names {len(self.epochs)} epochs, but the backbone has "
                f"{stages} stage{'s' if stages != 1 else ''}; name {stages} or fewer."
            )
        if not self.trains_backbone:
            self.apply(net, 0)

    def frozen_stages(self, net: MultiheadNetwork, epoch: int) -> int:
        """Return the number of stages, counted from the first one, that are frozen in an epoch."""
        stages = self._stages(net)
        if not self.trains_backbone:
            return stages
        passed = sum(each <= epoch for each in self.epochs)
        return 0 if passed == len(self.epochs) else stages - passed

    def apply(self, net: MultiheadNetwork, epoch: int) -> None:
        """Freeze and unfreeze the network's parameters for an epoch, counted from 0."""
        if not self.freezes:
            return
        frozen, numbers = self.frozen_stages(net, epoch), self._numbers(net)
        for name, parameter in net.backbone.named_parameters():
            parameter.requires_grad_(numbers[name] >= frozen)
            if numbers[name] < frozen:
                parameter.grad = None
        self.set_modes(net, epoch)

    def set_modes(self, net: MultiheadNetwork, epoch: int) -> None:
        """Keep the norms of frozen stages in evaluation mode while the network trains."""
        if not self.freezes:
            return
        frozen, numbers = self.frozen_stages(net, epoch), self._numbers(net)
        for name, part in net.backbone.named_modules():
            if isinstance(part, _NORMS):
                prefix = f"{name}." if name else ""
                own = [*part.named_parameters(), *part.named_buffers()]
                is_frozen = any(numbers[f"{prefix}{each}"] < frozen for each, _ in own)
                part.train(net.training and not is_frozen)

    def groups(self, module: nn.Module, net: MultiheadNetwork, apart: Collection[int]) -> Groups:
        """Return parameter groups with their learning rate and weight decay, the heads' first.

        Args:
            module: Has all parameters. A parameter outside the backbone is treated as a head's.
            net: The network of the module.
            apart: `id`s of parameters to leave out.
        """
        numbers = layer_numbers(net.backbone, coarse=False)
        layers = {id(p): (numbers[n], n) for n, p in net.backbone.named_parameters()}
        top = _layer_of_heads(net, numbers)
        spared = not_decayed(net.backbone)
        found: dict[tuple[int, bool, bool], dict[str, Any]] = {}
        for full_name, parameter in module.named_parameters():
            if id(parameter) in apart:
                continue
            layer, name = layers.get(id(parameter), (top + 1, full_name))
            decays = self.decays_all or not (is_norm_or_bias(name, parameter) or name in spared)
            scaled = layer <= top and name.endswith("bias") and self.bias_scale != 1
            group = found.setdefault((-layer, not decays, scaled), {"params": []})
            group["params"].append(parameter)
            if not decays:
                group["weight_decay"] = 0.0
            if layer <= top:
                group[SCALE] = self.layer_decay ** (top - layer)
                group[SCALE] *= self.bias_scale if scaled else 1
            elif self.head_lr is not None:
                group["lr"] = self.head_lr
        return [found[key] for key in sorted(found)]

    def notes(self, net: MultiheadNetwork, epochs: int) -> list[str]:
        """Return messages for the user about which stages train in which epochs.

        Args:
            net: The network.
            epochs: Number of epochs of the training.
        """
        if not self.freezes:
            return []
        stages = self._stages(net)
        if not self.trains_backbone:
            return [f"the backbone is frozen ({stages} stages); only the heads train"]
        counts = [
            "all" if number == len(self.epochs) else str(number)
            for number in range(1, len(self.epochs) + 1)
        ]
        text = ", ".join(
            f"{count} train from epoch {epoch}"
            for count, epoch in zip(counts, self.epochs, strict=True)
        )
        left = self.frozen_stages(net, epochs - 1)
        more = f"; the first {left} never train in {epochs} epochs" if left else ""
        return [f"the backbone has {stages} stages, all frozen at first; {text}{more}"]

    def _stages(self, net: MultiheadNetwork) -> int:
        return count_layers(self._numbers(net))

    def _numbers(self, net: MultiheadNetwork) -> dict[str, int]:
        return layer_numbers(net.backbone, coarse=True)


def _layer_of_heads(net: MultiheadNetwork, numbers: dict[str, int]) -> int:
    """Return the layer number of the heads. As in timm, a final norm has the same number."""
    last = max(numbers.values(), default=-1)
    sizes = [p.ndim for n, p in net.backbone.named_parameters() if numbers[n] == last]
    return last if all(size <= 1 for size in sizes) else last + 1


def _checked_epochs(unfreeze: str | Sequence[int]) -> tuple[int, ...]:
    if unfreeze in ("all", "none"):
        return ()
    given = () if isinstance(unfreeze, str) else tuple(unfreeze)
    rising = all(a < b for a, b in pairwise(given))
    if not given or not rising or not all(type(e) is int and e >= 0 for e in given):
        raise ConfigError(
            f"model.finetune.unfreeze is {unfreeze!r}; give all, none or a rising list of epochs, "
            f"counted from 0, such as [1, 2]."
        )
    return given
