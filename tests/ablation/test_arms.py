"""Arms differ in what the file says, and in nothing else."""

import pytest
import torch
from tests.ablation.definitions import define

from multihead.ablation.arms import Part, compose, override, parts_of
from multihead.ablation.tuning import study_of
from multihead.balancing.ranges import RANGES
from multihead.errors import ConfigError
from multihead.runs.build import Parts, build
from multihead.tracking.run import flat

HEADS = ["digit", "thickness", "smoothness"]
ARMS = {
    "single": {"single_task": "all"},
    "uniform": {"loss_weights": "uniform"},
    "weighted": {"loss_weights": {"thickness": 0.3}},
    "without": {"leave_one_head_out": ["thickness"]},
    "pair": {"heads": ["smoothness", "digit"]},
}


def parts(**keys: object) -> dict[str, Part]:
    definition = define(arms=ARMS, **keys)
    return {p.name: p for p in parts_of(definition, compose(definition).variant({}), HEADS)}


def test_single_task_is_a_network_per_head_and_leaving_out_an_arm_per_head() -> None:
    found = parts()
    assert {name: part.heads for name, part in found.items()} == {
        "single-digit": ("digit",),
        "single-thickness": ("thickness",),
        "single-smoothness": ("smoothness",),
        "uniform": tuple(HEADS),
        "weighted": tuple(HEADS),
        "without_thickness": ("digit", "smoothness"),
        "pair": ("smoothness", "digit"),
    }


def test_pairs_are_an_arm_per_two_heads() -> None:
    definition = define(arms={"single": {"single_task": "all"}, "pair": {"pairs": "all"}})
    found = parts_of(definition, compose(definition).variant({}), HEADS)
    assert {part.name: part.heads for part in found if part.arm != "single"} == {
        "pair_digit_thickness": ("digit", "thickness"),
        "pair_digit_smoothness": ("digit", "smoothness"),
        "pair_thickness_smoothness": ("thickness", "smoothness"),
    }


def test_pairs_whose_names_are_the_same_are_refused() -> None:
    definition = define(arms={"single": {}, "pair": {"pairs": "all"}})
    with pytest.raises(ConfigError, match="two arms would have the name 'pair_a_b_c'"):
        parts_of(definition, compose(definition).variant({}), ["a_b", "c", "a", "b_c"])


def test_an_arm_differs_from_the_base_in_what_the_file_says_alone() -> None:
    definition = define()
    base = flat(compose(definition).variant({"seed": 1}))
    differs = {}
    for name, part in parts().items():
        config = flat(compose(definition, part.overrides).variant({"seed": 1}))
        keys = {k for k in {*base, *config} if base.get(k) != config.get(k)}
        differs[name] = {key.partition("._target_")[0] for key in keys}
    weights = {f"model.loss_weights.{head}" for head in HEADS}
    assert differs["uniform"] == {"model.loss_weights", *weights}
    assert differs["weighted"] == {"model.loss_weights.thickness", "model.loss_weights.smoothness"}
    assert differs["without_thickness"] == {
        "data.only_heads",
        "model.loss_weights.thickness",
        "model.criteria.thickness",
    }
    assert differs["pair"] == differs["without_thickness"]
    others = {"model.criteria.thickness", "model.criteria.smoothness"}
    single = {"data.only_heads", "model.loss_weights", *weights, *others}
    assert differs["single-digit"] == single


def test_an_arm_keeps_a_setting_for_all_heads_and_loses_those_of_other_heads() -> None:
    chosen = ("model.label_smoothing=0.1", "+model.class_weights.thickness=balanced")
    found = parts(overrides=chosen)["without_thickness"].overrides
    assert found == (
        "++data.only_heads=['digit','smoothness']",
        "~model.loss_weights.thickness",
        "~model.criteria.thickness",
        "~model.class_weights.thickness",
    )


