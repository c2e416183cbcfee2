"""What is made of a configuration."""

import os
import signal
from pathlib import Path

import pytest
import torch
from tests.conftest import DIGITS, Run

from multihead.runs.build import build, logged_metrics
from multihead.runs.config import compose_run


@pytest.mark.parametrize("name", ["plateau", "step", "cosine", "none"])
def test_a_scheduler_is_a_choice(train: Run, name: str) -> None:
    assert train(f"model/scheduler={name}", "test=false").metrics["lr"] == 0.002


@pytest.mark.parametrize("name", ["warmup_cosine", "onecycle"])
def test_a_scheduler_that_moves_each_step_is_a_choice(train: Run, name: str) -> None:
    assert train(f"model/scheduler={name}", "test=false").metrics["lr"] < 0.002


def test_the_metrics_a_run_promises_are_those_it_logs(train: Run) -> None:
    """So a monitor that passes the check will be found in training."""
    config = compose_run([*DIGITS])
    parts = build(config)
    promised = set(logged_metrics(parts.module, parts.data)) - {"step", "epoch"}
    logged = {name for name in train("test=false").metrics if not name.startswith("best/")}
    assert logged == promised


def test_weights_order_and_split_follow_from_the_seed(home: Path) -> None:
    first, again, other = (build(compose_run([*DIGITS, f"seed={s}"])) for s in (1, 1, 2))
    weight = [p.module.net.backbone[0].weight for p in (first, again, other)]
    assert torch.equal(weight[0], weight[1])
    assert not torch.equal(weight[0], weight[2])
    assert first.data.train_indices.tolist() == again.data.train_indices.tolist()


def test_shared_weights_do_not_depend_on_the_heads(home: Path) -> None:
    """Arms of one seed start from the same trunk."""
    both = build(compose_run([*DIGITS]))
    alone = build(
        compose_run(
            [*DIGITS, "data.multihead=false", "model.loss_weights=null", "model.criteria=null"]
        )
    )
    for a, b in zip(
        both.module.net.backbone.parameters(), alone.module.net.backbone.parameters(), strict=True
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "override",
    [
        ("+trainer.max_steps=2",),
        ("trainer.check_val_every_n_epoch=2", "trainer.max_epochs=3"),
        (
            "+trainer.limit_val_batches=0",
            "callbacks=none",
            "model.scheduler=null",
            "optimized_metric=null",
        ),
    ],
    ids=str,
)
def test_epochs_without_validation_train(train: Run, override: tuple[str, ...]) -> None:
    assert "train/digit_loss" in train(*override).metrics


def test_a_training_in_a_slurm_job_is_one_process_and_does_not_requeue_the_job(
    train: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text("#!/bin/sh\n")
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{srun.parent}:{os.environ['PATH']}")
    train("trainer.max_epochs=1")  # outside a job it warns of nothing
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "study", "SLURM_NTASKS": "2", "SLURM_PROCID": "1"}
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGUSR1)
    parts = build(compose_run([*DIGITS, "trainer.max_epochs=1"]))
    assert parts.trainer.world_size == 1
    train("trainer.max_epochs=1")
    assert signal.getsignal(signal.SIGUSR1) == before


def test_deterministic_can_be_a_warning() -> None:
    config = compose_run([*DIGITS, "+trainer.deterministic=warn"])
    try:
        build(config)
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(mode=False)
