"""Three processes with a part of each batch, one of them empty, against one process with it all."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.training.one_of_three import BATCH, batches, further_labels, network, step
from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.training.batch_norm import check_batch_norm
from multihead.training.gathering import Gathering

SCRIPT = Path(__file__).with_name("one_of_three.py")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    """What each process found."""
    folder = tmp_path_factory.mktemp("three")
    command = [sys.executable, str(SCRIPT)]
    processes = [subprocess.Popen([*command, str(rank), str(folder)]) for rank in range(3)]
    assert [process.wait(timeout=240) for process in processes] == [0, 0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(3)]


@pytest.fixture(scope="module")
def alone() -> dict[str, Tensor]:
    """What one process finds in the same batches."""
    net, values = network(), {}
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for number, (images, labels) in enumerate(batches()):
        logits = net(images)
        optimizer.zero_grad()
        found = step((logits, logits), labels, [*net.parameters()], Gathering())
        optimizer.step()
        values |= {f"{name}{number}": value for name, value in found.items()}
    gradients = {f"gradient {name}": p.grad for name, p in net.named_parameters()}
    return {**values, **further_labels(), **gradients, **net.state_dict()}


@pytest.mark.slow
@pytest.mark.parametrize("rank", range(3))
def test_every_rank_has_the_losses_gradients_and_statistics_of_one_process(
    found: list[dict[str, Tensor]], alone: dict[str, Tensor], rank: int
) -> None:
    """With a criterion that is no mean over samples, and batch norm of images and features."""
    for name, value in alone.items():
        torch.testing.assert_close(
            found[rank][name], value, atol=2e-5, rtol=2e-5, equal_nan=True, msg=name
        )
    assert found[rank].keys() - alone.keys() == {"said", "wished", "ranks", "classes"}


@pytest.mark.slow
def test_rank_0_decides_and_every_rank_is_heard(found: list[dict[str, Tensor]]) -> None:
    assert [int(values["said"]) for values in found] == [7, 7, 7]
    assert [int(values["wished"]) for values in found] == [15, 15, 15]
    assert all(values["ranks"].tolist() == [0, 1, 2] for values in found)


@pytest.mark.slow
def test_layers_are_plain_again_afterwards(found: list[dict[str, Tensor]]) -> None:
    assert [int(values["classes"]) for values in found] == [1, 1, 1]


def test_alone_nothing_is_exchanged() -> None:
    outputs, labels = {"a": torch.ones(BATCH, 2)}, {"a": torch.ones(BATCH)}
    same, seen = Gathering().whole(outputs, labels)
    assert same["a"] is outputs["a"]
    assert seen["a"] is labels["a"]
    assert Gathering().of_rank_0(3) == 3


def test_batch_norm_of_another_class_is_refused_on_the_cpu() -> None:
    class Odd(nn.BatchNorm2d): ...

    check_batch_norm(Odd(2), "cuda")
    with pytest.raises(ConfigError, match="synchronise the batch norm of Odd"):
        check_batch_norm(Odd(2), "cpu")
