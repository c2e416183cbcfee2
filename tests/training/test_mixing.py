"""The loss of mixed images: share * loss(own) + (1 - share) * loss(other), for every kind."""

from functools import partial

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from tests.heads.outside_kinds import Angle
from torch import Tensor, nn
from torch.nn import functional

from multihead import (
    Head,
    Heads,
    MultiheadDataModule,
    MultiheadLitModule,
    Parameter,
    SimpleCNN,
    Source,
)
from multihead.data.transforms import Mixed, MixUp
from multihead.errors import ConfigError
from multihead.training.accumulation import label_shares
from multihead.training.criteria import Criteria
from multihead.training.gathering import Gathering
from multihead.training.mixing import dominant, gathered

NOTE = Parameter(40.0, 80.0, levels=9)
HEADS = Heads(
    [
        Head("shape", 3),
        Head("note", 9, kind="ordinal", parameter=NOTE),
        Head("size", 9, kind="regression", parameter=NOTE),
        Head("angle", kind=Angle()),
    ]
)
COUNT = 12


def _labels(head: Head, seed: int, gaps: float = 0.0) -> Tensor:
    rng = np.random.default_rng(seed)
    if head.num_classes:
        labels = rng.integers(0, head.num_classes, COUNT)
    else:
        labels = rng.uniform(0, 360, COUNT).astype(np.float32)
    missing = rng.random(COUNT) < gaps
    labels[missing] = head.kind.absent(head, int(missing.sum()))
    return torch.from_numpy(labels)


def _batch(gaps: float = 0.0) -> tuple[dict[str, Tensor], dict[str, Tensor], Mixed]:
    generator = torch.Generator().manual_seed(0)
    outputs = {n: torch.randn(COUNT, h.outputs, generator=generator) for n, h in HEADS.items()}
    own, other = ({n: _labels(h, s, gaps) for n, h in HEADS.items()} for s in (1, 2))
    return outputs, own, Mixed(other, torch.rand(COUNT, generator=generator))


def _criteria() -> Criteria:
    return Criteria({name: head.kind.criterion(head) for name, head in HEADS.items()})


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("gaps", [0.0, 0.4])
def test_a_loss_is_that_of_each_sample_with_both_labels(name: str, gaps: float) -> None:
    """Asked one by one, as whoever reads the formula would."""
    outputs, own, mixed = _batch(gaps)
    incomplete = [name] if gaps else []
    heads, criteria = Heads([HEADS[name]]), _criteria()
    losses, counts = criteria(heads, outputs, own, incomplete, mixed)
    expected = []
    for i in range(COUNT):
        one, criterion = slice(i, i + 1), criteria.of(name)
        both = own[name][one], mixed.labels[name][one]
        if not any(HEADS[name].kind.is_missing(labels).any() for labels in both):
            parts = [criterion(outputs[name][one], labels).mean() for labels in both]
            expected.append(mixed.share[i] * parts[0] + (1 - mixed.share[i]) * parts[1])
    torch.testing.assert_close(losses[0], torch.stack(expected).mean())
    assert (counts is None) if not gaps else int(counts[0]) == len(expected)


@pytest.mark.parametrize("name", HEADS)
def test_an_image_that_is_all_its_own_has_its_own_loss(name: str) -> None:
    outputs, own, mixed = _batch()
    heads = Heads([HEADS[name]])
    plain, _ = _criteria()(heads, outputs, own)
    losses, _ = _criteria()(heads, outputs, own, (), mixed._replace(share=torch.ones(COUNT)))
    torch.testing.assert_close(losses, plain)


def test_weights_of_classes_count_as_they_do_in_soft_labels() -> None:
    """Torch's cross-entropy takes probabilities, but divides by the number of samples then."""
    outputs, own, mixed = _batch()
    weights, heads = torch.tensor([1.0, 5.0, 2.0]), Heads([HEADS["shape"]])
    criteria = Criteria({"shape": nn.CrossEntropyLoss(weights)})
    losses, _ = criteria(heads, outputs, own, (), mixed)
    share = mixed.share.unsqueeze(1)
    hot = [functional.one_hot(each["shape"], 3) for each in (own, mixed.labels)]
    soft = share * hot[0] + (1 - share) * hot[1]
    total = functional.cross_entropy(outputs["shape"], soft, weights, reduction="sum")
    torch.testing.assert_close(losses[0], total / (soft @ weights).sum())


class _WholeBatch(nn.Module):
    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, labels)


class _EachSample(nn.Module):
    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, labels, reduction="none")


def test_a_criterion_of_ones_own_is_asked_for_each_sample() -> None:
    outputs, own, mixed = _batch(0.4)
    heads = Heads([HEADS["shape"]])
    ours, _ = Criteria({"shape": _EachSample()})(heads, outputs, own, ["shape"], mixed)
    torch.testing.assert_close(ours, _criteria()(heads, outputs, own, ["shape"], mixed)[0])


