"""The page stands alone: no file, no network, no text of the data's own that runs."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from multihead import Head, Heads, Source
from multihead.heads import Parameter
from multihead.inspection.inspect import Inspection, inspect_sources
from multihead.report.dataset import dataset_page, save_dataset_picture

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def inspection() -> Inspection:
    """Two heads, one of which is the other's, and a copy in the test split."""
    rng = np.random.default_rng(0)
    note = rng.integers(0, 256, 80)
    parameter = Parameter(1, 100, "log", unit='Hz"><b>')
    source = Source(
        f"drums {HOSTILE}",
        rng.integers(0, 256, (80, 3, 8, 8)).astype(np.uint8),
        {"note": note, "low": (note < 128).astype(np.int64)},
        Heads([Head("note", 256, kind="ordinal", parameter=parameter), Head("low", 2)]),
        (0.5,) * 3,
        (0.5,) * 3,
    )
    return inspect_sources({"train": source, "test": source}, samples=5)


def test_the_page_loads_nothing(inspection: Inspection) -> None:
    page = dataset_page(inspection)
    assert page.count('<img src="data:image/png;base64,') == 5
    assert page.count("<svg") == 3
    addresses = re.findall(r"(?:src|href)=\"([^\"]*)\"", page)
    assert all(a.startswith(("data:", "#")) for a in addresses)
    assert "@import" not in page
    assert not re.findall(r"url\((?!#)", page)


def test_the_page_is_whole_html_and_runs_nothing_of_the_data(inspection: Inspection) -> None:
    page = dataset_page(inspection)
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            assert tag != "script"
            if tag not in ("meta", "img", "br", "link"):
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            pass

    Reader().feed(page)
    assert opened == []
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_says_what_was_found(inspection: Inspection) -> None:
    page = dataset_page(inspection)
    assert "low is a function of note" in page
    assert "80 test samples have their picture also in train" in page
    assert "100 Hz" in page


def test_equal_inspections_give_equal_pages(inspection: Inspection) -> None:
    assert dataset_page(inspection) == dataset_page(inspection)


def test_the_same_is_drawn_as_one_picture(inspection: Inspection, tmp_path: Path) -> None:
    save_dataset_picture(inspection, tmp_path / "all.png")
    with Image.open(tmp_path / "all.png") as picture:
        assert picture.size[0] > 600


def test_the_page_of_a_table_has_its_columns_and_notes(inspection: Inspection) -> None:
    columns = pd.DataFrame({"column": [HOSTILE], "becomes": ["ignored"], "values": [7]})
    page = dataset_page(replace(inspection, columns=columns, notes=("read as Windows-1252",)))
    assert "Columns of the table" in page
    assert "read as Windows-1252" in page
    assert HOSTILE not in page
    assert "Columns of the table" not in dataset_page(inspection)
