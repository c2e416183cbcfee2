"""A training that is killed in the middle of an epoch goes on to the same weights, to the bit."""

import signal
from pathlib import Path

import pytest
import torch
from tests.stops import command, points_of, run_of

from multihead.runs.api import run
from multihead.runs.numerics import own_threads_afterwards
from multihead.tracking.store import Store

SMALL = (
    "experiment=multihead_cnn_digits",
    "data.train_val_test_split=[160,32,32]",
    "data.batch_size=16",
    "trainer.max_epochs=3",
    "trainer.accelerator=cpu",
    "model.net.conv1_channels=4",
    "model.net.conv2_channels=4",
    "model.net.fc_hidden=16",
)


@pytest.mark.slow(minutes=0.7)
@pytest.mark.parametrize("balancer", ["famo", "gradnorm", "gradvac"])
def test_a_killed_training_goes_on_to_the_same_weights(
    balancer: str, home: Path, store: Store
) -> None:
    """One that keeps losses, one that keeps weights, and one that keeps cosines and draws."""
    words = [*SMALL, f"model/balancer={balancer}"]
    dead = command("train", *words, stop_at=25, by=signal.SIGKILL)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    killed = run_of(dead)
    with own_threads_afterwards():
        torch.set_num_threads(1)  # as the one that was killed had
        run([f"resume={killed}"])
        whole = run(words).run_id
    of_both = [points_of(store, each) for each in (killed, whole)]
    assert of_both[0] == of_both[1]
    states = [_weights(home / each / "checkpoints" / "last.ckpt") for each in (killed, whole)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def _weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return state
