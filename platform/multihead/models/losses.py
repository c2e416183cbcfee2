"""The criteria, under the names that configurations and records use."""

from multihead.heads.losses.cross_entropy import LevelCrossEntropy
from multihead.heads.losses.distance_weighted import DistanceWeightedCrossEntropy
from multihead.heads.losses.expected_value import ExpectedValueLoss
from multihead.heads.losses.focal import FocalLoss
from multihead.heads.losses.regression import RegressionLoss
from multihead.heads.losses.soft_targets import SoftTargetCrossEntropy

__all__ = [
    "DistanceWeightedCrossEntropy",
    "ExpectedValueLoss",
    "FocalLoss",
    "LevelCrossEntropy",
    "RegressionLoss",
    "SoftTargetCrossEntropy",
]
