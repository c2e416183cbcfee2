"""What a network predicts: heads in order, and a file per kind of head."""

from multihead.heads.collection import Heads
from multihead.heads.head import KINDS, Head, Kind
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
from multihead.heads.results import Artifact, Readout, Shown

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
