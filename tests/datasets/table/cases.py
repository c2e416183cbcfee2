"""Tables after public reports of people with data of their own, one kind of trouble each."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.datasets.table.own_table import write_pictures, write_table

N = 20
KIND = ["a", "b"] * (N // 2)
NAMES = [f"{i}.png" for i in range(N)]
GRADES = [i % 4 for i in range(N)]
CLASSES, FLOATS = "classification", "regression"


def _with(**columns: list[object]) -> Callable[[Path], object]:
    return lambda folder: write_table(folder, {"kind": KIND, **columns})


def _semicolons(folder: Path) -> None:
    temperatures = [f"{20 + i // 10},{i % 10}" for i in range(N)]
    write_table(folder, {"kind": KIND, "temp": temperatures}, delimiter=";")


def _index_first(folder: Path) -> None:
    write_table(folder, {"": range(N), "file": NAMES, "kind": KIND})


def _no_suffix(folder: Path) -> None:
    write_pictures(folder, NAMES)
    write_table(folder, {"id": range(N), "kind": KIND}, pictures=False)


def _many(count: int, name: str, cells: Callable[[int], object]) -> Callable[[Path], object]:
    kinds = KIND * (count // N)
    return lambda folder: write_table(
        folder, {"kind": kinds, name: [cells(i) for i in range(count)]}
    )


def _two_tables(folder: Path) -> None:
    write_table(folder, {"kind": KIND[:15]}, file="train.csv")
    write_pictures(folder, NAMES[15:])
    write_table(folder, {"file": NAMES[15:], "kind": KIND[15:]}, file="test.csv", pictures=False)


def _folder_per_class(folder: Path) -> None:
    write_pictures(folder, [f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(5)])


# By name: what writes it, and what each column but the pictures becomes.
CASES: Mapping[str, tuple[Callable[[Path], object], Mapping[str, str]]] = {
    "empty": (
        _with(grade=["" if i % 5 == 0 else g for i, g in enumerate(GRADES)]),
        {"kind": CLASSES, "grade": CLASSES},
    ),
    "na": (
        _with(grade=["NA" if i % 5 == 0 else g for i, g in enumerate(GRADES)]),
        {"kind": CLASSES, "grade": CLASSES},
    ),
    "nan": (
        _with(age=["nan" if i % 5 == 0 else 20 + i * 1.5 for i in range(N)]),
        {"kind": CLASSES, "age": FLOATS},
    ),
    "float_classes": (_with(grade=[f"{g}.0" for g in GRADES]), {"kind": CLASSES, "grade": CLASSES}),
    "sentinel": (
        _with(temp=[-9999 if i == 3 else 20 + i / 10 for i in range(N)]),
        {"kind": CLASSES, "temp": FLOATS},
    ),
    "semicolon": (_semicolons, {"kind": CLASSES, "temp": FLOATS}),
    "index_first": (_index_first, {"column 1": "ignored", "kind": CLASSES}),
    "no_suffix": (_no_suffix, {"kind": CLASSES}),
    "free_text": (
        _many(60, "note", lambda i: f"free text {i}"),
        {"kind": CLASSES, "note": "ignored"},
    ),
    "ids": (_many(60, "who", lambda i: i), {"kind": CLASSES, "who": "ignored"}),
    "hundred_classes": (_many(200, "fine", lambda i: i % 100), {"kind": CLASSES, "fine": CLASSES}),
    "split_column": (
        _with(split=["train"] * 15 + ["test"] * 5),
        {"kind": CLASSES, "split": "split"},
    ),
    "tags": (_with(tags=["a", "b", "a b", "a b c"] * 5), {"kind": CLASSES, "tags": "multilabel"}),
    "constant": (_with(site=["north"] * N), {"kind": CLASSES, "site": "ignored"}),
    "two_tables": (_two_tables, {"kind": CLASSES}),
    "folder_per_class": (_folder_per_class, {"class": CLASSES}),
}
