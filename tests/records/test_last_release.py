"""What a user made with an earlier release, listed, loaded and gone on with; see make.py."""

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from tests.conftest import multihead as run_command
from tests.serving.conftest import serving

import multihead
from multihead.cli.main import main

HERE = Path(__file__).parent
RELEASE = "c843ad3"
SAYS: dict[str, Any] = json.loads((HERE / f"{RELEASE}.json").read_text())
RUNS = pd.DataFrame(SAYS["runs"]).T
CLOSE = 1e-3  # sums of float32 differ a little between processors, and training adds them up


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's folder, elsewhere than it was made; no test changes it."""
    return unpack(tmp_path_factory.mktemp(RELEASE))


@pytest.fixture
def kept(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in the user's folder, to look at it."""
    return enter(unpacked, monkeypatch)


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a user's folder that may be changed."""
    return enter(unpack(tmp_path), monkeypatch)


def unpack(folder: Path) -> Path:
    """Unpack the records, and tell MLflow, which keeps whole paths, where its files are now."""
    with tarfile.open(HERE / f"{RELEASE}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    moved = {"before": SAYS["lab"], "now": str(folder)}
    with closing(sqlite3.connect(folder / "runs" / "mlflow.db")) as database, database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for column in database.execute(f"PRAGMA table_info({table})").fetchall():
                name = f'"{column[1]}"'
                database.execute(
                    f"UPDATE {table} SET {name} = replace({name}, :before, :now) "
                    f"WHERE instr({name}, :before)",
                    moved,
                )
    return folder


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MULTIHEAD_DATA_DIR", raising=False)
    return folder


@pytest.fixture
def images(kept: Path) -> np.ndarray:
    """The test images, uint8 [B, C, H, W]."""
    pictures = [picture for picture, _ in multihead.VIMHDataset(kept / "data/squares", "test")]
    return (torch.stack(pictures) * 255).byte().numpy()


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command in this process, and return what it printed."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(arguments)
    printed = capsys.readouterr()
    assert not end.value.code, printed
    return printed.out


def table() -> pd.DataFrame:
    return multihead.runs_table().set_index("run")


def metrics_of(run: str) -> dict[str, float]:
    row = table().loc[run].dropna()
    return {k.removeprefix("metrics."): v for k, v in row.items() if k.startswith("metrics.")}


def assert_close(found: dict[str, float], said: dict[str, float]) -> None:
    """Compare all figures that a rounded sum changes a little, and not by a class more or less."""
    names = [n for n in said if n.endswith(("_loss", "_mae", "_rmse"))]
    assert len(names) > 5
    assert {n: found[n] for n in names} == pytest.approx({n: said[n] for n in names}, rel=CLOSE)


# ----------------------------------------------------------------------------- what is looked at


def test_all_runs_are_listed_with_their_kind_and_status(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = table()[list(RUNS)]
    pd.testing.assert_frame_equal(listed.loc[RUNS.index], RUNS, check_names=False)
    assert set(listed.index) == set(RUNS.index)
    out = told(capsys, "runs", "--format", "csv")
    assert all(run in out for run in RUNS.index)


def test_runs_are_compared_by_their_ids(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, "runs", SAYS["finished"], SAYS["interrupted"], "--format", "json")
    rows = {row["run"]: row for row in json.loads(out)}
    figures = {n: v for n, v in rows[SAYS["finished"]].items() if n.startswith("metrics.test/")}
    assert figures == pytest.approx(SAYS["tested"])


def test_a_run_predicts_what_it_did(images: np.ndarray) -> None:
    predicted = multihead.load_run(SAYS["finished"]).predict(images)
    assert list(predicted) == list(SAYS["predicted"])
    for name, values in SAYS["predicted"].items():
        np.testing.assert_allclose(predicted[name], values, rtol=1e-6, atol=1e-6)


def test_the_promoted_model_predicts_the_same_in_mlflow(
    kept: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{kept}/runs/mlflow.db")
    rows = mlflow.pyfunc.load_model("models:/squares@champion").predict(
        images.transpose(0, 2, 3, 1)
    )
    for name, values in SAYS["predicted"].items():
        np.testing.assert_allclose(rows[name], values, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_the_promoted_model_is_served(kept: Path, images: np.ndarray) -> None:
    body = json.dumps({"inputs": images.transpose(0, 2, 3, 1).tolist()}).encode()
    with serving("models:/squares@champion", kept / "runs") as address:
        request = Request(
            f"{address}/invocations", body, headers={"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=30) as answer:
            rows = pd.DataFrame(json.load(answer)["predictions"])
    for name, values in SAYS["predicted"].items():
        np.testing.assert_allclose(rows[name], values, rtol=1e-6, atol=1e-6)


def test_the_trials_of_a_study_are_shown(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "study", "squares", "--export", "trials.csv")
    trials = pd.read_csv("trials.csv").set_index("number")
    assert trials["state"].tolist() == ["COMPLETE", "COMPLETE", "PRUNED", "WAITING"]
    of_runs = table()["metrics.val/score"]
    assert of_runs[list(SAYS["trials"])].to_dict() == SAYS["trials"]
    completed = trials.loc[trials["state"] == "COMPLETE", "val/score"]
    assert completed.isin(SAYS["trials"].values()).all()
    assert "2 complete" in told(capsys, "study", "squares", "--best")


def test_runs_picked_by_hand_make_a_report(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arms = RUNS[RUNS["kind"] == "arm"].sort_values("name", ascending=False).index
    told(capsys, "compare", *arms, "--out", "picked")
    statistics = pd.read_csv("picked/statistics.csv")
    said = pd.DataFrame(SAYS["differences"])
    figures = ["n", "mean", "baseline_mean"]
    both = said.merge(statistics, on=["head", "metric"], suffixes=("", "_now"))
    assert len(both) == len(said) == 3
    for name in figures:
        np.testing.assert_allclose(both[f"{name}_now"], both[name], rtol=1e-6)


# ------------------------------------------------------------------------- what is gone on with


def test_an_evaluation_has_the_metrics_of_then(
    changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "evaluate", f"run={SAYS['finished']}")
    (run,) = table().query("kind == 'evaluation'").index
    then = {n.removeprefix("metrics."): v for n, v in SAYS["tested"].items()}
    assert_close(metrics_of(run), then)


def test_an_interrupted_run_comes_to_what_it_came_to_then(
    changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stopped within an epoch, so the sums of half of it are in its checkpoint."""
    told(capsys, "train", f"resume={SAYS['interrupted']}")
    assert table().loc[SAYS["interrupted"], "status"] == "FINISHED"
    assert_close(metrics_of(SAYS["interrupted"]), SAYS["resumed"])


def test_a_rerun_has_the_metrics_of_then(changed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "rerun", SAYS["finished"])
    assert f"commit: {RELEASE}" in said
    assert "training data:" not in said
    assert "test data:" not in said
    (run,) = set(table().index) - set(RUNS.index)
    then = {n.removeprefix("metrics."): v for n, v in SAYS["tested"].items()}
    assert_close(metrics_of(run), then)


@pytest.mark.slow
def test_a_study_goes_on_to_its_number_of_trials(changed: Path) -> None:
    done = run_command(["study", "squares", "--resume"], folder=changed)
    assert done.returncode == 0, done.stderr
    trials = table().query("kind == 'trial'")
    assert trials["status"].tolist() == ["FINISHED"] * 5
    assert set(RUNS.query("kind == 'trial'").index) < set(trials.index)
    for run, value in SAYS["trials"].items():
        assert trials.loc[run, "metrics.val/score"] == value


def test_an_ablation_trains_nothing_again_and_has_the_figures_of_then(
    changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed preset or fingerprint would train all of it anew, in silence."""
    assert "4 on record, 0 to run" in told(capsys, "ablate", "squares", "reuse=any")
    told(capsys, "report", "squares", "--out", "report")
    now = pd.read_csv("report/statistics.csv")[list(SAYS["differences"][0])]
    pd.testing.assert_frame_equal(now, pd.DataFrame(SAYS["differences"]), rtol=1e-6)
