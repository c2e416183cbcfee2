import math

import pytest
import torch

from multihead import Heads
from multihead.balancing import StaticWeights
from multihead.errors import ConfigError


def test_a_single_head_keeps_its_loss() -> None:
    """Otherwise a single-task arm is not plain training and the comparison is unfair."""
    total, _ = StaticWeights(Heads.from_outputs({"digit": 10}))(torch.tensor([1.7]))
    torch.testing.assert_close(total, torch.tensor(1.7))


def test_a_head_without_a_weight_has_weight_one(heads: Heads) -> None:
    total, _ = StaticWeights(heads, {"colour": 0.5})(torch.tensor([2.0, 4.0]))
    torch.testing.assert_close(total, torch.tensor(4.0))


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_that_is_negative_or_not_finite_is_refused(heads: Heads, weight: float) -> None:
    with pytest.raises(ConfigError, match=r"loss_weights\.shape is .*; give a finite number"):
        StaticWeights(heads, {"shape": weight})


def test_a_weight_of_an_unknown_head_is_refused(heads: Heads) -> None:
    with pytest.raises(ConfigError, match=r"names head 'size', but the network has \['shape'"):
        StaticWeights(heads, {"size": 1.0})


def test_weights_that_are_all_zero_are_refused(heads: Heads) -> None:
    with pytest.raises(ConfigError, match="all 0"):
        StaticWeights(heads, {"shape": 0.0, "colour": 0.0})


def test_weights_are_not_rounded_within_a_training_of_16_bits(heads: Heads) -> None:
    balancer = StaticWeights(heads, {"shape": 0.8, "colour": 0.3})
    losses = torch.tensor([1.7, 2.3])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(balancer(losses)[0], torch.tensor(0.8 * 1.7 + 0.3 * 2.3))
