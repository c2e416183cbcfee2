"""Labels that are far from equal shares are named, with what weighs them alike."""

import numpy as np

from multihead import Head, Heads, Source
from multihead.heads.kinds.binary import Binary
from multihead.heads.kinds.multilabel import Multilabel
from multihead.inspection.findings import findings
from multihead.inspection.inspect import inspect_sources

CLASSES = (np.arange(300) % 20 == 0).astype(np.int64)
TAGS = np.zeros((300, 2), np.float32)
TAGS[:150, 0], TAGS[:10, 1] = 1, 1


def test_imbalance_is_named_with_the_command_that_mends_it() -> None:
    heads = Heads(
        [
            Head("side", 2, classes=("left", "right")),
            Head("mark", 2, classes=("no", "yes"), kind=Binary()),
            Head("tags", kind=Multilabel(tags=("red", "round"))),
        ]
    )
    labels = {"side": CLASSES, "mark": np.roll(CLASSES, 7), "tags": TAGS}
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 2, 2), np.uint8)
    source = Source("s", images, labels, heads, (0.0,), (1.0,))
    found = findings(inspect_sources({"train": source}))
    for name, key, words in (
        ("side", "class_weights", "left occurs 19 times as often as right in train"),
        ("mark", "class_weights", "no occurs 19 times as often as yes in train"),
        ("tags", "pos_weight", "round is in 10 of 300 labels in train"),
    ):
        assert f"{name}: {words} (to weigh them alike: model.{key}.{name}=balanced)." in found
