"""One period of each standard waveform of a Trueform generator, as converter codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FULL_SCALE", "Codes", "default_record", "period"]

Codes = NDArray[np.int16]

#: The converter code of the positive peak.
FULL_SCALE = 32767
_POINTS = 1000


def period(
    shape: str, *, phase_deg: float = 0.0, duty: float = 0.5, symmetry: float = 1.0
) -> Codes:
    """Return one period of `shape`, the short form of its SCPI word.

    Parameters
    ----------
    phase_deg : float
        Where in the period the record begins.
    duty : float
        Part of the period that a square or pulse is high.
    symmetry : float
        Part of the period that a ramp rises.
    """
    if shape == "NOIS":
        noise = np.random.default_rng(33600).normal(0.0, 0.25, 1 << 16)
        return _codes(np.clip(noise, -1.0, 1.0))
    if shape == "PRBS":
        return _codes(_pn7())
    turn = (np.arange(_POINTS) / _POINTS + phase_deg / 360.0) % 1.0
    if shape == "SIN":
        return _codes(np.sin(2.0 * np.pi * turn))
    if shape in ("SQU", "PULS"):
        return _codes(np.where(turn < duty, 1.0, -1.0))
    rises = 0.5 if shape == "TRI" else symmetry
    rising = 2.0 * turn / rises - 1.0 if rises > 0.0 else np.full(_POINTS, -1.0)
    falling = 1.0 - 2.0 * (turn - rises) / (1.0 - rises) if rises < 1.0 else rising
    return _codes(np.where(turn < rises, rising, falling))


def default_record() -> Codes:
    """Return the record that the memory holds when it has been cleared: an exponential rise."""
    rise = 1.0 - np.exp(-np.arange(400) / 80.0)
    return _codes(2.0 * rise / rise[-1] - 1.0)


def _codes(values: NDArray[np.float64]) -> Codes:
    return np.rint(values * FULL_SCALE).astype(np.int16)


def _pn7() -> NDArray[np.float64]:
    """Return the 127 bits of the polynomial x^7 + x^6 + 1."""
    state, bits = 0x7F, []
    for _ in range(127):
        bits.append(state >> 6 & 1)
        state = (state << 1 | (state >> 6 ^ state >> 5) & 1) & 0x7F
    return 2.0 * np.array(bits, dtype=np.float64) - 1.0
