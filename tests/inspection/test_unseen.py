"""Classes and tags that the training lacks are named before it."""

import numpy as np
import pytest

from multihead import Head, Heads, Source
from multihead.heads.kinds.multilabel import Multilabel
from multihead.inspection.unseen import unseen_labels

KIND, TAGS = [0, 0, 2, 0, 1, 0], [[1, 0], [1, 0], [1, 1], [1, 0], [1, 0], [1, 0]]
HEADS = Heads(
    [
        Head("kind", 4, classes=("flat", "round", "square", "star"), title="Kind"),
        Head("tags", kind=Multilabel(tags=("red", "shiny"))),
    ]
)


def found(train: list[int], val: list[int], test: list[int]) -> list[str]:
    labels = {"kind": np.array(KIND), "tags": np.array(TAGS, np.float32)}
    source = Source("s", np.zeros((6, 1, 2, 2), np.uint8), labels, HEADS, (0.0,), (1.0,))
    parts = {"training": train, "validation": val, "test": test}
    return unseen_labels({name: (source, np.array(rows)) for name, rows in parts.items()})


@pytest.mark.parametrize(
    ("rows", "kind", "tags"),
    [
        (([0, 1, 4], [2], [3]), "(square), but in validation", "validation"),
        (([0, 1, 4], [3], [2]), "(square), but in test", "test"),
        (
            ([0, 1], [2, 4], [2]),
            "(round, square), but in validation and test",
            "validation and test",
        ),
    ],
)
def test_a_class_and_a_tag_that_only_other_parts_have_are_named(
    rows: tuple[list[int], list[int], list[int]], kind: str, tags: str
) -> None:
    of_kind, of_tags = found(*rows)
    assert kind in of_kind
    assert of_kind.startswith("Kind: ")
    assert "of 4 labels never occur in training" in of_kind
    assert of_tags == (
        f"tags: 1 of 2 tags never occur in training (shiny), but in {tags}: they cannot be "
        f"learned, and {tags} results count them as errors"
    )


def test_a_class_that_no_part_has_needs_no_word() -> None:
    assert found([0, 2, 4], [1, 2], [3]) == []
