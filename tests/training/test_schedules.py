"""Schedules are as long as the training, by epochs or by steps, whatever decides their number."""

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from tests.training.fits import built, fitted
from torch.optim import lr_scheduler

from multihead.errors import CheckpointError, ConfigError
from multihead.training.schedules import Length, WarmupCosineLR, build_scheduler

BARE = [
    lr_scheduler.StepLR,
    lr_scheduler.MultiStepLR,
    lr_scheduler.ExponentialLR,
    lr_scheduler.CosineAnnealingLR,
    lr_scheduler.CosineAnnealingWarmRestarts,
    lr_scheduler.ReduceLROnPlateau,
    lr_scheduler.OneCycleLR,
    WarmupCosineLR,
]


ACCUMULATION = (
    "+callbacks.accumulation={_target_: "
    "lightning.pytorch.callbacks.GradientAccumulationScheduler, scheduling: {1: 3}}"
)


@pytest.fixture
def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


@pytest.mark.parametrize("scheduler", BARE)
def test_a_bare_class_gets_what_it_lacks(scheduler: type, optimizer: torch.optim.Optimizer) -> None:
    assert isinstance(build_scheduler(scheduler, optimizer, Length(9)), scheduler)


def test_a_step_is_a_third_of_the_epochs(optimizer: torch.optim.Optimizer) -> None:
    assert build_scheduler(lr_scheduler.StepLR, optimizer, Length(9)).step_size == 3


def test_what_a_partial_gives_is_kept(optimizer: torch.optim.Optimizer) -> None:
    given = partial(lr_scheduler.StepLR, step_size=5)
    assert build_scheduler(given, optimizer, Length(9)).step_size == 5


def test_an_argument_without_default_is_named(optimizer: torch.optim.Optimizer) -> None:
    with pytest.raises(ConfigError, match=r"needs the argument 'lr_lambda'"):
        build_scheduler(lr_scheduler.LambdaLR, optimizer, Length(9))


def test_a_decay_per_epoch_is_the_same_in_steps(optimizer: torch.optim.Optimizer) -> None:
    scheduler = build_scheduler(lr_scheduler.ExponentialLR, optimizer, Length(90, 10))
    assert scheduler.gamma**10 == pytest.approx(0.95)


def _curve(scheduler: lr_scheduler.LRScheduler, moves: int) -> list[list[float]]:
    found = []
    for _ in range(moves + 1):
        found.append(scheduler.get_last_lr())
        scheduler.optimizer.step()
        scheduler.step()
    return found


def test_the_warm_up_is_linear_and_the_rest_half_a_cosine() -> None:
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.2)]
    optimizer = torch.optim.SGD(groups)
    scheduler = WarmupCosineLR(optimizer, 20, 5, warmup_epochs=0.8, start_factor=0.1)
    expected = [0.1 * (0.1 + 0.9 * step / 4) for step in range(4)]
    expected += [0.05 * (1 + math.cos(math.pi * step / 16)) for step in range(17)]
    for first, second, rate in zip(
        *zip(*_curve(scheduler, 20), strict=True), expected, strict=True
    ):
        assert (first, second) == pytest.approx((rate, 2 * rate), abs=1e-9)


