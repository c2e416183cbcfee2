"""The benchmark of many workers, small: what it asserts is what matters here."""

from pathlib import Path

import pandas as pd
import pytest
from tests.benchmark import benchmark
from tests.postgres import postgres_programs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(postgres_programs() is None, reason="there is no PostgreSQL here"),
]


def test_eight_workers_one_of_them_killed_lose_and_double_no_trial(tmp_path: Path) -> None:
    small = ("--quick", "--ways", "multihead")
    said = benchmark("study_scale.py", *small, "--out", str(tmp_path))
    assert "nothing was lost or doubled" in said
    (row,) = pd.read_csv(tmp_path / "scale.csv").itertuples()
    assert (row.workers, row.trials, row.kills) == (8, 48, 1)
