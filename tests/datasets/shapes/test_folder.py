"""Shapes in a folder, as any person's pictures and table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from multihead.cli.main import main
from multihead.datasets.shapes.folder import write_folder
from multihead.datasets.shapes.plan import Plan
from multihead.datasets.shapes.source import shapes
from multihead.errors import ConfigError

SMALL = ("--count", "30", "--test-count", "10", "--size", "16")


def ended(*arguments: object) -> object:
    with pytest.raises(SystemExit) as end:
        main(["data", "generate", "shapes", *map(str, arguments)])
    return end.value.code


def test_pictures_and_table_are_those_of_the_source(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    assert ended(out, *SMALL, "--missing", "shape=0.5", "--label-noise", "filled=0.3") == 0
    table = pd.read_csv(out / "metadata.csv")
    assert table["split"].value_counts().to_dict() == {"train": 20, "test": 10}
    for split, rows in table.groupby("split"):
        source = shapes(
            tmp_path,
            "train" if split == "train" else "test",
            count=30,
            test_count=10,
            size=16,
            missing={"shape": 0.5},
            label_noise={"filled": 0.3},
        )
        pictures = [np.asarray(Image.open(out / name)) for name in rows["file_name"]]
        np.testing.assert_array_equal(np.stack(pictures).transpose(0, 3, 1, 2), source.images)
        for name, head in source.heads.items():
            labels, cells = source.labels[name], rows[name]
            if head.classes:
                named = [head.classes[label] if label >= 0 else "" for label in labels]
                assert cells.fillna("").to_list() == named
            else:
                np.testing.assert_array_equal(cells.to_numpy(np.float32), labels)


def test_equal_knobs_give_equal_bytes(tmp_path: Path) -> None:
    plan = Plan(count=12, size=16, colour=False, clutter=2, pixel_noise=0.1)
    for name in ("a", "b"):
        write_folder(plan, tmp_path / name)
    contents = [
        {str(p.relative_to(tmp_path / n)): p.read_bytes() for p in (tmp_path / n).rglob("*.*")}
        for n in ("a", "b")
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 13


def test_it_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(tmp_path / "mine", *SMALL, "--grey", "--spread", 0) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "mine"),
        "20 train, 10 test; heads: shape, scale, orientation, filled, marked",
    ]


def test_an_interrupted_generation_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(Plan(count=10, size=16), tmp_path / "half", progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_replaced_only_if_asked_and_only_if_it_is_one(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    assert ended(out, *SMALL) == 0
    before = (out / "metadata.csv").read_bytes()
    assert ended(out, *SMALL, "--seed", 1) == 2
    assert (out / "metadata.csv").read_bytes() == before
    assert ended(out, *SMALL, "--seed", 1, "--overwrite") == 0
    assert (out / "metadata.csv").read_bytes() != before
    (tmp_path / "thesis").mkdir()
    with pytest.raises(ConfigError, match=r"cannot be replaced, because it has no metadata\.csv"):
        write_folder(Plan(count=10, size=16), tmp_path / "thesis", overwrite=True)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--size", 4), "size is 4"),
        (("--missing", "shape"), "Invalid value for '--missing': 'shape' is not HEAD=SHARE"),
        (("--missing", "shap=0.5"), "missing names head 'shap'; choose from shape,"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_leaves_nothing(
    option: tuple[object, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended(tmp_path / "mine", *option) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith(f"multihead: {message}")
    assert not list(tmp_path.iterdir())
