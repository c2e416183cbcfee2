"""`data/augment` from what is typed to the record, killed and resumed, and on two processes."""

from typing import Any

import pytest
from matplotlib.image import imread
from tests.conftest import DIGITS
from tests.runs.test_group import EXACT, ONE, TWO, UNEVEN
from tests.stops import command, points_of, run_of

from multihead import run
from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import ConfigError
from multihead.runs.build import build, build_data
from multihead.runs.config import compose_run
from multihead.runs.fingerprint import config_hash
from multihead.runs.recorded import recomposed
from multihead.runs.sections import RunConfig
from multihead.tracking.store import Store

MINE = "+data.augment.mine={_target_: tests.data.outside_transforms.Invert, probability: 0.3}"
ALLOWED = "data.breaks={digit: null, thickness: null, smoothness: null}"
CHOICES = {
    "none": [],
    "light": ["shift", "hflip", "crop"],
    "strong": ["shift", "hflip", "rand_augment"],
    "mixup": ["mixup"],
    "cutmix": ["cutmix"],
    "erasing": ["erase"],
    "[light,erasing,mixup]": ["shift", "hflip", "crop", "erase", "mixup"],
}


def _composed(*overrides: str) -> dict[str, Any]:
    return compose_run([*DIGITS, *overrides])


def _data(*overrides: str) -> MultiheadDataModule:
    return build_data(RunConfig.of(_composed(*overrides)).data)


def _keys(data: MultiheadDataModule) -> list[str]:
    return [] if data.augmentation is None else list(data.augmentation.transforms)


@pytest.mark.parametrize(("choice", "keys"), CHOICES.items())
def test_a_choice_has_its_transforms(choice: str, keys: list[str]) -> None:
    data = _data(f"data/augment={choice}", ALLOWED)
    assert _keys(data) == keys


def test_light_leaves_out_what_would_break_a_label_and_says_so() -> None:
    data = _data("data/augment=light")
    assert _keys(data) == ["shift", "crop"]
    assert len(data.notes) == 1
    assert data.notes[0].startswith("hflip is left out, because it would make digit, thickness")


def test_any_other_choice_is_refused_before_a_run() -> None:
    with pytest.raises(ConfigError, match=r"^data.augment.hflip changes the image, but not"):
        build(_composed("data/augment=strong", "trainer.accelerator=cpu"))
    assert _keys(_data("data/augment=strong", "data.augment.hflip=null")) == [
        "shift",
        "rand_augment",
    ]


def test_a_criterion_that_cannot_be_mixed_is_refused_before_a_run() -> None:
    criterion = "{digit: {_target_: tests.training.test_mixing._WholeBatch}}"
    overrides = ["trainer.accelerator=cpu", f"model.criteria={criterion}"]
    build(_composed(*overrides))
    with pytest.raises(ConfigError, match=r"criterion of head 'digit', _WholeBatch, returns one"):
        build(_composed("data/augment=mixup", *overrides))


def test_without_transforms_the_configuration_and_its_hash_are_those_of_before() -> None:
    plain = _composed()
    assert "augment" not in plain["data"]
    assert config_hash(_composed("+data.augment={}", ALLOWED)) == config_hash(plain)


def test_transforms_and_what_they_would_break_count() -> None:
    hashes = {
        config_hash(_composed(*overrides))
        for overrides in (
            (),
            ("data/augment=light",),
            ("data/augment=light", ALLOWED),
            ("data/augment=light", "data.augment.shift.share=0.25"),
        )
    }
    assert len(hashes) == 4


def test_a_transform_of_ones_own_is_typed_freely_and_trusted_in_a_record() -> None:
    config = _composed(MINE)
    assert _keys(build_data(RunConfig.of(config).data)) == ["mine"]
    with pytest.raises(ConfigError, match=r"tests.data.outside_transforms.Invert \(data.augment."):
        recomposed(config, [], "the record", ())
    assert recomposed(config, [], "the record", ["tests.data.outside_transforms.Invert"])


@pytest.mark.slow(minutes=0.5)
def test_a_run_killed_within_an_epoch_goes_on_to_the_bit(home: Any, store: Store) -> None:
    words = [
        "train",
        *DIGITS,
        "data/augment=[light,cutmix]",
        MINE,
        "trainer.max_epochs=3",
        "trainer.accelerator=cpu",
    ]
    stopped = command(*words, stop_at=6)
    assert stopped.returncode == 143, stopped.stderr
    assert "note: hflip is left out" in stopped.stdout
    first = run_of(stopped)
    trust = ["--trust", "tests.data.outside_transforms.Invert"]
    resumed = command("train", f"resume={first}", *trust)
    assert resumed.returncode == 0, resumed.stderr
    whole = command(*words)
    other = run_of(whole)
    assert points_of(store, first) == points_of(store, other)
    pictures = [home / run / "augmented.png" for run in (first, other)]
    assert imread(pictures[0]).shape == imread(pictures[1]).shape


@pytest.mark.slow(minutes=0.5)
def test_two_processes_train_as_one_does(home: Any) -> None:
    """Also on images that are mixed with one that the other process has."""
    augmented = [*UNEVEN, "data/augment=[light,mixup]", "data.augment.mixup.alpha=1"]
    one, two = (run([*augmented, "trainer.max_epochs=1", *devices]) for devices in (ONE, TWO))
    assert two.metrics.keys() == one.metrics.keys()
    for name, value in one.metrics.items():
        assert two.metrics[name] == pytest.approx(value, abs=EXACT), name
