"""Spaces by override path, and weights that do not alias with the learning rate."""

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from multihead.balancing.ranges import RANGES
from multihead.errors import ConfigError
from multihead.studies.space import Space
from multihead.studies.space_file import build_space
from multihead.studies.weights import simplex_coordinates, simplex_weights

HEADS = {"digit": None, "thickness": None, "smoothness": None}
BASE = {"model": {"optimizer": {"lr": 0.002}, "loss_weights": {"digit": 1.0, "thickness": 0.5}}}


def space(**content: object) -> Space:
    return build_space({k.replace("__", "."): v for k, v in content.items()}, HEADS, BASE)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.floats(0.1, 10))
def test_simplex_weights_are_not_negative_and_have_the_given_sum(
    cube: list[float], total: float
) -> None:
    weights = simplex_weights(cube, total)
    assert len(weights) == len(cube) + 1
    assert min(weights) >= 0
    assert sum(weights) == pytest.approx(total)


@given(st.lists(st.floats(0.01, 5), min_size=2, max_size=5))
def test_any_weights_are_a_point_of_the_cube(weights: list[float]) -> None:
    back = simplex_weights(simplex_coordinates(weights), sum(weights))
    assert back == pytest.approx(weights)


def test_no_head_is_favoured_by_its_place() -> None:
    """Uniform on the simplex: every head has the mean of the others, whatever the order."""
    rng = np.random.default_rng(0)
    drawn = np.array([simplex_weights(u, 3.0) for u in rng.random((20_000, 2))])
    np.testing.assert_allclose(drawn.mean(0), 1.0, atol=0.02)
    np.testing.assert_allclose(drawn.std(0), 3 / np.sqrt(18), atol=0.02)


def test_k_weights_cost_k_minus_1_parameters_and_keep_the_sum_of_the_base() -> None:
    made = space(loss_weights={"simplex": ["digit", "thickness", "smoothness"]})
    assert [p.name for p in made.parameters] == ["simplex.digit", "simplex.thickness"]
    for cube in ((0.0, 0.0), (1.0, 0.5), (0.3, 0.9)):
        params = dict(zip(("simplex.digit", "simplex.thickness"), cube, strict=True))
        assert sum(made.values(params)["model.loss_weights"].values()) == pytest.approx(2.5)


@pytest.mark.parametrize(
    "spec",
    [
        {"simplex": ["digit", "thickness", "smoothness"]},
        {"reference": "digit", "ratios": {"thickness": [0.1, 10.0], "smoothness": [0.1, 10.0]}},
    ],
)
def test_the_base_is_a_point_of_the_space(spec: object) -> None:
    made = space(loss_weights=spec, model__optimizer__lr={"low": 1e-4, "high": 1e-2})
    values = made.values(made.params_of(BASE, {}))
    assert values["model.optimizer.lr"] == 0.002
    weights = {"digit": 1.0, "thickness": 0.5, "smoothness": 1.0}
    assert values["model.loss_weights"] == pytest.approx(weights)


def test_ranges_are_ints_only_if_both_bounds_are() -> None:
    made = space(a={"low": 1, "high": 8, "log": True}, b={"low": 1, "high": 8.5}, c=[None, 1, "x"])
    kinds = [type(p.distribution) for p in made.parameters]
    assert kinds == [IntDistribution, FloatDistribution, CategoricalDistribution]


def test_a_conditional_parameter_is_asked_for_only_where_it_applies() -> None:
    made = space(net=["a", "b"], drop={"low": 0.0, "high": 0.5, "when": {"net": "a"}})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        params = made.suggest(trial := study.ask())
        assert ("drop" in params) == (params["net"] == "a")
        study.tell(trial, 0.0)


def test_a_range_for_each_choice_is_a_parameter_of_each_choice() -> None:
    made = build_space(
        {
            "model/balancer": ["static", "dwa", "uw_so"],
            "model.balancer.temperature": [
                {"low": 0.5, "high": 5.0, "when": {"model/balancer": "dwa"}},
                {"low": 1.0, "high": 50.0, "when": {"model/balancer": "uw_so"}},
            ],
        },
        HEADS,
        BASE,
    )
    names = ["model/balancer", "dwa.temperature", "uw_so.temperature"]
    assert [p.name for p in made.parameters] == names
    params = {"model/balancer": "uw_so", "uw_so.temperature": 7.0}
    values = {"model/balancer": "uw_so", "model.balancer.temperature": 7.0}
    assert made.values(params) == values
    record = {"model": {"balancer": {"temperature": 7.0}}}
    assert made.params_of(record, {"model/balancer": "uw_so"}) == params


