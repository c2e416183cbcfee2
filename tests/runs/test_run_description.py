import pytest
from tests.conftest import Run

from multihead.errors import DivergenceError
from multihead.runs.evaluation import evaluation_config
from multihead.runs.execute import execute
from multihead.tracking.find import find_run
from multihead.tracking.query import runs_table
from multihead.tracking.store import Store
from multihead.tracking.tags import DESCRIPTION_TAG

OPENING = 5  # lines that MLflow's page shows at once


def test_a_runs_page_opens_with_results_beside_a_constant_answer_and_commands(
    train: Run, store: Store
) -> None:
    result = train()
    text = find_run(store, result.run_id).data.tags[DESCRIPTION_TAG]
    opening = "\n".join(text.splitlines()[:OPENING])
    accuracy = f"{result.metrics['test/digit_acc']:.4f}"
    assert "digit, thickness, smoothness" in opening
    assert "Finished after 1 epoch, " in opening
    assert f"digit accuracy **{accuracy}** (0." in opening
    assert f"`multihead rerun {result.run_id}`" in opening
    assert f"| digit | {accuracy} |" in text
    assert "expected calibration error" in text


def test_without_a_test_the_page_shows_the_best_of_validation(train: Run, store: Store) -> None:
    result = train("test=false")
    text = find_run(store, result.run_id).data.tags[DESCRIPTION_TAG]
    assert "Best validation" in text
    assert "constant answer" not in text
    assert f"{result.metrics['best/val/digit_acc']:.4f}" in text


def test_a_run_that_fails_says_where_why_and_how_to_go_on(train: Run, store: Store) -> None:
    with pytest.raises(DivergenceError):
        train("model.optimizer.lr=1e30")
    (run_id,) = runs_table(store)["run"]
    text = find_run(store, run_id).data.tags[DESCRIPTION_TAG]
    opening = "\n".join(text.splitlines()[:OPENING])
    assert "Stopped in epoch 0" in opening
    assert "is not finite" in opening
    assert f"`multihead train resume={run_id}` goes on" in opening


def test_an_evaluation_that_fails_offers_no_resume(
    train: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = evaluation_config(str(train().run_id), [])

    def fail(*_: object) -> None:
        raise OSError("of all things")

    monkeypatch.setattr("multihead.runs.execute.store_test", fail)
    with pytest.raises(OSError, match="of all things"):
        execute(config)
    (run_id, _) = runs_table(store)["run"]  # the newest first
    text = find_run(store, run_id).data.tags[DESCRIPTION_TAG]
    assert "of all things" in text
    assert "tests again" in text
    assert "resume=" not in text
