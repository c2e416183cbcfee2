import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from multihead.errors import ConfigError
from multihead.heads import Head, Heads, Parameter


def test_heads_keep_their_order() -> None:
    """Losses, weights and tables follow it."""
    assert list(Heads.from_outputs({"b": 2, "a": 3})) == ["b", "a"]


def test_heads_come_back_from_their_record() -> None:
    heads = Heads([Head("object", 2, ("cat", "dog")), Head("size", 4)])
    assert Heads.from_record(heads.to_record()) == heads


@pytest.mark.parametrize("name", ["", "two words", "1st", "a/b", "a.b"])
def test_a_name_that_would_break_metric_names_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="head name"):
        Head(name, 2)


def test_one_class_is_no_classification() -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        Head("digit", 1)


def test_class_names_must_be_one_per_class() -> None:
    with pytest.raises(ConfigError, match="2 classes but 1 class names"):
        Head("domain", 2, ("living",))


def test_two_heads_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="unique"):
        Heads([Head("digit", 10), Head("digit", 5)])


def test_a_name_of_another_script_is_a_name() -> None:
    """Data from elsewhere name their parameters in their own language."""
    assert Head("größe", 2).name == "größe"


LINEAR = Parameter(48.0, 96.0, unit="semitones", step=1.0)
LOG = Parameter(20.0, 20_000.0, scale="log", unit="Hz")


@pytest.mark.parametrize("parameter", [LINEAR, LOG, Parameter(-1.0, 1.0, levels=2)])
def test_every_level_of_a_parameter_comes_back_from_its_value(parameter: Parameter) -> None:
    levels = np.arange(parameter.levels)
    np.testing.assert_array_equal(parameter.encode(parameter.decode(levels)), levels)


def test_levels_span_the_range_evenly_or_by_equal_ratios() -> None:
    np.testing.assert_allclose(LINEAR.decode([0, 51, 255]), [48.0, 57.6, 96.0])
    np.testing.assert_allclose(LOG.decode([0, 85, 255]), [20.0, 200.0, 20_000.0])


def test_a_value_outside_the_range_gets_the_nearest_end() -> None:
    np.testing.assert_array_equal(LOG.encode([-5.0, 0.0, 1e9]), [0, 0, 255])


def test_near_enough_is_the_step_or_the_width_of_a_level() -> None:
    assert LINEAR.tolerance == 1.0
    assert Parameter(0.0, 510.0).tolerance == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"minimum": 1.0, "maximum": 1.0}, "min < max"),
        ({"minimum": 0.0, "maximum": math.nan}, "finite"),
        ({"minimum": -1e308, "maximum": 1.7e308}, "too wide"),
        ({"minimum": 0.0, "maximum": 1.0, "scale": "log"}, "above 0"),
        ({"minimum": 0.0, "maximum": 1.0, "scale": "cubic"}, "linear or log"),
        ({"minimum": 0.0, "maximum": 1.0, "step": 0.0}, "step is 0.0"),
        ({"minimum": 0.0, "maximum": 1.0, "levels": 1}, "1 levels"),
    ],
)
def test_a_range_that_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Parameter(**fields)


def test_the_kind_decides_how_many_numbers_the_network_returns() -> None:
    pitch = Head("pitch", 256, kind="ordinal", parameter=LINEAR)
    heads = Heads([pitch, replace(pitch, name="level", kind="regression"), Head("source", 3)])
    assert heads.outputs == {"pitch": 256, "level": 1, "source": 3}
    assert heads.levels == {"pitch": 256, "level": 256, "source": 3}


def test_classes_without_an_order_are_only_classified() -> None:
    with pytest.raises(ConfigError, match="it needs a parameter with a range"):
        Head("source", 3).as_kind("ordinal")


def test_labels_of_classes_count_from_the_first() -> None:
    head = Head("channel", 4, first=10)
    np.testing.assert_array_equal(head.decode([0, 3]), [10.0, 13.0])
    np.testing.assert_array_equal(head.encode([10.0, 13.0]), [0, 3])


def test_parameters_come_back_from_their_record() -> None:
    heads = Heads([Head("pitch", 256, kind="bounded_regression", parameter=LOG)])
    assert Heads.from_record(heads.to_record()) == heads


@pytest.mark.parametrize("record", [[{}], [{"name": "a", "num_classes": 2, "classes": [], "x": 1}]])
def test_a_damaged_record_is_refused(record: list[dict[str, Any]]) -> None:
    with pytest.raises(ConfigError, match="record of the heads is damaged"):
        Heads.from_record(record)
