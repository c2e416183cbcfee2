from pathlib import Path

import pytest

from multihead.errors import ConfigError
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


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("postgresql://", "names no host and no database"),
        ("postgresql+psycopg://me:secret@", "names no host and no database"),
        ("mysql://", "names no host and no database"),
        ("mssql:///", "names no host and no database"),
        ("http://", "names no host"),
        ("https:///mlflow", "names no host"),
        ("http://:5000", "names no host"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://folder/mlflow.db", "names no file"),
        ("postgresql:mlflow", "is of an unknown kind"),
        ("ftp://host/db", "is of an unknown kind"),
    ],
)
def test_an_address_that_names_no_store_is_refused(tmp_path: Path, uri: str, problem: str) -> None:
    """Otherwise a run trains first, and its record stays in its folder."""
    shown = uri.replace("secret", "***")
    with pytest.raises(ConfigError) as caught:
        Store(uri, tmp_path)
    assert str(caught.value).startswith(f"the tracking URI {shown!r} {problem}; allowed are sqlite")
    assert "change logger.tracking_uri or MLFLOW_TRACKING_URI" in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:///mlflow.db",
        "postgresql+psycopg://mlflow@host",
        "postgresql:///mlflow",
        "postgresql+psycopg://?service=lab",
        "mssql+pyodbc://source",
        "mssql+pyodbc:///?odbc_connect=DSN%3Dlab",
        "https://lab/mlflow",
    ],
)
def test_an_address_may_leave_out_what_has_a_default(tmp_path: Path, uri: str) -> None:
    assert Store(uri, tmp_path).uri == uri
