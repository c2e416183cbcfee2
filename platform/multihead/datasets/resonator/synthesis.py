"""Modal synthesis of plucked or struck stiff strings, for many notes at once.

A string fixed at both ends moves as a sum of modes, and each mode is a decaying sinusoid. The
sound is the force on the bridge,

    y(t) = g(v) sum_n a_n exp(-s_n t) cos(2 pi f_n t - phi),   0 <= t < DURATION,

    f_n = n f_0 sqrt(1 + B n^2),   f_0 = 440 Hz * 2 ** ((note - 69) / 12),

over the partials n = 1, 2, ... below half the sampling rate, with

- **excitation** at the share p of the string's length, a_1 = 1 before the contact's filter:
  plucked (p = PLUCKED_AT, phi = 0): a_n = H(f_n) sin(n pi p) / (n sin(pi p)), the modes of a
  displacement that is a triangle; struck (p = STRUCK_AT, phi = pi / 2):
  a_n = H(f_n) sin(n pi p) / sin(pi p), those of a velocity given at one point;
- **contact**: the force is a pulse exp(-2 pi f_c |t|), whose spectrum is
  H(f) = 1 / (1 + (f / f_c)^2). The cutoff f_c = brightness * g(v) ** 0.5, because the contact
  with a spring F = K x^3 lasts as the speed to the power -1/2;
- **velocity**: g(v) = 2 ** ((v - 127) / 25), the speed of the hammer or pluck, which doubles
  every 25 steps of MIDI velocity: 6 dB;
- **losses** that grow with the frequency, s_n = (ln 1000 / decay) (1 + (f_n^2 - f_1^2) / F_L^2):
  `decay` is the time in which the fundamental falls by 60 dB, F_L = LOSS_FREQUENCY.

Sources: N. H. Fletcher and T. D. Rossing, The Physics of Musical Instruments, 2nd ed., 1998,
sections 2.7 to 2.9 (modes of plucked and struck strings), 2.18 (stiffness) and 12.2 (hammers);
W. Goebl and R. Bresin, JASA 114 (2003), who measure hammer speed against MIDI velocity.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 8000
DURATION = 1.0
SAMPLES = round(SAMPLE_RATE * DURATION)
PLUCKED_AT, STRUCK_AT = 0.21, 0.12
LOSS_FREQUENCY = 2000.0
VELOCITY_PER_DOUBLING = 25.0
LOUDEST = 127.0

# One second is 80 blocks of 100 samples: exp(z (100 i + j)) = exp(100 z i) exp(z j), so a note is
# a product of two small matrices and needs 180 exponentials for each mode instead of 8,000.
_BLOCK = 100

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Notes:
    """The notes to synthesise, one entry per note.

    Attributes:
        note_number: MIDI note; 69 is 440 Hz. It may be fractional. [n]
        note_velocity: MIDI velocity, 1 to 127. It may be fractional. [n]
        decay: Seconds in which the fundamental falls by 60 dB. [n]
        brightness: Cutoff of the contact in Hz at velocity 127. [n]
        inharmonicity: B, the stiffness; 0 for a perfect string. [n]
        struck: True if struck, False if plucked; bool [n].
    """

    note_number: Floats
    note_velocity: Floats
    decay: Floats
    brightness: Floats
    inharmonicity: Floats
    struck: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.note_number)


def frequency(note_number: Floats | float) -> Floats:
    """Return the frequency in Hz of MIDI notes in equal temperament."""
    return np.asarray(440.0 * 2.0 ** ((np.asarray(note_number, np.float64) - 69.0) / 12.0))


def count_partials(note_number: float, inharmonicity: float) -> int:
    """Return the number of partials of a note below half the sampling rate."""
    ratio = SAMPLE_RATE / 2 / float(frequency(note_number))
    if inharmonicity == 0:
        return math.ceil(ratio) - 1
    # n^2 (1 + B n^2) = ratio^2 is quadratic in n^2.
    squared = (math.sqrt(1 + 4 * inharmonicity * ratio**2) - 1) / (2 * inharmonicity)
    return math.ceil(math.sqrt(squared)) - 1


def synthesise(notes: Notes, partials: int) -> Floats:
    """Return the sounds [n, SAMPLES]. The partials of a loud note start near 1.

    Args:
        notes: The notes.
        partials: Number of modes per note. Modes above half the sampling rate are silent. The
            bytes of a note depend on this number, but not on the other notes.
    """
    modes = np.arange(1, partials + 1)
    stretch = np.sqrt(1 + notes.inharmonicity[:, None] * modes**2)
    frequencies = frequency(notes.note_number)[:, None] * modes * stretch
    squared = frequencies**2
    losses = (math.log(1000) / notes.decay)[:, None] * (
        1 + (squared - squared[:, :1]) / LOSS_FREQUENCY**2
    )
    exponents = (-losses + 2j * np.pi * frequencies) / SAMPLE_RATE
    amplitudes = _amplitudes(notes, modes, frequencies)
    blocks, within = np.arange(0, SAMPLES, _BLOCK), np.arange(_BLOCK)
    starts = np.exp(blocks[:, None] * exponents[:, None, :]) * amplitudes[:, None, :]
    steps = np.exp(exponents[:, :, None] * within)
    # Re(starts @ steps) as one real product.
    left = np.concatenate([starts.real, -starts.imag], axis=2)
    right = np.concatenate([steps.real, steps.imag], axis=1)
    return np.asarray((left @ right).reshape(len(notes), SAMPLES))


def _amplitudes(
    notes: Notes, modes: NDArray[np.int64], frequencies: Floats
) -> NDArray[np.complex128]:
    """Return the complex amplitudes [n, partials] at the onset."""
    speed = 2.0 ** ((notes.note_velocity - LOUDEST) / VELOCITY_PER_DOUBLING)
    cutoff = notes.brightness * np.sqrt(speed)
    contact = 1 / (1 + (frequencies / cutoff[:, None]) ** 2)
    plucked = np.sin(np.pi * PLUCKED_AT * modes) / (math.sin(math.pi * PLUCKED_AT) * modes)
    struck = np.sin(np.pi * STRUCK_AT * modes) / math.sin(math.pi * STRUCK_AT)
    shape = np.where(notes.struck[:, None], -1j * struck, plucked)
    audible = frequencies < SAMPLE_RATE / 2
    return np.asarray(speed[:, None] * contact * shape * audible)
