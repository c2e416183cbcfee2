"""Homes with odd names: what is recorded lies in them, or they are refused before a run."""

import os
import shutil
from pathlib import Path

import pytest
from tests.conftest import multihead

from multihead import settings
from multihead.errors import ConfigError
from multihead.studies.storage import StudyStorage
from multihead.tracking.find import find_run
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store

CONFIG = {"logger": {"tracking_uri": None, "experiment_name": "e"}, "paths": {"home": "h"}}
GOOD = [
    "a b",
    "h#h",
    "ü☃",
    "c:d;e@f",
    "q'u\"o`t",
    "$HOME",
    "{a}[b]",
    "back\\slash",
    "a&b=c,d",
    "~t",
]
BAD = {"x%20y": "%", "50%": "%", "q?m": "?", "new\nline": "\\n", "${x}": "${", "\udcff": "\\udcff"}


@pytest.mark.parametrize("name", GOOD)
def test_all_of_a_run_and_a_study_is_in_a_home_of_any_name(
    name: str, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / name / "runs"
    home.mkdir(parents=True)
    shutil.copy(empty_store, home / "mlflow.db")
    monkeypatch.setenv("MULTIHEAD_HOME", f"{home}/")
    store = Store()
    run = TrackedRun.create(store, "e", CONFIG)
    (tmp_path / "a.txt").write_text("a")
    run.log_file(tmp_path / "a.txt", "test")
    run.finish("FINISHED")
    found = find_run(store, run.run_id).info
    assert found.status == "FINISHED"
    assert store.client.list_artifacts(found.run_id, "test")[0].path == "test/a.txt"
    StudyStorage(settings.study_storage(), create=True).close()
    made = {"mlflow.db", "studies.db", "artifacts", run.run_id}
    assert made <= {path.name for path in home.iterdir()}
    assert {path.name for path in tmp_path.iterdir()} == {name, "a.txt"}


@pytest.mark.parametrize(("name", "named"), BAD.items(), ids=[ascii(name) for name in BAD])
def test_a_home_that_would_be_read_as_another_is_refused(
    name: str, named: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"choose another folder with MULTIHEAD_HOME") as raised:
        Store(home=tmp_path / name)
    assert repr(named)[1:-1].replace("\\\\", "\\") in str(raised.value)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [("s3://bucket/runs", "is a URL"), ("~nobody-of-this-name/runs", "begins with a user")],
)
def test_what_is_no_folder_is_no_home(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings.home_folder(text)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("file", "Not a directory"),
        ("file/under", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("long/" * 1000, "File name too long"),
        ("long/" * 790, "File name too long"),
        ("loop", "Too many levels of symbolic links"),
        ("nul\0", "embedded null byte"),
    ],
    ids=["file", "under-a-file", "long-name", "long-path", "long-with-runs", "loop", "nul"],
)
def test_what_can_be_no_folder_is_no_home(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command asks here, so that none ends with a traceback, or finds no runs in silence."""
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match=rf"the home '.*' cannot be a folder \({reason}\)"):
        settings.home_folder(f"{tmp_path}/{name}")
    if "\0" not in name:
        monkeypatch.setenv("MULTIHEAD_DATA_DIR", f"{tmp_path}/{name}")
        with pytest.raises(ConfigError, match="MULTIHEAD_DATA_DIR"):
            settings.data_dir()


def test_a_home_may_be_relative_linked_or_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings.home_folder("r/") == settings.home_folder("~/r") == tmp_path / "r"
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    run = TrackedRun.create(Store(home=tmp_path / "link"), "e", CONFIG)
    run.finish("FINISHED")
    assert (tmp_path / "there" / run.run_id / "spool.jsonl").is_file()


def test_a_current_folder_that_was_deleted_is_named_in_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    here = Path.cwd()
    try:
        os.chdir(gone)
        gone.rmdir()
        done = multihead(["runs"], folder=Path())
    finally:
        os.chdir(here)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "multihead: the current folder was deleted; change to another one with `cd`.\n"
    )
