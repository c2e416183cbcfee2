"""The shortest combination of the gradients: no head is worse off for a small step."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from multihead.balancing.of_gramian import SolvingBalancer

# Of gradients of unit length: below the rounding of the float32 of which Gramians are made.
_RIDGE = 1e-8
_LEAST = 1e-60  # a squared length that is not 0


class MGDA(SolvingBalancer):
    """Weigh heads so that the combination of their gradients is the shortest, weights summing to 1.

    The paper looks for it by at most 250 steps of Frank and Wolfe; here it is exact, which matters
    with many heads or gradients of very different lengths. Gradients are taken as they are: of the
    normalisations of the paper's code (by length, by loss or by both) there is none, so the head
    with the shortest gradient has most of the weight. Each head's own parameters learn from its
    own loss.
    Source: Sener & Koltun, NeurIPS 2018, arXiv:1810.04650, section 3.2.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        gramian_of: As `GramianBalancer`.
        every: As `GramianBalancer`.
        scaled: As `ScaledBalancer`.
    """

    def solve(self, gramian: Tensor) -> Tensor:
        """Return weights from 0 to 1 that sum to 1."""
        return torch.from_numpy(_shortest(gramian.double().cpu().numpy()))


def _shortest(gramian: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights, 0 or more with sum 1, of the shortest combination of gradients, [n].

    Of numbers u of 0 or more, the least u'Gu + (k sum(u))^2 - 2 k sum(u) is at a multiple of those
    weights: a problem of least squares. It is put for gradients of unit length, of which a short
    one is seen as precisely as a long one.
    """
    lengths = np.sqrt(gramian.diagonal().clip(min=_LEAST))
    values, vectors = np.linalg.eigh(gramian / np.outer(lengths, lengths))
    factor = np.sqrt(values.clip(min=0))[:, None] * vectors.T
    ridge = np.sqrt(_RIDGE) * np.eye(len(gramian))
    rows = np.vstack([factor, ridge, lengths.min() / lengths])
    found, _ = nnls(rows, np.eye(len(rows))[-1], maxiter=100 * len(gramian))
    return np.asarray(found / lengths / (found / lengths).sum())
