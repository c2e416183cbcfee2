from pathlib import Path

import pytest
import torch
from tests.conftest import Run

from multihead.errors import CheckpointError, ConfigError
from multihead.runs.execute import RunResult
from multihead.serving.model import find_model
from multihead.serving.promote import promote
from multihead.tracking.store import Store


def test_a_promoted_run_is_found_by_name_alias_and_version(
    trained: RunResult, trained_home: Path
) -> None:
    store = Store(home=trained_home)
    made = promote(str(trained.run_id), "digits", alias="champion", store=store)
    again = promote(str(trained.mlflow_id), "digits", alias="champion", store=store)
    assert (made, made.uri, made.version) == (again, "models:/digits@champion", 1)
    version = store.client.get_model_version_by_alias("digits", "champion")
    assert f"multihead rerun {trained.run_id}" in version.description
    for uri in (made.uri, "models:/digits/1", f"models:/{made.model_id}"):
        model = find_model(uri, store)
        assert (model.run_id, model.shape) == (trained.run_id, (8, 8, 1))
        assert len(model.examples) == 8


def test_a_run_without_a_test_is_refused(train: Run, store: Store) -> None:
    run = train("test=false")
    with pytest.raises(ConfigError, match="has no test metrics"):
        promote(str(run.run_id), "digits", store=store)
    assert not store.client.search_registered_models()


def test_an_unknown_run_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="there is no run 'abc'"):
        promote("abc", "digits", store=store)


@pytest.mark.parametrize(("name", "alias"), [("a/b", None), ("", None), ("a", "v1"), ("a", "x y")])
def test_names_that_mlflow_would_refuse_are_refused_at_once(name: str, alias: str | None) -> None:
    with pytest.raises(ConfigError, match="is not allowed"):
        promote("abc", name, alias=alias)


def test_a_hostile_or_damaged_checkpoint_gets_no_name(train: Run, store: Store) -> None:
    run = train()
    assert run.best_checkpoint is not None
    run.best_checkpoint.unlink()
    torch.save({"state_dict": {}, "path": Path("x")}, run.best_checkpoint)
    with pytest.raises(CheckpointError, match=r"best\.ckpt is refused: loading it would run"):
        promote(str(run.run_id), "digits", store=store)
    run.best_checkpoint.write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="damaged"):
        promote(str(run.run_id), "digits", store=store)
    assert not store.client.search_registered_models()


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("models:/nothing@champion", "there is no model"),
        ("models:/nothing/3", "there is no model"),
        ("models:/m-0", "there is no model"),
        ("s3://bucket/model", "is not a model"),
        ("nothing", "there is no run"),
    ],
)
def test_a_model_that_is_not_there_is_named(store: Store, uri: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        find_model(uri, store)


def test_a_damaged_model_is_named(train: Run, store: Store) -> None:
    run = train()
    made = promote(str(run.run_id), "digits", store=store)
    (weights,) = store.home.rglob(
        f"*{made.model_id}/artifacts/artifacts/bundle/weights.safetensors"
    )
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="is damaged"):
        find_model(made.uri, store)
