"""What a person writes by hand is read as they mean it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from multihead.errors import ConfigError
from multihead.studies.points import most_points
from multihead.studies.space_file import build_space
from multihead.yaml_file import read_written, read_yaml, written_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        ("-2.5e+1", -25.0),
        ("1.", 1.0),
        (".5", 0.5),
        (".inf", float("inf")),
        ("10", 10),
        ("-3", -3),
        ("1_000", 1000),
        ("0x10", 16),
        ("010", "010"),
        ("12:30", "12:30"),
        ("'1e-4'", "1e-4"),
        ("e4", "e4"),
        ("true", True),
    ],
)
def test_numbers_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    read = written_value(text)
    assert (read, type(read)) == (value, type(value))


def test_a_key_called_on_is_a_name_and_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "arms.yaml"
    file.write_text("arms: {on: [a], off: [b]}\nlr: 1e-4\n")
    assert read_written(file) == {"arms": {"on": ["a"], "off": ["b"]}, "lr": 1e-4}
    file.write_text(yaml.safe_dump({"name": "1e-4"}))
    assert read_yaml(file) == {"name": "1e-4"}


def test_a_range_may_be_written_as_1e_4() -> None:
    content = written_value("model.optimizer.lr: {low: 1e-4, high: 1e-2, log: true}")
    (parameter,) = build_space(content, {}, {}).parameters
    assert parameter.distribution == FloatDistribution(1e-4, 1e-2, log=True)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"low": "a", "high": 1}, r"low is 'a': write a number"),
        ({"low": 1, "high": 2, "lag": True}, r"has no key 'lag'; allowed: when, low, high"),
    ],
)
def test_a_wrong_range_says_what_to_write(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_space({"x": spec}, {}, {})


def test_points_are_counted_where_they_have_an_end() -> None:
    choices, whole = CategoricalDistribution(("a", "b")), IntDistribution(1, 5, step=2)
    assert most_points([choices, whole, FloatDistribution(0, 1, step=0.5)]) == 18
    assert most_points([choices, FloatDistribution(0, 1)]) is None
