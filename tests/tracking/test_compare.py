import pandas as pd
import pytest

from multihead.tracking.compare import compare_runs


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": ["a", "b"],
            "mlflow_id": ["1", "2"],
            "metrics.lr": [0.1, 0.2],
            "metrics.system/cpu_percent": [50.0, 60.0],
            "metrics.test/acc": [0.5, 0.6],
            "metrics.val/big_digit_loss": [2.0, 1.0],
            "metrics.test/digit_acc": [0.9, 0.7],
            "metrics.val/digit_loss": [1.0, float("nan")],
            "params.seed": ["1", "1"],
            "params.model.width": ["8", None],
            "params.paths.home": ["/x", "/y"],
        }
    )


def test_only_what_differs_in_the_configuration_is_shown_and_no_places(table: pd.DataFrame) -> None:
    assert list(compare_runs(table).config.index) == ["model.width"]


def test_metrics_are_grouped_by_head_test_first_with_differences(table: pd.DataFrame) -> None:
    found = compare_runs(table)
    assert list(found.metrics.index) == [
        ("big_digit", "val/big_digit_loss"),
        ("digit", "test/digit_acc"),
        ("digit", "val/digit_loss"),
        ("all heads", "test/acc"),
    ]
    assert found.deltas["b"].iloc[:2].tolist() == pytest.approx([-1.0, -0.2])
    assert found.deltas["b"].isna().tolist() == [False, False, True, False]
