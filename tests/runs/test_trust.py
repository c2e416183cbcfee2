"""What a record may name, and how a person allows more."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lightning.pytorch import Callback
from tests.conftest import Run

from multihead import SimpleCNN, load_run, run
from multihead.errors import ConfigError
from multihead.runs.evaluation import evaluation_config
from multihead.runs.recorded import read_config
from multihead.runs.rerun import recorded_configs, rerun
from multihead.runs.trust import check_network, check_targets
from multihead.tracking.find import find_run
from multihead.tracking.store import Store

LISTED = [
    *(("model", f"torch.optim.{name}") for name in ("Adam", "SGD", "adamw.AdamW")),
    ("model", "torch.optim.lr_scheduler.ReduceLROnPlateau"),
    ("model", "multihead.training.schedules.WarmupCosineLR"),
    ("callbacks", "multihead.training.averaging.WeightAverage"),
    ("model", "torch.nn.CrossEntropyLoss"),
    ("model", "torch.nn.modules.loss.MSELoss"),
    ("model", "multihead.MultiheadLitModule"),
    ("model", "torchjd.aggregation.MGDAWeighting"),
    ("model", "torchjd.scalarization.STCH"),
    ("model", "multihead.models.losses.LevelCrossEntropy"),
    ("model", "multihead.models.losses.cross_entropy.LevelCrossEntropy"),
    ("trainer", "lightning.pytorch.Trainer"),
    ("trainer", "lightning.Trainer"),
    ("callbacks", "lightning.pytorch.callbacks.EarlyStopping"),
    ("callbacks", "lightning.pytorch.callbacks.early_stopping.EarlyStopping"),
    ("callbacks", "multihead.training.telemetry.Telemetry"),
    ("data", "multihead.DigitsDataModule"),
    ("data", "multihead.data.mnist.MNISTDataModule"),
    ("data", "multihead.data.resonator.on_demand.GenerateOnce"),
    ("data", "multihead.datasets.resonator.on_demand.GenerateOnce"),
    ("data", "torchvision.transforms.v2.RandomCrop"),
    ("data", "torchvision.transforms.Compose"),
]
NOT_LISTED = [
    ("model", "torch.nn.Module.load_state_dict"),
    ("model", "torch.load"),
    ("model", "torch.optim.optimizer.os.system"),
    ("model", "multihead.training.checkpoints.read_checkpoint"),
    ("model", "multihead.MNISTDataModule"),
    ("callbacks", "lightning.pytorch.Trainer"),
    ("callbacks", "lightning.pytorch.callbacks.model_checkpoint.warnings.warn"),
    ("trainer", "lightning.pytorch.loggers.CSVLogger"),
    ("data", "torchvision.datasets.MNIST"),
    ("data", "torchvision.transforms.functional.to_tensor"),
    ("data", "multihead.datasets.digits.digits"),
    ("data", "multihead.run"),
    ("tags", "multihead.SimpleCNN"),
    ("data", "this.d"),
]


@pytest.mark.parametrize(("group", "target"), LISTED)
def test_a_record_may_name_what_trainings_are_made_of(group: str, target: str) -> None:
    check_targets({group: {"it": {"_target_": target}}}, "a record")


@pytest.mark.parametrize(("group", "target"), NOT_LISTED)
def test_a_record_may_not_name_anything_else(group: str, target: str) -> None:
    """Not what lies behind a listed module either, nor a listed class out of its place."""
    with pytest.raises(ConfigError, match="which a record may not name"):
        check_targets({group: {"it": {"_target_": target}}}, "a record")
    check_targets({group: {"it": {"_target_": target}}}, "a record", trust=[target])


def test_a_record_names_a_dataset_of_ours_but_does_not_call_it() -> None:
    source = {"_target_": "multihead.datasets.digits.digits"}
    check_targets({"data": {"source": {**source, "_partial_": True}}}, "a record")
    for data in ({"source": source}, {"source": {**source, "_partial_": "true"}}):
        with pytest.raises(ConfigError, match="which a record may not name"):
            check_targets({"data": data}, "a record")


def test_what_is_not_on_the_list_is_not_imported() -> None:
    assert "this" not in sys.modules
    with pytest.raises(ConfigError):
        check_network({"_target_": "this.d"}, "a record")
    assert "this" not in sys.modules


def test_what_was_typed_is_no_record() -> None:
    record = {"callbacks": {"a": {"_target_": "os.system", "command": "x"}}}
    typed = {"callbacks": {"a": None, "b": {"_target_": "mine.Callback"}}}
    check_targets(typed, "a record", record=record)
    with pytest.raises(ConfigError, match=r"os\.system \(callbacks\.a\)"):
        check_targets(
            {"callbacks": {**typed["callbacks"], **record["callbacks"]}}, "a record", (), record
        )


def test_all_that_is_not_trusted_is_named_at_once() -> None:
    nodes = {"a": {"_target_": "mine.A"}, "b": {"_target_": "mine.B"}}
    with pytest.raises(ConfigError, match=r"mine\.[AB] .*mine\.[AB] .*if you trust it"):
        check_targets({"callbacks": nodes}, "a record")


def test_a_callback_of_a_record_writes_where_lightning_would() -> None:
    node = {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "dirpath": "/etc"}
    with pytest.raises(ConfigError, match=r"callbacks\.a\.dirpath=.*may not set this"):
        check_targets({"callbacks": {"a": node}}, "a record")
    check_targets(
        {"callbacks": {"a": {**node, "dirpath": None, "filename": "{epoch}"}}}, "a record"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: ${oc.env:HOME}", "a record may not have"),
        ("tags: {'${b}': 1}", "a record may not have"),
        ("[1, 2]", "it names no network"),
        ("defaults: [a]", "it has defaults, which is not a key"),
        ("hydra: {searchpath: [pkg://os]}", "it has hydra, which is not a key"),
        ("tags: &a [*a]", "more than"),
        ("name: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_a_recorded_configuration_is_plain_values(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_config(file, "a record")


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"a record cannot be used: .* cannot be read: No such file"
    ):
        read_config(tmp_path / "config.yaml", "a record")


class Mine(SimpleCNN):
    """A network of the person's own."""


