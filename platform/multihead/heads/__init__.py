"""What a network predicts: heads in order, and a file per kind of head."""

from multihead.heads.collection import Heads
from multihead.heads.head import KINDS, Artifact, Head, Kind, Readout, Shown
from multihead.heads.kinds import (
    angle,
    binary,
    classification,
    float_regression,
    multilabel,
    ordinal,
    regression,
)
from multihead.heads.parameter import Parameter

__all__ = [
    "KINDS",
    "Artifact",
    "Head",
    "Heads",
    "Kind",
    "Parameter",
    "Readout",
    "Shown",
    "angle",
    "binary",
    "classification",
    "float_regression",
    "multilabel",
    "ordinal",
    "regression",
]
