"""`multihead data generate resonator`."""

from pathlib import Path

import pytest

from multihead.cli.main import main
from multihead.vimh import read_info

SMALL = ("data", "generate", "resonator", "--size", "16", "--image", "8x8x2")


def ended(*arguments: str) -> object:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_a_dataset_is_made_in_the_data_folder_under_its_customary_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MULTIHEAD_DATA_DIR", str(tmp_path))
    assert ended(*SMALL) == 0
    folder = tmp_path / "vimh-8x8x2_8000Hz_1p0s_16dss_resonator_2p"
    assert read_info(folder).counts == {"train": 14, "test": 2}
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        str(folder),
        "14 train, 2 test; heads: note_number, note_velocity",
    ]
    assert "16/16" in told.err


def test_ranges_forms_and_place_can_be_chosen(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    chosen = ("--note", "60", "60", "--decay", "0.5", "2", "--form", "both", "--test-size", "4")
    assert ended(*SMALL, "--out", str(out), *chosen) == 0
    info = read_info(out)
    assert list(info.heads) == ["note_velocity", "decay"]
    assert info.fixed["note_number"] == 60
    assert {path.name for path in out.iterdir()} >= {"train", "test", "train_batch", "test_batch"}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--image", "8x8"), "image is '8x8'; write HEIGHTxWIDTHxCHANNELS"),
        (("--note", "60", "200"), "note is 60 to 200"),
        (("--size", "0"), "size is 0"),
    ],
)
def test_what_cannot_be_made_is_one_line_and_leaves_nothing(
    option: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(*SMALL, "--out", str(tmp_path / "mine"), *option) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith(f"multihead: {message}")
    assert not list(tmp_path.iterdir())


def test_a_dataset_is_replaced_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = (*SMALL, "--out", str(tmp_path / "mine"))
    assert ended(*here) == 0
    capsys.readouterr()
    assert ended(*here) == 2
    message = f"{tmp_path / 'mine'} exists already; remove it, or pass --overwrite."
    assert capsys.readouterr().err == f"multihead: {message}\n"
    assert ended(*here, "--overwrite") == 0
