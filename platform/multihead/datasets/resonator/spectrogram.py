"""Log-mel spectrograms of sounds with up to three channels.

- **static**: the level in decibels in each of H mel bands (rows, low to high) and W frames
  (columns), 10 log10 of the power;
- **delta**: the least-squares slope of the level over five frames, in decibels per frame. It shows
  how fast each band decays;
- **onset**: the rise in decibels over the previous frame, or 0 if the level falls. Before the first
  frame is silence. It shows the attack.

Frames are Hann windows of WINDOW samples. Their centres are the centres of W equal parts of the
time from the onset to the last window that ends with the sound. Bands are triangles on the mel
scale m = 2595 log10(1 + f / 700), each from the centre of the band below to the centre of the band
above, but never narrower than the window can resolve. Neighbouring bands overlap by half, so the
ratio of their levels shows the position of a partial between their centres.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from multihead.datasets.resonator.synthesis import SAMPLE_RATE, SAMPLES, Floats

CHANNELS = ("static", "delta", "onset")
WINDOW = 1024
LOWEST, HIGHEST = 50.0, SAMPLE_RATE / 2
# Decibels below the loudest level that count as silence.
DYNAMIC_RANGE = 90.0
# Strings decay much faster than beating partials grow.
FALLING, SWELLING = -8.0, 2.0  # decibels per frame
HIGHEST_RISE = 45.0
_SLOPE = (-0.2, -0.1, 0.0, 0.1, 0.2)

Scaling = Literal["dataset", "picture"]


@dataclass(frozen=True)
class Spectrogram:
    """Turn sounds into pictures of one size.

    Attributes:
        height: Number of mel bands H, 1 or more.
        width: Number of frames W, 1 or more.
        channels: Number of channels C, the first 1, 2 or 3 of `CHANNELS`.
    """

    height: int
    width: int
    channels: int

    @cached_property
    def bands(self) -> Floats:
        """Weights [WINDOW / 2 + 1, H] of the spectrum's bins in each band."""
        low, high = (2595 * math.log10(1 + f / 700) for f in (LOWEST, HIGHEST))
        centres = 700 * (10 ** (np.linspace(low, high, self.height + 2) / 2595) - 1)
        narrowest = 2 * SAMPLE_RATE / WINDOW  # half of the main lobe of a Hann window
        below = np.maximum(centres[1:-1] - centres[:-2], narrowest)
        above = np.maximum(centres[2:] - centres[1:-1], narrowest)
        away = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)[:, None] - centres[1:-1]
        return np.asarray(np.maximum(0, 1 - np.where(away < 0, -away / below, away / above)))

    @cached_property
    def _window(self) -> Floats:
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
        return np.asarray(hann / hann.sum())

    def levels(self, sounds: Floats) -> Floats:
        """Return decibels [n, H, W] of sounds [n, SAMPLES], clipped at the smallest float."""
        half = WINDOW // 2
        padded = np.pad(sounds, ((0, 0), (half, 0)))
        share = (np.arange(self.width) + 0.5) / self.width
        middles = (share * (SAMPLES - half)).astype(np.int64)
        frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=1)[:, middles]
        spectrum = np.fft.rfft(frames * self._window)
        power = (spectrum.real**2 + spectrum.imag**2) @ self.bands
        return 10 * np.log10(np.maximum(power, np.finfo(np.float64).tiny)).swapaxes(1, 2)

    def pictures(
        self, levels: Floats, loudest: float, scaling: Scaling
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Scale levels to bytes.

        Args:
            levels: Decibels [n, H, W].
            loudest: The decibels that become 255 with `dataset` scaling. 0 is `DYNAMIC_RANGE`
                below.
            scaling: `dataset` scales all pictures equally. `picture` scales each channel of each
                picture from its minimum to its maximum, which hides how loud a note is.

        Returns:
            Bytes [n, C, H, W], and the decibels [n, 2] of 0 and 255 in the static channel.
        """
        quietest = loudest - DYNAMIC_RANGE
        static = np.clip(levels, quietest, loudest)
        planes = [static, _slope(static), _rise(static, quietest)][: self.channels]
        ranges: list[tuple[Floats | float, Floats | float]]
        if scaling == "dataset":
            ranges = [(quietest, loudest), (FALLING, SWELLING), (0.0, HIGHEST_RISE)]
        else:
            axes = (1, 2)
            ranges = [(p.min(axes, keepdims=True), p.max(axes, keepdims=True)) for p in planes]
        scaled = [_bytes(plane, *ends) for plane, ends in zip(planes, ranges, strict=False)]
        ends = np.empty((len(levels), 2), np.float32)
        ends[:, 0], ends[:, 1] = (np.ravel(end) for end in ranges[0])
        return np.stack(scaled, axis=1), ends


def _slope(static: Floats) -> Floats:
    """Return the least-squares slope [n, H, W] over five frames, with repeated end frames."""
    padded = np.pad(static, ((0, 0), (0, 0), (2, 2)), mode="edge")
    width = static.shape[2]
    return np.asarray(sum(w * padded[..., i : i + width] for i, w in enumerate(_SLOPE)))


def _rise(static: Floats, silence: float) -> Floats:
    """Return the rise [n, H, W] over the previous frame."""
    return np.maximum(0, np.diff(static, axis=2, prepend=silence))


def _bytes(plane: Floats, low: Floats | float, high: Floats | float) -> NDArray[np.uint8]:
    span = np.asarray(high) - low
    share = (plane - low) / np.where(span > 0, span, 1)
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
