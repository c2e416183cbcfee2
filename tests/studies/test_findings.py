"""Values of another kind than a key of `studies/` has are refused in the words of YAML."""

import pytest

from multihead.ablation.definition import Arm, Tuning
from multihead.ablation.definition import Definition as Ablation
from multihead.ablation.definition import load_definition as load_ablation
from multihead.errors import ConfigError
from multihead.studies.definition import Definition, load_definition
from multihead.studies.samplers import make_sampler

VALUES = ("null", "[1, x]", "[]", "words", "-3", "1.5", "true", "{a: 1}", "2026-01-01")
KEYS = [("digits_quick", key) for key in (*Definition.model_fields, "confirm.seeds")]
KEYS += [("digits_quick", f"devices_per_worker.{key}") for key in ("gpu", "cpu")]
KEYS += [("digits_single_vs_multitask", key) for key in Ablation.model_fields]
KEYS += [("digits_single_vs_multitask", f"tuning.{key}") for key in Tuning.model_fields]
KEYS += [
    ("digits_single_vs_multitask", f"arms={{b: {{}}, a: {{{key}: ") for key in Arm.model_fields
]


@pytest.mark.parametrize(("name", "key"), KEYS)
def test_a_refusal_has_no_words_of_pydantic(name: str, key: str) -> None:
    load = load_definition if name == "digits_quick" else load_ablation
    for value in VALUES:
        in_arm = [f"{key}{value}}}}}", "baseline=b"]
        try:
            load(name, in_arm if key.startswith("arms=") else [f"{key}={value}"])
        except ConfigError as error:
            message = str(error)
            for theirs in ("Input", "valid", "instance", "parse", "dictionary", "None", "True"):
                assert theirs not in message


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("confirm=null", "confirm is null: give a mapping with the key seeds."),
        ("minutes=-1", "minutes is -1: give more than 0."),
        ("enqueue=[1]", "enqueue.0 is 1: give a mapping or a text."),
        ("objectives={val/acc: up}", "objectives.val/acc is 'up': give 'maximize' or 'minimize'."),
    ],
)
def test_a_refusal_says_what_is_allowed(argument: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_definition("digits_quick", [argument])
    assert str(refused.value) == f"digits_quick.yaml: {message}"


@pytest.mark.parametrize("value", [None, "words", -3, 1.5])
def test_an_argument_of_a_sampler_is_checked_before_the_first_trial(value: object) -> None:
    with pytest.raises(ConfigError, match=r"sampler\.n_startup_trials is"):
        make_sampler({"name": "tpe", "n_startup_trials": value})
