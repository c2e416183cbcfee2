"""The first five minutes with a table of one's own: inspect, train, evaluate, search."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from multihead import load_run, run
from multihead.cli.main import main
from multihead.runs.evaluation import evaluation_config
from multihead.runs.execute import execute
from multihead.runs.rerun import rerun
from multihead.tracking.store import Store
from multihead.yaml_file import read_yaml

N = 48
FAST = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "callbacks.progress=null")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Red and green pictures with a column of each kind, as a spreadsheet saves them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["Bild datei;Farbe;Größe (cm);is red;tags;grade (%);patient;id"]
    for i in range(N):
        pixels = rng.integers(0, 100, (8, 8, 3)).astype(np.uint8)
        pixels[..., i % 2] += 120
        Image.fromarray(pixels).save(folder / f"{i}.png")
        farbe, red, tags = ("rot", "yes", "a|b") if i % 2 == 0 else ("grün", "no", "b|c")
        size = f"{10 + i % 2 * 5},{i % 10}" if i % 6 else "NA"
        lines.append(f"{i}.png;{farbe};{size};{red};{tags};{i % 4};p{i // 3};{i}")
    (folder / "labels.csv").write_bytes("\n".join(lines).encode("cp1252"))
    return folder


@pytest.mark.parametrize(
    "where",
    [lambda photos: [str(photos / "labels.csv")], lambda photos: [f"data.table={photos}"]],
    ids=["path", "key"],
)
def test_a_table_is_inspected_before_anything_is_trained(
    photos: Path,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    where: Callable[[Path], list[str]],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["data", "inspect", *where(photos), "data.columns.grade (%)=ordinal"])
    shown = capsys.readouterr().out
    assert end.value.code == 0, shown
    for column, becomes in (
        ("Bild datei", "pictures"),
        ("Farbe", "classification"),
        ("Größe (cm)", "regression"),
        ("is red", "binary"),
        ("tags", "multilabel"),
        ("grade (%)", "ordinal"),
        ("id", "ignored"),
    ):
        (line,) = [row for row in shown.splitlines() if row.startswith(f" {column}  ")][:1]
        assert becomes in line
    assert "read as Windows-1252" in shown
    assert not list(home.glob("2*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data.columns.age=ignore"], "data.columns names 'age', but labels.csv has the columns"),
        (["data.columns.tags.kind=colour"], "data.columns.tags.kind is 'colour'"),
        (["data.split_column=x"], "data.split_column is 'x', but labels.csv has the columns"),
        (["data.colums=1"], "did you mean 'columns'"),
        (["data.columns.Größe (cm).unit=cm", "data.colums=1"], "did you mean 'columns'"),
    ],
)
def test_what_does_not_fit_ends_with_2_and_a_line(
    photos: Path, home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "experiment=own_data", f"data.table={photos}", *arguments])
    shown = capsys.readouterr().err
    assert (end.value.code, shown.count("\n")) == (2, 1)
    assert said in shown


@pytest.mark.slow
def test_a_table_is_trained_evaluated_and_trained_again(
    photos: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    first = run(
        [
            "experiment=own_data",
            "data.table=photos/labels.csv",
            "data.group_column=patient",
            "data.columns.Größe (cm)={kind: regression, unit: cm}",
            "data.columns.grade (%)=ordinal",
            *FAST,
            "trainer.max_epochs=4",
        ]
    )
    assert first.folder is not None
    assert first.titles == {"Größe_cm": "Größe (cm)", "is_red": "is red", "grade": "grade (%)"}
    assert first.metrics["test/Farbe_acc"] == 1
    record = read_yaml(first.folder / "config.yaml")
    assert record["data"]["table"] == str(photos / "labels.csv")
    assert set(record["data"]["columns"]) == {"Größe (cm)", "grade (%)"}
    became = pd.read_csv(first.folder / "columns.csv").set_index("column")["becomes"]
    assert became["id"] == "ignored"
    assert became["patient"] == "group"
    tags = Store().client.get_run(first.mlflow_id).data.tags
    assert "Windows-1252" in tags["multihead.notes"]

    monkeypatch.chdir("/")
    own = evaluation_config(str(first.run_id), [f"data.table={photos}/../photos/labels.csv"])
    for key in ("sizes", "group_column"):  # else its training rows would be tested, too
        assert own["data"][key] == record["data"][key]
    tested = execute(evaluation_config(str(first.run_id), []))
    assert tested.metrics["test/Farbe_acc"] == 1
    for name, value in first.metrics.items():
        if name.startswith("test/") and np.isfinite(value):
            assert tested.metrics[name] == pytest.approx(value, rel=1e-5), name
    other = photos.parent / "other"
    shutil.copytree(photos, other)
    (other / "labels.csv").write_text(
        "picture,Farbe,is_red,Größe (cm)\n1.png,grün,FALSE,15.1\n3.png,grün,,1e3\n"
    )
    elsewhere = execute(evaluation_config(str(first.run_id), [f"data.table={other}/labels.csv"]))
    assert elsewhere.metrics["test/Farbe_acc"] == 1
    assert elsewhere.metrics["test/Größe_cm_rmse"] > 100
    assert "labels.csv has no column 'tags', so this head is not tested" in elsewhere.notes
    again = rerun(str(first.run_id))
    assert again.metrics["test/loss"] == first.metrics["test/loss"]
    gone_on = run([f"resume={first.run_id}", "trainer.max_epochs=5"])
    assert gone_on.run_id == first.run_id
    loaded = load_run(str(first.run_id))
    assert loaded.heads["Größe_cm"].shown == "Größe (cm)"


@pytest.mark.slow
def test_a_study_and_an_ablation_of_a_table(
    photos: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their columns are not printed for each training."""
    few = [f"data.columns.{name}=ignore" for name in ("tags", "Größe (cm)", "grade (%)", "is red")]
    small = [f"data.table={photos}", "trainer.max_epochs=1", "trainer.accelerator=cpu"]
    with pytest.raises(SystemExit) as end:
        main(["study", "own_data", *small, *few, "n_trials=2", "workers=1", "pruner=none"])
    assert end.value.code == 0, capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["ablate", "own_data", *small, "--dry-run"])
    assert end.value.code == 0, capsys.readouterr().err


def test_a_training_names_classes_that_only_the_test_has(photos: Path, home: Path) -> None:
    """They cannot be learned, and lower the figures of the test."""
    table = photos / "labels.csv"
    header, *rows = table.read_bytes().decode("cp1252").splitlines()
    split = ["train"] * 30 + ["val"] * 8 + ["test"] * 10
    rows = [f"{row};{part}" for row, part in zip(rows, split, strict=True)]
    rows[-1] = rows[-1].replace("grün", "blau")
    table.write_text("\n".join([f"{header};split", *rows]))
    wanted = ["experiment=own_data", f"data.table={table}", "data.columns.patient=ignore", *FAST]
    told = run([*wanted, "+trainer.fast_dev_run=true"]).notes
    assert [note for note in told if "never occur" in note] == [
        "Farbe: 1 of 3 labels never occur in training (blau), but in test: they cannot be learned, "
        "and test results count them as errors"
    ]
