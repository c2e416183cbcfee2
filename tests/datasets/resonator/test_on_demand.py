"""The default dataset is generated once, whoever asks; any other folder is left alone."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from multihead.datasets.resonator.on_demand import GenerateOnce
from multihead.datasets.resonator.plan import Plan
from multihead.errors import DataError
from multihead.vimh import validate

SMALL = Plan(size=32, image=(8, 8, 1))
SCRIPT = """
import sys
from pathlib import Path
from multihead.datasets.resonator.on_demand import GenerateOnce
from multihead.datasets.resonator.plan import Plan
folder = Path(sys.argv[1])
GenerateOnce(folder, Plan(size=2000, image=(8, 8, 1)))(folder)
"""


def test_an_absent_folder_is_generated_once_with_a_notice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "data" / "notes"
    prepare = GenerateOnce(folder, SMALL)
    with caplog.at_level(logging.WARNING):
        prepare(folder)
        prepare(folder)
    assert caplog.text.count("is absent: generating 32 notes there once") == 1
    assert not list(validate(folder))
    assert [p.name for p in folder.parent.iterdir()] == ["notes"]


def test_another_folder_is_not_generated(tmp_path: Path) -> None:
    GenerateOnce(tmp_path / "notes", SMALL)(tmp_path / "others")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "notes"
    with pytest.raises(DataError, match="notes cannot be generated"):
        GenerateOnce(folder, SMALL)(folder)


@pytest.mark.slow
def test_several_processes_at_once_make_one_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    notices = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], notices
    assert sum("generating" in notice for notice in notices) == 1
    assert not list(validate(folder))
    assert [p.name for p in tmp_path.iterdir()] == ["notes"]
