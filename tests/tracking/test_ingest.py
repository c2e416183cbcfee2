"""The benchmark of the MLflow server, small: what it asserts is what matters here."""

from pathlib import Path

import pandas as pd
import pytest
from tests.benchmark import benchmark
from tests.postgres import postgres_programs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(postgres_programs() is None, reason="there is no PostgreSQL here"),
]


def test_every_point_of_several_clients_is_in_a_partitioned_table_once(tmp_path: Path) -> None:
    """With partitions and the index that docs/containers.md#limits-for-large-studies advises."""
    small = ("--clients", "3", "--points", "3000", "--runs", "50", "--looks", "1")
    advised = ("--partitions", "4", "--tag-index")
    said = benchmark("mlflow_ingest.py", *small, *advised, "--out", str(tmp_path))
    assert "every point is there once" in said
    (row,) = pd.read_csv(tmp_path / "ingest.csv").itertuples()
    assert (row.clients, row.points) == (3, 3000)
    grown = pd.read_csv(tmp_path / "growth.csv").iloc[:, 0]
    assert any(name.startswith("metrics_") for name in grown)
