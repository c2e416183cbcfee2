"""The trials as a file."""

from pathlib import Path

import pandas as pd
import pytest

from multihead.errors import ConfigError
from multihead.studies.table import SUFFIXES, write_table

TABLE = pd.DataFrame(
    {
        "number": [0, 1],
        "state": ["COMPLETE", "FAIL"],
        "val/digit_acc": [0.9875, None],
        "model.optimizer.lr": [0.018118895332819764, 1.2345678901234567e-11],
        "started": pd.to_datetime(["2026-01-02T03:04:05.678901Z", None], utc=True),
    }
)
READERS = {".parquet": pd.read_parquet, ".csv": pd.read_csv, ".json": pd.read_json}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_has_every_trial_to_the_last_digit(suffix: str, tmp_path: Path) -> None:
    """So that a trial can be trained again from any of them."""
    path = tmp_path / f"trials{suffix}"
    write_table(TABLE, path)
    exact = {".json": {"precise_float": True}}
    found = READERS[suffix](path, **exact.get(suffix, {}))
    found["started"] = pd.to_datetime(found["started"], utc=True)
    pd.testing.assert_frame_equal(found, TABLE, check_exact=True, check_dtype=False)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written to"):
        write_table(TABLE, tmp_path / "nowhere" / "trials.csv")
