"""`experiment=vimh_cnn` finds, makes, or asks for its data."""

from pathlib import Path

import pytest

from multihead import run
from multihead.datasets.resonator.plan import Plan
from multihead.errors import DataError
from multihead.runs.config import compose_run

SMALL = "{_target_: multihead.datasets.resonator.plan.Plan, size: 64}"


def test_the_folder_of_the_experiment_is_that_of_the_default_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIHEAD_DATA_DIR", str(tmp_path))
    data = compose_run(["experiment=vimh_cnn"])["data"]
    assert data["data_dir"] == data["generate"]["folder"] == str(tmp_path / Plan().folder_name)


@pytest.mark.slow
def test_training_makes_absent_data_and_reports_parameters_in_their_units(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIHEAD_DATA_DIR", str(home / "data"))
    small = f"+data.generate.plan={SMALL}"
    result = run(["experiment=vimh_cnn", small, "trainer.max_epochs=1", "trainer.accelerator=cpu"])
    assert {"test/note_number_mae", "test/note_velocity_acc_within", "test/score"} <= set(
        result.metrics
    )
    assert [path.name for path in (home / "data").iterdir()] == [Plan().folder_name]


def test_any_other_missing_folder_is_an_error_that_names_the_command(tmp_path: Path) -> None:
    missing = tmp_path / "vimh-32x32_8000Hz_1p0s_256dss_resonarium_2p"
    with pytest.raises(DataError, match="multihead data generate resonator"):
        run(["experiment=vimh_cnn", f"data.data_dir={missing}"])
    assert not missing.exists()
