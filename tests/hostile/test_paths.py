"""What a record names stays inside its folder, also where it is deleted or sent."""

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from multihead.ablation.worker import CellFile, Task, _attempt
from multihead.errors import MultiheadError, PathError
from multihead.files import inside
from multihead.runs.api import resumed_config
from multihead.runs.load import load_run
from multihead.runs.places import check_places
from multihead.runs.rerun import recorded_configs
from multihead.runs.sections import RunConfig
from multihead.studies.definition import Definition
from multihead.studies.keep import drop_others
from multihead.studies.registry import _died_here
from multihead.studies.trial import TrialRunner
from multihead.studies.trial_names import RUNS
from multihead.tracking.artifacts import Artifacts
from multihead.tracking.find import find_run
from multihead.tracking.folder import RunFolder, run_path
from multihead.tracking.removal import remove_artifacts
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store
from multihead.tracking.sync import send, sync
from multihead.tracking.tags import RUN_TAG

OUTSIDE = [
    *("", ".", "..", "../x", "a/../../x", "a/..", "a//b", "a/", "./a", "/etc", "//etc"),
    *("C:\\x", "c:x", "a\\..\\..\\x", "\\\\host\\x", "a\0b", "a\nb", "\x1b[2J", "a\u202eb"),
    *("x" * 256, "ä" * 128, "a/" * 600 + "a", "\udc80", "link", "link/file"),
]
NO_RUNS = [*OUTSIDE, "artifacts", "workers", ".store.lock", "20261122-214501-3f9ac2/checkpoints"]