@pytest.mark.parametrize("moves", [1, 2, 3])
def test_the_shortest_training_has_a_schedule(moves: int, optimizer: torch.optim.Optimizer) -> None:
    rates = [rate for (rate,) in _curve(WarmupCosineLR(optimizer, moves, 1), moves)]
    assert max(rates) == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_no_warm_up_is_a_cosine(optimizer: torch.optim.Optimizer) -> None:
    scheduler = WarmupCosineLR(optimizer, 4, 1, warmup_epochs=0)
    rates = [rate for (rate,) in _curve(scheduler, 4)]
    assert rates[:3:2] == pytest.approx([0.1, 0.05])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"warmup_epochs": 3}, "warmup_epochs is 3, but the training has 2 epochs"),
        ({"warmup_epochs": -1}, "warmup_epochs is -1"),
        ({"warmup_fraction": 1.0}, "warmup_fraction is 1.0"),
    ],
)
def test_a_warm_up_ends_before_the_training(
    given: dict[str, float], said: str, optimizer: torch.optim.Optimizer
) -> None:
    with pytest.raises(ConfigError, match=said):
        WarmupCosineLR(optimizer, 20, 10, **given)


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("onecycle", []),
        ("warmup_cosine", ["+trainer.accumulate_grad_batches=3"]),
        ("warmup_cosine", ["+trainer.limit_train_batches=0.6"]),
        ("onecycle", ["+trainer.limit_train_batches=2", "+trainer.accumulate_grad_batches=4"]),
        ("warmup_cosine", ["+trainer.max_steps=5"]),
        ("warmup_cosine", ["trainer.max_epochs=-1", "+trainer.max_steps=5"]),
        ("warmup_cosine", [ACCUMULATION]),
        ("onecycle", [ACCUMULATION, "+trainer.max_steps=8"]),
    ],
)
def test_the_last_step_is_the_end_of_the_schedule(
    tmp_path: Path, preset: str, overrides: list[str]
) -> None:
    chosen = [f"model/scheduler={preset}", "data.batch_size=20", *overrides]
    parts = fitted(tmp_path, chosen, 2)
    (config,) = parts.trainer.lr_scheduler_configs
    assert config.scheduler.total_steps == config.scheduler.last_epoch == parts.trainer.global_step
    assert config.scheduler.get_last_lr()[0] < 0.002


def test_an_epoch_is_the_unit_where_the_scheduler_moves_once_an_epoch(tmp_path: Path) -> None:
    parts = fitted(tmp_path, ["model/scheduler=warmup_cosine", "model.scheduler_interval=epoch"], 4)
    assert parts.trainer.lr_scheduler_configs[0].scheduler.total_steps == 4


def test_a_schedule_in_epochs_ends_with_the_last_step(tmp_path: Path) -> None:
    parts = fitted(tmp_path, ["model/scheduler=cosine", "+trainer.max_steps=7"], 10)
    assert parts.trainer.lr_scheduler_configs[0].scheduler.T_max == 2


def test_batches_per_step_are_set_in_one_place() -> None:
    with pytest.raises(ConfigError, match="both set the batches per step; remove one"):
        built(ACCUMULATION, "+trainer.accumulate_grad_batches=2")


def test_one_cycle_goes_up_to_the_rate_of_each_group_after_it_is_scaled() -> None:
    parts = built(
        "model/scheduler=onecycle",
        "model.finetune.layer_decay=0.5",
        "+model.learning_rate_scaling=linear",
        "+model.reference_batch=32",
        "data.batch_size=64",
    )
    module = parts.module
    made = module.optimization.configured(
        module.parameter_groups(),
        parts.trainer,
        "cpu",
        64,
        lambda: parts.data.count_batches("train"),
    )
    groups = made["optimizer"].param_groups
    assert [group["max_lr"] for group in groups[:2]] == pytest.approx([0.004, 0.002])


def test_rates_that_were_typed_are_not_scaled_in_silence() -> None:
    with pytest.raises(ConfigError, match="OneCycleLR sets its own learning rates"):
        built(
            "model/scheduler=onecycle",
            "+model.scheduler.max_lr=0.1",
            "+model.learning_rate_scaling=linear",
            "+model.reference_batch=32",
        )


@pytest.mark.parametrize("preset", ["warmup_cosine", "onecycle"])
def test_a_training_that_only_time_ends_has_no_schedule(preset: str) -> None:
    with pytest.raises(ConfigError, match="is derived from the length of the training"):
        built(f"model/scheduler={preset}", "trainer.max_epochs=-1")


def test_a_schedule_that_has_ended_is_not_gone_on_with(tmp_path: Path) -> None:
    chosen = ["model/scheduler=onecycle"]
    fitted(tmp_path, chosen, 1)
    with pytest.raises(CheckpointError, match="ends after 4 steps, but the training now has 8"):
        fitted(tmp_path, chosen, 2, resume=True)
    with pytest.raises(CheckpointError, match="another scheduler than WarmupCosineLR"):
        fitted(tmp_path, ["model/scheduler=warmup_cosine"], 1, resume=True)