def test_arms_of_a_seed_share_weights_splits_and_order() -> None:
    """Else differences between arms are differences between draws, and do not pair."""
    definition = define()
    built: dict[str, Parts] = {}
    states = {}
    for name, part in parts().items():
        built[name] = build(compose(definition, part.overrides).variant({"seed": 7}))
        states[name] = torch.get_rng_state()
    first = built["uniform"]
    weights, (images, labels) = first.module.state_dict(), next(iter(first.data.train_dataloader()))
    for name, each in built.items():
        for key, tensor in each.module.state_dict().items():
            torch.testing.assert_close(tensor, weights[key], rtol=0, atol=0, msg=f"{name}: {key}")
        assert (each.data.train_indices == first.data.train_indices).all()
        assert (each.data.val_indices == first.data.val_indices).all()
        assert (each.data.test_indices == first.data.test_indices).all()
        own_images, own_labels = next(iter(each.data.train_dataloader()))
        torch.testing.assert_close(own_images, images, rtol=0, atol=0)
        for head, own in own_labels.items():
            torch.testing.assert_close(own, labels[head])
        # Dropout of the shared features draws from here on.
        assert torch.equal(states[name], states["uniform"])


def test_another_seed_draws_other_weights() -> None:
    """What is drawn apart for each head must depend on the seed as well as on its name."""
    base = compose(define())
    one, two = (build(base.variant({"seed": seed})).module.state_dict() for seed in (1, 2))
    key = "net.heads.digit_head.weight"
    assert not torch.equal(one[key], two[key])


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"single_task": ["digt"]}, "did you mean 'digit'"),
        ({"loss_weights": {"colour": 1.0}}, "names head 'colour'"),
        ({"pairs": ["digit", "digt"]}, "did you mean 'digit'"),
        ({"pairs": ["digit"]}, "has pairs of heads, but only the head 'digit'"),
    ],
)
def test_an_unknown_head_or_a_pair_of_one_is_named(arm: dict[str, object], message: str) -> None:
    definition = define(arms={"single": {}, "odd": arm})
    with pytest.raises(ConfigError, match=message):
        parts_of(definition, compose(definition).variant({}), HEADS)


def test_a_misspelt_key_of_the_ablation_is_not_taken_for_one_of_a_training() -> None:
    with pytest.raises(ConfigError, match="did you mean 'workers'"):
        compose(define(overrides=["worker=2"]))


def test_an_override_keeps_its_value_through_hydras_grammar() -> None:
    value = {"a": [1, 2.5, 1e-05, None, True], "b": "it's, {odd} \\ text"}
    config = compose(define(), [override("data.odd", value, "+")]).variant({})
    assert config["data"]["odd"] == value


def of_methods(*names: str) -> list[Part]:
    definition = define(arms={"methods": {"balancers": names}}, baseline=names[0])
    return parts_of(definition, compose(definition).variant({}), HEADS)


def test_each_method_is_an_arm_that_differs_in_its_balancer_alone() -> None:
    parts = of_methods("uniform", "static", "dwa", "mgda")
    assert [part.name for part in parts] == ["uniform", "static", "dwa", "mgda"]
    assert {part.heads for part in parts} == {tuple(HEADS)}
    base = flat(compose(define()).variant({}))
    for part in parts[1:]:
        config = flat(compose(define(), part.overrides).variant({}))
        keys = {k for k in {*base, *config} if base.get(k) != config.get(k)}
        assert all(key.startswith("model.balancer") for key in keys)
        assert bool(keys) == (part.name != "static")


def test_a_method_is_searched_with_its_own_parameters_and_static_with_its_weights() -> None:
    """Beside what is common; `uniform` stays what it is."""
    tuning = {"trials": 2, "space": {"model.optimizer.lr": {"low": 1e-4, "high": 1e-2}}}
    definition = define(tuning=tuning)
    spaces = {
        part.name: list(study_of(definition, part).space)
        for part in of_methods("uniform", "static", "cagrad", "fairgrad", "pcgrad")
    }
    lr = "model.optimizer.lr"
    assert spaces == {
        "uniform": [lr],
        "static": ["loss_weights", lr],
        "cagrad": ["model.balancer.c", lr],
        "fairgrad": ["model.balancer.weighting.alpha", lr],
        "pcgrad": [lr],
    }


def test_all_are_the_shipped_methods() -> None:
    definition = define(arms={"methods": {"balancers": "all"}}, baseline="static")
    assert definition.arms["methods"].methods == tuple(RANGES)


def test_two_arms_of_a_name_and_methods_for_one_head_are_refused() -> None:
    arms = {"dwa": {}, "methods": {"balancers": ["dwa"]}}
    definition = define(arms=arms, baseline="dwa")
    with pytest.raises(ConfigError, match="two arms would have the name 'dwa'"):
        parts_of(definition, {}, HEADS)
    with pytest.raises(ConfigError, match="only head is 'digit'"):
        parts_of(definition, {}, ["digit"])
