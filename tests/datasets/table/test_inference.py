"""What columns become: each row of the table in docs/own_data.md."""

from collections.abc import Sequence

import pytest

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
        (["ja", "nein"] * 10, "classification"),
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


def test_classes_that_differ_in_case_are_told() -> None:
    assert "'Cat' and 'cat'" in inferred(["Cat", "cat", "dog"] * 7)[1]
