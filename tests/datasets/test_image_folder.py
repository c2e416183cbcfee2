"""Pictures are found where the table says, and nowhere outside the folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multihead.datasets.image_folder import ImageFolder, open_image_folder
from multihead.datasets.parameter_table import ColumnRules
from multihead.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    lines = ["file,x"]
    for i in range(10):
        name = f"more/{i}.png" if i % 2 else f"{i}.png"
        Image.fromarray(np.full((3, 4), i, np.uint8)).save(folder / name)
        lines.append(f"{name},{i / 9:.4f}")
    (folder / "x.csv").write_text("\n".join(lines))
    return folder


def opened(folder: Path, **options: object) -> ImageFolder:
    return open_image_folder(folder, rules=ColumnRules(), **options)  # type: ignore[arg-type]


def test_every_picture_is_in_one_split_with_its_own_labels(folder: Path) -> None:
    """Pictures of 1.4 MB, so that it takes several batches of 4 MiB at most."""
    found = opened(folder, size=(1000, 1400))
    assert found.image_shape == (1, 1000, 1400)
    seen = []
    for split in found.splits:
        for images, codes in found.batches(split):
            assert images.nbytes <= 4 << 20
            assert (images == images[:, :1, :1, :1]).all()
            assert codes["x"].tolist() == [round(255 * i / 9) for i in images[:, 0, 0, 0].tolist()]
            seen += images[:, 0, 0, 0].tolist()
    assert sorted(seen) == list(range(10))
    assert [len(rows) for rows in found.splits.values()] == [8, 2]


def test_the_seed_alone_chooses_the_test_split(folder: Path) -> None:
    draws = [opened(folder, seed=seed).splits["test"].tolist() for seed in (0, 0, 1, 2)]
    assert draws[0] == draws[1]
    assert len({tuple(draw) for draw in draws}) > 1
    assert list(opened(folder, test_fraction=0.0).splits) == ["train"]


def test_pictures_are_scaled_on_request(folder: Path) -> None:
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "4.png")
    found = opened(folder, test_fraction=0.0)
    with pytest.raises(DataError, match=r"4\.png is 9x9x1, but the first picture is 3x4x1"):
        list(found.batches("train"))
    found = opened(folder, size=(2, 2))
    assert next(found.batches("train"))[0].shape[1:] == (1, 2, 2)


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "more/../../secret.png", "link.png", ".", "a\0b"]
)
def test_a_file_outside_the_folder_is_refused(folder: Path, name: str) -> None:
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(folder.parent / "secret.png")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    (folder / "x.csv").write_text(f"file,x\n0.png,0.5\n{name},1.5\n")
    with pytest.raises(DataError, match=r"row 2 names .* which is not inside"):
        opened(folder)


def test_a_picture_has_one_row(folder: Path) -> None:
    (folder / "x.csv").write_text("file,x\n0.png,0.5\n./more/../0.png,1.5\n")
    with pytest.raises(DataError, match="rows 1 and 2 both name"):
        opened(folder)


def test_the_table_must_be_certain(folder: Path) -> None:
    (folder / "y.csv").write_text("file,y\n0.png,1.5\n2.png,2.5\n")
    with pytest.raises(ConfigError, match=r"it has x\.csv, y\.csv; name it with --csv"):
        opened(folder)
    assert list(opened(folder, table=folder / "y.csv").table.heads) == ["y"]
