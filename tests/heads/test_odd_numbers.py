"""Numbers of odd distributions, and kinds of a record that somebody made up."""

from functools import partial
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from multihead import Head, Heads, MultiheadDataModule, MultiheadLitModule, SimpleCNN, Source
from multihead.errors import ConfigError, DataError
from multihead.heads.kinds.float_regression import FloatRegression
from multihead.heads.kinds.multilabel import Multilabel

RNG = np.random.default_rng(0)
BRIGHT = np.linspace(0, 1, 96)


def _trained(values: np.ndarray, kind: str, epochs: int = 4) -> dict[str, float]:
    images = np.round(250 * BRIGHT)[:, None, None, None] * np.ones((1, 1, 8, 8))
    heads = Heads([Head("h", kind=kind)])
    labels = {"h": values.astype(np.float32)}
    source = Source("odd", images.astype(np.uint8), labels, heads, (0.5,), (0.3,))
    data = MultiheadDataModule(
        source=lambda *_: source, multihead=True, batch_size=16, train_val_test_split=[72, 24, 96]
    )
    torch.manual_seed(0)
    net = partial(SimpleCNN, conv1_channels=4, conv2_channels=4, fc_hidden=16, dropout=0.0)
    module = MultiheadLitModule(net, partial(torch.optim.Adam, lr=0.02))
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


NINE_DECADES = 10.0 ** (9 * BRIGHT - 4)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (NINE_DECADES, "log_regression"),
        (NINE_DECADES, "regression"),
        (1e30 * (BRIGHT - 0.5), "regression"),
        (1e-30 * BRIGHT, "regression"),
        (16_000_000 + 1000 * BRIGHT, "regression"),
        (np.full(96, 3.0), "regression"),
        (np.where(BRIGHT < 0.9, 0.0, 1e9), "regression"),
    ],
    ids=["decades log", "decades", "huge", "tiny", "far from 0", "constant", "mostly 0"],
)
def test_numbers_of_any_size_train(values: np.ndarray, kind: str) -> None:
    found = _trained(values, kind)
    assert np.isfinite(list(found.values())).all()
    assert found["val/h_loss"] < 10


def test_nine_decades_are_learned_on_a_log_scale() -> None:
    found = _trained(NINE_DECADES, "log_regression", epochs=20)
    assert found["val/h_spearman"] > 0.97
    assert found["val/score"] > 0.7


def test_a_wide_span_names_the_log_scale() -> None:
    (note,) = FloatRegression().notes(Head("h", kind="regression"), NINE_DECADES)
    assert "choose data.head_kinds.h=log_regression" in note
    for labels in (NINE_DECADES - 1, BRIGHT + 1, NINE_DECADES[:0]):
        assert not FloatRegression().notes(Head("h", kind="regression"), labels)


def _source(values: list[float], kind: str) -> Source:
    images = np.zeros((len(values), 1, 2, 2), np.uint8)
    labels = {"h": np.array(values, np.float32)}
    return Source("s", images, labels, Heads([Head("h", kind=kind)]), (0.5,), (0.5,))


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf])
def test_a_log_scale_refuses_what_has_no_logarithm(value: float) -> None:
    with pytest.raises(DataError, match=r"head 'h' \(image 1\) is no finite number above 0"):
        _source([1.0, value], "log_regression")


def test_a_unit_stays_with_another_scale() -> None:
    head = Head("h", kind=FloatRegression("kg"))
    assert head.as_kind("log_regression").kind == FloatRegression("kg", log=True)
    assert head.as_kind("regression").kind == FloatRegression("kg")


@pytest.mark.parametrize("kind", ["ordinal", "bounded_regression", "classification", "binary"])
def test_numbers_as_they_are_cannot_be_of_a_kind_for_levels(kind: str) -> None:
    with pytest.raises(ConfigError, match="head 'h' has"):
        Head("h", kind="regression").as_kind(kind)


@pytest.mark.parametrize(
    "options",
    [
        {"deviation": 0.0},
        {"deviation": float("nan")},
        {"mean": float("inf")},
        {"mean": "much"},
        {"tags": 3},
        {"unit": "\ud800"},
        {"unit": "x", "mean": 10**400},
    ],
)
def test_a_damaged_record_of_numbers_is_refused(options: dict[str, Any]) -> None:
    record = Head("h", kind=FloatRegression()).to_record()
    record["kind"] |= options
    with pytest.raises(ConfigError):
        Heads.from_record([record])


@pytest.mark.parametrize("tags", [[], ["a", "a"], "red", ["\ud800"], 7, ["t"] * 2_000_000])
def test_a_damaged_record_of_tags_is_refused(tags: object) -> None:
    record = Head("h", kind=Multilabel(["a", "b"])).to_record()
    record["kind"] |= {"tags": tags}
    with pytest.raises(ConfigError):
        Heads.from_record([record])


def test_more_tags_than_any_network_has_are_refused() -> None:
    with pytest.raises(ConfigError, match="more than 1,000,000"):
        Heads([Head("h", kind=Multilabel(map(str, range(1_000_001))))])
