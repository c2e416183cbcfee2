"""Names from a store, a file and the command line on the terminal: shown, and never obeyed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.hostile.names import LONG, NAMES, TERMINAL
from tests.hostile.test_text import is_safe

from multihead import Head, Heads
from multihead.cli.main import main
from multihead.heads import Parameter
from multihead.terminal.drawn import Screen, progress, table
from multihead.terminal.lines import say
from multihead.text import one_line
from multihead.tracking.store import Store
from multihead.vimh import VIMHWriter

# No store keeps half of a pair.
STORED = [
    name for name in NAMES if name.isascii() or name.encode(errors="replace").decode() == name
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A home whose store has a run of each name, which is a value and a tag of it, too."""
    home = tmp_path_factory.mktemp("filled")
    shutil.copy(empty_store, home / "mlflow.db")
    client = Store(home=home).client
    for i, name in enumerate(STORED):
        tags = {"multihead.run": f"2026-{i:03}", "multihead.study": name[:4000]}
        run = client.create_run("0", run_name=name[:4000], tags=tags)
        client.log_param(run.info.run_id, "note", name[:4000])
        client.log_metric(run.info.run_id, f"test/{'m' * 200}_acc", i / 100)
    return home


@pytest.fixture
def stored(filled: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make it `MULTIHEAD_HOME`; returns the ids of its runs."""
    monkeypatch.setenv("MULTIHEAD_HOME", str(filled))
    return [f"2026-{i:03}" for i in range(len(STORED))]


def _said(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    with pytest.raises(SystemExit):
        main(arguments)
    return capfd.readouterr()


@pytest.mark.parametrize("columns", ["40", "100"])
def test_runs_of_any_name_are_listed_and_compared(
    stored: list[str],
    columns: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    out, err = _said(capfd, "runs", "--limit", "100")
    assert err == ""
    assert is_safe(out)
    assert len(out.splitlines()) < 15 * len(stored)
    assert "sweep [/lr] 0.1" in out or columns == "40"
    out, err = _said(capfd, "runs", *stored[::6])
    assert err == ""
    assert is_safe(out)


def test_runs_as_files_are_exact_or_harmless(
    stored: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for form in ("csv", "json"):
        found[form], err = _said(capfd, "runs", "--format", form, "--limit", "100")
        assert err == ""
        assert is_safe(found[form])
    _said(capfd, "runs", "--format", "parquet", "--limit", "100", "--out", str(tmp_path / "runs"))
    names = {name[:4000] for name in STORED}
    assert {row["params.note"] for row in json.loads(found["json"])} == names
    assert set(pd.read_parquet(tmp_path / "runs")["params.note"]) == names


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_an_error_is_one_line_whatever_was_typed(
    home: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["runs", name], ["train", f"seed={name}"], ["report", name], [name]):
        out, err = _said(capfd, *(a.replace("\0", "") or "?" for a in arguments))
        assert out == ""
        assert err.startswith("multihead: ")
        assert err.count("\n") == 1
        assert is_safe(err)
        assert len(err) < 2100


def test_a_configuration_is_printed_as_text(capfd: pytest.CaptureFixture[str]) -> None:
    out, err = _said(capfd, "train", "--cfg", "job", 'name="a\u202e\u2028\u009b2J"')
    assert err == ""
    assert is_safe(out)
    assert "name: " in out


def test_a_dataset_with_any_class_and_unit_is_inspected(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    unit = "[/b] \x1b[2J\u202e"
    heads = Heads(
        [
            Head("kind", 3, ("[red]", "[/red]", ":smile:")),
            Head("note", 256, kind="ordinal", parameter=Parameter(0, 51, unit=unit)),
        ]
    )
    folder = tmp_path / "odd [bold] :smile:"
    with VIMHWriter(folder, heads, (1, 4, 4)) as writer:
        images = np.zeros((40, 1, 4, 4), np.uint8)
        writer.write("train", images, {"kind": np.arange(40) % 3, "note": np.arange(40)})
    for command in ("inspect", "validate"):
        out, err = _said(capfd, "data", command, str(folder))
        assert is_safe(out + err)
        assert "odd [bold] :smile:" in out


def test_a_table_and_a_bar_take_text_for_text(capsys: pytest.CaptureFixture[str]) -> None:
    for width in (1, 20, 200):
        screen = Screen(width=width, force_terminal=True)
        shown = table()
        for name in NAMES:
            shown.add_column(name)
        shown.add_row(*NAMES)
        screen.print(shown)
        screen.print(*NAMES)
        with progress(screen, "{task.completed}") as bar:
            bar.add_task(TERMINAL[0], total=1)
    assert ":smile:" in capsys.readouterr().out


def test_a_cell_has_a_bounded_length() -> None:
    shown = table()
    shown.add_column(LONG[0])
    shown.add_row(LONG[1])
    assert len(str(shown.columns[0].header)) <= 120
    assert all(len(str(cell)) <= 120 for cell in shown.columns[0].cells)


def test_a_line_of_the_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(*NAMES)
    out = capsys.readouterr().out
    assert is_safe(out)
    assert out.count("\n") == len(NAMES)
    assert max(map(len, out.split())) <= 1000


def test_a_log_of_a_worker_holds_text_only() -> None:
    """Also what libraries write, and the error that nobody expected."""
    code = (
        "import logging, sys, warnings\n"
        "from multihead.terminal.streams import keep_log, show_notices\n"
        "show_notices(); keep_log()\n"
        "text = '\\x1b[2J\\u202e\\ud800'\n"
        "print(text); sys.stderr.write(text + '\\n'); warnings.warn(text)\n"
        "logging.getLogger('other').warning('%s', text)\n"
        "raise ValueError(text)\n"
    )
    shown = one_line("\x1b[2J\u202e\ud800")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert is_safe(done.stdout + done.stderr)
    assert done.stdout == f"{shown}\n"
    assert done.stderr.count(shown) >= 4
