"""Pictures of sounds."""

import numpy as np
import pytest

from multihead.datasets.resonator.spectrogram import DYNAMIC_RANGE, Spectrogram
from multihead.datasets.resonator.synthesis import SAMPLE_RATE, SAMPLES, Floats

TIME = np.arange(SAMPLES) / SAMPLE_RATE


def tone(hertz: float, amplitude: float = 1.0) -> Floats:
    return amplitude * np.sin(2 * np.pi * hertz * TIME)[None]


def test_ten_times_the_amplitude_is_20_db_more() -> None:
    levels = [Spectrogram(32, 32, 1).levels(tone(1000, a)).max() for a in (0.01, 0.1)]
    assert levels[1] - levels[0] == pytest.approx(20)


@pytest.mark.parametrize("height", [8, 32, 64, 512])
def test_every_band_hears_something(height: int) -> None:
    """Narrow bands at the bottom of the mel scale could fall between the bins of the window."""
    assert (Spectrogram(height, 4, 1).bands.sum(axis=0) > 0).all()


def test_higher_tones_are_in_higher_rows() -> None:
    spectrogram = Spectrogram(32, 8, 1)
    rows = [spectrogram.levels(tone(f))[0, :, 4].argmax() for f in (130, 400, 1000, 2000, 3500)]
    assert rows == sorted(set(rows))


@pytest.mark.parametrize("hertz", [131.0, 523.0, 2000.0])
def test_a_tenth_of_a_semitone_can_be_seen(hertz: float) -> None:
    """Bands are up to several semitones wide, but neighbours overlap."""
    spectrogram = Spectrogram(32, 32, 1)
    low, high = (
        spectrogram.pictures(spectrogram.levels(tone(f, 0.5)), 0.0, "dataset")[0].astype(int)
        for f in (hertz, hertz * 2 ** (0.1 / 12))
    )
    assert (low != high).sum() > 32


def test_channels_are_level_slope_and_rise() -> None:
    """A tone that falls by 1 dB each frame, after silence."""
    levels = np.broadcast_to(-20.0 - np.arange(8), (1, 4, 8))
    pictures, ends = Spectrogram(4, 8, 3).pictures(levels, 0.0, "dataset")
    static, slope, rise = pictures[0, :, 0].astype(float)
    np.testing.assert_allclose(static / 255 * DYNAMIC_RANGE - DYNAMIC_RANGE, levels[0, 0], atol=0.2)
    np.testing.assert_allclose(slope[2:-2] / 255 * 10 - 8, -1, atol=0.02)
    assert rise[0] == 255
    assert (rise[1:] == 0).all()
    np.testing.assert_array_equal(ends, [[-DYNAMIC_RANGE, 0.0]])


def test_fewer_channels_are_the_first_of_three() -> None:
    levels = np.random.default_rng(0).normal(-40, 10, (2, 4, 8))
    whole, _ = Spectrogram(4, 8, 3).pictures(levels, 0.0, "dataset")
    for channels in (1, 2):
        part, _ = Spectrogram(4, 8, channels).pictures(levels, 0.0, "dataset")
        np.testing.assert_array_equal(part, whole[:, :channels])


def test_scaling_by_picture_hides_the_level() -> None:
    spectrogram = Spectrogram(8, 8, 1)
    soft, loud = (np.full((1, 8, 8), -40.0) + np.arange(8) + level for level in (0.0, 20.0))
    pictures = [spectrogram.pictures(x, 0.0, "picture") for x in (soft, loud)]
    np.testing.assert_array_equal(pictures[0][0], pictures[1][0])
    np.testing.assert_array_equal(pictures[1][1], [[-20.0, -13.0]])
    pictures = [spectrogram.pictures(x, 0.0, "dataset") for x in (soft, loud)]
    assert (pictures[0][0] < pictures[1][0]).all()


def test_a_picture_of_silence_is_black() -> None:
    spectrogram = Spectrogram(4, 4, 1)
    levels = spectrogram.levels(np.zeros((1, SAMPLES)))
    for scaling in ("dataset", "picture"):
        assert not spectrogram.pictures(levels, 0.0, scaling)[0].any()


def test_a_picture_may_have_one_pixel() -> None:
    spectrogram = Spectrogram(1, 1, 1)
    pictures, _ = spectrogram.pictures(spectrogram.levels(tone(440)), 0.0, "dataset")
    assert pictures.shape == (1, 1, 1, 1)
    assert pictures[0, 0, 0, 0] > 0
