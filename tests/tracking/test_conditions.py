import pytest

from multihead.errors import ConfigError
from multihead.tracking.conditions import (
    metric_condition,
    parse_order,
    study_condition,
    tag_condition,
)
from multihead.tracking.query import runs_table
from multihead.tracking.store import Store
from multihead.tracking.tags import STUDY_TAG


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("test/digit_acc>0.9", "metrics.`test/digit_acc` > 0.9"),
        (" best/val/loss <= 1e-3 ", "metrics.`best/val/loss` <= 1e-3"),
        ("lr==0.1", "metrics.`lr` = 0.1"),
        ("a!=-2", "metrics.`a` != -2"),
    ],
)
def test_a_comparison_becomes_a_condition(text: str, condition: str) -> None:
    assert metric_condition(text) == condition


@pytest.mark.parametrize("text", ["", "acc", "acc>", "acc>high", ">0.9", "a`b>1", "acc>nan"])
def test_what_is_no_comparison_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"compare a metric with a number|is not the name"):
        metric_condition(text)


def test_tags_are_the_runs_own_or_any_of_mlflow() -> None:
    assert tag_condition("thickness_0.5") == "tags.`tag.thickness_0.5` = 'true'"
    assert tag_condition("git.branch=main") == "tags.`git.branch` = 'main'"


def test_names_and_values_of_strangers_find_their_run_and_no_other(store: Store) -> None:
    tags = {"tag.a b": "true", "x.y/z": "it's", STUDY_TAG: 'a "b" AND metrics.m > 1 -- %'}
    found = store.client.create_run("0", tags=tags).info.run_id
    store.client.log_metric(found, "split one/select desc:2.0-x", 0.25)
    store.client.create_run("0", tags={name: "other" for name in tags})
    for condition in (
        tag_condition("a b"),
        tag_condition("x.y/z=it's"),
        study_condition(tags[STUDY_TAG]),
        metric_condition("split one/select desc:2.0-x<0.3"),
    ):
        assert runs_table(store, filter=condition)["mlflow_id"].tolist() == [found], condition
    order = "split one/select desc:2.0-x desc"
    assert runs_table(store, sort=order)["mlflow_id"][0] == found


def test_a_text_with_both_quotation_marks_is_refused() -> None:
    with pytest.raises(ConfigError, match="both kinds"):
        study_condition("""it's "so" """)


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("best/val/digit_acc", "metrics.`best/val/digit_acc` DESC"),
        ("val/acc_best", "metrics.`val/acc_best` DESC"),
        ("test/loss", "metrics.`test/loss` ASC"),
        ("test/pitch_mae", "metrics.`test/pitch_mae` ASC"),
        ("test/digit_ece desc", "metrics.`test/digit_ece` DESC"),
        ("params.seed", "params.`seed` ASC"),
        ("started", "attributes.`start_time` DESC"),
    ],
)
def test_the_best_value_comes_first(text: str, clause: str) -> None:
    assert parse_order(text).clause == clause
