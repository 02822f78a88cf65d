"""From settings to converter codes: what the generators play.

A record has `samples_per_slot` equal samples for each slot. Codes run from
-32767 to 32767 over the span between the lowest and the highest level, so each
channel uses its whole converter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FULL_SCALE", "LevelTable", "intensity_levels", "phase_levels"]

FULL_SCALE = 32767


@dataclass(frozen=True, eq=False)
class LevelTable:
    """The levels of one channel.

    Attributes
    ----------
    volts : tuple of float
        Voltage of each symbol.
    amplitude_vpp, offset_v : float
        What the channel is set to.
    codes : int16 array
        Converter code of each symbol.
    """

    volts: tuple[float, ...]
    amplitude_vpp: float
    offset_v: float
    codes: NDArray[np.int16]

    def record(self, symbols: NDArray[np.uint8], samples_per_slot: int) -> NDArray[np.int16]:
        """Return the record that plays `symbols`, one for each slot."""
        codes = self.codes[symbols]
        return codes if samples_per_slot == 1 else np.repeat(codes, samples_per_slot)


def _table(volts: Sequence[float]) -> LevelTable:
    low, high = min(volts), max(volts)
    span, middle = high - low, (high + low) / 2.0
    codes = [round((v - middle) / (span / 2.0) * FULL_SCALE) for v in volts]
    return LevelTable(tuple(volts), span, middle, np.array(codes, np.int16))


def intensity_levels(intensities: Sequence[float], v_pi_v: float) -> LevelTable:
    """Return levels of a Mach-Zehnder modulator held at its null.

    Its transmission is sin^2(pi V / (2 V_pi)), so the strongest intensity is at
    V_pi, where a small error of the voltage does least, and the last symbol is
    dark.
    """
    strongest = intensities[0]
    volts = [2.0 / math.pi * v_pi_v * math.asin(math.sqrt(mu / strongest)) for mu in intensities]
    return _table([*volts, 0.0])


def phase_levels(v_pi_v: float, phases: int) -> LevelTable:
    """Return levels of a phase modulator for the phases 0, pi/2, pi, 3 pi/2.

    `phases` is how many of them are used, in this order: 4 for Alice, 2 for
    Bob. 3 pi/2 is sent as -pi/2, which halves the highest voltage.
    """
    quarter = v_pi_v / 2.0
    return _table([0.0, quarter, 2.0 * quarter, -quarter][:phases])
