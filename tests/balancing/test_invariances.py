"""What does not change a method: the scale of one loss, or of all, and how many heads there are."""

import math
from collections.abc import Callable

import pytest
import torch
from hydra.utils import instantiate
from tests.balancing.test_balancers import FOLDER, SHIPPED
from torch import Tensor, nn

from multihead import Heads
from multihead.balancing import Balancer, StaticWeights
from multihead.yaml_file import read_yaml

# Where the paper says so; the learned scales of two are there once they have settled.
SCALE_FREE = ["db_mtl", "fairgrad", "famo", "gls", "imtl_g"]
SCALE_FREE_IN_THE_END = ["imtl_l", "uw"]
SCALED_BY_THE_LOSSES = ["cagrad", "dwa", "mgda", "pcgrad", "rlw", "static", "upgrad"]
BY_GRADIENTS = [n for n in SHIPPED if "every:" in (FOLDER / f"{n}.yaml").read_text()]
BATCHES = 3


def made(name: str, heads: int, **changed: object) -> Balancer:
    make: Callable[..., Balancer] = instantiate({**read_yaml(FOLDER / f"{name}.yaml"), **changed})
    return make(Heads.from_outputs({f"h{index}": 2 for index in range(heads)}))


def drawn(heads: int, *, batches: int = BATCHES) -> list[tuple[Tensor, Tensor]]:
    """Return losses and gradients of some batches; heads conflict here and there."""
    torch.manual_seed(heads)
    return [(torch.rand(heads) + 0.5, torch.randn(heads, 12)) for _ in range(batches)]


def direction(balancer: Balancer, batches: list[tuple[Tensor, Tensor]], factor: Tensor) -> Tensor:
    """Return the direction of the last step, with each head's loss times a factor."""
    for number, (losses, gradients) in enumerate(batches):
        balancer.batch = number
        scaled = factor[:, None] * gradients
        _, weights = balancer(losses * factor, gramian=scaled @ scaled.T)
        balancer.end_epoch()
        step = nn.functional.normalize(weights @ scaled, dim=0)
    return step


@pytest.mark.parametrize("heads", [2, 3, 10])
@pytest.mark.parametrize("name", SCALE_FREE)
def test_a_loss_times_100_does_not_change_the_direction(name: str, heads: int) -> None:
    batches = drawn(heads)
    plain = direction(made(name, heads), batches, torch.ones(heads))
    for index in (0, heads - 1):
        factor = torch.ones(heads)
        factor[index] = 100
        found = direction(made(name, heads), batches, factor)
        torch.testing.assert_close(found, plain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", SCALE_FREE_IN_THE_END)
def test_a_loss_times_100_does_not_change_where_learned_scales_settle(name: str) -> None:
    ((losses, gradients),) = drawn(3, batches=1)
    found = []
    for factor in (torch.ones(3), torch.tensor([1.0, 100.0, 1.0])):
        balancer = made(name, 3)
        optimizer = torch.optim.LBFGS(balancer.parameters(), 1, 200, line_search_fn="strong_wolfe")

        def total(balancer: Balancer = balancer, factor: Tensor = factor) -> Tensor:
            balancer.zero_grad()
            value, _ = balancer(losses * factor)
            value.backward()
            return value

        optimizer.step(total)
        _, weights = balancer(losses * factor)
        found.append(nn.functional.normalize(weights @ (factor[:, None] * gradients), dim=0))
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", SCALED_BY_THE_LOSSES)
def test_of_other_methods_it_changes_the_direction(name: str) -> None:
    factor = torch.tensor([1.0, 100.0, 1.0])
    plain, scaled = (direction(made(name, 3), drawn(3), f) for f in (torch.ones(3), factor))
    assert plain @ scaled < 0.95


@pytest.mark.parametrize("heads", [2, 3, 10])
@pytest.mark.parametrize("name", BY_GRADIENTS)
@pytest.mark.parametrize("scale", [1e-6, 1e3])
def test_gradients_of_any_scale_have_the_same_direction(
    name: str, heads: int, scale: float
) -> None:
    """Late in a training gradients are short; nothing in a method may take them for 0."""
    batches = drawn(heads)
    plain = direction(made(name, heads), batches, torch.ones(heads))
    scaled = direction(made(name, heads), batches, torch.full((heads,), scale))
    torch.testing.assert_close(scaled, plain, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("heads", [2, 3, 10])
@pytest.mark.parametrize("name", BY_GRADIENTS)
def test_the_weights_sum_to_the_static_ones(name: str, heads: int) -> None:
    """Otherwise the method changes the learning rate, and a comparison measures that."""
    static = {f"h{index}": 0.5 + index for index in range(heads)}
    make = instantiate(read_yaml(FOLDER / f"{name}.yaml"))
    balancer = make(Heads.from_outputs(dict.fromkeys(static, 2)), static)
    for number, (losses, gradients) in enumerate(drawn(heads)):
        balancer.batch = number
        _, weights = balancer(losses, gramian=gradients @ gradients.T)
        assert weights.sum().item() == pytest.approx(sum(static.values()), rel=1e-5)


@pytest.mark.parametrize("heads", [2, 3, 10])
@pytest.mark.parametrize("short", [1.0, 1e-3])
def test_mgda_finds_the_shortest_combination(heads: int, short: float) -> None:
    """No gradient makes an acute angle with it that another makes with less: Wolfe's criterion."""
    losses, gradients = drawn(heads)[0]
    gradients[: heads // 2] *= short
    _, weights = made("mgda", heads, scaled=False)(losses, gramian=gradients @ gradients.T)
    step = weights @ gradients
    assert weights.min() >= 0
    assert weights.sum().item() == pytest.approx(1, rel=1e-5)
    assert (gradients @ step).min() >= (step @ step) * (1 - 1e-3)


@pytest.mark.parametrize("heads", [2, 3, 10])
@pytest.mark.parametrize("longest", [1.0, 1e4])
def test_imtl_g_improves_all_heads_alike(heads: int, longest: float) -> None:
    """Also where the paper's weights, which sum to 1, would turn the step round."""
    for losses, gradients in drawn(heads, batches=10):
        gradients[0] *= longest
        _, weights = made("imtl_g", heads)(losses, gramian=gradients @ gradients.T)
        found = nn.functional.normalize(gradients, dim=1) @ (weights @ gradients)
        assert found.min() > 0
        torch.testing.assert_close(found, found.mean().expand(heads), rtol=2e-2, atol=0)


@pytest.mark.parametrize("scale", [1e-6, 1.0])
def test_upgrad_leaves_no_head_worse_off(scale: float) -> None:
    for losses, gradients in drawn(5, batches=10):
        gradients *= scale
        _, weights = made("upgrad", 5)(losses, gramian=gradients @ gradients.T)
        found = gradients @ (weights @ gradients)
        assert found.min() > -2e-3 * found.max()


@pytest.mark.parametrize("name", BY_GRADIENTS)
def test_an_overflow_is_of_its_batch_alone(name: str) -> None:
    """A gradient that is not finite must not stay in what a method keeps."""
    balancer, ((losses, gradients),) = made(name, 3), drawn(3, batches=1)
    _, static = StaticWeights(Heads.from_outputs(dict.fromkeys("abc", 2)))(losses)
    gramian = gradients @ gradients.T
    broken = gramian.clone()
    broken[0, 0] = math.inf
    balancer(losses, gramian=broken)
    balancer.batch = 1
    _, weights = balancer(losses, gramian=gramian)
    assert torch.isfinite(weights).all()
    assert not torch.allclose(weights, static)