def test_declared_ranges_are_those_of_the_methods_but_for_what_the_file_says() -> None:
    made = build_space(
        {
            "model/balancer": {"choices": ["static", "dwa", "cagrad"], "ranges": "declared"},
            "model.balancer.c": {"low": 0.2, "high": 0.3, "when": {"model/balancer": "cagrad"}},
        },
        HEADS,
        BASE,
    )
    found = {p.name: p.distribution for p in made.parameters[1:]}
    assert list(found) == ["dwa.temperature", "model.balancer.c"]
    declared = RANGES["dwa"]["temperature"]
    assert found["dwa.temperature"] == FloatDistribution(**declared)


def test_loss_weights_may_be_searched_with_some_choices_alone() -> None:
    simplex = {"simplex": ["digit", "thickness"], "when": {"m": "static"}}
    made = build_space({"m": ["static", "uw"], "loss_weights": simplex}, HEADS, BASE)
    assert made.values({"m": "uw"}) == {"m": "uw"}
    assert "model.loss_weights" in made.values({"m": "static", "simplex.digit": 0.3})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 3}, "give choices"),
        ({"b": [1, 2], "a": [{"low": 0.0, "high": 1.0}]}, "give each range exactly one choice"),
        ({"a": {"choices": ["x"], "ranges": "declared"}}, "only the choices of model/balancer"),
        (
            {"model/balancer": {"choices": ["mine"], "ranges": "declared"}},
            "'mine' declares no ranges",
        ),
        (
            {
                "m": ["a", "b"],
                "x": [
                    {"low": 0.0, "high": 1.0, "when": {"m": "a"}},
                    {"low": 0.0, "high": 2.0, "when": {"m": "a"}},
                ],
            },
            "two parameters 'a.x'",
        ),
        ({"a": {"low": 2.0, "high": 1.0}}, "not a valid range"),
        ({"a": {"low": 0.0, "high": 1.0, "log": True}}, "not a valid range"),
        ({"a": {"lo": 0.0, "high": 1.0}}, "low: it is missing"),
        ({"a": {"low": "1e-4", "high": 1.0}}, "low"),
        ({"a": []}, "give|choices"),
        ({"a": {"low": 0.0, "high": 1.0, "when": {"b": 1}}}, "is not before it"),
        ({"b": [1, 2], "a": {"low": 0.0, "high": 1.0, "when": {"b": 3}}}, "does not contain 3"),
        ({"loss_weights": {"simplex": ["digit", "colour"]}}, "'colour'"),
        ({"loss_weights": {"simplex": ["digit"]}}, "two or more"),
        ({"loss_weights": [1, 2]}, "simplex"),
        ({"loss_weights": {"simplex": ["digit", "thickness"], "when": "x"}}, "simplex"),
        ({"loss_weights": {"reference": "digit", "ratios": {"thickness": [0.0, 1.0]}}}, "ratios"),
        (
            {
                "loss_weights": {"simplex": ["digit", "thickness"]},
                "model.loss_weights.digit": {"low": 0.1, "high": 1.0},
            },
            "choose one",
        ),
    ],
)
def test_a_mistake_in_the_space_is_named(content: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build_space(content, HEADS, BASE)
    assert "\n" not in str(caught.value)


def test_only_what_the_study_searches_gets_into_a_configuration() -> None:
    """Whoever can write into the storage says what a trial had."""
    made = space(model__optimizer___target_=["torch.optim.Adam", "torch.optim.SGD"])
    name = "model.optimizer._target_"
    both = {name: "torch.optim.SGD", "callbacks.a._target_": "os.system"}
    assert made.values(both) == {name: "torch.optim.SGD"}
    with pytest.raises(ConfigError, match=r"does not contain 'os\.system'"):
        made.values({name: "os.system"})
