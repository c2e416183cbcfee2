"""The study's file and what the command line changes of it."""

from pathlib import Path

import pytest

from multihead.errors import ConfigError
from multihead.studies.definition import load_definition

FILE = """
experiment: multihead_cnn_digits
space: {model.optimizer.lr: {low: 1.0e-4, high: 1.0e-2}}
objectives: [val/digit_acc, val/digit_loss]
n_trials: 4
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "studies" / "search"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return folder / "mine.yaml"


def test_a_study_of_the_current_folder_is_found_and_directions_follow_the_names(mine: Path) -> None:
    found = load_definition("mine")
    assert found.name == "mine"
    assert found.objectives == {"val/digit_acc": "maximize", "val/digit_loss": "minimize"}


def test_a_metric_of_ones_own_tells_which_way_is_better(mine: Path) -> None:
    own = "{_target_: torchmetrics.classification.MulticlassHammingDistance, num_classes: 10}"
    found = load_definition(
        "mine", [f"model.metrics.digit=[acc, {own}]", "objectives=[val/digit_hamming_distance]"]
    )
    assert found.objectives == {"val/digit_hamming_distance": "minimize"}


def test_arguments_change_the_study_or_else_its_base(mine: Path) -> None:
    found = load_definition(
        "mine", ["n_trials=9", "pruner=none", "confirm.seeds=2", "trainer.max_epochs=1"]
    )
    assert (found.n_trials, found.pruner, found.confirm.seeds) == (9, {"name": "none"}, 2)
    assert found.overrides == ("trainer.max_epochs=1",)


def test_an_argument_can_replace_one_part_of_the_space(mine: Path) -> None:
    found = load_definition("mine", ["space.model.optimizer.lr=[0.1, 0.2]"])
    assert found.space == {"model.optimizer.lr": [0.1, 0.2]}


@pytest.mark.parametrize(
    "name",
    [
        "digits_quick",
        "mnist_loss_weights",
        "mnist_pareto",
        "cifar10_loss_weights",
        "vimh_loss_weights",
        "balancers",
    ],
)
def test_shipped_studies_are_found_from_anywhere(name: str, tmp_path: Path) -> None:
    assert load_definition(name).name == name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("n_trials: 0", "n_trials"),
        ("n_trial: 4", "did you mean 'n_trials'"),
        ("objectives: [val/beauty]", "does not tell its direction"),
        ("objectives: {val/digit_acc: up}", "maximize"),
        ("sampler: {seed: 1}", "sampler"),
        ("name: ../up", "letters, digits"),
        ("space: {}", "space"),
        ("engine: foo", "'foo' is unknown; choose one of: local, ray, submitit"),
        ("engine: rai", "did you mean 'ray'"),
        ("engine: {address: auto}", "has no name; choose one of: local"),
        ("engine: {name: ray, adress: x}", r"'engine.adress' \(did you mean 'address'\?\)"),
        ("engine: {name: ray, minutes: 3}", "'engine.minutes'; allowed: name, address"),
        ("engine: {name: ray, address: 'ray://head:10001'}", "give host:port"),
        ("engine: {name: ray, address: head}", "engine.address is 'head': give host:port"),
        ("devices_per_worker: {gpus: 1}", r"'devices_per_worker.gpus' \(did you mean 'gpu'\?\)"),
    ],
)
def test_a_mistake_is_named(mine: Path, change: str, message: str) -> None:
    key = change.partition(":")[0]
    lines = [line for line in FILE.splitlines() if not line.startswith(f"{key}:")]
    mine.write_text("\n".join([*lines, change]))
    with pytest.raises(ConfigError, match=message) as caught:
        load_definition("mine")
    assert "\n" not in str(caught.value)


def test_an_unknown_study_is_answered_with_the_known_ones(mine: Path) -> None:
    with pytest.raises(ConfigError, match=r"'mina' \(did you mean 'mine'\?\).*digits_quick"):
        load_definition("mina")
