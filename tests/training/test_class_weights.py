"""Classes that are rare may count for more, by their number or as a person says."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from multihead import Head, Heads, MultiheadDataModule, MultiheadLitModule, SimpleCNN, Source
from multihead.errors import ConfigError
from multihead.heads.losses.binary import BinaryLoss
from multihead.heads.losses.focal import FocalLoss

HEADS = Heads(
    [
        Head("shape", 4),
        Head("alive", 2, kind="binary"),
        Head("tags", 3, kind="multilabel"),
        Head("age", kind="regression"),
    ]
)
RNG = np.random.default_rng(0)
LABELS = {
    "shape": RNG.choice(3, 80, p=[0.7, 0.2, 0.1]),  # a class never occurs
    "alive": RNG.choice([0, 1, -1], 80, p=[0.7, 0.1, 0.2]),
    "tags": (RNG.random((80, 3)) < [0.5, 0.2, 0.1]).astype(np.float32),
    "age": RNG.normal(size=80).astype(np.float32),
}


def _data() -> MultiheadDataModule:
    images = np.zeros((80, 1, 8, 8), np.uint8)
    source = Source("w", images, LABELS, HEADS, (0.5,), (0.3,), frozenset({"alive"}))
    split = [60, 20, 80]
    return MultiheadDataModule(source=lambda *_: source, multihead=True, train_val_test_split=split)


def _criterion(name: str, weights: object, **options: object) -> nn.Module:
    net = partial(SimpleCNN, conv1_channels=4, conv2_channels=4, fc_hidden=8, dropout=0.0)
    module = MultiheadLitModule(net, torch.optim.SGD, class_weights={name: weights}, **options)
    module.configure_from(_data())
    return module.criteria.of(name)


def test_balanced_classes_are_those_of_scikit_learn() -> None:
    labels = LABELS["shape"][_data().train_indices]
    seen = np.unique(labels)
    wanted = [*compute_class_weight("balanced", classes=seen, y=labels), 1.0]
    weights = _criterion("shape", "balanced").weight
    np.testing.assert_allclose(weights, wanted, rtol=1e-6)


def test_balanced_yes_or_no_weighs_both_sides_alike() -> None:
    labels = LABELS["alive"][_data().train_indices]
    criterion = _criterion("alive", "balanced")
    there = labels[labels >= 0]
    wanted = compute_class_weight("balanced", classes=np.array([0, 1]), y=there)
    np.testing.assert_allclose([criterion.negative, criterion.positive], wanted[:, None], rtol=1e-6)


def test_balanced_tags_have_torchs_pos_weight() -> None:
    labels = torch.from_numpy(LABELS["tags"][_data().train_indices])
    criterion, outputs = _criterion("tags", "balanced"), torch.randn(60, 3)
    weight = (labels == 0).sum(0) / (labels == 1).sum(0)
    wanted = functional.binary_cross_entropy_with_logits(outputs, labels, pos_weight=weight)
    torch.testing.assert_close(criterion(outputs, labels), wanted)


@pytest.mark.parametrize(
    ("name", "weights", "reason"),
    [
        ("age", "balanced", "head 'age' is of kind regression, which has no classes to weigh"),
        ("shape", [1, 2], "class_weights.shape is .*give balanced, or 4 finite numbers above 0"),
        ("alive", [1, 0], "2 finite numbers above 0"),
        ("tags", "rare", "class_weights.tags is 'rare'; give balanced, or a list of numbers"),
        ("side", "balanced", "class_weights names head 'side', but the network has"),
    ],
)
def test_weights_that_do_not_fit_are_refused(name: str, weights: object, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        _criterion(name, weights)


def test_a_criterion_of_ones_own_says_itself_how_it_weighs() -> None:
    with pytest.raises(ConfigError, match=r"remove model\.class_weights\.shape"):
        _criterion("shape", "balanced", criteria={"shape": nn.CrossEntropyLoss()})


def test_focal_losses_are_those_of_torchvision() -> None:
    outputs, labels = torch.randn(50, 3), torch.randint(2, (50, 3)).float()
    of_tags = BinaryLoss(HEADS["tags"], gamma=2.0)(outputs, labels)
    wanted = sigmoid_focal_loss(outputs, labels, alpha=-1, gamma=2.0, reduction="mean")
    torch.testing.assert_close(of_tags, wanted)
    logits, yes = torch.randn(50, 2), torch.randint(2, (50,))
    wanted = sigmoid_focal_loss(logits[:, 1] - logits[:, 0], yes.float(), -1, 2.0, "mean")
    torch.testing.assert_close(FocalLoss(Head("h", 2))(logits, yes), wanted)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_certain_prediction_has_a_finite_gradient(gamma: float) -> None:
    outputs = torch.tensor([[200.0, -200.0, 0.0]], requires_grad=True)
    loss = BinaryLoss(HEADS["tags"], gamma=gamma, label_smoothing=0.1)
    loss(outputs, torch.tensor([[1.0, 0.0, 1.0]])).backward()
    assert outputs.grad.isfinite().all()


def test_smoothed_labels_are_part_of_the_way_to_one_half() -> None:
    outputs, labels = torch.randn(50, 3), torch.randint(2, (50, 3)).float()
    wanted = functional.binary_cross_entropy_with_logits(outputs, 0.9 * labels + 0.05)
    found = BinaryLoss(HEADS["tags"], label_smoothing=0.1)(outputs, labels)
    torch.testing.assert_close(found, wanted)
