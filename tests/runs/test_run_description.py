from tests.conftest import Run

from multihead.tracking.find import find_run
from multihead.tracking.store import Store


def test_a_runs_page_says_results_and_how_to_get_them_again(train: Run, store: Store) -> None:
    result = train()
    text = find_run(store, result.run_id).data.tags["mlflow.note.content"]
    assert f"| digit | {result.metrics['test/digit_acc']:.4f} |" in text
    assert "calibration error" in text
    assert f"multihead rerun {result.run_id}" in text


def test_without_a_test_the_page_shows_the_best_of_validation(train: Run, store: Store) -> None:
    result = train("test=false")
    text = find_run(store, result.run_id).data.tags["mlflow.note.content"]
    assert "Best validation" in text
    assert f"{result.metrics['best/val/digit_acc']:.4f}" in text
