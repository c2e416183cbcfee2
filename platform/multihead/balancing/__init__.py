"""Turn the losses of the heads into the scalar that is back-propagated; a file per method."""

from multihead.balancing.balancer import Balancer
from multihead.balancing.cagrad import CAGrad
from multihead.balancing.db_mtl import DBMTL
from multihead.balancing.dwa import DynamicWeightAverage
from multihead.balancing.famo import FAMO
from multihead.balancing.gradnorm import GradNorm
from multihead.balancing.gradvac import GradVac
from multihead.balancing.imtl_g import IMTLG
from multihead.balancing.imtl_l import IMTLL
from multihead.balancing.mgda import MGDA
from multihead.balancing.of_gramian import GramianBalancer, GramianWeighting
from multihead.balancing.of_scalarizer import ScalarizerWeighting
from multihead.balancing.rlw import RandomWeighting
from multihead.balancing.scaled import ScaledBalancer
from multihead.balancing.static import StaticWeights
from multihead.balancing.uncertainty import UncertaintyWeighting
from multihead.balancing.uw_so import SoftOptimalUncertainty

__all__ = [
    "DBMTL",
    "FAMO",
    "IMTLG",
    "IMTLL",
    "MGDA",
    "Balancer",
    "CAGrad",
    "DynamicWeightAverage",
    "GradNorm",
    "GradVac",
    "GramianBalancer",
    "GramianWeighting",
    "RandomWeighting",
    "ScalarizerWeighting",
    "ScaledBalancer",
    "SoftOptimalUncertainty",
    "StaticWeights",
    "UncertaintyWeighting",
]
