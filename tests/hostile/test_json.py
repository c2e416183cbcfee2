"""JSON that lies in a home or a store is odd in any way: nobody sees a traceback."""

import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from multihead.ablation.compare_runs_protocol import data_of
from multihead.ablation.worker import CellFile
from multihead.errors import ConfigError
from multihead.runs.numerics import ENVIRONMENT_FILE, recorded_numerics
from multihead.tracking.cursor import Cursor
from multihead.tracking.folder import RunFolder
from multihead.tracking.models import versions_noted
from multihead.tracking.spool import DAMAGED, read

ODD = {
    "deep": "[" * 100_000,
    "a list": "[1]",
    "a number": "5",
    "no JSON": "{",
    "an object of another kind": '{"canary": 1}',
}
pytestmark = pytest.mark.parametrize("text", ODD.values(), ids=ODD)


def test_a_line_of_a_spool_that_says_nothing_is_damaged(tmp_path: Path, text: str) -> None:
    body = text.encode()
    (tmp_path / "spool").write_bytes(b"%08x %08x %s\n" % (len(body), zlib.crc32(body), body))
    (entry,) = read(tmp_path / "spool")
    assert entry.record is DAMAGED


def test_a_delivery_that_is_odd_begins_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "delivery.json").write_text(text)
    assert Cursor.load(tmp_path / "delivery.json", "a store") == Cursor("a store")


def test_an_odd_word_of_who_trains_a_run_names_nobody(tmp_path: Path, text: str) -> None:
    folder = RunFolder(tmp_path / "20261126-165613-9a88fe")
    folder.path.mkdir()
    folder.marker.write_text(text)
    assert folder._by() == ""


def test_an_odd_environment_says_nothing_of_threads(tmp_path: Path, text: str) -> None:
    (tmp_path / ENVIRONMENT_FILE).write_text(text)
    assert recorded_numerics(tmp_path, {}) == {}


def test_an_odd_cell_is_named(tmp_path: Path, text: str) -> None:
    cell = CellFile(tmp_path, "a-cell")
    cell.path.parent.mkdir()
    cell.path.write_text(text)
    with pytest.raises(ConfigError, match=r"a-cell\.json is damaged; delete it"):
        cell.read()


def test_odd_data_of_a_run_in_a_store_have_a_name_alone(text: str) -> None:
    tag = SimpleNamespace(key="mlflow.data.context", value="train")
    data = SimpleNamespace(name="digits", profile=text)
    run = SimpleNamespace(
        inputs=SimpleNamespace(dataset_inputs=[SimpleNamespace(tags=[tag], dataset=data)])
    )
    assert data_of(run)["train"]["name"] == "digits"


def test_odd_versions_of_a_model_in_a_store_are_none(text: str) -> None:
    model = SimpleNamespace(tags={"mlflow.modelVersions": text})
    assert versions_noted(model) in ([], [1])
