"""The search ranges of each method's parameters.

A range contains the method's default and the values that its paper tries. Parameters that change
the cost of a step (`gramian_of`, `every`) or the learning rate (`scaled`) are not included, because
they would make a comparison of methods unfair.
"""

from collections.abc import Mapping
from typing import Any

_LEARNING_RATE = {"low": 0.0025, "high": 0.25, "log": True}

# Keys are the names of `model/balancer`. Values map a parameter's path below `model.balancer` to
# its range, in the syntax of a study's space. Static weights depend on the heads, so they are
# searched as `loss_weights: {simplex: [head, ...]}`.
RANGES: Mapping[str, Mapping[str, dict[str, Any]]] = {
    "static": {},
    # Losses
    "dwa": {"temperature": {"low": 0.5, "high": 8.0, "log": True}},
    "famo": {"lr": _LEARNING_RATE, "decay": {"low": 0.0001, "high": 0.01, "log": True}},
    "gls": {},
    "imtl_l": {},
    "rlw": {},
    "stch": {"scalarizer.mu": {"low": 0.01, "high": 2.0, "log": True}},
    "uw": {},
    "uw_so": {"temperature": {"low": 0.2, "high": 50.0, "log": True}},
    # Gradients
    "aligned_mtl": {"weighting.scale_mode": {"choices": ["min", "median", "rmse"]}},
    "cagrad": {"c": {"low": 0.0, "high": 1.0}},
    "db_mtl": {"beta": {"low": 0.0, "high": 0.99}},
    "fairgrad": {"weighting.alpha": {"low": 0.5, "high": 8.0, "log": True}},
    "gradnorm": {"alpha": {"low": 0.0, "high": 3.0}, "lr": _LEARNING_RATE},
    "gradvac": {"beta": {"low": 0.01, "high": 1.0, "log": True}},
    "imtl_g": {},
    "mgda": {},
    "pcgrad": {},
    "upgrad": {},
}
