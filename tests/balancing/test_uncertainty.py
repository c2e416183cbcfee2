import torch

from multihead import Heads
from multihead.balancing import UncertaintyWeighting

LOSSES = torch.tensor([2.0, 0.5])


def test_the_loss_and_its_gradient_are_those_of_the_paper(heads: Heads) -> None:
    balancer = UncertaintyWeighting(heads, {"colour": 0.5})
    with torch.no_grad():
        for variance, value in zip(balancer.log_variances, (0.3, -0.2), strict=True):
            variance.fill_(value)
    total, weights = balancer(LOSSES)
    s = torch.tensor([0.3, -0.2])
    expected = torch.tensor([1.0, 0.5]) * torch.exp(-s)
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(total, (expected * LOSSES + s / 2).sum())
    total.backward()
    gradient = torch.stack([v.grad for v in balancer.log_variances])
    torch.testing.assert_close(gradient, 0.5 - expected * LOSSES)


def test_the_learned_noise_settles_at_twice_the_loss(heads: Heads) -> None:
    """Where the derivative is 0: exp(s) = 2 w L."""
    balancer = UncertaintyWeighting(heads)
    optimizer = torch.optim.Adam(balancer.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        balancer(LOSSES)[0].backward()
        optimizer.step()
    settled = torch.stack([*balancer.log_variances]).exp()
    torch.testing.assert_close(settled, 2 * LOSSES, rtol=1e-3, atol=1e-3)


def test_a_head_without_labels_in_the_batch_learns_no_noise_from_it(heads: Heads) -> None:
    balancer = UncertaintyWeighting(heads)
    total, _ = balancer(torch.tensor([2.0, 0.0]), torch.tensor([True, False]))
    total.backward()
    assert balancer.log_variances[1].grad == 0
