from pathlib import Path

import pytest

from multihead.tracking.store import Store


@pytest.mark.parametrize(
    ("uri", "ui", "expected"),
    [
        ("http://mlflow:5000", "", "http://mlflow:5000/#/experiments/3/runs/r?"),
        ("http://mlflow:5000", "http://lab:80/", "http://lab:80/#/experiments/3/runs/r?"),
        (None, "", "http://127.0.0.1:5000/#/experiments/3/runs/r?"),
    ],
)
def test_a_runs_page_is_where_people_can_open_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str | None, ui: str, expected: str
) -> None:
    """In containers programs reach the server under a name that no browser knows."""
    monkeypatch.setenv("MULTIHEAD_UI_URL", ui)
    assert Store(uri, tmp_path).run_url("3", "r").startswith(expected)
