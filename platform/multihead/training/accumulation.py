"""What each batch of an accumulated step counts for a head of which some labels are missing.

A step that accumulates k batches is the mean of their losses. Where batches have different numbers
of labels, the mean of means is not that over the labels. Which samples a batch holds is known
beforehand, so each batch is given its share.
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
    """Return by what each batch's loss of each head is multiplied in an epoch, [batches, T].

    It is k n / N for a batch with n of the N labels in the k batches of its step, and 1 for a head
    without a gap, or whose step has no label of it.

    Args:
        source: The training file.
        index: Which of its samples train, [n].
        loader: Draws the batches; None is returned for one that is not ours.
        heads: Fixes T and the order.
        incomplete: Heads with gaps.
        every: Batches that are accumulated.
    """
    sampler = loader.batch_sampler if isinstance(loader, Resumable) else None
    if not isinstance(sampler, EpochSampler):
        return None
    labels, batches, order = source.take_labels(index), sampler.whole_batches(), sampler.order()
    shares = torch.ones(len(batches), len(heads))
    for column, (name, head) in enumerate(heads.items()):
        if name in incomplete:
            there = torch.from_numpy(np.asarray(~head.kind.is_missing(labels[name])))
            if sampler.with_next:  # only samples count that are mixed with one that has a label
                there[order] = there[order] & there[order.roll(-1)]
            counts = torch.stack([there[batch].sum() for batch in batches]).float()
            shares[:, column] = _shares(counts, every)
    return shares


def _shares(counts: Tensor, every: int) -> Tensor:
    parts: Sequence[Tensor] = torch.split(counts, every)
    return torch.cat([torch.ones_like(p) if p.sum() == 0 else len(p) * p / p.sum() for p in parts])
