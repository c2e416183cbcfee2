"""Compute the loss of each head over the samples of a batch that have a label for it.

With class weights, the loss of a head is the mean over its labelled samples of w_y times the
sample's loss. torch's own `weight` divides by the sum of the weights instead. Then a batch with
rare classes only would count as much as any other, and the parts of a batch would not add up to
the whole. Balanced weights have the mean 1 over the training labels, so they keep the loss scale.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from multihead.data.transforms import Mixed
from multihead.errors import ConfigError
from multihead.heads import Head, Heads
from multihead.heads.losses.distances import check_share


class Criteria(nn.ModuleDict):
    """One criterion per head. Samples without a label are left out of a head's loss here.

    Args:
        criteria: By head name; each takes outputs [B, K] and labels [B, ...] and returns their mean
            loss [] or a loss per sample [B].
        class_weights: By head name, a weight per class. The classes of other heads have weight 1.

    Raises:
        ConfigError: For a cross-entropy whose label smoothing is not from 0 to 1.
    """

    def __init__(
        self,
        criteria: Mapping[str, nn.Module],
        class_weights: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        super().__init__({f"{name}_head": criterion for name, criterion in criteria.items()})
        for criterion in criteria.values():
            if isinstance(criterion, nn.CrossEntropyLoss):  # torch ignores a negative smoothing
                check_share("CrossEntropyLoss", "label_smoothing", criterion.label_smoothing)
        for name, weights in (class_weights or {}).items():
            tensor = torch.tensor(weights, dtype=torch.float32)
            self.register_buffer(f"{name}_class_weights", tensor, persistent=False)
        self._weighted = frozenset(class_weights or {})

    def of(self, name: str) -> nn.Module:
        """Return the criterion of a head."""
        return self[f"{name}_head"]

    def _weights_of(self, name: str) -> Tensor | None:
        return self.get_buffer(f"{name}_class_weights") if name in self._weighted else None

    def forward(
        self,
        heads: Heads,
        outputs: Mapping[str, Tensor],
        labels: Mapping[str, Tensor],
        incomplete: Collection[str] = (),
        mixed: Mixed | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the losses [T], and the number of labelled samples [T] or None.

        A head without any label in the batch has the loss 0 and no gradient.

        Args:
            heads: In the order of the losses.
            outputs: By head name, [B, K].
            labels: By head name, [B, ...].
            incomplete: Heads whose labels may be missing. If it is empty, no label is checked and
                the counts are None.
            mixed: The labels of the images that each image is mixed with, or None. The loss is then
                share * loss(own) + (1 - share) * loss(other), over samples that have both labels.

        Raises:
            ConfigError: If images are mixed or classes weighted, and a criterion does not return a
                loss per sample.
        """
        losses, counts = [], []
        for name, head in heads.items():
            criterion, given = self.of(name), outputs[name]
            weights = self._weights_of(name)
            if mixed is not None:
                two = labels[name], mixed.labels[name]
                gaps = name in incomplete
                loss, count = _of_mixed(
                    criterion, head, given, two, mixed.share, weights, gaps=gaps
                )
            elif weights is not None:
                gaps = name in incomplete
                loss, count = _weighted(criterion, head, given, labels[name], weights, gaps=gaps)
            elif name in incomplete:
                loss, count = _of_present(criterion, head, given, labels[name])
            else:
                loss = criterion(given, labels[name])
                loss, count = loss.mean() if loss.ndim == 1 else loss, None
            losses.append(loss)
            counts.append(count)
        stacked = torch.stack(losses)
        if not incomplete:
            return stacked, None
        size = len(labels[next(iter(heads))])
        return stacked, _stacked(counts, size, stacked)


def _stacked(counts: Iterable[Tensor | None], size: int, like: Tensor) -> Tensor:
    everyone = like.new_tensor(float(size))
    return torch.stack([everyone if count is None else count.to(like) for count in counts])


