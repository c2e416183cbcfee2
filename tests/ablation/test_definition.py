"""What an ablation's file may say, and that a mistake is one line."""

from pathlib import Path

import pytest

from multihead.ablation.definition import GROUP, load_definition
from multihead.errors import ConfigError
from multihead.settings import packaged

FILE = """
experiment: multihead_cnn_digits
arms: {single: {single_task: all}, uniform: {loss_weights: uniform}}
baseline: single
seeds: 6
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file without a mistake."""
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize(
    "path", sorted((packaged("studies") / GROUP).glob("*.yaml")), ids=lambda path: path.stem
)
def test_a_shipped_ablation_has_seeds_enough_for_a_verdict(path: Path) -> None:
    assert len(load_definition(str(path)).seeds) >= 8


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("seeds=1", "two or more different seeds"),
        ("seeds=[3,3]", "different seeds"),
        ("baseline=signle", "baseline 'signle' is not an arm"),
        ("arms.single.single_taks=all", "no key 'arms.single.single_taks'"),
        ("arms.best={study: x, trials: 5}", "an arm with a study has no search of its own"),
        ("arms.none={trials: 0, space: {a: [1, 2]}}", "space is not searched with trials: 0"),
        ("arms.both={single_task: all, study: x}", "single_task and study cannot be in one arm"),
        (
            "arms.both={single_task: all, heads: [digit]}",
            "heads and single_task cannot be in one arm",
        ),
        ("arms.pair={heads: [digit, digit]}", "heads names 'digit' twice"),
        ("arms.pair={heads: []}", "give 1 or more entries"),
        ("arms.pair={heads: [digit], pairs: all}", "heads and pairs cannot be in one arm"),
        ("arms={single: {pairs: all}, b: {}}", "the baseline stands for several arms"),
        ("arms.uniform={trials: 3}", "there is no tuning"),
        ("arms={alone: {}}", "at least 2"),
        ("arms.methods={balancers: [dwa, dwa]}", "different methods"),
        ("arms.methods={balancers: []}", "different methods"),
        ("arms.methods={balancers: [a/b]}", "'a/b' cannot be the name"),
        ("arms.methods={balancers: all, loss_weights: uniform}", "cannot be in one arm"),
        ("arms.methods={balancers: all, trials: 3}", "add tuning: {trials: ..., space: ...}"),
        ("reuse=never", "'version' or 'any'"),
    ],
)
def test_a_mistake_is_named(file: Path, argument: str, message: str) -> None:
    argument = argument.replace("single.single_taks=all", "single={single_taks: all}")
    with pytest.raises(ConfigError, match=message) as error:
        load_definition(str(file), [argument])
    assert "\n" not in str(error.value)


def test_other_arguments_are_overrides_of_the_base(file: Path) -> None:
    definition = load_definition(str(file), ["workers=3", "trainer.max_epochs=1"])
    assert definition.workers == 3
    assert definition.overrides == ("trainer.max_epochs=1",)


def test_a_method_can_be_the_baseline_but_not_all_of_them(file: Path) -> None:
    """Each method is an arm of its own name."""
    methods = "arms.methods={balancers: [uniform, dwa]}"
    arms = "arms={methods: {balancers: [uniform, dwa]}}"
    assert load_definition(str(file), [arms, "baseline=dwa"]).baseline == "dwa"
    with pytest.raises(ConfigError, match="the baseline stands for several arms"):
        load_definition(str(file), [methods, "baseline=methods"])


def test_seeds_are_counted_from_one_or_named(file: Path) -> None:
    assert load_definition(str(file)).seeds == (1, 2, 3, 4, 5, 6)
    assert load_definition(str(file), ["seeds=[7,9]"]).seeds == (7, 9)


def test_an_unknown_ablation_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="did you mean 'digits_single_vs_multitask'"):
        load_definition("digits_single_vs_multitas")
