"""What a reciprocal counter reads, from the phases of its input and its time base.

DS is the data sheet of the Keysight 53200 series, UG its User's Guide.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable

from drivers.simulated.devices.counter_edges import measured_interval
from drivers.simulated.terminals import Oscillator

__all__ = ["SINGLE_SHOT_S", "enhanced", "frequency", "interval", "random_uncertainty"]

#: Single-shot resolution of the 53230A, one standard deviation (UG table 5-2).
SINGLE_SHOT_S = 20e-12
#: Gate times and the largest resolution enhancement there (DS p. 19).
_GATES_S = (1e-3, 10e-3, 100e-3, 1.0)
_FACTORS = (1.0, 2.0, 4.0, 6.0)
_SUBSAMPLES = 16

Phase = Callable[[int], float]


def enhanced(input_hz: float, gate_s: float) -> float:
    """Return the resolution enhancement of a gate, 1 to 6 (DS p. 19)."""
    if gate_s <= _GATES_S[0]:
        return 1.0
    place = min(bisect.bisect_right(_GATES_S, gate_s), len(_GATES_S) - 1)
    low, high = _GATES_S[place - 1], _GATES_S[place]
    part = min(math.log(gate_s / low) / math.log(high / low), 1.0)
    most = _FACTORS[place - 1] + (_FACTORS[place] - _FACTORS[place - 1]) * part
    return min(max(math.sqrt(input_hz * gate_s / 16.0), 1.0), most)


def random_uncertainty(gate_s: float, factor: float) -> float:
    """Return the fractional standard deviation of a frequency reading (DS p. 16)."""
    return 1.4 * SINGLE_SHOT_S / (factor * gate_s)


def frequency(
    source: Oscillator, timebase_s: Phase, start_ns: int, end_ns: int, *, triangle: bool
) -> float:
    """Return the mean frequency of a gate in hertz.

    With `triangle` the phases of either half are averaged first, which weights
    the frequency by a triangle (a lambda counter); else only the phases at the
    ends count (pi).
    """
    if triangle:
        gained_s, by_s = _between_halves(source.phase_s, start_ns, end_ns)
        base_s, _ = _between_halves(timebase_s, start_ns, end_ns)
    else:
        by_s = (end_ns - start_ns) * 1e-9
        gained_s = source.phase_s(end_ns) - source.phase_s(start_ns)
        base_s = timebase_s(end_ns) - timebase_s(start_ns)
    return source.nominal_hz() * (1.0 + (gained_s - base_s) / (by_s + base_s))


def _between_halves(phase_s: Phase, start_ns: int, end_ns: int) -> tuple[float, float]:
    """Return the phase gained from the first half's mean to the second's, and the time."""
    step = (end_ns - start_ns) / (2 * _SUBSAMPLES)
    times = [start_ns + round((index + 0.5) * step) for index in range(2 * _SUBSAMPLES)]
    phases = [phase_s(t_ns) for t_ns in times]
    gained = sum(phases[_SUBSAMPLES:]) - sum(phases[:_SUBSAMPLES])
    elapsed = sum(times[_SUBSAMPLES:]) - sum(times[:_SUBSAMPLES])
    return gained / _SUBSAMPLES, elapsed / _SUBSAMPLES * 1e-9


def interval(
    first: Oscillator, last: Oscillator, timebase_s: Phase, start_ns: int, *, single: bool
) -> float:
    """Return the time from an edge of one source to the next of another, in seconds.

    An edge that comes up to 1 ns before its start still counts, which gives a
    small negative interval. On a `single` channel it is the period. It is nan if no
    edge comes.
    """
    found = measured_interval(last if single else first, last, timebase_s, start_ns)
    return math.nan if found is None else found[1]
