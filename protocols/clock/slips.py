"""Cycle slips of a beat note, found by comparing two counters.

Two gap-free pi counters on a common time base count the same beat. Reading k of a
counter is the phase gained from gate edge k to edge k + 1, so the sum of their
differences d_k is the phase difference P_k at the edges. Without slips P is white:
each tracker's noise, and what the beat's own phase does in the skew of the gates. A slip
of one counter moves P by a whole number of cycles, for good. A step is therefore tested
where it is largest against its noise, in P and against the mean of the edges before,
rather than in d, which is noisier by the square root of two.

A slip of both counters by the same number of cycles leaves no trace in P: nothing that
compares them can find it (`UNDETECTABLE`). Nor does P tell which of the two slipped.
Readings are flagged, never repaired.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocols.errors import ParameterError

__all__ = ["GUARANTEED_CYCLES", "UNDETECTABLE", "Slip", "SlipDetector", "SlipFlag"]

#: What no comparison of two counters can show.
UNDETECTABLE = "slips by the same number of cycles on both counters within one gate"
#: The detector's guarantee holds up to this standard deviation of the differences, in
#: cycles a gate (0.1 Hz at gates of 1 s): there half a cycle is seven deviations of P.
GUARANTEED_CYCLES = 0.1

_THRESHOLD_CYCLES = 0.5
_PARTIAL_SIGMAS = 4.0  # of P: that much off, an edge lies within a slip
_EDGES = 16  # that the baseline averages over
_MEMORY = 1000  # readings that sigma is taken from
_LEAST = 100  # readings before sigma says anything

# State of the kernel: phase difference, its baseline, edges in the baseline, mean square
# of d, readings in that, deviation of the edge before, whether a slip was found there.
_PHASE, _BASE, _COUNT, _SQUARE, _SEEN, _BEFORE, _SLIPPED = range(7)


class SlipFlag(IntFlag):
    """What is known of one reading."""

    CLEAN = 0
    #: The phase difference stepped by at least half a cycle at the reading's end.
    SLIP = 1
    #: Part of a slip that the neighbouring reading is flagged for: it lay across the edge.
    PARTIAL = 2
    #: A counter gave no reading; what slipped meanwhile is unknown.
    MISSING = 4


@dataclass(frozen=True, slots=True)
class Slip:
    """What the detector says of one reading.

    Attributes
    ----------
    flag : SlipFlag
        Of this reading.
    previous : SlipFlag
        What this reading adds to the flag of the one before: ``PARTIAL`` or nothing.
    cycles : int
        By how many cycles counter 1 stepped against counter 2; 0 without a slip.
    """

    flag: SlipFlag
    previous: SlipFlag
    cycles: int


@njit(cache=True, nogil=True)
def _follow(
    difference: NDArray[np.float64],
    state: NDArray[np.float64],
    flags: NDArray[np.uint8],
    cycles: NDArray[np.int64],
) -> None:
    """Go through differences in cycles; `flags` has one place before the first of them."""
    for k in range(difference.size):
        d = difference[k]
        if not math.isfinite(d) or abs(d) > 2.0**52:
            flags[k + 1] |= 4
            state[_PHASE] = state[_BASE] = state[_COUNT] = state[_BEFORE] = 0.0
            state[_SLIPPED] = 0.0
            continue
        if state[_COUNT] == 0.0:
            state[_COUNT] = 1.0  # the edge at which the first gate opened
        state[_PHASE] += d
        deviation = state[_PHASE] - state[_BASE]
        far = _PARTIAL_SIGMAS * math.sqrt(0.5 * state[_SQUARE])
        known = state[_SEEN] >= _LEAST
        within = known and abs(state[_BEFORE]) > far  # the edge before lay in a slip
        if within and state[_SLIPPED] > 0.0:
            flags[k + 1] |= 2
        if abs(deviation) > _THRESHOLD_CYCLES:
            flags[k + 1] |= 1
            whole = math.copysign(math.floor(abs(deviation) + 0.5), deviation)
            cycles[k] = int(whole)
            # Counted from here on, so that P stays small however much slips.
            state[_PHASE] -= whole
            if within:
                flags[k] |= 2
            state[_BEFORE] = deviation - whole
            state[_SLIPPED] = 1.0
            continue
        state[_BEFORE] = deviation
        state[_SLIPPED] = 0.0
        if not known or abs(deviation) <= far:
            state[_COUNT] = min(state[_COUNT] + 1.0, _EDGES)
            state[_BASE] += deviation / state[_COUNT]
        else:
            state[_BASE] += deviation / (4.0 * _EDGES)  # a lasting shift is followed, slowly
        state[_SEEN] = min(state[_SEEN] + 1.0, _MEMORY)
        state[_SQUARE] += (d * d - state[_SQUARE]) / state[_SEEN]


class SlipDetector:
    """Finds the slips of either of two counters, reading by reading.

    Parameters
    ----------
    gate_s : float
        Length of a gate in seconds, above 0. Both counters' gates follow each other
        without a gap and open together, up to a small skew.

    Raises
    ------
    ParameterError
        If `gate_s` is not a positive number.

    Notes
    -----
    With differences of 0.1 cycles rms, half a cycle is 6.9 standard deviations of P
    against its baseline of 16 edges: a clean reading is flagged with a probability of
    6e-12, and a whole cycle missed as often. Right after the start or a missing reading
    the baseline is a single edge, and it is 5 deviations, 6e-7.
    """

    def __init__(self, gate_s: float = 1.0) -> None:
        if not (math.isfinite(gate_s) and gate_s > 0.0):
            raise ParameterError(f"a gate lasts longer than 0 s: {gate_s}")
        self._gate_s = gate_s
        self._state = np.zeros(7)

    @property
    def sigma_hz(self) -> float:
        """Standard deviation of the differences, in Hz; nan before 100 readings.

        It is taken from the last thousand or so that were neither flagged nor missing.
        """
        if self._state[_SEEN] < _LEAST:
            return math.nan
        return math.sqrt(float(self._state[_SQUARE])) / self._gate_s

    @property
    def guaranteed(self) -> bool:
        """Whether every slip of one counter is found, given the noise that there is.

        Not before sigma is known, nor while it is above `GUARANTEED_CYCLES` a gate.
        """
        return self.sigma_hz * self._gate_s <= GUARANTEED_CYCLES

    def step(self, first_hz: float, second_hz: float) -> Slip:
        """Take one reading of each counter, nan where there is none."""
        flags, cycles = self._go((first_hz - second_hz) * self._gate_s * np.ones(1))
        return Slip(SlipFlag(int(flags[1])), SlipFlag(int(flags[0])), int(cycles[0]))

    def scan(
        self, first_hz: NDArray[np.float64], second_hz: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Take many readings; the same as one `step` after another.

        Returns
        -------
        flags : uint8 array
            A `SlipFlag` a reading. What the first one says of a reading before is left out.
        cycles : int64 array
            By how many cycles the first counter stepped against the second.

        Raises
        ------
        ParameterError
            If the counters have not as many readings.
        """
        if first_hz.shape != second_hz.shape or first_hz.ndim != 1:
            raise ParameterError("both counters must have as many readings")
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is missing
            difference = (first_hz - second_hz) * self._gate_s
        flags, cycles = self._go(difference)
        return flags[1:], cycles

    def _go(self, difference: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        flags = np.zeros(difference.size + 1, dtype=np.uint8)
        cycles = np.zeros(difference.size, dtype=np.int64)
        _follow(difference, self._state, flags, cycles)
        return flags, cycles
