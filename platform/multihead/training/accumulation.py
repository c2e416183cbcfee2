"""Weight the batches of an accumulated step for heads with missing labels.

A step that accumulates k batches uses the mean of their losses. If the batches have different
numbers of labels, this is not the mean over the labels. The samples of each batch are known in
advance, so each batch gets a factor that corrects this.
"""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.data.loader import EpochSampler, Resumable
from multihead.data.source import Source
from multihead.heads import Heads


def label_shares(
    source: Source,
    index: NDArray[np.int64],
    loader: object,
    heads: Heads,
    incomplete: Collection[str],
    every: int,
) -> Tensor | None:
    """Return the factor of each batch's loss for each head in an epoch, [batches, T].

    The factor is k n / N for a batch with n of the N labels in the k batches of its step. It is 1
    for a head without missing labels, and if N is 0.

    Args:
        source: The training file.
        index: The samples that train, [n].
        loader: Draws the batches. If it is not the datamodule's own loader, None is returned.
        heads: Fixes T and the order.
        incomplete: Heads with missing labels.
        every: Number of accumulated batches, k.
    """
    sampler = loader.batch_sampler if isinstance(loader, Resumable) else None
    if not isinstance(sampler, EpochSampler):
        return None
    labels, batches, order = source.take_labels(index), sampler.whole_batches(), sampler.order()
    shares = torch.ones(len(batches), len(heads))
    for column, (name, head) in enumerate(heads.items()):
        if name in incomplete:
            there = torch.from_numpy(np.asarray(~head.kind.is_missing(labels[name])))
            if sampler.with_next:  # a mixed sample counts only if both images have a label
                there[order] = there[order] & there[order.roll(-1)]
            counts = torch.stack([there[batch].sum() for batch in batches]).float()
            shares[:, column] = _shares(counts, every)
    return shares


def _shares(counts: Tensor, every: int) -> Tensor:
    parts: Sequence[Tensor] = torch.split(counts, every)
    return torch.cat([torch.ones_like(p) if p.sum() == 0 else len(p) * p / p.sum() for p in parts])
