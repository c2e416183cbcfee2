"""A sample without a label for a head adds nothing to that head's loss, gradient or metrics."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from tests.heads.outside_kinds import Angle
from torch import Tensor, nn

from multihead import (
    Head,
    Heads,
    MultiheadDataModule,
    MultiheadLitModule,
    MultiheadNetwork,
    Parameter,
    SimpleCNN,
    Source,
)
from multihead.balancing import UncertaintyWeighting
from multihead.errors import ConfigError, DataError
from multihead.training.criteria import Criteria

NOTE = Parameter(40.0, 80.0, levels=9)
HEADS = Heads(
    [
        Head("shape", 3),
        Head("note", 9, kind="ordinal", parameter=NOTE),
        Head("size", 9, kind="regression", parameter=NOTE),
        Head("side", kind=Angle()),
        Head("alive", 2, ("no", "yes"), kind="binary"),
        Head("tags", 3, kind="multilabel"),
        Head("age", kind="regression"),
    ]
)


def _source(count: int = 64, gaps: float = 0.4, seed: int = 0) -> Source:
    rng = np.random.default_rng(seed)
    labels = {}
    for name, head in HEADS.items():
        if head.kind.label_shape(head):
            labels[name] = rng.integers(0, 2, (count, 3)).astype(np.float32)
        elif head.num_classes:
            labels[name] = rng.integers(0, head.num_classes, count)
        else:
            labels[name] = rng.uniform(0, 360, count).astype(np.float32)
        missing = rng.random(count) < gaps
        labels[name][missing] = head.kind.absent(head, int(missing.sum()))
    images = rng.integers(0, 256, (count, 1, 8, 8)).astype(np.uint8)
    incomplete = frozenset(HEADS) if gaps else frozenset()
    return Source("gaps", images, labels, HEADS, (0.5,), (0.3,), incomplete)


def _module(**options: object) -> MultiheadLitModule:
    torch.manual_seed(0)
    net = partial(SimpleCNN, conv1_channels=4, conv2_channels=4, fc_hidden=8, dropout=0.0)
    return MultiheadLitModule(
        **{"net": net, "optimizer": partial(torch.optim.SGD, lr=0.1), **options}
    )


def _data(source: Source | None = None, **options: object) -> MultiheadDataModule:
    whole = _source() if source is None else source
    settings = {"batch_size": 16, "train_val_test_split": [48, 16, 64]} | options
    return MultiheadDataModule(source=lambda *_: whole, multihead=True, **settings)


def _trainer() -> pl.Trainer:
    return pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _gradient(module: MultiheadLitModule, loss: Tensor) -> list[Tensor]:
    parameters = [p for p in module.net.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


CRITERIA: dict[str, dict[str, Callable[[Head], nn.Module]]] = {
    "defaults": {},
    "classes of unequal weight": {
        "shape": lambda _: nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 5.0]))
    },
    "a mean of its own": {"note": lambda head: _MeanOfOwn()},
}


class _MeanOfOwn(nn.Module):
    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, labels).square()


@pytest.mark.parametrize("criteria", CRITERIA.values(), ids=CRITERIA)
def test_a_step_has_the_gradient_of_each_heads_loss_on_its_own_subset(
    criteria: dict[str, Callable[[Head], nn.Module]],
) -> None:
    data, module = _data(), _module(criteria=criteria)
    module.configure_from(data)
    images, labels = next(iter(data.train_dataloader()))
    losses, counts, _, _ = module.losses((images, labels))
    outputs, expected = module(images), []
    for name, head in HEADS.items():
        there = ~head.kind.is_missing(labels[name])
        alone = module.criteria.of(name)(outputs[name][there], labels[name][there]).mean()
        expected.append(alone)
    torch.testing.assert_close(losses, torch.stack(expected))
    assert counts.tolist() == [int((~h.kind.is_missing(labels[n])).sum()) for n, h in HEADS.items()]
    got, wanted = _gradient(module, losses.sum()), _gradient(module, torch.stack(expected).sum())
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_a_batch_without_any_label_of_a_head_has_no_loss_and_no_gradient_for_it() -> None:
    outputs = {
        name: torch.randn(4, head.outputs, requires_grad=True) for name, head in HEADS.items()
    }
    labels = {n: torch.from_numpy(h.kind.absent(h, 4)) for n, h in HEADS.items()}
    labels["shape"] = torch.tensor([0, 1, 2, 0])
    criteria = Criteria({name: head.kind.criterion(head) for name, head in HEADS.items()})
    losses, counts = criteria(HEADS, outputs, labels, list(HEADS))
    losses.sum().backward()
    assert losses[1:].tolist() == [0] * (len(HEADS) - 1)
    assert counts.tolist() == [4] + [0] * (len(HEADS) - 1)
    for name in set(HEADS) - {"shape"}:
        gradient = outputs[name].grad
        assert gradient is None or not gradient.any()
    assert outputs["shape"].grad.any()


@pytest.mark.parametrize("balancer", [None, UncertaintyWeighting])
def test_a_head_without_a_label_in_a_step_does_not_move(balancer: type | None) -> None:
    """Neither by momentum nor by weight decay; nor does its share of a balancer."""
    source = _source(gaps=0)
    labels = dict(source.labels)
    labels["note"] = HEADS["note"].kind.absent(HEADS["note"], 64)
    labels["note"][:2] = 1  # somewhere, so that it is no empty head
    source = replace(source, labels=labels, incomplete=frozenset({"note"}))
    options = {} if balancer is None else {"balancer": balancer}
    options["optimizer"] = partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5)
    module = _module(**options)
    data = _data(source, train_val_test_split=[62, 2, 64], batch_size=2)
    trainer = _trainer()
    moved: list[tuple[bool, bool]] = []

    class Watch(pl.Callback):
        def on_train_batch_start(
            self, trainer: object, module: pl.LightningModule, *_: object
        ) -> None:
            self.before = _of_head(module)

        def on_train_batch_end(
            self,
            trainer: object,
            module: pl.LightningModule,
            outputs: object,
            batch: object,
            *_: object,
        ) -> None:
            there = bool((batch[1]["note"] >= 0).any())
            after = _of_head(module)
            moved.append((there, not all(map(torch.equal, self.before, after))))

    trainer.callbacks.append(Watch())
    trainer.fit(module, data)
    assert {change for there, change in moved if not there} == {False}
    assert {change for there, change in moved if there} == {True}


def _of_head(module: pl.LightningModule) -> list[Tensor]:
    own = [*module.net.heads["note_head"].parameters(), *module.balancer.parameters_of(1)]
    return [p.detach().clone() for p in own]


def test_metrics_with_gaps_are_those_of_the_subset() -> None:
    whole = _source(64)
    module, data = _module(), _data(whole)
    module.configure_from(data)
    module.eval()
    trainer = _trainer()
    (got,) = trainer.test(module, data, verbose=False)
    for name, head in data.heads.items():  # as fitted to the training labels
        there = np.flatnonzero(~head.kind.is_missing(whole.labels[name]))
        alone = Source(
            "one",
            whole.images[there],
            {name: whole.labels[name][there]},
            Heads([head]),
            (0.5,),
            (0.3,),
        )
        images = (torch.from_numpy(alone.images).float() / 255 - 0.5) / 0.3
        with torch.no_grad():
            outputs = module(images)[name]
        readout = head.kind.readout(head)
        measures = readout.measures(outputs, torch.from_numpy(alone.labels[name]))
        means = dict(zip(readout.columns, measures.double().mean(1).tolist(), strict=True))
        for metric in head.kind.metrics(head):
            assert got[f"test/{name}_{metric.name}"] == pytest.approx(
                metric.of_means(means), rel=1e-4
            )
    assert np.isfinite(list(got.values())).all()


def test_a_head_without_any_label_among_the_training_images_is_refused() -> None:
    source = _source(gaps=0)
    labels = dict(source.labels) | {"size": np.full(64, -1)}
    source = replace(source, labels=labels, incomplete=frozenset({"size"}))
    with pytest.raises(ConfigError, match="head 'size' has no label among the 48 training images"):
        _data(source).check_labels()


@pytest.mark.parametrize("name", HEADS)
def test_a_missing_label_is_refused_where_none_may_be(name: str) -> None:
    source = _source(gaps=0)
    labels = dict(source.labels)
    labels[name] = labels[name].copy()
    labels[name][7] = HEADS[name].kind.absent(HEADS[name], 1)[0]
    with pytest.raises(DataError, match=rf"head '{name}' \(image 7\).*`incomplete`"):
        replace(source, labels=labels)


def test_a_split_in_which_a_head_has_no_label_has_no_figures_of_it() -> None:
    source = _source(64, gaps=0)
    data = _data(source)
    labels = dict(source.labels)
    labels["shape"] = labels["shape"].copy()
    labels["shape"][data.val_indices] = -1
    data = _data(replace(source, labels=labels, incomplete=frozenset({"shape"})))
    module = _module()
    module.configure_from(data)
    trainer = _trainer()
    (got,) = trainer.validate(module, data, verbose=False)
    assert not [name for name in got if "shape" in name]
    assert got["val/acc"] == pytest.approx(got["val/alive_acc"])
    assert "val/note_acc" in got
    assert np.isfinite(list(got.values())).all()


@pytest.mark.parametrize("memory_mb", [4000, 0], ids=["resident", "by a DataLoader"])
def test_an_accumulated_step_is_that_of_one_large_batch(memory_mb: float) -> None:
    """Batches have different numbers of labels, so the mean of their means is another."""
    source, after = _source(), []
    for batch_size, every in ((16, 1), (4, 4)):
        torch.manual_seed(0)  # no batch norm, whose statistics are those of each batch
        backbone = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh())
        net = MultiheadNetwork(backbone, 8, HEADS.outputs, input_channels=1, input_size=8)
        module = MultiheadLitModule(net, partial(torch.optim.SGD, lr=1e-3))
        data = _data(source, batch_size=batch_size, memory_budget_mb=memory_mb)
        trainer = _trainer()
        trainer.accumulate_grad_batches = every
        trainer.fit(module, data)
        after.append([p.detach().clone() for p in module.net.parameters()])
    for one, other in zip(*after, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
