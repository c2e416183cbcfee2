"""Learning rates that follow the size of a batch, when they are told to."""

import pytest
import torch

from multihead.errors import ConfigError
from multihead.training.learning_rate import BatchScaling


@pytest.mark.parametrize(("rule", "factor"), [("linear", 4.0), ("sqrt", 2.0)])
def test_the_rate_follows_the_batch_of_all_devices(rule: str, factor: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    BatchScaling(rule, 64).apply(optimizer, 256)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * factor)


def test_nothing_is_scaled_unless_it_is_asked_for() -> None:
    assert BatchScaling().factor(4096) == 1.0


@pytest.mark.parametrize(
    ("rule", "reference", "message"),
    [
        ("cubic", 64, "choose one of"),
        ("linear", None, "set a reference batch"),
        ("none", 64, "for linear and sqrt"),
        ("sqrt", 0, "give 1 or more"),
    ],
)
def test_what_cannot_be_scaled_is_refused(rule: str, reference: int | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BatchScaling(rule, reference)


def test_a_scheduler_with_rates_of_its_own_is_refused() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    BatchScaling().check_scheduler(scheduler)
    with pytest.raises(ConfigError, match="OneCycleLR sets its own learning rates"):
        BatchScaling("sqrt", 64).check_scheduler(scheduler)
