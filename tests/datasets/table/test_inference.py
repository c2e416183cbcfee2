"""What columns become: each row of the table in docs/data.md."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.datasets.table.own_table import opened, write_table

from multihead.datasets.table.cells import Cell, Column
from multihead.datasets.table.choices import Choice
from multihead.datasets.table.inference import infer
from multihead.datasets.table.known import Known


def inferred(cells: Sequence[Cell], name: str = "x") -> tuple[str | None, str]:
    verdict = infer(Known.of(Column.of_cells(name, cells), Choice()))
    return verdict.kind, " ".join((verdict.why, *verdict.notes))


TWENTY = range(20)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["cat", "dog"] * 10, "classification"),
        (["ja", "nein"] * 10, "binary"),
        (["yes", "no", "Y", "N", "1"] * 4, "binary"),
        (["T", "N"] * 10, "classification"),  # tumour and normal
        (["yes", "no", "unknown"] * 7, "classification"),
        (["007", "012", "100"] * 7, "classification"),
        ([f"{i}%" for i in TWENTY], "regression"),
        ([f"{i} mm" for i in TWENTY], "regression"),
        ([f"${i}.50" for i in TWENTY], "regression"),
        ([f"{i}a" for i in range(3)] * 7, "classification"),
        ([f"{1 + i},{i:03},500" for i in TWENTY], "regression"),
        ([f"{1 + i}'000" for i in TWENTY], "regression"),
        ([f"{1 + i} 000,5" for i in TWENTY], "regression"),
        ([f"dark {c}" for c in ("red", "blue", "green")] * 7, "classification"),
        (["Doe, Jane", "Doe, John", "Roe, Jane"] * 7, "classification"),
        (["yes", "no"] * 10, "binary"),
        (["Yes", "NO", "no"] * 10, "binary"),
        (["true", "false"] * 10, "binary"),
        (["0", "1", ""] * 10, "binary"),
        (["0.0", "1.0"] * 10, "binary"),
        (["red|round", "red", ""] * 10, "multilabel"),
        ([("a",), ("a", "b"), ()], "multilabel"),
        (["a", "b", "a b", "a b c"] * 5, "multilabel"),
        (["a;b", "a", "b"] * 5, "multilabel"),
        (["['a', 'b']", "['a']"] * 5, "multilabel"),
        ([str(i % 4) for i in TWENTY], "classification"),
        ([f"{i % 4}.0" for i in TWENTY], "classification"),
        ([str(i % 100) for i in range(200)], "classification"),
        ([str(20 + i % 50) for i in range(200)], "regression"),
        ([str(1000 + 7 * (i % 9)) for i in range(100)], "regression"),
        ([str(20 + i / 10) for i in TWENTY], "regression"),
        ([f"{20 + i // 10},{i % 10}" for i in TWENTY], "regression"),
        (["1.234,5", "2,5", "3"] * 5, "regression"),
        (["1e-3", "2.5E4", "-.5"] * 5, "regression"),
    ],
)
def test_labels_are_told_by_their_cells(cells: list[Cell], kind: str) -> None:
    assert inferred(cells)[0] == kind


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["", "NA", "NaN", "null", "-", "None", "n/a"], "no row has a value"),
        (["north"] * 20, "'north' in every row"),
        (["north", ""] * 10, "'north' in every row"),
        ([f"free text {i}" for i in range(300)], "text with 300 values in 300 rows"),
        ([f"2024-01-{1 + i % 3:02}" for i in TWENTY], "dates"),
        ([f"{1 + i % 3}.12.2024 10:00" for i in TWENTY], "dates"),
        ([f"Mar {1 + i % 3}, 2024" for i in TWENTY], "dates"),
        ([f"0{1 + i % 3}-Mar-2024" for i in TWENTY], "dates"),
        ([f"2024030{1 + i % 3}" for i in TWENTY], "dates"),
        ([str(2**60 + i) for i in TWENTY], "as ids have"),
        ([("0.5", "1.5"), ("0.25", "2")] * 9, "lists of numbers"),
        (["3 mm", "2 cm"] * 9, "numbers in 'cm' and in 'mm'; write one unit"),
        ([str(i) for i in range(300)], "300 whole numbers in 300 rows, as ids have"),
        (["1.5", "2,5", "3.5"] * 5, "'2,5' and '1.5'"),
        (["1,234", "2,345"] * 5, "may have a decimal comma or be in thousands"),
        ([*(str(i / 2) for i in TWENTY), "unknown"], "'unknown' in row 21"),
    ],
)
def test_what_is_no_label_is_left_out_and_said(cells: list[Cell], said: str) -> None:
    kind, why = inferred(cells)
    assert kind is None
    assert said in why


def test_many_whole_numbers_are_ids_by_their_name_or_order() -> None:
    """Weights in grams hardly repeat either, but are no ids."""
    grams = [str(1000 + (i * 7919) % 4001) for i in range(300)] + ["1000"] * 5
    assert inferred(grams, "weight")[0] == "regression"
    assert inferred(grams, "patient_id")[0] is None
    assert inferred(grams, "patientID")[0] is None


@pytest.mark.parametrize(
    ("cells", "lone"),
    [
        ([*(str(20 + i / 10) for i in TWENTY), "-9999"], "-9999"),
        ([*(str(i % 4) for i in TWENTY), "999"], "999"),
        ([*(str(i % 4) for i in TWENTY), "-1"], "-1"),
        ([*(str(i / 10) for i in TWENTY), "123456"], "123456"),
        ([str(10.0**i) for i in range(-3, 6)] * 2, None),
        ([str(i % 4) for i in TWENTY], None),
    ],
)
def test_a_lone_value_is_told(cells: list[Cell], lone: str | None) -> None:
    _, why = inferred(cells)
    assert ("far from all other" in why) == (lone is not None)
    assert lone is None or f"missing=[{lone}]" in why


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([f"{10.0 ** (i % 9 - 4) * 1.5:g}" for i in TWENTY], "its logarithm: {KEY}.log=true"),
        ([f"{1.7e9 + i / 4}" for i in range(20)], "beyond the seven digits of a float32"),
        (["a", "b", "Unknown"] * 7, "a missing label: {KEY}.missing=[Unknown]"),
        (["1", "2", "#DIV/0!"] * 7, """a missing label: '{KEY}.missing=["#DIV/0!"]'"""),
    ],
)
def test_what_a_person_would_overlook_is_told(cells: list[Cell], said: str) -> None:
    kind, told = inferred(cells, "weight")
    assert kind is not None
    assert said in told


def test_cells_among_numbers_are_named_missing_as_a_shell_takes_it() -> None:
    """A bare `>2` writes to a file, and the command line takes no `<` without quotes."""
    kind, told = inferred([*(str(i / 4) for i in TWENTY), "<0.5", ">2", "n. d."], "crp")
    assert kind is None
    assert "write a number for '<0.5', or name what is missing" in told
    assert """('{KEY}.missing=["<0.5", ">2", "n. d."]')""" in told


def test_the_two_characters_for_micro_are_one_unit() -> None:
    """Keyboards and spreadsheets write either; the message showed two units that look the same."""
    units = ("\u00b5m", "\u03bcm")
    kind, why = inferred([f"{i / 4} {units[i % 2]}" for i in TWENTY], "size")
    assert kind == "regression", why


def test_units_are_those_of_the_head_and_codes_keep_their_zeros(tmp_path: Path) -> None:
    """The last rows are empty, as spreadsheets leave them."""
    folder = write_table(
        tmp_path,
        {
            "length": [f"{i / 2} mm" for i in TWENTY],
            "cost": [f"$1,{i:03}.50" for i in TWENTY],
            "site": ["007", "012"] * 10,
            "ok": ["N", "yes"] * 10,
        },
        delimiter="|",
    )
    with (folder / "labels.csv").open("a") as file:
        file.write("||||\n\n||||\n")
    source = opened(folder)
    assert (source.heads["length"].unit, source.heads["cost"].unit) == ("mm", "$")
    assert set(source.labels["cost"].tolist()) <= {1000.5 + i for i in TWENTY}
    assert source.heads["site"].classes == ("007", "012")
    assert source.heads["ok"].classes == ("no", "yes")
    assert "labels.csv ends with empty rows (2), which are left out" in source.notes
