"""What workers on several machines cannot share."""

from pathlib import Path

import pytest

from multihead.errors import ConfigError
from multihead.studies.engines.sharing import refuse_unshared
from multihead.tracking.store import Store

DATABASE, SERVER = "postgresql+psycopg://me@db/x", "http://mlflow:5000"


@pytest.mark.parametrize(
    ("url", "tracking", "named"),
    [
        ("sqlite:////runs/studies.db", SERVER, "storage"),
        ("postgresql+psycopg://me:secret@localhost/x", SERVER, "storage"),
        (DATABASE, "sqlite:////runs/mlflow.db", "MLFLOW_TRACKING_URI"),
        (DATABASE, "http://me:secret@127.0.0.1:5000", "MLFLOW_TRACKING_URI"),
        (DATABASE, "postgresql+psycopg://me:secret@db/mlflow", "MLFLOW_TRACKING_URI"),
    ],
)
def test_what_only_one_machine_has_is_refused_on_several(
    url: str, tracking: str, named: str, tmp_path: Path
) -> None:
    store = Store(tracking, tmp_path)
    with pytest.raises(ConfigError, match=rf"machines \(a, b\), and {named}") as refused:
        refuse_unshared("the cluster", {"b", "a"}, url, store)
    assert "secret" not in str(refused.value)
    refuse_unshared("the cluster", {"a"}, url, store)


def test_a_database_and_a_server_that_all_reach_serve_several_machines(tmp_path: Path) -> None:
    refuse_unshared("the cluster", {"a", "b"}, DATABASE, Store(SERVER, tmp_path))
