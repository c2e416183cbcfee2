from pathlib import Path

import pytest
import yaml

from multihead import settings
from multihead.cli.listing import KINDS, described
from multihead.errors import ConfigError
from multihead.runs.config import compose_record, compose_run
from multihead.runs.schema import check_config

EXPERIMENTS = sorted(described("experiments", "experiment"))
GROUPS = [
    "callbacks",
    "data",
    "debug",
    "experiment",
    "logger",
    "model",
    "model/net",
    "model/scheduler",
    "trainer",
]


def _presets(group: str) -> list[str]:
    folder = settings.packaged("experiments") / group
    return sorted(p.stem for p in folder.glob("*.yaml") if not p.stem.startswith("_"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_shipped_experiment_fits_its_classes(name: str) -> None:
    check_config(compose_run([f"experiment={name}"]))


@pytest.mark.parametrize("group", GROUPS)
def test_every_preset_composes_and_no_two_are_the_same(group: str) -> None:
    """A preset that equals another only makes a reader search for the difference."""
    seen: dict[str, str] = {}
    for name in _presets(group):
        text = yaml.safe_dump(compose_run([f"{group}={name}"]))
        assert text not in seen, f"{group}={name} composes to the same as {seen[text]}"
        seen[text] = name


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_list_shows_has_a_description(kind: str) -> None:
    assert all(described(*KINDS[kind]).values())


def test_the_mnist_experiment_composes_to_what_the_readme_says() -> None:
    config = compose_run(["experiment=multihead_cnn_mnist"])
    assert config["seed"] == 12345
    assert config["optimized_metric"] == "val/digit_acc"
    assert config["data"]["batch_size"] == 64
    assert config["data"]["train_val_test_split"] == [55_000, 5_000, 10_000]
    assert config["data"]["multihead"] is True
    assert config["data"]["heads"]["thickness"]["map"][8] == 4
    assert config["model"]["loss_weights"] == {"digit": 1.0, "thickness": 0.5, "smoothness": 0.5}
    assert list(config["model"]["criteria"]) == ["digit", "thickness", "smoothness"]
    assert config["model"]["optimizer"]["lr"] == 0.002
    assert (config["trainer"]["min_epochs"], config["trainer"]["max_epochs"]) == (1, 10)
    for callback in ("model_checkpoint", "early_stopping"):
        assert config["callbacks"][callback]["monitor"] == "val/acc_best"
        assert config["callbacks"][callback]["mode"] == "max"
    assert config["logger"]["experiment_name"] == "multihead_cnn_mnist"
    assert "fast_dev_run" not in config["trainer"]


def test_experiments_of_the_current_folder_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "experiments" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# @package _global_\n# Mine\nseed: 7\n")
    (folder / "cnn_mnist.yaml").write_text("# @package _global_\n# My own\nseed: 8\n")
    monkeypatch.chdir(tmp_path)
    assert compose_run(["experiment=mine"])["seed"] == 7
    assert compose_run(["experiment=mine"])["logger"]["experiment_name"] == "mine"
    assert compose_run(["experiment=cnn_mnist"])["seed"] == 8
    assert compose_run(["experiment=multihead_cnn_mnist"])["seed"] == 12345
    assert described("experiments", "experiment")["cnn_mnist"] == "My own"


def test_a_group_that_the_configuration_lacks_is_added_with_a_plus() -> None:
    with pytest.raises(ConfigError, match=r"group data/heads yet; add it with \+data/heads=NAME"):
        compose_run(["data=mnist", "data/heads=handwritten_digit"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("experiment=multihead_cnn_mnst", r"no experiment .*did you mean 'multihead_cnn_mnist'"),
        ("data=mnst", r"no data 'mnst' \(did you mean 'mnist'\?\)"),
        ("trainer.max_epoch=3", r"no key 'max_epoch' in trainer \(did you mean 'max_epochs'"),
        ("model.foo=3", r"in model; allowed: (\w+, ){5}\w+ and \d+ more, see docs/configuration"),
        ("tainer.max_epochs=3", r"no key 'tainer' at the top \(did you mean 'trainer'"),
        ("sed=3", r"no key 'sed' at the top \(did you mean 'seed'"),
        ("nonsense", r"'nonsense' is not an override; write key=value"),
        ("name=5 °C", r"""has the character '°'.* write 'name="5 °C"'"""),
        ("+seed=1", r"Could not append"),
        ("+model/criterion=focal", r"has a choice already.*write model/criterion=focal\.$"),
        ("model.optimizer={momentun: 1}", r"add it, write \+model\.optimizer\.momentun=\.\.\.$"),
        ("callbacks=null", r"callbacks is a config group, so it cannot be null"),
        ("seed=${nothing}", r"nothing"),
    ],
)
def test_a_mistyped_override_is_one_line_with_the_nearest(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        compose_run(["experiment=multihead_cnn_mnist", override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+trainer.max_epoch=3", r"no key 'max_epoch' in trainer \(did you mean 'max_epochs'"),
        ("+model.optimizer.weight_deca=1", r"in model\.optimizer \(did you mean 'weight_decay'"),
        ("+data.batchsize=1", r"in data \(did you mean 'batch_size'"),
        ("+callbacks.early_stopping.patienc=1", r"callbacks\.early_stopping \(did you mean 'pat"),
        ("+sed=1", r"no key 'sed' \(did you mean 'seed'"),
        ("+logger.trackinguri=x", r"did you mean 'tracking_uri'"),
        ("trainer.max_epochs=many", r"trainer\.max_epochs is 'many'"),
        ("data.batch_size=3.5", r"data\.batch_size is 3\.5"),
        ("seed=one", r"seed is 'one'"),
        ("test=2", r"test is 2"),
        ("model.optimizer._target_=torch.optim.Adm", r"has no 'Adm' \(did you mean 'Adam'"),
        ("model.net._target_=nowhere.Net", r"cannot be imported"),
        ("~model.net._target_", r"model\.net has no _target_"),
    ],
)
def test_a_value_that_fits_no_class_is_named(override: str, message: str) -> None:
    config = compose_run(["experiment=multihead_cnn_digits", override])
    with pytest.raises(ConfigError, match=message):
        check_config(config)


def test_a_record_takes_values_and_no_choice_of_files() -> None:
    record = {"data": {"augment": {"shift": {"share": 0.1}}}}
    with pytest.raises(ConfigError, match=r"data\.augment\.KEY=\.\.\., or start a new run with"):
        compose_record(record, ["data/augment=none"])