def _of_present(
    criterion: nn.Module, head: Head, outputs: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the mean loss of the samples with a label, and their number."""
    present = ~head.kind.is_missing(labels)
    count = present.sum()
    if not _is_per_sample(criterion):
        # The criterion may not average over samples, so it gets the labelled samples only.
        chosen = outputs[present]
        loss = criterion(chosen, labels[present]).mean() if len(chosen) else chosen.sum()
        return loss, count
    each = _per_sample(criterion, outputs, _filled(labels, present, count))
    return _mean_of_present(each, present, count), count


def _of_mixed(
    criterion: nn.Module,
    head: Head,
    outputs: Tensor,
    both: tuple[Tensor, Tensor],
    share: Tensor,
    weights: Tensor | None,
    *,
    gaps: bool,
) -> tuple[Tensor, Tensor | None]:
    """Return the mean loss of the samples that have both labels, and their number or None.

    Args:
        criterion: The head's criterion.
        head: The head.
        outputs: [B, K].
        both: Labels of each image and of the image it is mixed with, [B, ...] each.
        share: Share of the image itself, [B], 0 to 1.
        weights: Class weights [C], or None.
        gaps: Whether labels may be missing; if not, the number is None.
    """
    count, parts = None, (share, 1 - share)
    if gaps:
        present = ~(head.kind.is_missing(both[0]) | head.kind.is_missing(both[1]))
        count = present.sum()
        both = (_filled(both[0], present, count), _filled(both[1], present, count))
        parts = (torch.where(present, share, 0), torch.where(present, 1 - share, 0))
    losses = [_each(criterion, head, outputs, labels) for labels in both]
    if weights is not None:
        _check_no_weights(criterion, head)
        losses = [weights[labels] * each for labels, each in zip(both, losses, strict=True)]
    total = (parts[0] * losses[0] + parts[1] * losses[1]).sum()
    of_torch = _class_weights(criterion)
    if of_torch is not None:  # torch divides by the sum of the weights
        size = parts[0] @ of_torch[both[0]] + parts[1] @ of_torch[both[1]]
        return total / size.clamp(min=torch.finfo(size.dtype).tiny), count
    size = total.new_tensor(float(len(share))) if count is None else count
    return total / size.clamp(min=1), count


def _weighted(
    criterion: nn.Module,
    head: Head,
    outputs: Tensor,
    labels: Tensor,
    weights: Tensor,
    *,
    gaps: bool,
) -> tuple[Tensor, Tensor | None]:
    """Return the mean over the labelled samples of loss times class weight, and their number.

    Args:
        criterion: The head's criterion.
        head: The head.
        outputs: [B, K].
        labels: [B].
        weights: Class weights [C].
        gaps: Whether labels may be missing; if not, the number is None.
    """
    _check_no_weights(criterion, head)
    if not gaps:
        return (weights[labels] * _each(criterion, head, outputs, labels)).mean(), None
    present = ~head.kind.is_missing(labels)
    count = present.sum()
    filled = _filled(labels, present, count)
    each = weights[filled] * _each(criterion, head, outputs, filled)
    return _mean_of_present(each, present, count), count


def _mean_of_present(each: Tensor, present: Tensor, count: Tensor) -> Tensor:
    return torch.where(present, each, 0).sum() / count.clamp(min=1)


def _check_no_weights(criterion: nn.Module, head: Head) -> None:
    if isinstance(getattr(criterion, "weight", None), Tensor):
        raise ConfigError(
            f"model.class_weights names head {head.name!r}, but its criterion, "
            f"{type(criterion).__name__}, already has class weights; remove one of the two."
        )


def _each(criterion: nn.Module, head: Head, outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of each sample, [B], for mixed images and class weights.

    Raises:
        ConfigError: If the criterion can only return one number for a batch.
    """
    if getattr(criterion, "reduction", None) == "mean":
        return _per_sample(criterion, outputs, labels)
    each = cast(Tensor, criterion(outputs, labels))
    if each.shape[:1] != labels.shape[:1]:
        raise ConfigError(
            f"the criterion of head {head.name!r}, {type(criterion).__name__}, returns one number "
            f"for a batch, but mixup, cutmix and model.class_weights need one loss per sample. "
            f"Return losses of shape [B], choose another criterion, or remove mixup and cutmix "
            f"from data.augment and the head from model.class_weights."
        )
    return each.reshape(len(each), -1).mean(1) if each.ndim > 1 else each


def _class_weights(criterion: nn.Module) -> Tensor | None:
    """Return the class weights [K] by whose sum torch's criterion divides, or None."""
    if isinstance(criterion, nn.CrossEntropyLoss | nn.NLLLoss) and criterion.reduction == "mean":
        return criterion.weight
    return None


def _filled(labels: Tensor, present: Tensor, count: Tensor) -> Tensor:
    """Return labels with every missing one replaced by a present one.

    A missing label could give a loss that is not finite, and so a NaN gradient for all samples.
    """
    first = labels.index_select(0, present.byte().argmax().view(1))
    filler = torch.where(count > 0, first, torch.zeros_like(first))
    return torch.where(present.view(-1, *[1] * (labels.ndim - 1)), labels, filler)


def _is_per_sample(criterion: nn.Module) -> bool:
    """Whether the criterion is an unweighted mean over samples that `reduction` can switch off."""
    weighted = getattr(criterion, "weight", None) is not None
    return getattr(criterion, "reduction", None) == "mean" and not weighted


def _per_sample(criterion: nn.Module, outputs: Tensor, labels: Tensor) -> Tensor:
    criterion.reduction = "none"  # type: ignore[assignment]
    try:
        each = cast(Tensor, criterion(outputs, labels))
        return each.reshape(len(each), -1).mean(1) if each.ndim > 1 else each
    finally:
        criterion.reduction = "mean"  # type: ignore[assignment]
