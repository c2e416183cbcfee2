import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.heads import Head, Parameter
from multihead.heads.losses.choice import make_criterion
from multihead.models.losses import (
    DistanceWeightedCrossEntropy,
    ExpectedValueLoss,
    LevelCrossEntropy,
    RegressionLoss,
    SoftTargetCrossEntropy,
)

NOTE = Parameter(40.0, 80.0, unit="semitones", levels=9)
PITCH = Parameter(20.0, 20_000.0, scale="log", unit="Hz", levels=9)
LABELS = torch.tensor([0, 3, 8, 5])

ORDINAL = {
    **{f"expected_{d}": partial(ExpectedValueLoss, distance=d) for d in ("l1", "l2", "huber")},
    "expected_range": partial(ExpectedValueLoss, measure="range"),
    "distance_weighted": DistanceWeightedCrossEntropy,
    "distance_squared": partial(DistanceWeightedCrossEntropy, power=2.0),
    "soft_targets": partial(SoftTargetCrossEntropy, width=7.0),
    "cross_entropy": partial(LevelCrossEntropy, label_smoothing=0.1),
}
REGRESSION = {
    f"{d}_{m}": partial(RegressionLoss, distance=d, measure=m)
    for d in ("l1", "l2", "huber")
    for m in ("range", "unit")
}


def _ordinal(parameter: Parameter = NOTE) -> Head:
    return Head("note", parameter.levels, kind="ordinal", parameter=parameter)


def _regression(parameter: Parameter = NOTE, *, bounded: bool = False) -> Head:
    kind = "bounded_regression" if bounded else "regression"
    return Head("note", parameter.levels, (), kind, parameter)


def _peak(level: int, height: float = 1e3) -> Tensor:
    logits = torch.zeros(1, 9)
    logits[0, level] = height
    return logits


@pytest.mark.parametrize("parameter", [NOTE, PITCH], ids=["linear", "log"])
@pytest.mark.parametrize("name", ORDINAL)
def test_gradients_of_losses_on_levels_are_those_of_their_formulas(
    name: str, parameter: Parameter
) -> None:
    logits = torch.randn(4, 9, dtype=torch.float64, generator=torch.manual_seed(1))
    loss = ORDINAL[name](_ordinal(parameter))
    assert torch.autograd.gradcheck(lambda x: loss(x, LABELS), logits.requires_grad_())


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("parameter", [NOTE, PITCH], ids=["linear", "log"])
@pytest.mark.parametrize("name", REGRESSION)
def test_gradients_of_regressions_are_those_of_their_formulas(
    name: str, parameter: Parameter, bounded: bool
) -> None:
    outputs = 0.3 * torch.randn(4, 1, dtype=torch.float64, generator=torch.manual_seed(1))
    loss = REGRESSION[name](_regression(parameter, bounded=bounded))
    assert torch.autograd.gradcheck(lambda x: loss(x, LABELS), outputs.requires_grad_())


@pytest.mark.parametrize(("distance", "expected"), [("l1", 5.0), ("l2", 25.0), ("huber", 8.0)])
def test_the_expected_value_is_off_by_so_many_units(distance: str, expected: float) -> None:
    """One level of nine is 5 semitones; Huber's function with delta 2 is 2 * (5 - 1)."""
    loss = ExpectedValueLoss(_ordinal(), distance, delta=2.0, cross_entropy=0.0)
    assert loss(_peak(4), torch.tensor([5])).item() == pytest.approx(expected)


def test_the_small_cross_entropy_tells_one_peak_from_two() -> None:
    """Both have the right mean."""
    two = torch.full((1, 9), -1e3)
    two[0, [3, 5]] = 0.0
    label = torch.tensor([4])
    mean_alone = ExpectedValueLoss(_ordinal(), cross_entropy=0.0)
    assert mean_alone(two, label) == mean_alone(_peak(4), label) == 0
    assert ExpectedValueLoss(_ordinal())(two, label) > ExpectedValueLoss(_ordinal())(
        _peak(4), label
    )


def test_in_percent_of_the_range_all_units_weigh_alike() -> None:
    cents = Parameter(4000.0, 8000.0, unit="cents", levels=9)
    losses = [
        ExpectedValueLoss(_ordinal(p), cross_entropy=0.0, measure="range")(
            _peak(2), torch.tensor([4])
        ).item()
        for p in (NOTE, cents)
    ]
    assert losses == pytest.approx([25.0, 25.0])


