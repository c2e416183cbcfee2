"""Weights of classes and of yes, and label smoothing: against explicit sums, and by kind."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.fits import built
from torch import Tensor, nn
from torch.nn import functional

from multihead import FocalLoss, Head, Heads, MultiheadDataModule, Source
from multihead.errors import ConfigError
from multihead.heads import Kind
from multihead.heads.kinds.binary import Binary
from multihead.heads.kinds.float_regression import FloatRegression
from multihead.heads.kinds.multilabel import Multilabel
from multihead.heads.losses.choice import make_criterion
from multihead.runs.config import compose_run
from multihead.runs.execute import execute
from multihead.training.checkpoints import read_checkpoint
from multihead.training.criteria import Criteria
from multihead.training.imbalance import Imbalance, balanced_classes

SIDE = Head("side", 3)
YES = Head("yes", 2, kind=Binary())
TAGS = Head("tags", kind=Multilabel(tags=("a", "b")))
SIZE = Head("size", kind=FloatRegression())
HEADS = Heads([SIDE, YES, TAGS, SIZE])
SIDES = np.array([0] * 12 + [1] * 3 + [-1] * 5)
TAGGED = np.zeros((20, 2), np.float32)
TAGGED[:4, 0], TAGGED[10:12] = 1, np.nan
LABELS: dict[str, Any] = {
    "side": SIDES,
    "yes": (np.arange(20) < 4).astype(np.int64),
    "tags": TAGGED,
    "size": np.arange(20, dtype=np.float32),
}
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(8, 3, generator=GENERATOR)
CLASSES = torch.tensor([0, 1, 2, 0, 0, 1, 2, 0])
WEIGHTS = torch.tensor([1.0, 5.0, 0.5])


def data() -> MultiheadDataModule:
    images = np.zeros((20, 1, 2, 2), np.uint8)

    def read(data_dir: Path, split: str) -> Source:
        return Source("s", images, LABELS, HEADS, (0.0,), (1.0,), frozenset({"side", "tags"}))

    made = MultiheadDataModule("x", source=read, multihead=True)
    made.train_indices = np.arange(20)
    return made


def loss(heads: list[Head], outputs: Any, labels: Any, gaps: Any = (), **given: Any) -> Tensor:
    found = Imbalance(**given).resolved(Heads(heads), data())
    made = {h.name: make_criterion(None, h, found.options(h.name)) for h in heads}
    losses, _ = Criteria(made, found.class_weights)(Heads(heads), outputs, labels, gaps)
    return losses


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0, 0, 0, 0, 1, 2, 2])
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(balanced_classes(np.bincount(labels)), wanted)


def test_balanced_weights_come_from_the_labels_that_are_there() -> None:
    """12 and 3 of 15 labels; class 2 has none, and 1 as its weight."""
    found = Imbalance({"side": "balanced", "yes": "balanced"}, {"yes": "balanced"})
    assert found.resolved(HEADS, data()).class_weights["side"] == [15 / 24, 15 / 6, 1.0]
    assert found.resolved(HEADS, data()).class_weights["yes"] == [20 / 32, 20 / 8]
    assert found.resolved(HEADS, data()).pos_weight["yes"] == [4.0]
    tags = Imbalance(pos_weight={"tags": "balanced"}).resolved(HEADS, data())
    assert tags.pos_weight["tags"] == [14 / 4, 1.0]


def test_the_loss_is_the_mean_over_samples_of_weight_times_loss() -> None:
    each = functional.cross_entropy(LOGITS, CLASSES, reduction="none")
    made = loss(
        [SIDE], {"side": LOGITS}, {"side": CLASSES}, class_weights={"side": WEIGHTS.tolist()}
    )
    torch.testing.assert_close(made[0], (WEIGHTS[CLASSES] * each).sum() / 8)


def test_samples_without_a_label_leave_the_weighted_loss_alone() -> None:
    given = {"class_weights": {"side": WEIGHTS.tolist()}}
    labels = torch.cat([CLASSES, torch.tensor([-1, -1])])
    outputs = torch.cat([LOGITS, torch.full((2, 3), math.inf)])
    some = loss([SIDE], {"side": outputs}, {"side": labels}, {"side"}, **given)
    all_ = loss([SIDE], {"side": LOGITS}, {"side": CLASSES}, **given)
    torch.testing.assert_close(some, all_)


def test_halves_of_a_batch_add_up_to_the_whole() -> None:
    """So that gradient accumulation is one large batch; a mean over weights would not be."""
    given = {"class_weights": {"side": WEIGHTS.tolist()}}
    parts = [
        loss([SIDE], {"side": LOGITS[half]}, {"side": CLASSES[half]}, **given)
        for half in (slice(0, 4), slice(4, 8))
    ]
    whole = loss([SIDE], {"side": LOGITS}, {"side": CLASSES}, **given)
    torch.testing.assert_close(sum(parts) / 2, whole)


def test_smoothing_of_classes_and_of_yes() -> None:
    given = {"label_smoothing": {"side": 0.1, "yes": 0.2}}
    outputs = {"side": LOGITS, "yes": LOGITS[:, :1]}
    labels = {"side": CLASSES, "yes": (CLASSES == 1).long()}
    made = loss([SIDE, YES], outputs, labels, **given)
    torch.testing.assert_close(
        made[0], functional.cross_entropy(LOGITS, CLASSES, label_smoothing=0.1)
    )
    soft = torch.where(CLASSES == 1, 0.9, 0.1)
    torch.testing.assert_close(
        made[1], functional.binary_cross_entropy_with_logits(LOGITS[:, 0], soft)
    )


def test_one_smoothing_is_for_every_head_of_classes_or_tags() -> None:
    found = Imbalance(label_smoothing=0.1).resolved(HEADS, None)
    assert found.label_smoothing == {"side": 0.1, "yes": 0.1, "tags": 0.1}
    with pytest.raises(ConfigError, match=r"none of the heads .* is one of classes or tags"):
        Imbalance(label_smoothing=0.1).resolved(Heads([SIZE]), None)


def test_one_smoothing_reaches_the_heads_of_a_run() -> None:
    criteria = built("model.label_smoothing=0.1", "model.criteria=null").module.criteria
    heads = ("digit", "thickness", "smoothness")
    assert [criteria.of(name).label_smoothing for name in heads] == [0.1] * 3


def test_a_yes_counts_as_asked_for_each_tag() -> None:
    logits, labels = LOGITS[:, :2], (LOGITS[:, 1:] > 0).float()
    made = loss([TAGS], {"tags": logits}, {"tags": labels}, pos_weight={"tags": [3, 0.5]})
    wanted = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0, 0.5]))(logits, labels)
    torch.testing.assert_close(made[0], wanted)
    one = loss([TAGS], {"tags": logits}, {"tags": labels}, pos_weight={"tags": 2})
    wanted = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0))(logits, labels)
    torch.testing.assert_close(one[0], wanted)


def test_torchs_own_losses_take_smoothing_and_pos_weight_too() -> None:
    plain = nn.CrossEntropyLoss()
    smooth = make_criterion(plain, SIDE, {"label_smoothing": 0.1})
    assert isinstance(smooth, nn.CrossEntropyLoss)
    assert (smooth.label_smoothing, plain.label_smoothing) == (0.1, 0.0)
    with pytest.raises(ConfigError, match="both have label_smoothing; keep one"):
        make_criterion(smooth, SIDE, {"label_smoothing": 0.2})
    weighted = make_criterion(nn.BCEWithLogitsLoss(), TAGS, {"pos_weight": [1.0, 2.0]})
    assert weighted.pos_weight.tolist() == [1.0, 2.0]


# -- focal loss ----------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_of_classes_is_the_formula(gamma: float) -> None:
    p = LOGITS.softmax(1)[torch.arange(8), CLASSES]
    wanted = (-((1 - p) ** gamma) * p.log()).mean()
    torch.testing.assert_close(FocalLoss(SIDE, gamma)(LOGITS, CLASSES), wanted)


def test_focal_loss_of_tags_is_that_of_torchvision_and_leaves_out_what_is_not_told() -> None:
    from torchvision.ops import sigmoid_focal_loss

    logits, labels = LOGITS[:, :2], (LOGITS[:, 1:] > 0).float()
    wanted = sigmoid_focal_loss(logits, labels, alpha=-1, gamma=2, reduction="mean")
    torch.testing.assert_close(FocalLoss(TAGS)(logits, labels), wanted)
    labels[0, 0] = math.nan
    criterion = FocalLoss(TAGS)
    criterion.reduction = "none"
    torch.testing.assert_close(
        criterion(logits, labels)[0],
        sigmoid_focal_loss(logits[0, 1], labels[0, 1], alpha=-1, gamma=2),
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_gradient_of_focal_loss_is_finite_where_the_prediction_is_sure(gamma: float) -> None:
    logits = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    FocalLoss(SIDE, gamma)(logits, torch.tensor([0])).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"class_weights": {"sides": "balanced"}}, "names head 'sides'"),
        ({"class_weights": {"side": [1, 2]}}, "3 numbers above 0, one per class"),
        ({"class_weights": {"side": 3.0}}, "3 numbers above 0"),
        ({"class_weights": {"side": [1, -2, 1]}}, "above 0"),
        ({"class_weights": {"side": "even"}}, "give balanced, or 3 numbers"),
        ({"class_weights": {"tags": "balanced"}}, "use model.pos_weight"),
        ({"class_weights": {"size": "balanced"}}, "remove it"),
        ({"pos_weight": {"side": 2}}, "use model.class_weights"),
        ({"pos_weight": {"tags": [1, 2, 3]}}, "2 numbers above 0, one per tag"),
        ({"label_smoothing": {"size": 0.1}}, "does not take label_smoothing"),
        ({"label_smoothing": {"side": 1.5}}, "from 0 to 1"),
        ({"label_smoothing": 1.5}, "from 0 to 1"),
    ],
)
def test_what_does_not_suit_a_head_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loss(list(HEADS.values()), {}, {}, **given)


def test_a_criterion_that_has_only_a_mean_is_refused_beside_weights_of_classes() -> None:
    class Mean(nn.Module):
        def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
            return functional.cross_entropy(outputs, labels)

    for criterion in (Mean(), nn.CrossEntropyLoss(weight=WEIGHTS)):
        made = Criteria({"side": criterion}, {"side": WEIGHTS.tolist()})
        with pytest.raises(ConfigError, match=r"one number for a batch|already has class weights"):
            made(Heads([SIDE]), {"side": LOGITS}, {"side": CLASSES})


def test_a_kind_of_ones_own_says_what_it_takes_by_its_signature() -> None:
    class Own(type(SIDE.kind)):  # type: ignore[misc]
        def criterion(self, head: Head, pos_weight: float = 1.0) -> nn.Module:
            return nn.MultiMarginLoss(margin=pos_weight)

    kind: Kind = Own()
    made = make_criterion(None, SIDE.as_kind(kind), {"pos_weight": 3.0})
    assert isinstance(made, nn.MultiMarginLoss)
    assert made.margin == 3.0


def test_weights_are_no_part_of_a_checkpoint() -> None:
    """They follow from configuration and data, so records without them stay readable."""
    made = Criteria({"side": nn.CrossEntropyLoss()}, {"side": WEIGHTS.tolist()})
    assert list(made.state_dict()) == []


@pytest.mark.slow
def test_a_resumed_training_is_the_uninterrupted_one(tmp_path: Path) -> None:
    """With weights of the labels, focal loss, strata and folds: all follow from the record."""
    given = ["model/criterion=focal", "model.criteria=null", "model.class_weights.digit=balanced"]
    split = ["data.stratify=[digit]", "data.folds=5", "data.fold=1", "test=false"]
    base = ["experiment=multihead_cnn_digits", "trainer=cpu", "model/scheduler=none"]

    def train(home: str, *more: str) -> Path:
        at = f"paths.home={tmp_path / home}"
        folder = execute(compose_run([*base, *given, *split, at, *more])).folder
        assert folder is not None
        return folder / "checkpoints" / "last.ckpt"

    whole = train("a", "trainer.max_epochs=2")
    half = train("b", "trainer.max_epochs=1")
    resumed = train("b", "trainer.max_epochs=2", f"ckpt_path={half}")
    one, other = (read_checkpoint(str(file))["state_dict"] for file in (whole, resumed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
