from pathlib import Path

import pytest
import torch
from tests.conftest import Run

from multihead.errors import CheckpointError, ConfigError
from multihead.runs.config import split_run
from multihead.runs.evaluation import evaluation_config
from multihead.runs.execute import execute


def test_an_evaluation_has_the_metrics_of_the_runs_test_and_no_checkpoint(train: Run) -> None:
    run = train()
    again = execute(evaluation_config(str(run.run_id), []))
    assert again.run_id != run.run_id
    tested = {k: v for k, v in run.metrics.items() if k.startswith("test/")}
    assert {k: again.metrics[k] for k in tested} == pytest.approx(tested)
    assert again.best_checkpoint is None


def test_other_data_are_chosen_as_in_training_and_normalised_as_the_run_learned(
    train: Run,
) -> None:
    run = train()
    config = evaluation_config(
        str(run.mlflow_id), ["data=multihead_digits", "data.train_val_test_split=[64,32,128]"]
    )
    assert config["data"]["train_val_test_split"] == [64, 32, 128]
    assert (config["train"], config["test"]) == (False, True)
    assert config["ckpt_path"] == str(run.best_checkpoint)
    from multihead.runs.build import build

    parts = build(config)
    parts.data.normalise_as([0.5], [0.25])
    assert (parts.data.test_source.mean, parts.data.test_source.std) == ((0.5,), (0.25,))


def test_data_with_other_heads_are_refused(train: Run) -> None:
    run = train()
    with pytest.raises((ConfigError, CheckpointError), match=r"head|architecture"):
        execute(evaluation_config(str(run.run_id), ["data=digits"]))


@pytest.mark.parametrize(
    "override", ["model.net.dropout=0.5", "model/net=resnet18", "experiment=a"]
)
def test_the_network_of_a_run_cannot_be_overridden(override: str) -> None:
    with pytest.raises(ConfigError, match="would change the network"):
        evaluation_config("abc", [override])


def test_a_hostile_checkpoint_is_named_before_any_data_are_read(train: Run) -> None:
    run = train("test=false")
    run.best_checkpoint.unlink()
    torch.save({"state_dict": {}, "path": Path("x")}, run.best_checkpoint)
    with pytest.raises(CheckpointError, match=r"best\.ckpt is refused: loading it would run"):
        evaluation_config(str(run.run_id), ["data=nothing"])


def test_one_run_is_named() -> None:
    assert split_run(["run=a", "data=b"]) == ("a", ["data=b"])
    with pytest.raises(ConfigError, match="run is given 2 times"):
        split_run(["run=a", "run=b"])
