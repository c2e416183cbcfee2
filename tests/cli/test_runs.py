"""`multihead runs` as a person meets it, on runs made by hand."""

from pathlib import Path

import pandas as pd
import pytest

from multihead.cli.main import main
from multihead.terminal import drawn
from multihead.tracking.store import Store


@pytest.fixture
def two(store: Store) -> list[str]:
    """Two runs that differ in learning rate, study, tag, kind, status and accuracy."""
    client, made = store.client, []
    for i, lr in enumerate(("0.1", "0.2")):
        tags = {
            "multihead.run": f"2026-{i}",
            "multihead.kind": ("run", "trial")[i],
            "multihead.study": ("", "search")[i],
            f"tag.t{i}": "true",
        }
        run = client.create_run("0", run_name=f"name{i}", tags=tags).info.run_id
        client.log_param(run, "model.optimizer.lr", lr)
        client.log_param(run, "seed", "1")
        client.log_metric(run, "test/digit_acc", 0.8 + i / 10)
        client.log_metric(run, "test/digit_loss", 0.5)
        client.set_terminated(run, ("FINISHED", "KILLED")[i])
        made.append(f"2026-{i}")
    return made


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit):
        main(["runs", *arguments])
    got = capsys.readouterr()
    return got.out + got.err


@pytest.mark.parametrize(
    "only_second",
    [
        ["--study", "search"],
        ["--tag", "t1"],
        ["--tag", "multihead.kind=trial"],
        ["--kind", "trial"],
        ["--status", "killed"],
        ["--metric", "test/digit_acc>0.85"],
        ["--filter", "params.`model.optimizer.lr` = '0.2'", "--metric", "test/digit_loss<1"],
        ["--sort", "test/digit_acc", "--limit", "1"],
    ],
    ids=" ".join,
)
def test_shortcuts_choose_runs(
    two: list[str], only_second: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = _said(capsys, *only_second)
    assert two[1] in out
    assert two[0] not in out
    assert "0.9000" in out


def test_a_comparison_shows_differences_first_then_metrics_with_deltas(
    two: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = _said(capsys, *two).splitlines()
    at = {
        word: next(i for i, line in enumerate(lines) if word in line)
        for word in ("model.optimizer.lr", "test/digit_acc", "test/digit_loss")
    }
    assert sorted(at, key=lambda word: at[word]) == list(at)
    assert "0.9000  (+0.1000)" in lines[at["test/digit_acc"]]
    assert "0.5000  (+0.0000)" in lines[at["test/digit_loss"]]
    assert not any("seed" in line for line in lines)


def test_a_search_that_finds_nothing_says_so(
    two: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no run matches" in _said(capsys, "--study", "other")
    assert "there is no experiment 'nope'" in _said(capsys, "--experiment", "nope")
    assert "'trail' is not one of 'run', 'evaluation', 'trial'" in _said(capsys, "--kind", "trail")


def test_names_and_conditions_do_not_mix(
    two: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "both named and searched for" in _said(capsys, two[0], "--kind", "run")


def test_a_comparison_can_be_exported(
    two: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _said(capsys, *two, "--format", "parquet", "--out", str(tmp_path / "two.parquet"))
    table = pd.read_parquet(tmp_path / "two.parquet")
    assert table["metrics.test/digit_acc"].tolist() == [0.8, 0.9]
    assert table["run"].tolist() == two


@pytest.mark.parametrize("columns", ["100", "80"])
def test_a_narrow_terminal_shows_the_figures_of_many_heads_below_the_name(
    store: Store,
    columns: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A column for each head left three letters of every name."""
    heads = ("digit", "thickness", "smoothness", "orientation", "brightness")
    tags = {"multihead.run": "20261127-153402-999caa"}
    run = store.client.create_run("0", run_name="multihead_cnn_digits-999caa", tags=tags).info
    for head in heads:
        store.client.log_metric(run.run_id, f"test/{head}_acc", 0.9)
    store.client.set_terminated(run.run_id, "FINISHED")
    monkeypatch.setattr(drawn, "_WIDTH", int(columns))
    lines = _said(capsys).splitlines()
    assert max(map(len, lines)) <= int(columns)
    said = " ".join(" ".join(lines).split())
    assert all(title in said for title in ("run", "name, test", "accuracy", "status", "started"))
    for word in (*(f"{head} 0.9000" for head in heads), "20261127-153402-999caa", "FINISHED"):
        assert any(word in line for line in lines), lines
