"""Which devices a run trains on, and what is refused before it starts."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import DIGITS, Run
from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.models.network import MultiheadNetwork
from multihead.models.simple_cnn import SimpleCNN
from multihead.runs.build import build
from multihead.runs.config import compose_run
from multihead.runs.devices import Devices, check_gradients, devices_of
from multihead.runs.sections import RunConfig

ONE_HEAD = ("data.only_heads=[digit]", "model.criteria=null", "model.loss_weights=null")
DDP = ("trainer=ddp", "trainer.accelerator=cpu")


class Flattening(SimpleCNN):
    """Has a layer that cannot tell the shape of nothing."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return super().forward(images.reshape(images.shape[0], 1, 8, -1))


class Idle(SimpleCNN):
    """Has a parameter that no output depends on."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.idle = nn.Parameter(torch.zeros(3))


def _config(*overrides: str) -> dict[str, Any]:
    return compose_run([*DIGITS, *overrides])


def _devices(*overrides: str) -> Devices:
    config = RunConfig.of(_config(*overrides))
    return devices_of(config.trainer, config.data.batch_size)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([*DDP], "one device"),
        ([*DDP, "trainer.devices=1"], "name two or more, or set trainer.strategy=auto"),
        (["trainer.accelerator=cpu", "trainer.devices=2"], "add trainer=ddp"),
        ([*DDP, "trainer.devices=2", "trainer.strategy=ddp_spawn"], "choose auto"),
        ([*DDP, "trainer.devices=2", "+trainer.num_nodes=2"], "devices of one machine"),
        ([*DDP, "trainer.devices=2", "data.batch_size=1"], "give 2 or more"),
        (["trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2"], "use trainer=ddp"),
        (["trainer=ddp", "trainer.accelerator=mps", "trainer.devices=2"], "not on mps"),
    ],
)
def test_devices_that_cannot_train_together_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        _devices(*overrides)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there are GPUs")
@pytest.mark.parametrize(
    ("devices", "precision", "asked", "message"),
    [
        ("fsdp", "32-true", "model/balancer=pcgrad", r"model\.balancer needs .*use trainer=ddp"),
        ("fsdp", "32-true", "callbacks=conflict", r"callbacks\.conflict needs .*trainer=ddp"),
        ("fsdp", "32-true", "callbacks=affinity", r"callbacks\.affinity needs .*trainer=ddp"),
        ("auto", "16-mixed", "model/balancer=pcgrad", "underflow.*Use bf16-mixed"),
    ],
)
def test_gradients_of_heads_are_refused_where_there_are_none(
    devices: str, precision: str, asked: str, message: str
) -> None:
    parts = build(_config(asked))
    given = Devices(devices, "cuda", 2), precision, parts.module, parts.trainer.callbacks
    with pytest.raises(ConfigError, match=message) as refused:
        check_gradients(*given)
    assert "\n" not in str(refused.value)


def test_what_needs_no_gradients_of_heads_in_16_bits_is_not_refused() -> None:
    for words in (["model/balancer=uw"], ["model/balancer=pcgrad", *ONE_HEAD]):
        parts = build(_config(*words))
        check_gradients(Devices("fsdp", "cuda", 2), "32-true", parts.module, [])
    parts = build(_config("callbacks=affinity"))  # it computes in float32
    check_gradients(Devices("auto", "cuda", 1), "16-mixed", parts.module, parts.trainer.callbacks)


def test_more_gpus_than_there_are_are_refused() -> None:
    with pytest.raises(ConfigError, match="there are 0 GPUs"):
        _devices("trainer=ddp", "trainer.accelerator=cuda", "trainer.devices=2")


@pytest.mark.parametrize("devices", ["3", "'3'", "[0,1,2]"])
def test_devices_are_counted_however_they_are_named(devices: str) -> None:
    found = _devices(*DDP, f"trainer.devices={devices}")
    assert found == Devices("ddp", "cpu", 3)


def test_batch_norm_of_parts_is_refused() -> None:
    config = _config(*DDP, "trainer.devices=2", "+trainer.sync_batchnorm=false")
    with pytest.raises(ConfigError, match="sync_batchnorm is false"):
        build(config)


def test_a_network_that_takes_no_empty_batch_is_refused_where_it_would_get_one() -> None:
    """128 images in batches of 63 leave 2 for three devices."""
    net = f"model.net._target_={__name__}.Flattening"
    config = _config(*DDP, "trainer.devices=3", "data.batch_size=63", net)
    with pytest.raises(ConfigError, match="images has 2 for 3 devices"):
        build(config)
    assert isinstance(
        build({**config, "data": {**config["data"], "batch_size": 64}}).module.net, MultiheadNetwork
    )


@pytest.mark.parametrize(
    ("network", "unused"), [("multihead.SimpleCNN", False), (f"{__name__}.Idle", True)]
)
def test_ddp_looks_for_unused_parameters_where_there_are_any(network: str, unused: bool) -> None:
    config = _config(*DDP, "trainer.devices=2", f"model.net._target_={network}")
    strategy = build(config).trainer.strategy
    assert strategy._ddp_kwargs["find_unused_parameters"] is unused


def test_a_failed_build_starts_no_process_and_records_nothing(home: Path, train: Run) -> None:
    with pytest.raises(ConfigError, match="trainer=ddp"):
        train("trainer.devices=2")
    assert not list(home.glob("*/spool.jsonl"))
