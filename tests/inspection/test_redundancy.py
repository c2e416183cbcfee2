"""Heads that say the same are found; heads that only look so on few samples are not."""

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from multihead.data.labels import LabelMaps, shipped_heads
from multihead.heads import Head, Heads, Parameter
from multihead.inspection.redundancy import functional_heads, redundancy

RNG = np.random.default_rng(0)


def classes(**counts: int) -> Heads:
    return Heads(Head(name, count) for name, count in counts.items())


def levels(*names: str) -> Heads:
    return Heads(Head(n, 256, kind="ordinal", parameter=Parameter(0, 1)) for n in names)


def test_the_figure_is_that_of_scikit_learn() -> None:
    a = RNG.integers(0, 7, 500)
    codes = {"a": a, "b": (a + RNG.integers(0, 3, 500)) % 5}
    expected = normalized_mutual_info_score(codes["a"], codes["b"])
    found = redundancy(codes, classes(a=7, b=5)).nmi
    assert found.loc["a", "b"] == pytest.approx(expected)
    assert found.loc["b", "a"] == found.loc["a", "b"]
    assert found.loc["a", "a"] == 1


def test_a_function_is_named_in_the_right_direction() -> None:
    a = RNG.integers(0, 10, 300)
    found = redundancy({"digit": a, "even": a % 2}, classes(digit=10, even=2))
    assert found.functions == (("even", "digit"),)


def test_levels_that_run_against_each_other_are_functions_of_each_other() -> None:
    a = RNG.integers(0, 256, 2000)
    found = redundancy({"up": a, "down": 255 - a}, levels("up", "down"))
    assert set(found.functions) == {("up", "down"), ("down", "up")}
    assert found.nmi.loc["up", "down"] > 0.9


@pytest.mark.parametrize("count", [20, 100, 1000, 20_000])
def test_independent_levels_are_not_redundant_on_however_few_samples(count: int) -> None:
    """With 256 levels, 100 samples are nearly all different: each head would tell the other."""
    rng = np.random.default_rng(count)
    codes = {name: rng.integers(0, 256, count) for name in "abcd"}
    found = redundancy(codes, levels(*"abcd"))
    assert found.pairs == ()
    assert found.functions == ()


def test_a_noisy_copy_is_named_with_its_figure() -> None:
    a = RNG.integers(0, 256, 4000)
    noisy = np.clip(a + RNG.integers(-6, 7, 4000), 0, 255)
    other = RNG.integers(0, 256, 4000)
    found = redundancy({"a": a, "noisy": noisy, "other": other}, levels("a", "noisy", "other"))
    ((first, second, value),) = found.pairs
    assert (first, second) == ("a", "noisy")
    assert value > 0.6
    assert found.functions == ()


def test_a_constant_head_tells_nothing() -> None:
    found = redundancy(
        {"a": RNG.integers(0, 3, 50), "still": np.zeros(50, int)}, classes(a=3, still=2)
    )
    assert found.nmi.loc["a", "still"] == 0
    assert found.functions == ()


def test_no_samples_are_no_reason_to_fail() -> None:
    none = np.empty(0, np.uint8)
    assert redundancy({"a": none, "b": none}, levels("a", "b")).pairs == ()


def test_the_threshold_is_the_callers() -> None:
    a = RNG.integers(0, 4, 1000)
    mixed = np.where(RNG.random(1000) < 0.5, a, RNG.integers(0, 4, 1000))
    codes, heads = {"a": a, "b": mixed}, classes(a=4, b=4)
    assert redundancy(codes, heads, 0.5).pairs == ()
    assert len(redundancy(codes, heads, 0.1).pairs) == 1


def test_heads_mapped_from_a_label_are_functions_of_it() -> None:
    maps = LabelMaps(Head("digit", 10), shipped_heads("handwritten_digit"))
    labels = maps(np.arange(10).repeat(5))
    assert functional_heads(labels, maps.heads) == {"thickness": "digit", "smoothness": "digit"}


def test_of_two_heads_that_determine_each_other_one_is_a_function() -> None:
    a = RNG.integers(0, 3, 50)
    assert functional_heads({"a": a, "b": 2 - a}, classes(a=3, b=3)) in ({"a": "b"}, {"b": "a"})


def test_labels_that_occur_once_make_no_function() -> None:
    """In few samples of many levels every value is alone, and so tells all others."""
    a, b = RNG.permutation(256)[:30], RNG.integers(0, 256, 30)
    heads = classes(a=256, b=256, constant=2)
    assert functional_heads({"a": a, "b": b}, heads) == {}
    assert functional_heads({"a": a, "b": b, "constant": 0 * a}, heads) == {}


def test_independent_heads_are_no_functions() -> None:
    a, b = RNG.integers(0, 2, (2, 60))
    assert functional_heads({"a": a, "b": b}, classes(a=2, b=2)) == {}
