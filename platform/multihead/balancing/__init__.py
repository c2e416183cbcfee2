"""From the losses of the heads to the one number that is back-propagated: a file per method."""

from multihead.balancing.balancer import Balancer
from multihead.balancing.static import StaticWeights
from multihead.balancing.uncertainty import UncertaintyWeighting

__all__ = ["Balancer", "StaticWeights", "UncertaintyWeighting"]
