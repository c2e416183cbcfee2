"""The command as a person meets it, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.conftest import DIGITS, ROOT, Run, multihead

from multihead import load_run
from multihead.cli.main import COMMANDS, main
from multihead.tracking.store import Store

QUICK = [*DIGITS, "trainer.max_epochs=1"]


def test_help_names_every_command(tmp_path: Path) -> None:
    shown = multihead(["--help"], folder=tmp_path)
    assert shown.returncode == 0
    assert all(f"\n  {name}" in shown.stdout for name in COMMANDS)


def test_train_records_a_run_and_says_where(home: Path, tmp_path: Path) -> None:
    done = multihead(["train", *QUICK], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, *_ = done.stdout.splitlines()
    assert first.startswith("run 2")
    assert str(home) in first
    assert done.stdout.count("link     http://127.0.0.1:5000/#/experiments/") == 2
    for word in ("digit", "thickness", "smoothness", "test accuracy", "multihead ui"):
        assert word in done.stdout
    assert done.stdout.count("are functions of digit") == 1


@pytest.mark.slow
def test_a_multirun_trains_every_choice(home: Path, tmp_path: Path, store: Store) -> None:
    nets = "model/net=simple_cnn,resnet18"
    done = multihead(["train", "-m", *QUICK, nets, "test=false"], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    from multihead import runs_table

    table = runs_table(store)
    assert set(table["params.model.net._target_"]) == {
        "multihead.SimpleCNN",
        "multihead.TimmNetwork",
    }
    assert set(table["status"]) == {"FINISHED"}


def test_cfg_job_prints_the_composed_config(tmp_path: Path) -> None:
    shown = multihead(
        ["train", "--cfg", "job", "experiment=multihead_cnn_mnist", "seed=3"], folder=tmp_path
    )
    assert shown.returncode == 0
    config = yaml.safe_load(shown.stdout)
    assert (config["seed"], config["data"]["batch_size"]) == (3, 64)
    assert list(tmp_path.iterdir()) == []


def test_train_help_is_hydras(tmp_path: Path) -> None:
    shown = multihead(["train", "--help"], folder=tmp_path)
    assert shown.returncode == 0
    assert "cnn_cifar10, cnn_mnist" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "experiment=nonsense"], "there is no experiment 'nonsense'"),
        (["train", *QUICK, "model.loss_weights.digit=-1"], "loss_weights.digit is -1"),
        (["train", *QUICK, "logger.tracking_uri=ftp://x"], "of an unknown kind"),
        (["train", "--nonsense"], "--nonsense"),
        (["train", "resume=20200101"], "there is no run '20200101'"),
        (["evaluate", *DIGITS], "name a checkpoint to evaluate"),
        (["evaluate", *DIGITS, "ckpt_path=none.ckpt"], "there is no checkpoint none.ckpt"),
        (["runs", "20200101"], "there is no run '20200101'"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_2(
    home: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["multihead", *arguments])
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert message in errors[-1]
    assert len(errors) == 1
    assert not [p for p in home.iterdir() if p.is_dir()]


def test_a_mistake_in_a_process_of_its_own_leaves_nothing(tmp_path: Path) -> None:
    """Not even Hydra's output folders, or the home."""
    done = multihead(["train", "experiment=cnn_mnist"], folder=tmp_path, MULTIHEAD_DATA_DIR="data")
    assert done.returncode == 2
    assert "MNIST is missing" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_missing_data_name_the_files_and_their_folder(tmp_path: Path) -> None:
    done = multihead(
        ["train", "experiment=multihead_cnn_cifar10", f"data.data_dir={tmp_path}/here"],
        folder=tmp_path,
    )
    assert done.returncode == 2
    assert "data_batch_1" in done.stderr
    assert f"{tmp_path}/here/cifar-10-batches-py" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "overrides",
    [
        ["experiment=multihead_cnn_mnist"],
        ["experiment=multihead_cnn_mnist", "+trainer.fast_dev_run=true"],
        [
            "experiment=multihead_cnn_mnist",
            *("model.loss_weights.digit=2.0", "model.loss_weights.thickness=0.5"),
            "model.loss_weights.smoothness=0.5",
        ],
        ["model=mnist_cnn", "trainer.max_epochs=20", "tags=[single_task,digit]"],
        [
            *("experiment=multihead_cnn_mnist", "trainer.max_epochs=20"),
            "tags=[multi_task,all]",
        ],
        ["experiment=multihead_cnn_mnist", "tags=[arch_study,cnn]"],
        [
            *("experiment=multihead_cnn_mnist", "model.loss_weights.thickness=0.1"),
            "tags=[weight_study,thickness_0.1]",
        ],
        [
            "experiment=multihead_cnn_mnist",
            "+data.heads.orientation.map=[0,1,2,3,0,1,2,3,0,1]",
            "data.heads.thickness.map={0:0,1:4,2:0,3:4,4:0,5:4,6:0,7:4,8:0,9:4}",
        ],
        ["experiment=cnn_mnist"],
    ],
    ids=lambda o: " ".join(o),
)
def test_the_documented_mnist_commands_work(
    home: Path, mnist_dir: Path, overrides: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As written, but for smaller data and fewer epochs."""
    small = ["data.train_val_test_split=[80,40,40]", f"data.data_dir={mnist_dir}"]
    epochs = [] if "+trainer.fast_dev_run=true" in overrides else ["trainer.max_epochs=1"]
    arguments = ["train", *overrides, *small, *epochs]
    monkeypatch.setattr(sys, "argv", ["multihead", *arguments])
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0


def test_evaluate_tests_a_checkpoint_and_records_that_it_read_the_test_split(
    train: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train()
    arguments = ["evaluate", f"ckpt_path={result.best_checkpoint}", *DIGITS]
    monkeypatch.setattr(sys, "argv", ["multihead", *arguments])
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0
    newest, *_ = store.client.search_runs(["1"], order_by=["attributes.start_time DESC"])
    assert newest.data.tags["multihead.kind"] == "evaluation"
    assert newest.data.metrics["test/digit_acc"] == result.metrics["test/digit_acc"]
    assert "val/digit_acc" not in newest.data.metrics


def test_runs_lists_compares_and_exports(
    train: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ids = [train("test=false", f"model.optimizer.lr={lr}").run_id for lr in (0.01, 0.02)]

    def runs(*arguments: str) -> str:
        capfd.readouterr()
        with pytest.raises(SystemExit):
            main(["runs", *arguments])
        return capfd.readouterr().out

    assert all(run_id in runs() for run_id in ids)
    compared = runs(*ids)
    assert "model.optimizer.lr" in compared
    assert "0.01" in compared
    assert "data.batch_size" not in compared
    rows = json.loads(runs("--format", "json"))
    assert [row["run"] for row in rows] == ids[::-1]
    runs("--format", "csv", "--out", f"{tmp_path}/runs.csv")
    runs("--format", "parquet", "--out", f"{tmp_path}/runs.parquet")
    for table in (
        pd.read_csv(tmp_path / "runs.csv"),
        pd.read_parquet(tmp_path / "runs.parquet"),
    ):
        assert table["run"].tolist() == ids[::-1]
        assert table["metrics.val/digit_acc"].between(0, 1).all()


def test_list_shows_what_can_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["list"])
    shown = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    said = dict(words for words in shown if len(words) == 2)
    assert said["multihead_cnn_mnist"].startswith("MNIST: digit, thickness")


def test_list_goes_on_past_files_that_are_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "studies" / "search"
    (own / "folder.yaml").mkdir(parents=True)
    (own / "bytes.yaml").write_bytes(b"# not \xff UTF-8\n")
    (own / "two\nlines.yaml").write_text("# \x1b[31mred [/b]\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["list"])
    assert ended.value.code == 0
    said = capsys.readouterr().out.splitlines()
    assert r"  bytes                 not \xff UTF-8" in said
    assert r"  two lines             \x1b[31mred [/b]" in said
    assert not any(line.startswith("  folder ") for line in said)


def test_doctor_tells_precision_and_places(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["doctor"])
    out = capsys.readouterr().out
    assert stop.value.code == 0, out
    for word in ("torch", "precision", "memory format", "data", str(home), "answers"):
        assert word in out


def test_doctor_fails_where_the_store_does_not_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(SystemExit) as stop:
        main(["doctor"])
    assert stop.value.code == 1
    assert "FAIL  store" in capsys.readouterr().out


def _complete(words: str, folder: Path) -> list[str]:
    count = len(words.split(" ")) - 1
    environment = {
        "_MULTIHEAD_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(count),
    }
    out = multihead([], folder=folder, **environment).stdout
    return [line.partition(",")[2] for line in out.splitlines()]


def test_completion_covers_commands_and_overrides(tmp_path: Path) -> None:
    assert "train" in _complete("multihead tr", tmp_path)
    assert "experiment=multihead_cnn_mnist" in _complete("multihead train experiment=mu", tmp_path)
    found = _complete("multihead train experiment=multihead_cnn_mnist trainer.max", tmp_path)
    assert found == ["trainer.max_epochs="]


def test_completion_works_in_a_real_bash(tmp_path: Path) -> None:
    """Bash cuts words at `=` unless told not to."""
    script = tmp_path / "multihead"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m multihead "$@"\n')
    script.chmod(0o755)
    code = """
eval "$(_MULTIHEAD_COMPLETE=bash_source multihead)"
COMP_WORDS=(multihead train experiment=multihead_cnn_m); COMP_CWORD=2
_multihead_completion multihead
echo "${COMPREPLY[@]}"; echo "$COMP_WORDBREAKS" | grep -c = ; complete -p multihead
"""
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
        check=True,
    )
    reply, breaks, registered = done.stdout.strip().splitlines()
    assert reply == "experiment=multihead_cnn_mnist"
    assert breaks == "0"
    assert "-o nospace" in registered


def test_the_package_runs_as_a_module_from_python(train: Run) -> None:
    """`from multihead import run, load_run`: what the README shows."""
    result = train()
    assert 0 <= result.metrics["test/digit_acc"] <= 1
    assert list(load_run(result.run_id).heads) == ["digit", "thickness", "smoothness"]


@pytest.mark.slow
@pytest.mark.skipif("MULTIHEAD_DATA_DIR" not in os.environ, reason="needs real data")
@pytest.mark.parametrize("target", ["emhcm", "emhcc10", "ecm"])
def test_a_make_target_trains_on_real_data(target: str, home: Path) -> None:
    small = "+trainer.limit_train_batches=20 trainer.max_epochs=1"
    done = subprocess.run(
        ["make", "-C", str(ROOT), target, f"ARGS={small}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout
