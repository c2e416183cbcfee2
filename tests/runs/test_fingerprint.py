"""The hash changes with what changes results, and with nothing else."""

import pytest

from multihead.datasets.named import NAME_OF_SOURCE
from multihead.runs.config import compose_run
from multihead.runs.fingerprint import config_hash, settings_hash

DIGITS = ["experiment=multihead_cnn_digits", "seed=1"]


@pytest.fixture(scope="module")
def base() -> str:
    """The hash of the digits."""
    return config_hash(compose_run(DIGITS))


@pytest.mark.parametrize(
    "override",
    [
        "paths.home=/elsewhere",
        "paths.data_dir=/elsewhere",
        "logger.tracking_uri=http://x",
        "logger.experiment_name=other",
        "name=mine",
        "tags=[a]",
        "data.num_workers=2",
        "optimized_metric=null",
        "model.loss_weights.digit=1",
        "ckpt_path=null",
    ],
)
def test_what_changes_no_result_changes_no_hash(base: str, override: str) -> None:
    assert config_hash(compose_run([*DIGITS, override])) == base


@pytest.mark.parametrize(
    "override",
    [
        "seed=2",
        "model.optimizer.lr=0.5",
        "data.batch_size=7",
        "trainer.max_epochs=2",
        "model.loss_weights.digit=2",
        "callbacks.model_checkpoint.monitor=val/score_best",
        "data.heads.thickness.map={0:1}",
        "trainer.precision=bf16-mixed",
        "model/balancer=uw",
        "model.finetune.bias_lr_scale=2",
        "ckpt_path=begun/last.ckpt",
    ],
)
def test_what_changes_results_changes_the_hash(base: str, override: str) -> None:
    assert config_hash(compose_run([*DIGITS, override])) != base


def test_settings_are_the_same_for_all_seeds() -> None:
    one, two = (compose_run([*DIGITS[:1], f"seed={seed}"]) for seed in (1, 2))
    assert settings_hash(one) == settings_hash(two)


def test_an_evaluation_of_a_checkpoint_has_the_hash_of_its_training(base: str) -> None:
    evaluation = [*DIGITS, "train=false", "ckpt_path=made/best.ckpt"]
    assert config_hash(compose_run(evaluation)) == base


def test_hashes_on_record_stay_what_they_are() -> None:
    """Otherwise nothing that was trained before would be found again."""
    config = {"seed": 1, "train": True, "test": True, "ckpt_path": None, "model": {"width": 8}}
    assert config_hash(config) == "179da69b57916e46"


@pytest.mark.parametrize(("source", "name"), NAME_OF_SOURCE.items())
def test_a_dataset_counts_under_the_name_that_it_had(source: str, name: str) -> None:
    """So what was trained before `data.source` is found by what is composed now."""
    config = compose_run(["data=digits"])
    named = {k: v for k, v in config["data"].items() if k != "source"} | {"_target_": name}
    chosen = {**config["data"], "source": {"_target_": source, "_partial_": True}}
    hashes = [config_hash({**config, "data": data}) for data in (named, chosen)]
    assert hashes[0] == hashes[1]
    # A preset of a user's own that names it is built on one of ours.
    assert config_hash({**config, "data": config["data"] | {"_target_": name}}) == hashes[0]


def test_arguments_within_a_source_count() -> None:
    config = compose_run(["data=multi_mnist"])
    source = {**config["data"]["source"], "pairing_seed": 1}
    other = {**config, "data": {**config["data"], "source": source}}
    assert config_hash(other) != config_hash(config)


def test_a_key_newer_than_a_record_changes_no_hash_until_it_changes_results() -> None:
    config = compose_run(DIGITS)
    for key in ("balancer", "metrics", "predictions_mb"):
        del config["model"][key]
    assert config_hash(config) == config_hash(compose_run(DIGITS))


@pytest.mark.parametrize("changed", [{}, {"layer_decay": 0.5}])
def test_a_record_from_before_a_setting_has_the_hash_of_its_default(
    changed: dict[str, float],
) -> None:
    config = compose_run([*DIGITS, *(f"model.finetune.{k}={v}" for k, v in changed.items())])
    before = {k: v for k, v in config["model"]["finetune"].items() if k != "bias_lr_scale"}
    older = {**config, "model": {**config["model"], "finetune": before}}
    assert config_hash(older) == config_hash(config)
