"""What every kind of head promises: those that ship, and one written outside the package."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.heads.outside_kinds import Angle
from torch import Tensor

from multihead.errors import ConfigError, DataError
from multihead.heads import KINDS, Head, Heads, Parameter
from multihead.heads.kinds.angle import Angle as ShippedAngle
from multihead.heads.kinds.float_regression import FloatRegression
from multihead.heads.kinds.multilabel import Multilabel
from multihead.heads.readout import Readouts
from multihead.runs.trust import import_kinds

NOTE = Parameter(40.0, 80.0, unit="semitones", levels=9)
HEADS = {
    "classification": Head("h", 5, ("a", "b", "c", "d", "e")),
    "classification of levels": Head("h", 9, kind="classification", parameter=NOTE),
    "ordinal": Head("h", 9, kind="ordinal", parameter=NOTE),
    "regression": Head("h", 9, kind="regression", parameter=NOTE),
    "bounded_regression": Head("h", 9, kind="bounded_regression", parameter=NOTE),
    "angle": Head("h", kind="angle"),
    "angle of a line": Head("h", kind=ShippedAngle(180.0, "°")),
    "binary": Head("h", 2, ("no", "yes"), kind="binary"),
    "multilabel": Head("h", 3, ("red", "round", "big one"), kind="multilabel"),
    "multilabel of named tags": Head("h", kind=Multilabel(["red", "round"])),
    "float regression": Head("h", kind="regression"),
    "float regression of logarithms": Head(
        "h", kind=FloatRegression("Hz", log=True, mean=4.0, deviation=0.7)
    ),
    "outside": Head("h", kind=Angle(period=180.0)),
}


@dataclass(frozen=True)
class Case:
    """A head with outputs [20, K] of a network and labels [20, ...] for it."""

    head: Head
    outputs: Tensor
    labels: Tensor

    def array(self) -> NDArray[np.generic]:
        return self.labels.numpy().copy()


@pytest.fixture(params=HEADS)
def case(request: pytest.FixtureRequest) -> Case:
    head = HEADS[request.param]
    draw = torch.Generator().manual_seed(0)
    outputs = torch.randn(20, head.outputs, generator=draw)
    shape = (20, *head.kind.label_shape(head))
    if len(shape) > 1:
        labels = torch.randint(2, shape, generator=draw).float()
    elif head.num_classes:
        labels = torch.randint(head.num_classes, shape, generator=draw)
    else:
        labels = torch.rand(shape, generator=draw) * 180
    return Case(head, outputs, labels)


def test_a_head_comes_back_from_its_record(case: Case) -> None:
    record = case.head.to_record()
    (again,) = Heads.from_record([record]).values()
    assert again == case.head
    assert record == again.to_record()


def test_missing_labels_are_found_and_no_others(case: Case) -> None:
    kind, labels = case.head.kind, case.array()
    labels[3:5] = kind.absent(case.head, 2)
    wanted = [3, 4]
    assert np.flatnonzero(kind.is_missing(labels)).tolist() == wanted
    assert torch.from_numpy(labels).dtype == case.labels.dtype
    assert kind.is_missing(torch.from_numpy(labels)).nonzero()[:, 0].tolist() == wanted
    assert not kind.impossible(case.head, case.array()).any()
    assert kind.impossible(case.head, labels)[wanted].all()


def test_the_default_criterion_falls_along_its_gradient(case: Case) -> None:
    criterion = case.head.kind.criterion(case.head)
    outputs = case.outputs.clone().requires_grad_()
    loss = criterion(outputs, case.labels).mean()
    (gradient,) = torch.autograd.grad(loss, outputs)
    better = criterion(outputs - 0.1 * gradient / gradient.norm(), case.labels).mean()
    assert better < loss


def test_measures_are_one_row_per_column_and_their_means_make_the_metrics(case: Case) -> None:
    kind = case.head.kind
    readout = kind.readout(case.head)
    measures = readout.measures(case.outputs, case.labels)
    assert measures.shape == (len(readout.columns), 20)
    means = dict(zip(readout.columns, measures.double().mean(1).tolist(), strict=True))
    for metric in kind.metrics(case.head):
        assert metric.bounds[0] <= metric.of_means(means | {"loss": 1.0}) <= metric.bounds[1]
    assert 0 <= kind.score(case.head, means) <= 1


def test_a_constant_answer_has_a_smaller_loss_than_other_constants(case: Case) -> None:
    """A kind of a person's own need not have one."""
    head = case.head.as_kind(case.head.kind.fitted(case.head, case.array()))
    outputs = head.kind.constant(head, case.array())
    if type(head.kind) is Angle:
        assert outputs is None
        return
    criterion = head.kind.criterion(head)

    def loss(constant: Tensor) -> float:
        return float(criterion(constant.float().expand(len(case.labels), -1), case.labels).mean())

    assert outputs.shape == (head.outputs,)
    assert loss(outputs) < min(loss(each) for each in case.outputs)


def test_an_answer_has_the_columns_that_are_promised(case: Case) -> None:
    kind = case.head.kind
    answer = kind.answer(case.head, kind.readout(case.head), case.outputs)
    types = {"long": "i", "double": "f", "string": "O"}
    assert {n: types[t] for n, t in kind.columns(case.head).items()} == {
        name: values.dtype.kind for name, values in answer.items()
    }
    assert all(values.shape[0] == 20 for values in answer.values())


def test_probabilities_sum_to_one_or_there_are_none(case: Case) -> None:
    found = case.head.kind.probabilities(case.outputs)
    if found is not None:
        assert ((found >= 0) & (found <= 1)).all()
        if case.labels.ndim == 1:  # tags are no alternatives
            torch.testing.assert_close(found.sum(1), torch.ones(20))


def test_a_readout_is_found_by_the_name_of_its_head(case: Case) -> None:
    readouts = Readouts(Heads([case.head]))
    values = readouts["h"].values(case.outputs)
    torch.testing.assert_close(values, case.head.kind.readout(case.head).values(case.outputs))


def test_a_kind_is_what_its_options_are() -> None:
    assert Angle(90.0) == Angle(90.0)
    assert Angle(90.0) != Angle()
    assert len({Angle(), Angle(360.0), KINDS["ordinal"]}) == 2


def test_a_record_that_names_a_kind_from_elsewhere_needs_trust() -> None:
    """A stranger's record would otherwise choose what is imported."""
    record = HEADS["outside"].to_record()
    target = record["kind"]["_target_"]
    with pytest.raises(ConfigError, match=f"names {target}"):
        import_kinds([record], "model.json")
    import_kinds([record], "model.json", [target])


def test_a_record_imports_nothing_by_itself() -> None:
    record = HEADS["outside"].to_record() | {"kind": {"_target_": "tests.never.Imported"}}
    with pytest.raises(ConfigError, match="not built in and not imported"):
        Heads.from_record([record])


def test_labels_of_another_type_are_refused() -> None:
    """A column of numbers with gaps, [1.0, nan], would otherwise train on nonsense."""
    from multihead import Source

    images = np.zeros((2, 1, 2, 2), np.uint8)
    with pytest.raises(DataError, match="labels of 'h' are float64; a head of kind"):
        Source("s", images, {"h": np.array([1.0, np.nan])}, Heads([Head("h", 2)]), (0.5,), (0.5,))
