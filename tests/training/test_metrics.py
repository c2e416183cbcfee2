import numpy as np
import pytest
import sklearn.metrics
import torch

from multihead.errors import ConfigError
from multihead.heads import Head, Heads, Parameter
from multihead.training.accumulators import HeadSums
from multihead.training.head_metrics import HeadMetrics
from multihead.training.metrics import mean_weights, metric_names, shortest, split_metrics

FAR = Parameter(1_000_000.0, 1_000_001.0, unit="Pa", step=0.1)
MIXED = Heads(
    [
        Head("shape", 3),
        Head("level", 256, parameter=FAR),
        Head("note", 256, kind="ordinal", parameter=Parameter(40.0, 80.0, step=1.0)),
        Head("size", 256, kind="regression", parameter=FAR),
    ]
)


def _sums(seed: int = 0) -> tuple[HeadSums, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    draw = torch.Generator().manual_seed(seed)
    outputs = {n: 0.3 * torch.randn(500, k, generator=draw) for n, k in MIXED.outputs.items()}
    labels = {n: torch.randint(k, (500,), generator=draw) for n, k in MIXED.levels.items()}
    sums = HeadSums(MIXED)
    for part in range(0, 500, 64):
        piece = slice(part, part + 64)
        sums.add(
            torch.ones(4),
            {n: v[piece] for n, v in outputs.items()},
            {n: v[piece] for n, v in labels.items()},
        )
    return sums, outputs, labels


def test_parameters_are_judged_as_scikit_learn_judges_them() -> None:
    """Also those whose range is small and far from 0."""
    sums, outputs, labels = _sums()
    got = split_metrics("val", HeadMetrics(MIXED), sums.read(), [1.0] * 4, None)
    z = outputs["size"][:, 0].double().numpy()
    predicted = {
        "size": 1e6 + z / 4 + 0.5,
        "level": FAR.decode(outputs["level"].argmax(1).numpy()),
        "note": outputs["note"].double().softmax(1).numpy() @ MIXED["note"].decode(np.arange(256)),
    }
    for name, values in predicted.items():
        true = MIXED[name].decode(labels[name].numpy())
        tolerance = MIXED[name].parameter.tolerance
        assert got[f"val/{name}_mae"] == pytest.approx(np.abs(values - true).mean(), rel=1e-5)
        assert got[f"val/{name}_r2"] == pytest.approx(sklearn.metrics.r2_score(true, values), 1e-5)
        rmse = sklearn.metrics.root_mean_squared_error(true, values)
        assert got[f"val/{name}_rmse"] == pytest.approx(rmse, rel=1e-5)
        within = (np.abs(values - true) <= tolerance * (1 + 1e-6)).mean()
        assert got[f"val/{name}_acc_within"] == pytest.approx(within)
        hits = (MIXED[name].encode(values) == labels[name].numpy()).mean()
        assert got[f"val/{name}_acc"] == pytest.approx(hits)


def test_the_score_is_the_mean_of_accuracies_and_of_one_minus_rmse_over_sigma() -> None:
    sums, _, labels = _sums()
    got = split_metrics("val", HeadMetrics(MIXED), sums.read(), [1.0] * 4, None)
    scores = [got["val/shape_acc"]]
    for name in ("level", "note", "size"):
        sigma = MIXED[name].decode(labels[name].numpy()).std()
        scores.append(max(0.0, 1 - got[f"val/{name}_rmse"] / sigma))
    assert got["val/score"] == pytest.approx(np.mean(scores), rel=1e-5)
    assert got["val/acc"] == pytest.approx((got["val/shape_acc"] + got["val/level_acc"]) / 2)


def test_labels_that_are_all_equal_score_one_if_met_and_zero_if_not() -> None:
    head = Heads([MIXED["size"]])
    for z, score in ((2.0, 1.0), (1.9, 0.0)):
        sums = HeadSums(head)
        sums.add(torch.ones(1), {"size": torch.full((9, 1), z)}, {"size": torch.full((9,), 255)})
        got = split_metrics("val", HeadMetrics(head), sums.read(), [1.0], None)
        assert (got["val/score"], got["val/size_r2"]) == (score, score)


@pytest.mark.parametrize("weights", [None, {"shape": 3.0, "note": 0.0}])
def test_the_promised_names_are_those_that_are_made(weights: dict[str, float] | None) -> None:
    for heads in (MIXED, Heads([MIXED["note"]]), Heads([MIXED["shape"]])):
        given = weights if weights is None else {n: weights[n] for n in weights if n in heads}
        if given is not None and not any([*given.values(), len(given) < len(heads)]):
            continue
        means = {name: _sums()[0].read()[name] for name in heads}
        made = set(split_metrics("val", HeadMetrics(heads), means, [1.0] * len(heads), given))
        promised = set(
            metric_names(HeadMetrics(heads), {"val": list(heads)}, weighted=given is not None)
        )
        own = {"epoch", "lr", "step", "val/score_best", "val/acc_best"}
        assert promised - own == made
        assert ("val/acc_best" in promised) == ("val/acc" in made)


def test_the_weighted_means_use_the_fixed_weights() -> None:
    sums, _, _ = _sums()
    got = split_metrics("val", HeadMetrics(MIXED), sums.read(), [1.0] * 4, {"shape": 3.0})
    expected = (3 * got["val/shape_acc"] + got["val/level_acc"]) / 4
    assert got["val/acc_weighted"] == pytest.approx(expected)


def test_weights_that_leave_a_mean_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="all 0"):
        mean_weights(MIXED, {"shape": 0.0, "level": 0.0}, ["shape", "level"])


def test_a_metric_is_the_shortest_decimal_of_its_float32() -> None:
    assert shortest(torch.tensor(0.975)) == 0.975
    assert torch.tensor(shortest(torch.tensor(1 / 3))) == torch.tensor(1 / 3)
