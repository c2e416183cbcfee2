from functools import partial

import pytest
import torch
from torch.optim import lr_scheduler

from multihead.errors import ConfigError
from multihead.training.schedules import build_scheduler

BARE = [
    lr_scheduler.StepLR,
    lr_scheduler.MultiStepLR,
    lr_scheduler.ExponentialLR,
    lr_scheduler.CosineAnnealingLR,
    lr_scheduler.CosineAnnealingWarmRestarts,
    lr_scheduler.ReduceLROnPlateau,
]


@pytest.fixture
def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


@pytest.mark.parametrize("scheduler", BARE)
def test_a_bare_class_gets_what_it_lacks(scheduler: type, optimizer: torch.optim.Optimizer) -> None:
    assert isinstance(build_scheduler(scheduler, optimizer, 9), scheduler)


def test_a_step_is_a_third_of_the_epochs(optimizer: torch.optim.Optimizer) -> None:
    assert build_scheduler(lr_scheduler.StepLR, optimizer, 9).step_size == 3


def test_what_a_partial_gives_is_kept(optimizer: torch.optim.Optimizer) -> None:
    given = partial(lr_scheduler.StepLR, step_size=5)
    assert build_scheduler(given, optimizer, 9).step_size == 5


def test_an_argument_without_default_is_named(optimizer: torch.optim.Optimizer) -> None:
    with pytest.raises(ConfigError, match=r"needs the argument 'lr_lambda'"):
        build_scheduler(lr_scheduler.LambdaLR, optimizer, 9)
