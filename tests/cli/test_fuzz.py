"""Whatever a person types, a command ends as asked, or with one line and nothing left.

Overrides are made of the schema: keys of the composed configuration and of the signatures of its
targets, misspelt ones, config groups, and values of every wrong type and size.
"""

import inspect
import json
import math
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from tests.conftest import DIGITS

from multihead.cli.main import main
from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import DivergenceError, MultiheadError
from multihead.runs.config import USER_ERRORS, Base, explain, opened
from multihead.runs.execute import Membership, execute
from multihead.runs.schema import locate

ALL, QUICK = 500, 20
BASE = (
    *(*DIGITS, "data.batch_size=64", "test=false", "trainer.accelerator=cpu"),
    *("trainer.max_epochs=1", "+trainer.limit_train_batches=1", "+trainer.limit_val_batches=1"),
)
GROUPS = {
    "model/scheduler": ("none", "step", "cosine", "plateau"),
    "model/criterion": ("focal", "expected_l1", "regression_l1", "soft_targets"),
    "model/balancer": ("uw", "dwa", "gls", "pcgrad", "mgda"),
    "model/finetune": ("full", "head_only", "gradual"),
    "model/net": ("simple_cnn", "multi_lenet"),
    "callbacks": ("none", "score", "conflict"),
    "data/augment": ("light", "mixup", "erasing"),
}
NUMBERS = [-1, 0, 1, 1.0, 1.5, -0.0, 1e-4, 1e300, math.nan, math.inf, -math.inf, 2**62, 2**70]
TEXTS = [
    *("", " ", "x", "ä ü", "a=b", "1e-4", "on", "no", "007", "1,2", "null", "${nothing}"),
    *("x" * 5000, "'a b'", '"x"', "[1", "{a", "a:b", "C:\\x", "~/ü", "../x", "2026-01-01"),
    *("1:30", "0x1F", "1_000"),
]
OTHERS: list[Any] = [
    *(None, True, False, [], [1, 2], [None], [[]], ["a", 1], {}, {"a": 1}),
    *({"_target_": "nowhere.Nothing"}, {"_target_": "builtins.dict"}, {"_target_": 3}),
]
WORDS = ["lr", "epochs", "mode", "monitor", "max_epoch", "ä", "_target_", "a b", "0"]
# What is meant to leave this folder, this process or this minute, or stays set after a training.
_LEFT_OUT = (
    *("paths", "logger", "trainer.devices", "trainer.num_nodes", "trainer.strategy"),
    *("trainer.max_epochs", "trainer.limit_train_batches", "trainer.fast_dev_run"),
    *("trainer.deterministic", "trainer.detect_anomaly", "trainer.default_root_dir"),
    *("data.num_workers", "model.compile", "data.source"),
)
# Of these only values that stay in this folder, and start no thousand processes.
_WRONG: list[Any] = [None, True, 1.5, -1, 2**62, 2**70, math.nan, "", [], [1, "a"], {}, {"a": 1}]
GUARDED: dict[str, list[Any]] = {
    "paths.home": [*(v for v in _WRONG if v != ""), "x", "ä ü", "a=b", "x" * 5000, "mlflow.db/x"],
    "paths.data_dir": [*_WRONG, "x", "../nowhere", "x" * 5000],
    "logger.experiment_name": [*_WRONG, " ", "x" * 5000, "ä/ü", "${nothing}"],
    "logger.tracking_uri": [*_WRONG[1:], "x:y", "ftp://x", "http://[x"],
    "trainer.devices": [*_WRONG, 0, 1, 2, "auto", "x", "0,1", [0, 0]],
    "trainer.num_nodes": [*_WRONG, 0, 2],
    "trainer.strategy": [*_WRONG, "x", "dp", "ddp_spawn"],
    "data.num_workers": [*_WRONG, 0, 1, 10**6, "x", "007"],
    "data.pin_memory": [*_WRONG, "x"],
    "model.compile": [*(v for v in _WRONG if v is not True), "x", "on "],
    "data.source": [*_WRONG, "x", {"_target_": "nowhere.Nothing"}, {"_target_": "builtins.dict"}],
    "data.source._target_": [*_WRONG, "x", "nowhere.Nothing", "builtins.dict", "os.getcwd"],
    "data.source._partial_": [*_WRONG, "x"],
}


@cache
def base(*groups: str) -> Base:
    return Base([*BASE, *groups])


def keys(node: Any, path: str = "") -> Iterator[str]:
    """Yield the dotted keys of a configuration, and those that its targets would take."""
    if path and path != "train" and not path.startswith(_LEFT_OUT) and ".map." not in path:
        yield path
    if not isinstance(node, dict):
        return
    inner = dict(node)
    if "_target_" in node:
        taken = inspect.signature(locate(node["_target_"], path)).parameters
        inner = {name: None for name in taken if name not in ("self", "args", "kwargs")} | inner
    for key, value in inner.items():
        yield from keys(value, f"{path}.{key}" if path else str(key))


