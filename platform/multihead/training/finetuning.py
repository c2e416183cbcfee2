"""Which weights of a network train, from which epoch on, and how fast.

A frozen parameter has no gradient, so that no optimizer moves it, and a frozen layer's batch norm
neither learns nor counts: it normalises by the statistics that it came with. All parameters are in
the optimizer from the first step on, so that a checkpoint looks the same in every epoch.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

from torch import nn

from multihead.errors import ConfigError
from multihead.models.network import MultiheadNetwork
from multihead.models.stages import count_layers, is_norm_or_bias, layer_numbers, not_decayed
from multihead.training.batch_norm import BATCH_NORMS

# These count what they see.
_NORMS = (*BATCH_NORMS, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
Groups = list[dict[str, Any]]
SCALE = "lr_scale"


class Finetuning:
    """Freeze stages of a backbone, and give its layers learning rates of their own.

    A stage is what timm calls one (the stem, each stage of blocks; each block of a transformer), or
    a layer of another network; see `models.stages`.

    Args:
        unfreeze: `all` trains everything, `none` the heads alone. Epochs, counted from 0 and
            rising, train the heads first: at each of them one stage more begins to train, the last
            one first, and at the last of them all that are left.
        layer_decay: Above 0 and up to 1: a layer's learning rate is so many times that of the
            layer after it, and the heads have the full one. Source: H. Bao et al., BEiT, ICLR 2022,
            arXiv:2106.08254, appendix; timm's `param_groups_layer_decay`.
        head_lr: Learning rate of the heads; the optimizer's if none.
        decay_norms_and_biases: Whether the optimizer's weight decay also holds for norms, biases
            and what timm keeps from it, such as position embeddings.

    Raises:
        ConfigError: For other values.
    """

    def __init__(
        self,
        unfreeze: str | Sequence[int] = "all",
        layer_decay: float = 1.0,
        head_lr: float | None = None,
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
        self.layer_decay, self.head_lr = layer_decay, head_lr
        self.decays_all = decay_norms_and_biases

    @property
    def freezes(self) -> bool:
        """Whether any parameter is frozen at some time."""
        return bool(self.epochs) or not self.trains_backbone

    @property
    def thaws(self) -> bool:
        """Whether parameters that are frozen at first train later."""
        return bool(self.epochs)

    @property
    def groups_parameters(self) -> bool:
        """Whether the optimizer gets more than one group of the network's parameters."""
        return self.layer_decay != 1 or self.head_lr is not None or not self.decays_all

    def check(self, net: MultiheadNetwork) -> None:
        """Check that a network has a stage for each epoch, and freeze what never trains.

        Raises:
            ConfigError: If it has fewer.
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
        """Return how many stages are frozen in an epoch; these are the first ones."""
        stages = self._stages(net)
        if not self.trains_backbone:
            return stages
        passed = sum(each <= epoch for each in self.epochs)
        return 0 if passed == len(self.epochs) else stages - passed

    def apply(self, net: MultiheadNetwork, epoch: int) -> None:
        """Freeze and thaw the network's parameters for an epoch, counted from 0."""
        if not self.freezes:
            return
        frozen, numbers = self.frozen_stages(net, epoch), self._numbers(net)
        for name, parameter in net.backbone.named_parameters():
            parameter.requires_grad_(numbers[name] >= frozen)
            if numbers[name] < frozen:
                parameter.grad = None
        self.set_modes(net, epoch)

    def set_modes(self, net: MultiheadNetwork, epoch: int) -> None:
        """Keep the batch norm of frozen stages as it is, in a network that is being trained."""
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
        """Return groups of parameters with their learning rate and weight decay, the heads' first.

        Args:
            module: Has all parameters; what is not the backbone's counts as the heads'.
            net: Its network.
            apart: `id`s of parameters that are left out.
        """
        numbers = layer_numbers(net.backbone, coarse=False)
        layers = {id(p): (numbers[n], n) for n, p in net.backbone.named_parameters()}
        top = _layer_of_heads(net, numbers)
        spared = not_decayed(net.backbone)
        found: dict[tuple[int, bool], dict[str, Any]] = {}
        for full_name, parameter in module.named_parameters():
            if id(parameter) in apart:
                continue
            layer, name = layers.get(id(parameter), (top + 1, full_name))
            decays = self.decays_all or not (is_norm_or_bias(name, parameter) or name in spared)
            group = found.setdefault((-layer, not decays), {"params": []})
            group["params"].append(parameter)
            if not decays:
                group["weight_decay"] = 0.0
            if layer <= top:
                group[SCALE] = self.layer_decay ** (top - layer)
            elif self.head_lr is not None:
                group["lr"] = self.head_lr
        return [found[key] for key in sorted(found)]

    def notes(self, net: MultiheadNetwork, epochs: int) -> list[str]:
        """Return what a person should know of what trains when.

        Args:
            net: The network.
            epochs: Of the training.
        """
        if not self.freezes:
            return []
        stages = self._stages(net)
        if not self.trains_backbone:
            return [f"the backbone is frozen ({stages} stages); the heads alone train"]
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
    """Return the number of the heads' layer, which a final norm belongs to, as timm counts."""
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
            f"model.finetune.unfreeze is {unfreeze!r}; give all, none or rising epochs from 0 on, "
            f"such as [1, 2]."
        )
    return given