def test_far_probability_costs_more_than_near_probability() -> None:
    """Cross-entropy alone does not tell them apart."""
    near, far, label = _peak(4, 5.0), _peak(8, 5.0), torch.tensor([3])
    weighted, plain = DistanceWeightedCrossEntropy(_ordinal()), LevelCrossEntropy(_ordinal())
    assert plain(near, label) == plain(far, label)
    p = near.softmax(1)[0]
    charge = sum(float(p[k]) * abs(k - 3) / 8 for k in range(9))
    assert weighted(near, label).item() == pytest.approx(plain(near, label).item() + 10 * charge)
    assert weighted(far, label) > weighted(near, label)


def test_soft_targets_are_a_gaussian_of_the_width_in_units() -> None:
    loss = SoftTargetCrossEntropy(_ordinal(), width=5.0)  # one level
    target = loss.targets(torch.tensor([4]))[0]
    assert target.sum().item() == pytest.approx(1)
    assert (target[5] / target[4]).item() == pytest.approx(math.exp(-0.5))
    assert (target[6] / target[4]).item() == pytest.approx(math.exp(-2))
    best = target.log().unsqueeze(0)
    entropy = -(target * target.log()).sum().item()
    assert loss(best, torch.tensor([4])).item() == pytest.approx(entropy)


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("parameter", [NOTE, PITCH], ids=["linear", "log"])
def test_a_new_regression_starts_in_the_middle_of_the_range(
    parameter: Parameter, bounded: bool
) -> None:
    loss = RegressionLoss(_regression(parameter, bounded=bounded), "l1")
    assert loss(torch.zeros(1, 1), torch.tensor([4])).item() == pytest.approx(0, abs=1e-4)


def test_levels_and_values_are_the_same_labels_of_a_regression() -> None:
    for measure in ("range", "unit"):
        for parameter in (NOTE, PITCH):
            loss = RegressionLoss(_regression(parameter), "l2", measure=measure)
            values = torch.from_numpy(parameter.decode(LABELS.numpy()))
            z = torch.tensor([[0.1], [-0.2], [0.0], [0.3]])
            torch.testing.assert_close(loss(z, values), loss(z, LABELS), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("distance", "expected"), [("l1", 10.0), ("l2", 100.0), ("huber", 9.5)])
def test_a_regression_is_off_by_so_many_units(distance: str, expected: float) -> None:
    loss = RegressionLoss(_regression(), distance, delta=1.0, measure="unit")
    assert loss(torch.tensor([[1.0]]), torch.tensor([60.0])).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExpectedValueLoss(_regression()), "'note' is a regression"),
        (lambda: SoftTargetCrossEntropy(Head("digit", 10)), "unordered classes"),
        (lambda: RegressionLoss(_ordinal()), "is of kind ordinal"),
        (lambda: ExpectedValueLoss(_ordinal(), distance="l3"), "choose one of"),
        (lambda: ExpectedValueLoss(_ordinal(), delta=0.0), "delta .* above 0"),
        (lambda: ExpectedValueLoss(_ordinal(), cross_entropy=-1.0), "0 or more"),
        (lambda: ExpectedValueLoss(_ordinal(), measure="octaves"), "choose one of"),
        (lambda: SoftTargetCrossEntropy(_ordinal(), width=math.nan), "must be finite"),
        (lambda: DistanceWeightedCrossEntropy(_ordinal(), power=0.0), "power .* above 0"),
        (lambda: LevelCrossEntropy(_ordinal(), label_smoothing=1.5), "label_smoothing"),
        (lambda: make_criterion(lambda head: None, _ordinal()), "makes a NoneType"),
        (lambda: make_criterion(nn.CrossEntropyLoss, _ordinal()), "cannot be made"),
    ],
)
def test_a_loss_that_does_not_suit_its_head_or_numbers_is_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_head_gets_the_criterion_of_its_kind_unless_given_one() -> None:
    assert isinstance(make_criterion(None, Head("digit", 10)), nn.CrossEntropyLoss)
    assert isinstance(make_criterion(None, _ordinal()), ExpectedValueLoss)
    assert isinstance(make_criterion(None, _regression()), RegressionLoss)
    given = nn.CrossEntropyLoss()
    assert make_criterion(given, _ordinal()) is given
    assert isinstance(make_criterion(SoftTargetCrossEntropy, _ordinal()), SoftTargetCrossEntropy)
