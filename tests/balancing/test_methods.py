"""Each method against its paper's formula, and against another implementation."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor, nn
from torchjd import aggregation
from torchjd.autojac import jac_to_grad, mtl_backward

from multihead import Heads, MultiheadLitModule, SimpleCNN, settings
from multihead.balancing import (
    FAMO,
    Balancer,
    CAGrad,
    DynamicWeightAverage,
    GradNorm,
    GradVac,
    SoftOptimalUncertainty,
    StaticWeights,
)
from multihead.yaml_file import read_yaml

FOLDER = settings.packaged("experiments") / "model" / "balancer"
TWO = Heads.from_outputs({"a": 2, "b": 2})
THREE = Heads.from_outputs({"a": 4, "b": 3, "c": 2})
# Gradients in the plane: a conflict, one much longer than the other, and nearly parallel ones.
CASES = [
    [[1.0, 0.0], [-0.5, 1.0]],
    [[10.0, 0.0], [1.0, 1.0]],
    [[1.0, 0.1], [1.0, -0.1]],
]


def shipped(name: str, **changed: object) -> Callable[..., Balancer]:
    return instantiate({**read_yaml(FOLDER / f"{name}.yaml"), **changed})


def direction(
    make: Callable[..., Balancer], gradients: list[list[float]], losses: Tensor
) -> Tensor:
    given = torch.tensor(gradients)
    _, weights = make(TWO)(losses, gramian=given @ given.T)
    return nn.functional.normalize(weights @ given, dim=0)


def mgda(g: Tensor) -> Tensor:
    """The point of the segment between two gradients that is nearest to 0 (Sener & Koltun)."""
    a = ((g[1] - g[0]) @ g[1] / (g[1] - g[0]).square().sum()).clamp(0, 1)
    return a * g[0] + (1 - a) * g[1]


def pcgrad(g: Tensor) -> Tensor:
    """Each gradient without its part against the other (Yu et al., algorithm 1)."""
    product = (g[0] @ g[1]).clamp(max=0)
    return g[0] - product / g[1].square().sum() * g[1] + g[1] - product / g[0].square().sum() * g[0]


def imtl_g(g: Tensor) -> Tensor:
    """Of equal projections onto both unit gradients: their bisector in the plane (Liu et al.)."""
    return nn.functional.normalize(g, dim=1).sum(0)


def nash(g: Tensor) -> Tensor:
    """G w = 1 / w, solved for two heads: w ~ 1 / length (Navon et al.; FairGrad with alpha 1)."""
    return (g / g.norm(dim=1, keepdim=True)).sum(0)


def aligned(g: Tensor) -> Tensor:
    """The polar factor of the gradients, all as long as the least singular value (Senushkin)."""
    left, _, right = torch.linalg.svd(g, full_matrices=False)
    return (left @ right).sum(0)


def upgrad(g: Tensor) -> Tensor:
    """For two heads the projection on the cone of no conflict is PCGrad's (Quinton & Rey)."""
    return pcgrad(g)


@pytest.mark.parametrize("gradients", CASES)
@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("mgda", mgda),
        ("pcgrad", pcgrad),
        ("imtl_g", imtl_g),
        ("fairgrad", nash),
        ("aligned_mtl", aligned),
        ("upgrad", upgrad),
        ("db_mtl", imtl_g),
    ],
)
def test_the_direction_is_that_of_the_paper(
    name: str, formula: Callable[[Tensor], Tensor], gradients: list[list[float]]
) -> None:
    found = direction(shipped(name), gradients, torch.tensor([1.0, 1.0]))
    expected = nn.functional.normalize(formula(torch.tensor(gradients)), dim=0)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("gradients", CASES)
def test_cagrad_finds_the_best_direction_of_its_ball(gradients: list[list[float]]) -> None:
    """Compared with every direction of the ball around the mean gradient."""
    g = torch.tensor(gradients, dtype=torch.float64)
    mean, c = g.mean(0), 0.4
    angles = torch.linspace(0, 2 * torch.pi, 20_001, dtype=torch.float64)
    ball = mean + c * mean.norm() * torch.stack([angles.cos(), angles.sin()], 1)
    best = ball[(ball @ g.T).amin(1).argmax()].float()
    found = direction(partial(CAGrad, c=c), gradients, torch.ones(2))
    torch.testing.assert_close(found, nn.functional.normalize(best, dim=0), rtol=2e-3, atol=2e-3)


def test_gradvac_equals_torchjds_over_several_batches() -> None:
    """The averages that it keeps are in the second and third batch."""
    ours, theirs = GradVac(TWO, scaled=False), aggregation.GradVacWeighting(beta=0.5)
    for gradients in CASES:
        given = torch.tensor(gradients)
        _, weights = ours(torch.ones(2), gramian=given @ given.T)
        torch.testing.assert_close(weights, theirs(given @ given.T), rtol=1e-4, atol=1e-5)


def test_gradnorm_gives_a_longer_gradient_less_weight_until_lengths_are_alike() -> None:
    made, gramian = GradNorm(TWO, alpha=0.0, lr=0.05), torch.diag(torch.tensor([9.0, 1.0]))
    for _ in range(200):
        _, weights = made(torch.ones(2), gramian=gramian)
    torch.testing.assert_close(weights, torch.tensor([0.5, 1.5]), atol=0.1, rtol=0)


