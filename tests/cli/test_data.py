"""`multihead data` as a person meets it: list, inspect, validate, convert."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.strokes import write_rings
from tests.vimh_files import NOTE, write_folder

from multihead import Head, Heads
from multihead.cli.data import COMMANDS
from multihead.cli.main import main
from multihead.heads import Parameter
from multihead.vimh import VIMHWriter

RNG = np.random.default_rng(0)


def ended(*arguments: object) -> object:
    with pytest.raises(SystemExit) as end:
        main(["data", *map(str, arguments)])
    return end.value.code


@pytest.fixture
def vimh(tmp_path: Path) -> Path:
    """80 training and 40 test pictures; B is a function of A, and the splits share a picture."""
    path = tmp_path / "sets" / "vimh-4x4x1_probe"
    note = Head("note", 256, kind="ordinal", parameter=Parameter(0, 51, unit="semitones"))
    with VIMHWriter(path, Heads([note, Head("octave", 5)]), (1, 4, 4)) as writer:
        images = RNG.integers(0, 256, (80, 1, 4, 4)).astype(np.uint8)
        for split, part in (("train", images), ("test", RNG.permutation(images, axis=2)[:40])):
            part[0] = images[3]
            codes = RNG.integers(0, 256, len(part))
            writer.write(split, part, {"note": codes, "octave": codes // 60})
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    lines = ["file,pressure,valve"]
    for i in range(12):
        Image.fromarray(RNG.integers(0, 256, (4, 4, 3)).astype(np.uint8)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{i * 1.5},{('open', 'shut')[i % 2]}")
    (folder / "table.csv").write_text("\n".join(lines))
    return folder


def test_the_group_names_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("--help") == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name}" in shown for name in COMMANDS)


def test_list_shows_what_is_in_the_data_folder(
    vimh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MULTIHEAD_DATA_DIR", str(vimh.parent))
    shutil.copytree(vimh, vimh.parent / "broken")
    (vimh.parent / "broken" / "train").write_bytes(b"\x04\x00\x04")
    assert ended("list") == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "vimh-4x4x1_probe" in line]
    for word in ("VIMH", "4x4x1", "train 80, test 40", "note (256), octave (5)"):
        assert word in line
    assert any("broken" in line and "unreadable" in line for line in lines)


def test_list_of_nothing_says_how_to_get_a_dataset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("list", tmp_path) == 0
    assert "multihead data generate resonator" in capsys.readouterr().out
    assert ended("list", tmp_path / "none") == 2


def test_inspect_tells_what_to_look_at_and_writes_page_and_picture(
    vimh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, picture = tmp_path / "a.html", tmp_path / "a.png"
    assert ended("inspect", vimh, "--html", page, "--png", picture, "--samples", 3) == 0
    shown = capsys.readouterr().out
    assert "80 train, 40 test; images 4x4x1" in shown
    assert "octave is a function of note" in shown
    assert "also in train" in shown
    assert "51 semitones" in shown
    assert page.read_text().startswith("<!doctype html>")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_warning_about_data_is_a_line_without_code(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, mappings={"note one": NOTE})
    command = [sys.executable, "-m", "multihead", "data", "list", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"multihead: {folder}/vimh_dataset_info.json: head names have")


def test_inspect_of_a_file_that_is_no_table_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.xlsx").write_bytes(b"PK")
    assert ended("inspect", tmp_path / "labels.xlsx") == 2
    assert "save spreadsheets as CSV" in capsys.readouterr().err


def test_inspect_of_one_split_reads_no_other(
    vimh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (vimh / "test").write_bytes(b"no dataset")
    assert ended("inspect", vimh, "--split", "train") == 0
    assert "vimh-4x4x1_probe: 80 train; images" in capsys.readouterr().out
    assert ended("inspect", vimh) == 2


def test_a_page_that_cannot_be_written_leaves_nothing(vimh: Path, tmp_path: Path) -> None:
    assert ended("inspect", vimh, "--html", tmp_path / "none" / "a.html") == 2
    assert ended("inspect", vimh, "--png", tmp_path / "a.docx") == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["sets"]


def test_validate_exits_by_what_it_finds(vimh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("validate", vimh) == 0
    assert "sound" in capsys.readouterr().out
    content = bytearray((vimh / "test").read_bytes())
    size = len(content) // 40
    content[5 * size + 6] = 9  # N of sample 5
    content[7 * size + 8 + 2] = 255  # octave of sample 7
    (vimh / "test").write_bytes(content)
    assert ended("validate", vimh) == 1
    told = capsys.readouterr()
    assert f"sample 5 byte {5 * size:,}" in told.out
    assert "problem" in told.err


@pytest.mark.parametrize("damage", ["cut", "label"])
def test_validate_reads_other_formats_whole(
    mnist_dir: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("validate", mnist_dir) == 0
    path = mnist_dir / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    content = path.read_bytes()
    path.write_bytes(content[:-3] if damage == "cut" else content[:-1] + b"\x0a")
    assert ended("validate", mnist_dir) == 1
    assert "t10k-labels" in capsys.readouterr().out


def test_validate_of_no_dataset_is_a_mistake(tmp_path: Path) -> None:
    assert ended("validate", tmp_path) == 2


def test_an_image_folder_becomes_vimh_that_is_sound(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "vimh-4x4x3_valves"
    options = ("--unit", "pressure=kPa", "--range", "pressure=0:20", "--test-fraction", 0.25)
    assert ended("convert", pictures, target, "--to", "vimh-both", *options) == 0
    shown = capsys.readouterr().out
    assert "9 train, 3 test; heads pressure (256), valve (2); read again and equal" in shown
    assert ended("validate", target) == 0
    assert {p.name for p in target.iterdir()} == {
        *("train", "test", "train_batch", "test_batch"),
        "vimh_dataset_info.json",
    }


def test_vimh_is_converted_between_its_forms(vimh: Path, tmp_path: Path) -> None:
    assert ended("convert", vimh, tmp_path / "p", "--to", "vimh-pickle") == 0
    assert ended("convert", tmp_path / "p", tmp_path / "b", "--to", "vimh") == 0
    for name in ("train", "test", "vimh_dataset_info.json"):
        assert (tmp_path / "b" / name).read_bytes() == (vimh / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--range", "pressure"], "is not NAME=VALUE"),
        (["--range", "pressure=low:high"], "is not MIN:MAX"),
        (["--range", "pressure=0:1"], "outside 0 to 1"),
        (["--log", "pressure"], "cannot be log"),
        (["--classes", "weight"], "names 'weight', but table.csv has the columns"),
        (["--classes", "valve", "data.columns.valve=ignore"], "both name column 'valve'"),
        (["data.sizes=[1,0,0]"], "is not allowed in a conversion"),
        (["--size", "4"], "--size is '4'"),
        (["--test-fraction", "1"], "--test-fraction"),
        (["--csv", "none.csv"], "none.csv cannot be read: No such file"),
    ],
)
def test_a_mistake_in_a_conversion_leaves_nothing(
    pictures: Path,
    tmp_path: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended("convert", pictures, tmp_path / "out", *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pictures"]


def test_a_picture_that_is_broken_leaves_nothing(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "11.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert ended("convert", pictures, tmp_path / "out") == 2
    assert "11.png is not a picture that can be read" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pictures"]


def test_options_for_pictures_are_refused_for_a_dataset(vimh: Path, tmp_path: Path) -> None:
    for option in (("--size", "2x2"), ("--test-fraction", "0.5"), ("--seed", "1")):
        assert ended("convert", vimh, tmp_path / "out", *option) == 2
    assert ended("convert", vimh, vimh / "inside") == 2


def test_inspect_shows_what_a_training_would_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MultiMNIST is in no folder: it is made when it is read."""
    folder = write_rings(tmp_path)
    assert not ended(
        "inspect",
        "data=multi_mnist",
        f"paths.data_dir={folder}",
        "data.train_val_test_split=[40,20,20]",
    )
    shown = capsys.readouterr().out
    assert "multi_mnist: 60 train, 20 test; images 28x28x1" in shown
    assert "left" in shown
    assert "right" in shown


def test_inspect_takes_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("inspect", tmp_path, "data=mnist") == 2
    assert "name only one" in capsys.readouterr().err