class Own(Callback):
    """A callback of the person's own."""


@pytest.mark.slow
def test_a_run_with_classes_of_ones_own_is_resumed_rerun_and_tested_when_they_are_trusted(
    train: Run, store: Store
) -> None:
    mine, own = f"{__name__}.Mine", f"{__name__}.Own"
    first = train(f"model.net._target_={mine}", f"+callbacks.own._target_={own}")
    run_id, both = str(first.run_id), [mine, own]
    with pytest.raises(ConfigError, match=rf"trust=\['{mine}'\]"):
        load_run(run_id)
    assert isinstance(load_run(run_id, trust=[mine]).network, Mine)
    resumed = [f"resume={run_id}", "trainer.max_epochs=2"]
    with pytest.raises(ConfigError, match="which a record may not name"):
        run(resumed, trust=[mine])
    assert run(resumed, trust=both).run_id == run_id
    for call in (rerun, evaluation_config):
        with pytest.raises(ConfigError, match="which a record may not name"):
            call(run_id, [], trust=[own])
    assert rerun(run_id, ["trainer.max_epochs=1"], trust=both).run_id != run_id
    typed = [f"model.net._target_={SimpleCNN.__module__}.SimpleCNN", "callbacks.own=null"]
    recorded_configs(store, find_run(store, run_id), typed)


@pytest.mark.slow
def test_the_command_says_which_command_trusts(train: Run, home: Path, tmp_path: Path) -> None:
    first = train()
    assert first.folder is not None
    path = first.folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["callbacks"]["own"] = {"_target_": "mine.Own"}
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    (tmp_path / "mine.py").write_text("from lightning.pytorch import Callback as Own\n")
    asked = [
        sys.executable,
        "-m",
        "multihead",
        "train",
        f"resume={first.run_id}",
        "trainer.max_epochs=2",
    ]
    refused = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    command = refused.stderr.partition("if you trust it, run: ")[2].split()
    assert command[-2:] == ["--trust", "mine.Own"]
    words = command[command.index("multihead") + 1 :]
    done = subprocess.run([*asked[:3], *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_an_evaluation_and_a_rerun_go_to_the_home_and_store_of_today(
    train: Run, store: Store, home: Path
) -> None:
    """A record says where it was; that may be anywhere, or anybody's."""
    first = train()
    assert first.folder is not None
    path = first.folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["paths"]["home"] = "/nowhere"
    config["logger"]["tracking_uri"] = "http://127.0.0.1:9"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    _, again = recorded_configs(store, find_run(store, str(first.run_id)), [])
    for made in (again, evaluation_config(str(first.run_id), [])):
        assert made["paths"]["home"] == str(home)
        assert made["logger"]["tracking_uri"] is None
