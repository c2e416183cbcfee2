import pytest

from multihead.errors import ConfigError
from multihead.heads import Head, Heads


def test_heads_keep_their_order() -> None:
    """Losses, weights and tables follow it."""
    assert list(Heads.from_num_classes({"b": 2, "a": 3})) == ["b", "a"]


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
