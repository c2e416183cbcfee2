"""Measures are taken once, kept whole or not at all, and not believed blindly."""

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.strokes import rings

from multihead.datasets.strokes import measure_strokes
from multihead.datasets.strokes.cache import measured_once
from multihead.errors import DataError

IMAGES = rings(5)
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from multihead.datasets.strokes.cache import measured_once
measured_once(np.load(sys.argv[1]), [Path(sys.argv[2])])
"""


def test_measures_are_taken_once_and_read_again_to_the_bit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = measured_once(IMAGES, [tmp_path / "strokes"])
    pd.testing.assert_frame_equal(first, measure_strokes(IMAGES), check_exact=True)
    assert [path.suffix for path in (tmp_path / "strokes").iterdir()] == [".npy"]
    again = measured_once(IMAGES, [tmp_path / "absent", tmp_path / "strokes"])
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert caplog.text.count("measuring the strokes of 5 pictures, once") == 1


def test_other_pictures_have_other_measures(tmp_path: Path) -> None:
    measured_once(IMAGES, [tmp_path])
    changed = IMAGES.copy()
    changed[0, 0, 0] = 1
    measured_once(changed, [tmp_path])
    assert len(list(tmp_path.glob("*.npy"))) == 2


class Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("damage", ["cut", "pickle", "claims", "other shape", "infinite", "empty"])
def test_a_damaged_or_hostile_file_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = measured_once(IMAGES, [tmp_path])
    (path,) = tmp_path.glob("*.npy")
    whole = path.read_bytes()
    path.write_bytes(
        {
            "cut": whole[:-8],
            "pickle": pickle.dumps(Hostile()),
            "claims": whole.replace(b"(5, 6), }" + 12 * b" ", b"(9999999999999, 6), }"),
            "other shape": whole.replace(b"(5, 6)", b"(6, 5)"),
            "infinite": whole[:-8] + np.float64(np.inf).tobytes(),
            "empty": b"",
        }[damage]
    )
    pd.testing.assert_frame_equal(measured_once(IMAGES, [tmp_path]), expected, check_exact=True)
    assert path.read_bytes() == whole
    assert not Path("harm").exists()


def test_where_the_data_cannot_be_written_to_the_next_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    measured_once(IMAGES, [tmp_path / "file" / "strokes", tmp_path / "home"])
    assert len(list((tmp_path / "home").iterdir())) == 1
    with pytest.raises(DataError, match="make one of them writable"):
        measured_once(IMAGES, [tmp_path / "file" / "strokes"])


@pytest.mark.slow
def test_a_process_killed_half_way_leaves_no_half_file_and_no_workers(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", rings(3000))
    folder = tmp_path / "strokes"
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "images.npy"), str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    while not list(folder.glob(".*.lock")):
        time.sleep(0.05)
    time.sleep(2)
    process.kill()
    process.wait()
    assert not list(folder.glob("*.npy"))
    deadline = time.monotonic() + 120
    while subprocess.run(["pgrep", "-s", str(process.pid)], capture_output=True).stdout:
        assert time.monotonic() < deadline, "workers outlive the process that started them"
        time.sleep(0.5)
    subprocess.run(command, check=True, stderr=subprocess.PIPE)
    assert [path.suffix for path in folder.iterdir()] == [".npy"]
