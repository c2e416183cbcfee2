"""Criteria by kind of head; each is called with the head and returns one number per batch.

A criterion is a module, `criterion(outputs [B, K], labels [B]) -> []`. Those for parameters are
made for a head, because its range and unit are in their formulas.
"""

from multihead.models.losses.choice import Criterion, default_criterion, make_criterion
from multihead.models.losses.cross_entropy import LevelCrossEntropy
from multihead.models.losses.distance_weighted import DistanceWeightedCrossEntropy
from multihead.models.losses.expected_value import ExpectedValueLoss
from multihead.models.losses.regression import RegressionLoss
from multihead.models.losses.soft_targets import SoftTargetCrossEntropy

__all__ = [
    "Criterion",
    "DistanceWeightedCrossEntropy",
    "ExpectedValueLoss",
    "LevelCrossEntropy",
    "RegressionLoss",
    "SoftTargetCrossEntropy",
    "default_criterion",
    "make_criterion",
]
