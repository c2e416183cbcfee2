"""Chosen metrics, those of all predictions against scikit-learn, and a person's own."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import torch
from torchmetrics.classification import MulticlassCohenKappa

from multihead.errors import ConfigError
from multihead.heads import Head, Heads, Parameter
from multihead.heads.readout import Readouts
from multihead.metrics import own, registry
from multihead.training.head_metrics import HeadMetrics

CLASSES = Head("shape", 4)
RANGE = Head("note", 9, kind="ordinal", parameter=Parameter(40.0, 80.0, levels=9))
HEADS = Heads([CLASSES, RANGE])


def _measured(
    chosen: dict[str, Any], seen: int = 4
) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """Return the metrics of the shape, its probabilities and its labels below `seen`."""
    draw = torch.Generator().manual_seed(0)
    outputs = {n: torch.randn(200, h.outputs, generator=draw) for n, h in HEADS.items()}
    labels = {n: torch.randint(h.num_classes, (200,), generator=draw) for n, h in HEADS.items()}
    labels["shape"] %= seen
    outputs["shape"][torch.arange(200), labels["shape"]] += 1
    metrics = HeadMetrics(HEADS, chosen)
    for part in range(0, 200, 64):
        piece = slice(part, part + 64)
        batch = ({n: v[piece] for n, v in each.items()} for each in (outputs, labels))
        metrics.add(*batch)
    found = metrics.read(Readouts(HEADS))
    return found, outputs["shape"].softmax(1).numpy(), labels["shape"].numpy()


@pytest.mark.parametrize("seen", [4, 3], ids=["all classes", "a class that never occurs"])
def test_metrics_of_all_predictions_are_those_of_scikit_learn(seen: int) -> None:
    names = ["macro_f1", "balanced_acc", "auroc", "average_precision"]
    found, probabilities, labels = _measured({"shape": names}, seen)
    said = probabilities.argmax(1)
    each = [(probabilities[:, c], labels == c) for c in range(seen)]
    recall = sklearn.metrics.recall_score(labels, said, average=None, zero_division=0)
    expected = {
        "macro_f1": sklearn.metrics.f1_score(labels, said, average="macro"),
        "balanced_acc": np.mean(recall[:seen]),
        "auroc": np.mean([sklearn.metrics.roc_auc_score(t, p) for p, t in each]),
        "average_precision": np.mean(
            [sklearn.metrics.average_precision_score(t, p) for p, t in each]
        ),
    }
    assert found["shape"] == pytest.approx(expected, abs=1e-6)


def test_the_rank_correlation_is_that_of_scipy_in_the_unit() -> None:
    found, *_ = _measured({"note": ["spearman"]})
    draw = torch.Generator().manual_seed(0)
    torch.randn(200, 4, generator=draw)
    outputs = torch.randn(200, 9, generator=draw)
    torch.randint(4, (200,), generator=draw)
    labels = torch.randint(9, (200,), generator=draw)
    expected = scipy.stats.spearmanr(outputs.softmax(1) @ torch.arange(9.0), labels).statistic
    assert found["note"]["spearman"] == pytest.approx(expected, abs=1e-6)


def share_of_zeros(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    return float((probabilities.argmax(1) == 0).double().mean())


def test_a_function_and_a_class_of_torchmetrics_are_metrics() -> None:
    kappa = MulticlassCohenKappa(num_classes=4)
    zeros = own(share_of_zeros, higher_is_better=False)
    found, probabilities, labels = _measured({"shape": ["acc", kappa, zeros]})
    said = probabilities.argmax(1)
    expected = sklearn.metrics.cohen_kappa_score(labels, said)
    assert found["shape"]["cohen_kappa"] == pytest.approx(expected, abs=1e-6)
    assert found["shape"]["share_of_zeros"] == (said == 0).mean()
    assert registry.metric_of("val/shape_cohen_kappa").higher_is_better
    assert not registry.metric_of("best/val/shape_share_of_zeros").higher_is_better


def test_metrics_that_need_all_predictions_are_not_promised_of_training() -> None:
    metrics = HeadMetrics(HEADS, {"shape": ["acc", "auroc"]})
    assert metrics.names("shape", "train") == ["acc", "loss"]
    assert metrics.names("shape", "val") == ["acc", "auroc", "loss"]
    assert metrics.names("note", "val")[:3] == ["acc", "loss", "mae"]


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"colour": ["acc"]}, "names head 'colour', but the network has"),
        ({"shape": ["mae"]}, "has 'mae'; a classification has acc, loss, macro_f1"),
        ({"note": ["auroc"]}, "has 'auroc'; a ordinal has acc, mae"),
        ({"shape": "acc"}, r"is 'acc'; give a list, such as \[acc\]"),
        ({"shape": [share_of_zeros]}, "'share_of_zeros' does not say which way is better"),
    ],
)
def test_what_cannot_be_measured_is_refused(chosen: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        HeadMetrics(HEADS, chosen)


def test_a_metric_of_ones_own_takes_no_shipped_name() -> None:
    with pytest.raises(ConfigError, match="'auroc' has the name of a built-in metric"):
        HeadMetrics(HEADS, {"shape": [own(share_of_zeros, True, name="auroc")]})


def test_more_predictions_than_the_stated_memory_are_refused_before_training() -> None:
    metrics = HeadMetrics(HEADS, {"shape": ["auroc"]}, memory_mb=1)
    metrics.check_memory({"val": 62_500})
    with pytest.raises(ConfigError, match=r"of shape would keep 2 MB of predictions of test"):
        metrics.check_memory({"val": 10, "test": 125_000})


def test_a_figure_that_has_no_value_is_left_out() -> None:
    metrics = HeadMetrics(HEADS, {"note": ["spearman"]})
    outputs = {n: torch.zeros(4, h.outputs) for n, h in HEADS.items()}
    metrics.add(outputs, {n: torch.zeros(4, dtype=torch.long) for n in HEADS})
    assert not any(map(math.isnan, metrics.read(Readouts(HEADS))["note"].values()))


def test_a_record_tells_which_way_is_better_to_another_process() -> None:
    told = registry.to_record([own(share_of_zeros, False, name="zeros_told", unit="share")])
    registry.METRICS.pop("zeros_told", None)
    registry.learn(told)
    assert not registry.metric_of("test/shape_zeros_told").higher_is_better
    assert registry.unit_of("zeros_told").value == "share"
    for damaged in ("", "[]", '{"acc": 3}', '{"x": {"title": 1}}'):
        registry.learn(damaged)
    assert registry.METRICS["acc"].title == "accuracy"
