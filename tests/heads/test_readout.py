import numpy as np
import pytest
import torch

from multihead.heads import Head, Parameter
from multihead.heads.scale import Scale

PARAMETERS = [
    Parameter(48.0, 96.0, unit="semitones"),
    Parameter(20.0, 20_000.0, scale="log", unit="Hz"),
    Parameter(1e6, 1e6 + 1, levels=5),
    Parameter(-1.0, 1.0, levels=2),
]


@pytest.mark.parametrize("parameter", PARAMETERS, ids=str)
def test_tensors_and_arrays_agree_on_levels_and_values(parameter: Parameter) -> None:
    scale, shares = Scale(parameter), np.linspace(-0.2, 1.2, 1000)
    halves = shares * (parameter.levels - 1) % 1 - 0.5
    shares = shares[np.abs(halves) > 1e-3]  # half-way between levels, float32 decides by chance
    values = parameter.decode(shares * (parameter.levels - 1))
    offsets = torch.from_numpy(values - scale.centre).float()
    assert scale.to_level(offsets).tolist() == parameter.encode(values).tolist()
    np.testing.assert_allclose(
        scale.from_share(torch.from_numpy(shares)) + scale.centre, values, rtol=1e-9
    )
    levels = torch.arange(parameter.levels)
    assert scale.to_level(scale.of_labels(levels)).tolist() == levels.tolist()
    np.testing.assert_allclose(
        scale.to_share(scale.of_labels(levels)), scale.shares_of_labels(levels), atol=2e-6
    )


def test_what_is_no_number_has_a_level_inside_the_range() -> None:
    """Training has told by then that the loss is not finite; nothing may fall over before."""
    levels = Scale(PARAMETERS[0]).to_level(torch.tensor([torch.nan, torch.inf, -torch.inf]))
    assert levels[1:].tolist() == [255, 0]
    assert 0 <= levels[0] <= 255


def test_the_table_of_levels_stays_exact_in_a_network_of_half_precision() -> None:
    head = Head("note", 256, kind="ordinal", parameter=PARAMETERS[0])
    readout = head.kind.readout(head)
    before = readout.scale.offsets.clone()
    assert torch.equal(readout.to(torch.bfloat16).scale.offsets, before)


def test_a_prediction_is_the_same_within_a_training_of_16_bits() -> None:
    """Losses and tests run under autocast, metrics outside it."""
    head = Head("note", 256, kind="ordinal", parameter=PARAMETERS[0])
    readout = head.kind.readout(head)
    outputs = torch.randn(64, 256, generator=torch.manual_seed(0))
    outside = readout.values(outputs)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(readout.values(outputs), outside)


def test_each_kind_predicts_in_its_own_way() -> None:
    parameter = Parameter(0.0, 8.0, levels=5)
    two_peaks = torch.tensor([[0.0, -1e3, -1e3, -1e3, 0.1]])
    heads = [Head("x", 5, (), kind, parameter) for kind in ("classification", "ordinal")]
    assert heads[0].kind.readout(heads[0]).values(two_peaks).tolist() == [4]
    share = float(torch.sigmoid(torch.tensor(0.1)))
    assert heads[1].kind.readout(heads[1]).values(two_peaks).tolist() == pytest.approx([8 * share])
    assert heads[1].kind.readout(heads[1]).codes(two_peaks).tolist() == [2]
    z = torch.tensor([[1.0], [6.0]])
    head = Head("x", 5, (), "regression", parameter)
    free = head.kind.readout(head)
    assert free.values(z).tolist() == [6.0, 16.0]
    assert free.codes(z).tolist() == [3, 4]
    bounded = head.as_kind("bounded_regression")
    held = bounded.kind.readout(bounded)
    assert held.values(torch.tensor([[0.0], [1e3]])).tolist() == [4.0, 8.0]
