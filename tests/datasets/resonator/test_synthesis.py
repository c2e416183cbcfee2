"""The physics that can be heard: pitch, loudness, brightness, decay, stiffness."""

import dataclasses

import numpy as np
import pytest

from multihead.datasets.resonator.synthesis import (
    SAMPLE_RATE,
    SAMPLES,
    Floats,
    Notes,
    count_partials,
    frequency,
    synthesise,
)


def played(struck: bool = False, **given: float) -> Notes:
    values = {
        "note_number": 60.0,
        "note_velocity": 100.0,
        "decay": 2.0,
        "brightness": 3000.0,
        "inharmonicity": 0.0,
    }
    arrays = {name: np.array([value]) for name, value in (values | given).items()}
    return Notes(**arrays, struck=np.array([struck]))


def sound(**given: float) -> Floats:
    notes = played(**given)
    partials = count_partials(notes.note_number[0], notes.inharmonicity[0])
    return synthesise(notes, partials)[0]


def spectrum(heard: Floats) -> Floats:
    return np.abs(np.fft.rfft(heard * np.hanning(SAMPLES), 8 * SAMPLES))


def peak(heard: Floats, near: float) -> float:
    """Return the frequency in Hz of the highest peak within 3% of a frequency."""
    bins = np.fft.rfftfreq(8 * SAMPLES, 1 / SAMPLE_RATE)
    close = np.abs(bins - near) < 0.03 * near
    return float(bins[close][spectrum(heard)[close].argmax()])


def centroid(heard: Floats) -> float:
    power = spectrum(heard) ** 2
    return float(power @ np.fft.rfftfreq(8 * SAMPLES, 1 / SAMPLE_RATE) / power.sum())


def test_note_69_is_440_hz_and_an_octave_doubles_it() -> None:
    np.testing.assert_allclose(frequency(np.array([57, 69, 81])), [220, 440, 880])


@pytest.mark.parametrize("note", [48.0, 60.5, 71.0, 84.0, 96.0])
@pytest.mark.parametrize("struck", [False, True])
def test_the_fundamental_has_the_pitch_of_the_note(note: float, struck: bool) -> None:
    expected = float(frequency(note))
    assert peak(sound(note_number=note, struck=struck), expected) == pytest.approx(expected, abs=1)


def test_stiffness_stretches_the_partials() -> None:
    stiffness = 0.001
    heard = sound(note_number=48.0, inharmonicity=stiffness)
    for n in (1, 3, 6, 11):
        expected = n * float(frequency(48.0)) * np.sqrt(1 + stiffness * n**2)
        assert peak(heard, expected) == pytest.approx(expected, abs=1)


def test_partials_above_half_the_sampling_rate_are_silent() -> None:
    """Computed, they would be heard at mirrored frequencies."""
    exact = synthesise(played(note_number=90.0), count_partials(90.0, 0))
    more = synthesise(played(note_number=90.0), 20)
    np.testing.assert_allclose(exact, more, atol=1e-12)
    assert count_partials(90.0, 0) == 2


@pytest.mark.parametrize("stiffness", [0.0, 1e-4, 0.01])
def test_partials_are_counted_up_to_half_the_sampling_rate(stiffness: float) -> None:
    modes = np.arange(1, 200)
    frequencies = frequency(30.0) * modes * np.sqrt(1 + stiffness * modes**2)
    assert count_partials(30.0, stiffness) == (frequencies < SAMPLE_RATE / 2).sum()


@pytest.mark.parametrize("struck", [False, True])
def test_a_faster_stroke_is_louder_and_brighter(struck: bool) -> None:
    heard = [sound(note_velocity=v, struck=struck) for v in (20.0, 60.0, 100.0, 127.0)]
    levels = [np.square(s).mean() for s in heard]
    assert levels == sorted(levels)
    assert [centroid(s) for s in heard] == sorted(centroid(s) for s in heard)


def test_speed_doubles_every_25_velocity_steps() -> None:
    """Far below the cutoff the contact filters nothing, so 25 steps are 6 dB."""
    soft, loud = (sound(note_velocity=v, brightness=1e9) for v in (75.0, 100.0))
    np.testing.assert_allclose(loud, 2 * soft, atol=1e-9)


def test_the_fundamental_falls_by_60_db_in_the_decay_time() -> None:
    heard = sound(note_number=96.0, decay=0.5, brightness=20_000.0)
    early, late = (np.square(heard[a : a + 800]).mean() for a in (800, 4800))
    assert 10 * np.log10(early / late) == pytest.approx(60, abs=0.5)


def test_high_partials_die_first() -> None:
    heard = sound(note_number=48.0)
    assert centroid(np.pad(heard[4000:], (0, 4000))) < centroid(np.pad(heard[:4000], (0, 4000)))


def test_a_note_does_not_depend_on_those_beside_it() -> None:
    random = np.random.default_rng(0).random((7, 5))
    notes = Notes(
        note_number=48 + 48 * random[:, 0],
        note_velocity=1 + 126 * random[:, 1],
        decay=1 + random[:, 2],
        brightness=2000 + 1000 * random[:, 3],
        inharmonicity=1e-4 * random[:, 4],
        struck=random[:, 0] < 0.5,
    )
    together = synthesise(notes, 30)
    for i in range(len(notes)):
        fields = {f.name: getattr(notes, f.name)[i : i + 1] for f in dataclasses.fields(notes)}
        assert (synthesise(Notes(**fields), 30)[0] == together[i]).all()