def test_dwa_follows_the_ratio_of_the_last_two_epochs() -> None:
    made = DynamicWeightAverage(TWO, temperature=2.0)
    for losses in ([1.0, 1.0], [0.5, 1.0]):
        _, weights = made(torch.tensor(losses))
        assert weights.tolist() == [1.0, 1.0]
        made.end_epoch()
    _, weights = made(torch.ones(2))
    torch.testing.assert_close(weights, 2 * torch.tensor([0.25, 0.5]).softmax(0))


def test_uw_so_is_the_softmax_of_the_inverse_losses() -> None:
    _, weights = SoftOptimalUncertainty(TWO, temperature=2.0)(torch.tensor([0.5, 2.0]))
    torch.testing.assert_close(weights, 2 * torch.tensor([1.0, 0.25]).softmax(0))


def test_gls_and_stch_weigh_by_their_derivatives() -> None:
    losses = torch.tensor([0.5, 2.0])
    _, weights = shipped("gls", scaled=False)(TWO)(losses)
    torch.testing.assert_close(weights, 1.0 / (2 * losses))  # sqrt(0.5 * 2) = 1
    _, weights = shipped("stch", scaled=False)(TWO)(losses)
    torch.testing.assert_close(weights, 0.5 * (0.5 * losses / 0.5).softmax(0))


def test_famo_takes_weight_from_the_head_whose_loss_fell_more() -> None:
    """The first step of Adam is lr in the direction of the derivative, against the decay of 0."""
    made = FAMO(TWO, lr=0.1, decay=0.0, scaled=False)
    made(torch.tensor([1.0, 1.0]))
    made(torch.tensor([0.5, 1.0]))
    torch.testing.assert_close(made.logits, torch.tensor([-0.1, 0.1]), rtol=1e-4, atol=1e-4)


def test_the_learned_scale_of_imtl_l_brings_each_loss_to_one() -> None:
    made, losses = shipped("imtl_l")(TWO), torch.tensor([0.2, 5.0])
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        made(losses)[0].backward()
        optimizer.step()
    torch.testing.assert_close(made(losses)[1] * losses, torch.ones(2), atol=1e-3, rtol=0)


def test_random_weights_are_other_ones_in_each_batch_and_leave_other_draws_alone() -> None:
    made = shipped("rlw")(TWO)
    before, drawn = torch.get_rng_state(), set()
    for made.batch in (0, 1, 2, 0):
        drawn.add(made(torch.ones(2))[1][0].item())
    assert len(drawn) == 3
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "aggregator"),
    [
        ("mgda", aggregation.MGDA(epsilon=1e-6, max_iters=100_000)),
        ("imtl_g", aggregation.IMTLG()),
        ("aligned_mtl", aggregation.AlignedMTL()),
        ("upgrad", aggregation.UPGrad()),
        ("fairgrad", aggregation.FairGrad(alpha=1.0)),
    ],
)
def test_steps_equal_those_of_torchjd(name: str, aggregator: nn.Module) -> None:
    """Two steps of a network with batch norm: gradients of what is shared, and of each head."""
    ours, theirs = _network(), _network()
    module = MultiheadLitModule(
        ours, partial(torch.optim.SGD, lr=0.1), balancer=shipped(name, scaled=False)
    )
    module._use_heads(THREE)
    torch.manual_seed(1)
    for _ in range(2):
        images = torch.randn(8, 1, 8, 8)
        labels = {name: torch.randint(count, (8,)) for name, count in THREE.outputs.items()}
        module.zero_grad()
        losses, counts, _, _ = module.losses((images, labels))
        module.balanced(losses, module.present(counts))[0].backward()
        theirs.zero_grad()
        features = theirs.features(images)
        outputs = theirs.from_features(features)
        each = [nn.functional.cross_entropy(outputs[n], labels[n]) for n in THREE]
        mtl_backward(each, features=features)
        jac_to_grad(theirs.backbone.parameters(), aggregator)
        for (what, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-5, msg=what)
        with torch.no_grad():
            for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
                mine -= 0.1 * mine.grad
                other -= 0.1 * other.grad


def test_static_weights_that_a_gramian_method_hands_over_are_plain_training() -> None:
    """One pass per head adds up to the one pass of the weighted sum."""

    class Handed(StaticWeights):
        needs_gramian = True

    found = []
    for make in (Handed, StaticWeights):
        net = _network()
        module = MultiheadLitModule(net, torch.optim.SGD, balancer=make, loss_weights={"a": 2.0})
        module._use_heads(THREE)
        torch.manual_seed(1)
        images = torch.randn(8, 1, 8, 8)
        losses = module.losses((images, {n: torch.arange(8) % 2 for n in THREE}))[0]
        total, _ = module.balanced(losses, module.present(None))
        total.backward()
        found.append([total.detach(), *(p.grad for p in net.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def _network() -> SimpleCNN:
    torch.manual_seed(0)
    small = {"conv1_channels": 2, "conv2_channels": 3, "fc_hidden": 6, "dropout": 0.0}
    return SimpleCNN(input_channels=1, input_size=8, heads_config=THREE.outputs, **small)
