"""What a table becomes as VIMH: classes and 256 levels; what VIMH cannot hold is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.datasets.table.own_table import write_pictures, write_table

from multihead.data.assign import SplitRules
from multihead.datasets.convert import convert
from multihead.datasets.picture_files import PictureOptions
from multihead.datasets.table.as_vimh import TableContent, table_content
from multihead.datasets.table.samples import Wanted
from multihead.errors import DataError
from multihead.vimh import read_info, vimh_source

COUNT = 20
COLUMNS = {
    "Art": ["Löwe", "Bär"] * 10,
    "Größe (cm)": [f"{i / 8:.3f}".replace(".", ",") for i in range(COUNT)],
    "sick": [0, 1] * 10,
    "still": ["1.5"] * COUNT,
    "id": range(100, 100 + COUNT),
}


def content(folder: Path, fraction: float = 0.2, seed: int = 0, **options: Any) -> TableContent:
    columns, group = options.pop("columns", {}), options.pop("group", None)
    wanted = Wanted(
        folder, columns, None, None, group, None, SplitRules(), PictureOptions(**options)
    )
    return table_content(wanted, fraction, seed)


def test_classes_levels_and_what_does_not_vary_are_written_and_told(tmp_path: Path) -> None:
    write_table(tmp_path / "t", COLUMNS, delimiter=";", encoding="cp1252")
    read = content(tmp_path / "t", fraction=0.25)
    assert convert(read.content, tmp_path / "out", ["binary"]) == {"train": 15, "test": 5}
    info = read_info(tmp_path / "out")
    assert info.heads["Art"].classes == ("Bär", "Löwe")
    assert (info.heads["sick"].num_classes, info.heads["sick"].first) == (2, 0)
    assert (info.heads["Größe_cm"].num_classes, info.heads["Größe_cm"].kind.name) == (
        256,
        "ordinal",
    )
    assert info.fixed == {"still": 1.5}
    assert info.descriptions == {"Größe_cm": "Größe (cm)"}
    told = "; ".join(read.notes)
    assert "Größe (cm) becomes 256 levels from 0 to 2.375" in told
    assert "Windows-1252" in told
    becomes = dict(zip(read.described["column"], read.described["becomes"], strict=True))
    assert (becomes["id"], becomes["still"]) == ("ignored", "fixed parameter")
    for split in ("train", "test"):
        images, labels = (source := vimh_source(tmp_path / "out", split)).take(
            np.arange(len(source))
        )
        number = images[:, 0, 1, 1].astype(int)  # as `write_pictures` has it
        assert (labels["sick"] == number % 2).all()
        assert np.allclose(labels["Größe_cm"], 255 * number / 19, atol=0.51)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"y": ["a", "b", "", "a"] * 5}, "'y' has no label in 5 rows, such as row 3"),
        ({"y": ["a|b", "b"] * 10}, "'y' is multilabel"),
    ],
)
def test_what_vimh_cannot_hold_is_refused(
    tmp_path: Path, column: dict[str, list[str]], said: str
) -> None:
    write_table(tmp_path, {"x": ["u", "v"] * 10, **column})
    with pytest.raises(DataError, match=said):
        content(tmp_path)
    assert list(content(tmp_path, columns={"y": "ignore"}).content.heads) == ["x"]


def test_turned_pictures_and_twelve_bits_are_read_as_in_a_training(tmp_path: Path) -> None:
    """The reader that this one replaced ignored EXIF and kept the upper 8 of 16 bits."""
    write_table(tmp_path, {"x": ["u", "v"] * 10})
    deep = np.full((4, 4), 4095, np.uint16)
    deep[0] = 0
    turn = Image.Exif()
    turn[0x112] = 3
    for number in range(COUNT):
        Image.fromarray(deep).save(tmp_path / f"{number}.png", exif=turn)
    read = content(tmp_path, fraction=0.0)
    assert list(read.content.splits) == ["train"]
    images, _, _ = next(read.content.batches("train"))
    assert images[0, 0, :, 0].tolist() == [255, 255, 255, 0]
    told = "; ".join(read.notes)
    assert "turned upright" in told
    assert "(12 bits) become 0 to 255" in told


def test_pictures_of_several_sizes_need_one_to_be_said(tmp_path: Path) -> None:
    write_table(tmp_path, {"x": ["u", "v"] * 10})
    write_pictures(tmp_path, ["3.png"], size=9)
    with pytest.raises(DataError, match=r"4 x 4 to 9 x 9 .* choose one size"):
        content(tmp_path)
    assert content(tmp_path, size=(2, 2)).content.image_shape == (1, 2, 2)


def test_the_seed_draws_the_test_rows_unless_the_table_says_them(tmp_path: Path) -> None:
    write_table(tmp_path / "a", {"x": ["u", "v"] * 10})
    drawn = [next(content(tmp_path / "a", seed=s).content.batches("test"))[0] for s in (0, 0, 1)]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()
    said = ["train", "val", "test", "train"] * 5
    write_table(tmp_path / "b", {"x": ["u", "v"] * 10, "part": said})
    read = content(tmp_path / "b")
    images, _, _ = next(read.content.batches("test"))
    assert images[:, 0, 1, 1].tolist() == [2, 6, 10, 14, 18]
    assert "test rows are those of the split column 'part'" in "; ".join(read.notes)


def test_pictures_of_a_group_are_in_one_split(tmp_path: Path) -> None:
    patients = [number // 5 for number in range(COUNT)]
    write_table(tmp_path, {"x": ["u", "v"] * 10, "patient": patients})
    read = content(tmp_path, fraction=0.25, group="patient")
    tested = next(read.content.batches("test"))[0][:, 0, 1, 1]  # a picture's number
    assert len(tested) == 5
    assert len({int(number) // 5 for number in tested}) == 1
