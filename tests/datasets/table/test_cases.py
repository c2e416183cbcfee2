"""What went wrong for people with data of their own reads as they meant it."""

from pathlib import Path

import pytest
from tests.datasets.table.cases import CASES
from tests.datasets.table.own_table import becomes, opened

from multihead import run


@pytest.mark.parametrize("name", CASES)
def test_a_table_reads_as_it_was_meant(tmp_path: Path, name: str) -> None:
    write, wanted = CASES[name]
    write(tmp_path / "photos")
    found = becomes(tmp_path / "photos")
    assert {column: kind for column, kind in found.items() if kind != "pictures"} == wanted
    assert "pictures" in found.values()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sentinel", "temp has -9999 in 1 row (such as row 4), far from all other values"),
        ("ids", "who has 60 whole numbers in 60 rows, as ids have, so it is ignored"),
        ("two_tables", "the layout of the folder has no validation rows"),
        ("no_suffix", "20 of 20 files were found under another spelling or with a suffix"),
    ],
)
def test_what_is_odd_is_told(tmp_path: Path, name: str, said: str) -> None:
    CASES[name][0](tmp_path / "photos")
    assert any(said in note for note in opened(tmp_path / "photos").notes)


@pytest.mark.slow
def test_each_is_trained_on_directly(tmp_path: Path, home: Path) -> None:
    small = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "callbacks.progress=null")
    for name in ("na", "nan", "semicolon", "no_suffix", "tags", "split_column", "folder_per_class"):
        CASES[name][0](tmp_path / name)
        result = run(["experiment=own_data", f"data.table={tmp_path / name}", *small])
        assert result.optimized_value is not None, name
        assert any(metric.startswith("test/") for metric in result.metrics), name
