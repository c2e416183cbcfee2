"""The heads of a network, and the kinds of heads."""

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
