"""`data.columns` and `data.table` as they are typed."""

from pathlib import Path
from typing import Any

import pytest

from multihead.errors import PathError
from multihead.runs.columns import rooted
from multihead.runs.config import compose_run
from multihead.runs.fingerprint import config_hash
from multihead.runs.places import check_places
from multihead.runs.sections import RunConfig
from multihead.studies.definition import changed, load_definition
from multihead.tracking.store import Store


def columns(*overrides: str) -> Any:
    return compose_run(["data=table", *overrides])["data"]["columns"]


@pytest.mark.parametrize(
    ("typed", "name", "said"),
    [
        ("age=ignore", "age", "ignore"),
        (
            "age={kind: regression, range: [0, 120]}",
            "age",
            {"kind": "regression", "range": [0, 120]},
        ),
        ("age.missing=[-9999]", "age", {"missing": [-9999]}),
        ("Körper größe (cm)=ignore", "Körper größe (cm)", "ignore"),
        ("Körper größe (cm).missing=[-1]", "Körper größe (cm)", {"missing": [-1]}),
        ("2.5=ignore", "2.5", "ignore"),
        ("a.b.kind=ordinal", "a.b", {"kind": "ordinal"}),
        ("tags={columns: [a, 'attr_*']}", "tags", {"columns": ["a", "attr_*"]}),
    ],
)
def test_any_name_of_a_column_can_be_typed(typed: str, name: str, said: Any) -> None:
    assert columns(f"data.columns.{typed}") == {name: said}


def test_what_is_typed_adds_to_what_is_in_a_file() -> None:
    typed = ["data.columns={age: {kind: regression}}", "data.columns.age.unit=years"]
    assert columns(*typed) == {"age": {"kind": "regression", "unit": "years"}}


def test_the_path_of_a_table_is_whole_and_changes_no_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record is read in another folder; which data they are their digest says."""
    monkeypatch.chdir(tmp_path)
    here = compose_run(["experiment=own_data", "data.table=photos/labels.csv"])
    assert here["data"]["table"] == str(tmp_path / "photos" / "labels.csv")
    other = compose_run(["experiment=own_data", "data.table=/else/where"])
    assert config_hash(here) == config_hash(other)


def test_a_record_of_others_may_not_choose_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIHEAD_DATA_DIR", str(tmp_path))
    store = Store(home=tmp_path)
    inside = compose_run(["data=table", f"data.table={tmp_path}/x.csv"])
    check_places(RunConfig.of(inside), [], store)
    outside = compose_run(["data=table", "data.table=/etc/x.csv"])
    with pytest.raises(PathError, match=r"data\.table='/etc/x\.csv'"):
        check_places(RunConfig.of(outside), [], store)


def test_a_study_is_of_a_table_wherever_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = load_definition("own_data", ["data.table=x.csv", "n_trials=3"])
    assert f"data.table={tmp_path / 'x.csv'}" in study.overrides
    assert changed(study, ["data.table=x.csv"]).overrides == study.overrides


@pytest.mark.parametrize("value", ["null", "'a b'", "a,b", "${x}"])
def test_what_is_no_plain_path_is_left_to_the_grammar(value: str) -> None:
    assert rooted(f"data.table={value}") == f"data.table={value}"
