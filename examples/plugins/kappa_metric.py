"""A metric: quadratic weighted kappa, computed by torchmetrics.

It suits ordered classes, such as the stages of a disease. An error of two stages counts four times
as much as an error of one stage. The value 0 is agreement by chance.
"""

from torch import Tensor
from torchmetrics.functional.classification import multiclass_cohen_kappa

from multihead.metrics import Metric


def _kappa(probabilities: Tensor, labels: Tensor) -> float:
    """Return the kappa for probabilities [N, K] and classes [N] of a split."""
    classes = probabilities.shape[1]
    return float(multiclass_cohen_kappa(probabilities, labels, classes, weights="quadratic"))


def quadratic_kappa() -> Metric:
    """Return the metric; it is logged as `{split}/{head}_quadratic_kappa`.

    Source: Cohen, Weighted kappa, Psychological Bulletin 70(4), 1968.
    """
    return Metric(
        name="quadratic_kappa",
        title="quadratic weighted kappa",
        short="kappa",
        column="quadratic_kappa",
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        of_predictions=_kappa,
    )
