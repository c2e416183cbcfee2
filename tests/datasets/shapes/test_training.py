"""`experiment=shapes` trains a head of each kind on drawn pictures."""

import numpy as np
import pytest

from multihead import load_run, run
from multihead.data.datamodule import MultiheadDataModule
from multihead.datasets.shapes.plan import FACTORS, Plan
from multihead.errors import ConfigError
from multihead.runs.build import build_data
from multihead.runs.config import compose_run
from multihead.runs.sections import RunConfig
from multihead.runs.trust import check_targets

SMALL = ("experiment=shapes", "data.count=200", "data.test_count=40", "data.size=16")
ONCE = ("trainer.max_epochs=1", "trainer.accelerator=cpu")


def _data(*overrides: str) -> MultiheadDataModule:
    return build_data(RunConfig.of(compose_run([*SMALL, *overrides])).data)


def test_the_preset_says_the_defaults_of_the_plan() -> None:
    data, plan = compose_run(["experiment=shapes"])["data"], Plan()
    assert data["picture_seed"] == plan.seed
    for name in set(vars(plan)) - {"seed", "label_noise", "missing"}:
        value = getattr(plan, name)
        assert data[name] == (list(value) if isinstance(value, tuple) else value), name


def test_trainings_of_several_seeds_share_their_pictures() -> None:
    digests = [
        _data(f"seed={seed}", *more).train_source.digest()
        for seed, more in ((1, ()), (2, ()), (1, ("data.picture_seed=1",)))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_odd_knobs_are_refused_before_training(home: object) -> None:
    with pytest.raises(ConfigError, match="missing names head 'colour'; choose from shape, "):
        run([*SMALL, *ONCE, "data.missing={colour: 0.5}"])


def test_a_record_may_name_the_data_set() -> None:
    check_targets(compose_run(list(SMALL)), "config.yaml")


def test_light_changes_no_picture_whose_place_is_a_label() -> None:
    all_left_out = _data("data/augment=light")
    assert all_left_out.augmentation is None
    assert all_left_out.notes[0].startswith(
        "shift is left out, because it would make x and y wrong"
    )
    without_places = _data("data/augment=light", "data.only_heads=[shape, filled]")
    assert without_places.augmentation is not None


def test_every_head_is_trained_measured_and_predicted(home: object) -> None:
    result = run([*SMALL, *ONCE, "data.missing={shape: 0.5, x: 0.5}", "data.period=180"])
    named = {"test/shape_acc", "test/x_mae", "test/orientation_mae", "test/hue_mae"}
    assert named | {"test/filled_acc", "test/score"} <= set(result.metrics)
    assert 0 <= result.metrics["test/orientation_mae"] <= 90
    images = _data().test_source.images[:5]
    answer = load_run(result.run_id).predict(np.asarray(images))
    assert set(answer) >= set(FACTORS)
