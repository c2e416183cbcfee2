"""MGDA: the combination of the gradients with the smallest norm, which harms no head."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from multihead.balancing.of_gramian import SolvingBalancer

# For gradients of norm 1: below the rounding error of Gramians in float32.
_RIDGE = 1e-8
_LEAST = 1e-60  # smallest squared norm, to avoid a division by 0


class MGDA(SolvingBalancer):
    """Weight heads so that the combination of their gradients has the smallest norm.

    The weights are 0 or more and sum to 1. The paper uses at most 250 Frank-Wolfe steps. This
    method solves the problem exactly, which matters with many heads or very different norms. The
    gradients are not normalised; the paper's code can normalise them by norm, by loss or by both.
    So the head with the smallest gradient gets most of the weight. Each head's own parameters learn
    from its own loss.
    Source: Sener & Koltun, NeurIPS 2018, arXiv:1810.04650, section 3.2.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        gramian_of: As in `GramianBalancer`.
        every: As in `GramianBalancer`.
        scaled: As in `ScaledBalancer`.
    """

    def solve(self, gramian: Tensor) -> Tensor:
        """Return weights from 0 to 1 that sum to 1."""
        return torch.from_numpy(_shortest(gramian.double().cpu().numpy()))


def _shortest(gramian: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights, 0 or more with sum 1, of the combination with the smallest norm, [n].

    For u of 0 or more, u'Gu + (k sum(u))^2 - 2 k sum(u) is smallest at a multiple of these weights.
    This is a least-squares problem. It is solved for gradients of norm 1, so that small and large
    gradients have the same precision.
    """
    lengths = np.sqrt(gramian.diagonal().clip(min=_LEAST))
    values, vectors = np.linalg.eigh(gramian / np.outer(lengths, lengths))
    factor = np.sqrt(values.clip(min=0))[:, None] * vectors.T
    ridge = np.sqrt(_RIDGE) * np.eye(len(gramian))
    rows = np.vstack([factor, ridge, lengths.min() / lengths])
    found, _ = nnls(rows, np.eye(len(rows))[-1], maxiter=100 * len(gramian))
    return np.asarray(found / lengths / (found / lengths).sum())
