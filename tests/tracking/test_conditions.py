import pytest

from multihead.errors import ConfigError
from multihead.tracking.conditions import (
    check_filter,
    metric_condition,
    parse_order,
    study_condition,
    tag_condition,
)


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
    check_filter(condition)


@pytest.mark.parametrize("text", ["", "acc", "acc>", "acc>high", ">0.9", "a`b>1", "acc>nan"])
def test_what_is_no_comparison_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"compared with a number|is not the name"):
        metric_condition(text)


def test_tags_are_the_runs_own_or_any_of_mlflow() -> None:
    assert tag_condition("thickness_0.5") == "tags.`tag.thickness_0.5` = 'true'"
    assert tag_condition("git.branch=main") == "tags.`git.branch` = 'main'"
    for condition in (tag_condition("a b"), tag_condition("x=it's"), study_condition('a "b"')):
        check_filter(condition)


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
