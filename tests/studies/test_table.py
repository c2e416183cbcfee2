"""The trials as a file."""

from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import FrozenTrial, create_trial
from tests.studies.conftest import Define

from multihead.errors import ConfigError
from multihead.studies.table import SUFFIXES, best_of, ranked, write_table

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


def _trial(number: int, *values: float) -> FrozenTrial:
    trial = create_trial(values=values)
    trial.number = number
    return trial


def test_of_several_objectives_the_front_is_counted_and_its_first_by_mean_rank_named(
    define: Define,
) -> None:
    definition = define(objectives={"val/digit_acc": "maximize", "val/digit_loss": "minimize"})
    # 3 is dominated by 1; the others are the front, 1 the one between its ends.
    trials = [_trial(0, 0.9, 0.1), _trial(1, 0.95, 0.2), _trial(2, 0.97, 0.9), _trial(3, 0.8, 0.3)]
    assert [t.number for t in ranked(definition, trials)][-1] == 3
    assert best_of(definition, trials).startswith("front: 3 of 4 trials, by mean rank first trial ")
    one = define(objectives="val/digit_acc")
    assert best_of(one, [_trial(0, 0.9), _trial(1, 0.95)]) == "best: trial 1  val/digit_acc 0.9500"
    assert best_of(one, []) == "no complete trial yet"