def test_a_criterion_without_a_loss_for_each_sample_is_refused() -> None:
    outputs, own, mixed = _batch()
    with pytest.raises(ConfigError, match=r"head 'shape', _WholeBatch, returns one number for a"):
        Criteria({"shape": _WholeBatch()})(Heads([HEADS["shape"]]), outputs, own, (), mixed)


def test_metrics_ask_for_the_label_with_the_larger_share() -> None:
    _, own, mixed = _batch(0.4)
    found = dominant(HEADS, own, mixed, list(HEADS))
    for name, head in HEADS.items():
        gap = head.kind.is_missing(own[name]) | head.kind.is_missing(mixed.labels[name])
        assert torch.equal(head.kind.is_missing(found[name]), gap)
        mine = (mixed.share >= 0.5) & ~gap
        assert torch.equal(found[name][mine], own[name][mine])
        theirs = (mixed.share < 0.5) & ~gap
        assert torch.equal(found[name][theirs], mixed.labels[name][theirs])
        assert found[name].dtype == own[name].dtype


def test_alone_everything_stays_where_it_is() -> None:
    outputs, own, mixed = _batch()
    found = gathered(Gathering(), outputs, own, mixed)
    assert found[1].keys() == own.keys()
    assert found[2] is not None
    assert torch.equal(found[2].share, mixed.share)
    assert all(torch.equal(found[2].labels[n], mixed.labels[n]) for n in HEADS)


# -- a training ----------------------------------------------------------------------------


def _source(gaps: float) -> Source:
    labels = {}
    for number, (name, head) in enumerate(HEADS.items()):
        labels[name] = np.concatenate([_labels(head, 10 * number + i, gaps) for i in range(4)])
    images = np.random.default_rng(0).integers(0, 256, (48, 1, 8, 8)).astype(np.uint8)
    incomplete = frozenset(HEADS) if gaps else frozenset()
    return Source("mixed", images, labels, HEADS, (0.5,), (0.3,), incomplete)


def _data(gaps: float) -> MultiheadDataModule:
    source = _source(gaps)
    return MultiheadDataModule(
        source=lambda *_: source,
        multihead=True,
        batch_size=8,
        train_val_test_split=[40, 8, 0],
        augment={"mixup": MixUp(1.0)},
    )


@pytest.mark.parametrize("gaps", [0.0, 0.4])
def test_training_counts_the_samples_with_both_labels(gaps: float) -> None:
    torch.manual_seed(0)
    net = partial(SimpleCNN, conv1_channels=4, conv2_channels=4, fc_hidden=8, dropout=0.0)
    module = MultiheadLitModule(net, partial(torch.optim.SGD, lr=0.0))
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = _data(gaps)
    trainer.fit(module, data)
    of_epoch, correct, count = [], 0.0, 0
    for images, labels, mixed in data.train_dataloader():
        losses, counts, outputs, shown = module.losses((images, labels, mixed), "train")
        sizes = torch.full((len(HEADS),), len(images)) if counts is None else counts
        of_epoch.append((losses.detach() * sizes, sizes))
        there = shown["shape"] >= 0
        correct += float((outputs["shape"].argmax(1) == shown["shape"])[there].sum())
        count += int(there.sum())
    total, sizes = (sum(parts) for parts in zip(*of_epoch, strict=True))
    assert int(sizes[0]) == count < (41 if not gaps else 30)
    for place, name in enumerate(HEADS):
        logged = float(trainer.callback_metrics[f"train/{name}_loss"])
        assert logged == pytest.approx(float(total[place] / sizes[place]), rel=1e-5)
    assert float(trainer.callback_metrics["train/shape_acc"]) == pytest.approx(correct / count)


def test_an_accumulated_step_counts_labels_that_have_a_partner_with_one() -> None:
    data = _data(0.4)
    loader = data.train_dataloader()
    shares = label_shares(data.train_source, data.train_indices, loader, HEADS, list(HEADS), 5)
    counts = []
    for _, labels, mixed in loader:
        gaps = [[h.kind.is_missing(p[n]) for n, h in HEADS.items()] for p in (labels, mixed.labels)]
        counts.append(torch.stack([(~(a | b)).sum() for a, b in zip(*gaps, strict=True)]).float())
    numbers = torch.stack(counts)
    torch.testing.assert_close(shares, 5 * numbers / numbers.sum(0))


def test_a_criterion_that_cannot_be_mixed_is_no_matter_without_mixing() -> None:
    outputs, own, _ = _batch()
    losses, _ = Criteria({"shape": _WholeBatch()})(Heads([HEADS["shape"]]), outputs, own)
    assert losses.shape == (1,)