@cache
def known() -> tuple[str, ...]:
    return tuple(dict.fromkeys(keys(base().variant({}))))


def typed(key: str, value: Any) -> str:
    """Return an override as a person would write it, quoted or not."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"++{key}={'-' * (value < 0)}{'nan' if math.isnan(value) else 'inf'}"
    if isinstance(value, str):
        return f"++{key}={value}"
    return f"++{key}={json.dumps(value)}".replace('"', "").replace(":", ": ")


def case(number: int) -> tuple[list[str], list[str]]:
    """Return the config groups that are swapped, and what else is typed."""
    chance = random.Random(number)
    if number % 50 == 0:  # what is meant to train
        return [], [f"++model.optimizer.lr={chance.choice([1e-3, 1e-2])}"]
    group = chance.choice(list(GROUPS))
    groups = [f"{group}={chance.choice(GROUPS[group])}"] if chance.random() < 0.15 else []
    overrides = []
    for _ in range(chance.choice([1, 1, 2])):
        key = chance.choice(known())
        if chance.random() < 0.15:
            key = f"{key.rpartition('.')[0]}.{chance.choice(WORDS)}".lstrip(".")
        value = chance.choice(chance.choice([NUMBERS, TEXTS, OTHERS]))
        # A width of a network that is only large would take the machine's memory.
        large = value == 2**62 and key.startswith("model.net")
        overrides.append(typed(key, 2**70 if large else value))
    return groups, overrides


def composed(groups: list[str], overrides: list[str]) -> dict[str, Any]:
    """Compose as the command does, from a base that is composed once."""
    try:
        parsed = OverridesParser.create().parse_overrides([opened(each) for each in overrides])
        if any(each.is_sweep_override() for each in parsed):
            Base([*BASE, *overrides])  # refuses it as the command does
        return base(*groups).variant({each.key_or_group: each.value() for each in parsed})
    except USER_ERRORS as error:
        raise explain(error, overrides) from error


def left(home: Path) -> set[Path]:
    """Return what is there, but for the store and what keeps others out of the home."""
    kept = (".store.lock", ".home-id", "mlflow.db-shm", "mlflow.db-wal", "mlflow.db")
    return {path for path in home.parent.rglob("*") if path.name not in kept}


def trains(number: int, home: Path, data: dict[str, MultiheadDataModule]) -> bool:
    """Return whether a case trained, as `ends_well` does."""
    groups, overrides = case(number)
    return ends_well(groups, overrides, home, data)


def ends_well(
    groups: list[str], overrides: list[str], home: Path, data: dict[str, MultiheadDataModule]
) -> bool:
    """Return whether overrides trained; whatever else comes of them than a refusal is an error."""
    before = left(home)
    try:
        config = composed(groups, overrides)
        result = execute(config, member=Membership("trial", opened=data))
    except DivergenceError:  # trained as asked, with a number that no loss survives
        return True
    except MultiheadError as error:
        said = str(error)
        assert said.isprintable(), overrides
        assert len(said) < 3000, (overrides, said)
        assert left(home) == before, (overrides, said)
        return False
    assert result.folder is not None, overrides
    assert "train/loss" in result.metrics, overrides
    return True


def test_what_is_typed_trains_or_is_refused_in_one_line(home: Path) -> None:
    data = dict[str, MultiheadDataModule]()
    assert 0 < sum(trains(number, home, data) for number in range(QUICK)) < QUICK


@pytest.mark.parametrize("key", GUARDED)
def test_so_it_is_with_places_devices_workers_and_sources(
    key: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # as most people have it
    data = dict[str, MultiheadDataModule]()
    trained = {str(v) for v in GUARDED[key] if ends_well([], [typed(key, v)], home, data)}
    assert len(trained) < len(GUARDED[key])
    if key in ("trainer.devices", "data.num_workers"):
        assert trained <= {"0", "1", "7", "007", "auto"}


@pytest.mark.slow(minutes=1)
def test_so_it_is_with_five_hundred_cases(home: Path) -> None:
    data = dict[str, MultiheadDataModule]()
    assert ALL / 20 < sum(trains(number, home, data) for number in range(QUICK, ALL)) < ALL / 2


@pytest.mark.parametrize(
    "overrides",
    [["seed"], ["seed=1,2"], ["++name=${a}"], ["++model.net.fc_hidden=[1"], ["++data.seed=1e-4"]],
)
def test_the_command_prints_that_line(
    overrides: list[str], home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = left(home)
    with pytest.raises(SystemExit) as stop:
        main(["train", *BASE, *overrides])
    out, err = capfd.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert err.startswith("multihead: ")
    assert err.count("\n") == 1, err
    assert left(home) == before
