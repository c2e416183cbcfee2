"""Which datasets can be asked for."""

from typing import Any

import numpy as np
import pytest

from multihead.datasets.resonator.plan import Plan, parse_image
from multihead.errors import ConfigError


def test_heads_are_what_varies() -> None:
    plan = Plan(decay=(0.5, 4.0))
    assert list(plan.heads) == ["note_number", "note_velocity", "decay"]
    assert set(plan.fixed) == {"brightness", "inharmonicity"}
    assert plan.heads.levels == dict.fromkeys(plan.heads, 256)


def test_heads_know_range_unit_step_and_scale() -> None:
    heads = Plan(decay=(0.5, 4.0)).heads
    note, decay = heads["note_number"].parameter, heads["decay"].parameter
    assert note is not None
    assert decay is not None
    assert (note.minimum, note.maximum, note.unit, note.tolerance) == (48, 96, "semitones", 1)
    assert (decay.minimum, decay.maximum, decay.unit, decay.scale) == (0.5, 4, "s", "log")


def test_the_folder_is_named_by_what_it_holds() -> None:
    assert Plan().folder_name == "vimh-32x32x3_8000Hz_1p0s_16384dss_resonator_2p"
    other = Plan(size=256, image=(28, 30, 1), brightness=(1000, 4000))
    assert other.folder_name == "vimh-28x30x1_8000Hz_1p0s_256dss_resonator_3p"


def test_an_eighth_is_for_testing() -> None:
    assert Plan().counts == {"train": 14_336, "test": 2_048}
    assert Plan(size=2).counts == {"train": 1, "test": 1}
    assert Plan(size=100, test_size=30).counts == {"train": 70, "test": 30}


def test_notes_are_drawn_evenly_from_the_ranges() -> None:
    plan = Plan(decay=(0.5, 8.0))
    notes = plan.draw("train")
    assert notes.note_number.min() == pytest.approx(48, abs=0.1)
    assert notes.note_number.max() == pytest.approx(96, abs=0.1)
    assert np.median(notes.note_velocity) == pytest.approx(64, abs=2)
    assert np.median(notes.decay) == pytest.approx(2, rel=0.05)
    assert (notes.brightness == 3000).all()
    assert notes.struck.mean() == pytest.approx(0.5, abs=0.02)


def test_splits_and_seeds_differ_and_a_larger_dataset_begins_alike() -> None:
    small, large = Plan(size=80).draw("train"), Plan(size=800).draw("train")
    np.testing.assert_array_equal(small.note_number, large.note_number[:70])
    assert (Plan(size=80).draw("test").note_number != small.note_number[:10]).all()
    assert (Plan(size=80, seed=1).draw("train").note_number != small.note_number).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 1}, "size is 1; it must be 2 or more"),
        ({"size": 8, "test_size": 8}, "test-size is 8; it must be 1 to 7"),
        ({"seed": -1}, "seed is -1"),
        ({"image": (0, 32, 3)}, "image is 0x32x3; its height is 1 to 512"),
        ({"image": (32, 32, 4)}, "its channels are 1 to 3 of static, delta, onset"),
        ({"note": (48, 120)}, "note is 48 to 120; .* within 21 to 105 semitones"),
        ({"velocity": (100, 20)}, "velocity is 100 to 20; it must rise"),
        ({"decay": (float("nan"), 1)}, "decay is nan to 1"),
        ({"note": (60, 60), "velocity": (64, 64)}, "nothing to learn"),
        ({"excitation": "bowed"}, "excitation is 'bowed'; choose one of both, plucked, struck"),
        ({"scaling": "none"}, "scaling is 'none'; choose one of dataset, picture"),
    ],
)
def test_what_cannot_be_made_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Plan(**given)


def test_image_sizes_are_written_height_by_width_by_channels() -> None:
    assert parse_image("64x48x2") == (64, 48, 2)
    for text in ("32x32", "32x32x", "axbxc", "-1x2x3", ""):
        with pytest.raises(ConfigError, match="HEIGHTxWIDTHxCHANNELS"):
            parse_image(text)