@pytest.mark.parametrize("name", [*OUTSIDE, None, 7, b"a", ["a"]], ids=lambda n: repr(n)[:30])
def test_a_name_that_leads_out_of_its_folder_is_refused_in_one_line(
    tmp_path: Path, name: object
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    with pytest.raises(PathError, match="a tag is ") as refusal:
        inside(tmp_path / "in", name, "a tag")
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("name", ["a", "a/b.c", "..a", "a..b", "größe 1", "c" * 255, "here/b"])
def test_other_names_are_paths_in_it(tmp_path: Path, name: str) -> None:
    """Also where the folder itself is a link, and links stay within it."""
    (tmp_path / "real" / "a").mkdir(parents=True)
    (tmp_path / "real" / "here").symlink_to("a")
    (tmp_path / "folder").symlink_to("real")
    assert inside(tmp_path / "folder", name, "a tag") == tmp_path / "folder" / name


@pytest.mark.parametrize("name", NO_RUNS, ids=lambda n: repr(n)[:30])
def test_only_the_id_of_a_run_names_the_folder_of_one(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(PathError):
        run_path(tmp_path, name, "a tag")


@pytest.fixture
def precious(home: Path) -> Path:
    """Something beside the home, in it, and in its artifacts, that nobody may delete."""
    for folder in (home.parent, home, home / "artifacts", home.parent / "elsewhere"):
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints" / "best.ckpt").write_text("precious")
        (folder / "config.yaml").write_text("model: {net: {_target_: os.system}}")
    return home.parent


def _is_whole(precious: Path) -> bool:
    return len(list(precious.rglob("best.ckpt"))) == 4


def _tagged(store: Store, run_id: str) -> Any:
    client = store.client
    run = client.create_run(store.experiment_id("theirs"), tags={RUN_TAG: run_id})
    return client.get_run(run.info.run_id)


@pytest.mark.parametrize("tag", ["", "..", "../elsewhere", "artifacts", "/etc"])
def test_a_run_whose_tag_names_another_folder_is_refused_by_every_command(
    store: Store, precious: Path, tag: str
) -> None:
    mlflow_id = _tagged(store, tag).info.run_id
    with pytest.raises(PathError, match=rf"the tag multihead\.run of run {mlflow_id} is "):
        load_run(mlflow_id, store)
    with pytest.raises(PathError, match=r"the tag multihead\.run"):
        recorded_configs(store, find_run(store, mlflow_id), [])
    with pytest.raises(MultiheadError):
        resumed_config(mlflow_id, [])
    assert _is_whole(precious)


@pytest.mark.parametrize("run_id", ["", "..", "../elsewhere", "artifacts"])
def test_a_study_that_names_another_folder_as_a_run_deletes_nothing(
    store: Store, precious: Path, run_id: str
) -> None:
    """The database of a study may be shared with others."""
    definition = Definition(
        name="s", space={"seed": [1, 2]}, objectives={"val/acc": "maximize"}, n_trials=1, keep=0
    )
    trial = optuna.trial.create_trial(value=1.0, user_attrs={RUNS: {"1": run_id}})
    with pytest.raises(PathError, match="a run of trial"):
        drop_others(store, definition, [trial])
    runner: Any = SimpleNamespace(store=store)
    with pytest.raises(PathError, match="a run of the trial"):
        TrialRunner._attempt(runner, {}, run_id, None, None)  # type: ignore[arg-type]
    assert _is_whole(precious)


@pytest.mark.parametrize("run_id", ["", "..", "../elsewhere", "artifacts"])
def test_a_cell_that_names_another_folder_as_its_run_deletes_nothing(
    home: Path, precious: Path, run_id: str
) -> None:
    task = Task("arm-seed1", {"paths": {"home": str(home)}}, {})
    with pytest.raises(PathError, match="the run of the cell arm-seed1"):
        _attempt(task, run_id, {})
    assert _is_whole(precious)


def test_a_cell_has_a_file_of_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="a cell is "):
        CellFile(tmp_path, "../../x")


def test_a_worker_that_names_another_file_as_its_lock_deletes_nothing(tmp_path: Path) -> None:
    (tmp_path / "precious.lock").write_text("precious")
    with pytest.raises(PathError, match="a worker's lock"):
        _died_here(tmp_path / "workers", "../precious")
    assert (tmp_path / "precious.lock").read_text() == "precious"


def test_a_store_that_says_artifacts_lie_elsewhere_has_nothing_deleted(
    store: Store, home: Path, precious: Path
) -> None:
    run = _tagged(store, "20261122-214501-3f9ac2")
    with sqlite3.connect(home / "mlflow.db") as database:
        database.execute(
            "UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?",
            ((precious / "elsewhere").as_uri(), run.info.run_id),
        )
    with pytest.raises(PathError, match="nothing in it was deleted"):
        remove_artifacts(store, run.info.run_id, "checkpoints")
    assert _is_whole(precious)


@pytest.fixture
def folder(store: Store, tmp_path: Path) -> RunFolder:
    """The folder of a run that another person made, with a link to a file of ours."""
    run = TrackedRun.create(store, "theirs", {"logger": {"tracking_uri": None}})
    run.finish("FINISHED")
    (tmp_path / "secret").write_text("secret")
    (run.folder / "link").symlink_to(tmp_path / "secret")
    return RunFolder(run.folder)


@pytest.mark.parametrize("path", ["../../secret", "link", "/etc/hostname"])
def test_a_file_outside_the_folder_of_a_run_is_not_sent_to_the_store(
    store: Store, folder: RunFolder, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    artifacts = Artifacts(folder, store, {}, {})
    artifacts.want(path, "0" * 64)
    assert artifacts.wanted == {}
    assert "It is not sent" in caplog.text
    artifacts.wanted[path] = "0" * 64  # as its delivery.json may have it
    mlflow_id = next(iter(store.client.search_runs([store.experiment_id("theirs")]))).info.run_id
    assert artifacts.upload_one(mlflow_id)
    sent = [f.path for f in store.client.list_artifacts(mlflow_id)]
    assert sent == ["attempts.json", "manifest.json"]
    assert not (folder.path / ".outbox").exists()


def test_sync_names_a_run_outside_the_home_and_goes_on(home: Path, folder: RunFolder) -> None:
    found = list(send(home, ["../elsewhere", folder.run_id]))
    assert [done.run_id for done in found if done.problem] == ["../elsewhere"]
    with pytest.raises(PathError):
        list(sync(home, "../elsewhere"))


RECORD: dict[str, Any] = {
    **{"train": True, "test": True, "seed": 0, "name": None, "tags": [], "model": {}},
    **{"ckpt_path": None, "optimized_metric": None, "trainer": {}, "paths": {"home": "/h"}},
    "logger": {"tracking_uri": None, "experiment_name": "theirs"},
    "data": {"data_dir": "DATA/mnist", "generate": {"folder": "DATA/x"}},
    "callbacks": {"model_checkpoint": {"dirpath": None}},
}


@pytest.mark.parametrize(
    ("change", "typed"),
    [
        ({"data": {"data_dir": "/home/other/data"}}, "data.data_dir=/home/other/data"),
        ({"data": {"data_dir": "DATA/../x"}}, "data.data_dir=x"),
        ({"data": {"data_dir": "s3://theirs/set"}}, "data=mnist"),
        ({"data": {"generate": {"folder": "/x"}}}, "data.generate.folder=/x"),
        (
            {"callbacks": {"model_checkpoint": {"dirpath": "/x"}}},
            "callbacks.model_checkpoint.dirpath=/x",
        ),
        ({"ckpt_path": "/home/other/best.ckpt"}, "ckpt_path=/home/other/best.ckpt"),
        (
            {"logger": {"tracking_uri": "sqlite:////x.db", "experiment_name": "theirs"}},
            "logger.tracking_uri=sqlite:////x.db",
        ),
    ],
)
def test_folders_of_a_strangers_record_are_not_written_to_unless_they_are_typed(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: Any, typed: str
) -> None:
    monkeypatch.setenv("MULTIHEAD_DATA_DIR", str(tmp_path / "data"))
    records = (RECORD, RECORD | change)
    ours, theirs = (RunConfig.of(_placed(record, tmp_path)) for record in records)
    check_places(ours, [], store)
    check_places(theirs, [typed], store)
    with pytest.raises(PathError, match="the record is not from this home"):
        check_places(theirs, ["seed=1"], store)


def _placed(node: Any, tmp_path: Path) -> Any:
    if isinstance(node, dict):
        return {key: _placed(value, tmp_path) for key, value in node.items()}
    return node.replace("DATA", str(tmp_path / "data")) if isinstance(node, str) else node
