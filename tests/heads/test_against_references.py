"""Metrics are those of scikit-learn and SciPy, and a training is that of plain PyTorch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import scipy.stats
import torch
from sklearn import metrics as reference
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_calibration_error,
    multiclass_f1_score,
    multilabel_f1_score,
)

from multihead import Head, Heads, MultiheadDataModule, MultiheadLitModule, SimpleCNN, Source
from multihead.heads.kinds.float_regression import FloatRegression
from multihead.heads.readout import Readouts
from multihead.training.accumulators import HeadSums
from multihead.training.head_metrics import HeadMetrics
from multihead.training.metrics import split_metrics

N = 700
DRAW = torch.Generator().manual_seed(0)


def _measured(head: Head, outputs: Tensor, labels: Tensor, names: list[str]) -> dict[str, float]:
    """Return metrics as a run measures them, in batches and with missing labels."""
    heads = Heads([head])
    measured = HeadMetrics(heads, {head.name: names})
    sums = HeadSums(heads)
    sums.incomplete = [head.name]
    for index in torch.arange(len(labels)).split(100):
        batch = {head.name: outputs[index]}, {head.name: labels[index]}
        count = (~head.kind.is_missing(labels[index])).sum()[None]
        sums.add(torch.zeros(1), *batch, counts=count)
        measured.add(*batch, incomplete=heads)
    whole = measured.read(Readouts(heads))
    found = split_metrics("val", measured, sums.read(), [1.0], None, whole)
    return {name: found[f"val/{head.name}_{name}"] for name in names}


def test_yes_or_no_is_measured_as_by_scikit_learn() -> None:
    labels = (torch.rand(N, generator=DRAW) < 0.2).long()
    outputs = torch.randn(N, 1, generator=DRAW) + labels[:, None] - 0.5
    labels[::7] = -1
    there = labels >= 0
    true, given = labels[there].numpy(), outputs[there, 0].double().sigmoid().numpy()
    said = given > 0.5
    wanted = {
        "acc": reference.accuracy_score(true, said),
        "balanced_acc": reference.balanced_accuracy_score(true, said),
        "f1": reference.f1_score(true, said),
        "auroc": reference.roc_auc_score(true, given),
        "average_precision": reference.average_precision_score(true, given),
        "ece": float(binary_calibration_error(torch.tensor(given), torch.tensor(true), n_bins=15)),
    }
    found = _measured(Head("h", 2, kind="binary"), outputs, labels, list(wanted))
    assert found == pytest.approx(wanted, abs=1e-6)


def test_tags_are_measured_as_by_scikit_learn() -> None:
    labels = (torch.rand(N, 4, generator=DRAW) < torch.tensor([0.5, 0.1, 0.03, 0.3])).float()
    outputs = torch.randn(N, 4, generator=DRAW) + labels
    outputs[:, 3] = -1.0  # one that is never said
    labels[::7] = np.nan
    there = ~labels.isnan().all(1)
    true, given = labels[there].numpy(), outputs[there].double().sigmoid().numpy()
    said = given > 0.5
    wanted = {
        "macro_f1": reference.f1_score(true, said, average="macro", zero_division=0),
        "micro_f1": reference.f1_score(true, said, average="micro"),
        "exact_match": reference.accuracy_score(true, said),
        "auroc": reference.roc_auc_score(true, given, average="macro"),
        "average_precision": reference.average_precision_score(true, given, average="macro"),
    }
    found = _measured(Head("h", 4, kind="multilabel"), outputs, labels, list(wanted))
    assert found == pytest.approx(wanted, abs=1e-6)


def test_a_tag_that_a_row_does_not_tell_counts_in_no_metric() -> None:
    labels = (torch.rand(N, 3, generator=DRAW) < 0.4).float()
    outputs = torch.randn(N, 3, generator=DRAW) + labels
    labels[torch.rand(N, 3, generator=DRAW) < 0.3] = np.nan
    told = ~labels.isnan().numpy()
    true, given = labels.numpy(), outputs.double().sigmoid().numpy()
    pairs = [(true[t, k], given[t, k]) for k, t in enumerate(told.T)]
    right = ((given > 0.5) == (true == 1)) | ~told
    wanted = {
        "macro_f1": np.mean([reference.f1_score(y, p > 0.5) for y, p in pairs]),
        "micro_f1": reference.f1_score(true[told], given[told] > 0.5),
        "exact_match": right[told.any(1)].all(1).mean(),
        "auroc": np.mean([reference.roc_auc_score(y, p) for y, p in pairs]),
    }
    found = _measured(Head("h", 3, kind="multilabel"), outputs, labels, list(wanted))
    assert found == pytest.approx(wanted, abs=1e-6)


def test_a_tag_that_a_row_does_not_tell_has_no_gradient() -> None:
    head = Head("h", 3, kind="multilabel")
    outputs = torch.randn(2, 3, requires_grad=True)
    labels = torch.tensor([[1, np.nan, 0], [np.nan, 0, np.nan]])
    head.kind.criterion(head)(outputs, labels).backward()
    assert (outputs.grad != 0).tolist() == [[True, False, True], [False, True, False]]


def test_without_gaps_the_loss_of_tags_is_torchs() -> None:
    head = Head("h", 3, kind="multilabel")
    outputs, labels = torch.randn(9, 3), torch.randint(2, (9, 3)).float()
    wanted = functional.binary_cross_entropy_with_logits(outputs, labels)
    torch.testing.assert_close(head.kind.criterion(head)(outputs, labels), wanted)


@pytest.mark.parametrize("log", [False, True], ids=["linear", "log"])
@pytest.mark.parametrize("centre", [0.0, 1e5])
def test_numbers_are_measured_as_by_scikit_learn_and_scipy(log: bool, centre: float) -> None:
    labels = torch.randn(N, generator=DRAW).double()
    labels = (labels.exp() + centre).float() if log else (labels + centre).float()
    kind = FloatRegression(log=log)
    kind = kind.fitted(Head("h", kind=kind), labels.numpy())
    assert isinstance(kind, FloatRegression)
    head = Head("h", kind=kind)
    scores = kind.standard.scores(labels)[:, None].float()
    outputs = scores + 0.5 * torch.randn(N, 1, generator=DRAW)
    labels[::7] = np.nan
    there = ~labels.isnan()
    true = labels[there].double().numpy()
    given = head.kind.readout(head).values(outputs[there]).numpy()
    wanted = {
        "mae": reference.mean_absolute_error(true, given),
        "rmse": reference.root_mean_squared_error(true, given),
        "r2": reference.r2_score(true, given),
        "spearman": scipy.stats.spearmanr(true, given).statistic,
    }
    found = _measured(head, outputs, labels, list(wanted))
    assert found == pytest.approx(wanted, abs=1e-6, rel=1e-6)


def test_absent_classes_and_tags_have_the_macro_f1_of_scikit_learn_and_torchmetrics() -> None:
    """An absent class counts as 0 only if it is predicted; an absent tag always does."""
    labels = torch.tensor([0, 0, 1, 1, 0, 1])
    for said in (labels, torch.tensor([0, 0, 1, 2, 0, 1])):
        wanted = reference.f1_score(labels, said, average="macro")
        assert wanted == pytest.approx(float(multiclass_f1_score(said, labels, 4, average="macro")))
        found = _measured(Head("h", 4), torch.eye(4)[said], labels, ["macro_f1"])
        assert found["macro_f1"] == pytest.approx(wanted)
    tags = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    wanted = float(multilabel_f1_score(tags.long(), tags.long(), 3, average="macro"))
    found = _measured(Head("h", 3, kind="multilabel"), 2 * tags - 1, tags, ["macro_f1"])
    assert found["macro_f1"] == pytest.approx(wanted) == pytest.approx(2 / 3)


def test_classes_are_measured_as_by_scikit_learn() -> None:
    labels = torch.randint(12, (N,), generator=DRAW)
    outputs = torch.randn(N, 12, generator=DRAW) + 2 * torch.eye(12)[labels]
    given, true = outputs.softmax(1), labels.numpy()
    said = given.argmax(1).numpy()
    wanted = {
        "acc": reference.accuracy_score(true, said),
        "macro_f1": reference.f1_score(true, said, average="macro"),
        "balanced_acc": reference.balanced_accuracy_score(true, said),
        "auroc": _one_against_rest(reference.roc_auc_score, true, given),
        "average_precision": _one_against_rest(reference.average_precision_score, true, given),
        "top5_acc": reference.top_k_accuracy_score(true, given.numpy(), k=5),
        "ece": float(multiclass_calibration_error(given, labels, 12, n_bins=15)),
    }
    found = _measured(Head("h", 12), outputs, labels, list(wanted))
    assert found == pytest.approx(wanted, abs=1e-6)


def _one_against_rest(of: Callable[..., Any], true: np.ndarray, given: Tensor) -> float:
    return float(np.mean([of(true == k, given[:, k].numpy()) for k in range(given.shape[1])]))


def _numbers(values: np.ndarray) -> MultiheadDataModule:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(values), 1, 8, 8)).astype(np.uint8)
    heads = Heads([Head("h", kind="regression")])
    source = Source("n", images, {"h": values.astype(np.float32)}, heads, (0.5,), (0.3,))
    split = [48, len(values) - 48, len(values)]
    return MultiheadDataModule(
        source=lambda *_: source, multihead=True, batch_size=16, train_val_test_split=split
    )


def _net() -> nn.Module:
    torch.manual_seed(0)
    net = partial(SimpleCNN, conv1_channels=4, conv2_channels=4, fc_hidden=8, dropout=0.0)
    return net(input_channels=1, input_size=(8, 8), heads_config={"h": 1})


def test_a_training_on_numbers_is_plain_pytorch_to_the_bit() -> None:
    data = _numbers(np.random.default_rng(1).lognormal(3, 1, 64))
    optimizer = partial(torch.optim.SGD, lr=0.01, momentum=0.9)
    module = MultiheadLitModule(_net(), optimizer, memory_format="contiguous", fused=False)
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data)

    plain = _net().train()
    optimizer = optimizer(plain.parameters())
    labels = data.train_source.labels["h"][data.train_indices].astype(np.float64)
    mean, deviation = labels.mean(), labels.std()
    loader = data.train_dataloader()
    for epoch in range(2):
        loader.batch_sampler.set_epoch(epoch)
        for images, batch in loader:
            target = ((batch["h"].double() - mean) / deviation).float()
            optimizer.zero_grad()
            functional.mse_loss(plain(images)["h"][:, 0], target).backward()
            optimizer.step()
    for ours, theirs in zip(module.net.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_fit_is_of_the_training_part_alone() -> None:
    values = np.arange(64.0)
    data = _numbers(values)
    kind = data.heads["h"].kind
    assert isinstance(kind, FloatRegression)
    assert kind.mean == values[data.train_indices].mean()
    assert kind.deviation == values[data.train_indices].std()
    assert data.test_source.heads == data.train_source.heads == data.heads
