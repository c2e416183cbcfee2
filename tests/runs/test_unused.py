"""Settings that none of the heads of a training uses."""

import re

import pytest

from multihead.runs.build import build
from multihead.runs.config import compose_run
from multihead.runs.unused import without_effect


def told(*overrides: str) -> list[str]:
    parts = build(compose_run(["experiment=multihead_cnn_digits", *overrides]))
    return list(without_effect(parts.data, parts.module))


def test_a_training_that_uses_its_settings_has_no_note() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("+data.head_kinds=regression", "data.head_kinds is regression and has no effect: none of"),
        ("model/criterion=expected_l1", "model.parameter_criterion .* has no effect: .* is none"),
    ],
)
def test_settings_of_parameters_are_told_where_all_heads_are_classes(
    override: str, said: str
) -> None:
    (note,) = told(override)
    assert re.match(said, note)
