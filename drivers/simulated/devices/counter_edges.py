"""The edges of a counter's input signals, and the time between two of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from drivers.simulated.terminals import Oscillator

__all__ = ["measured_interval", "next_present"]

#: So many edges, or pieces of 0.1 s, are waited for.
_PATIENCE = 100

Phase = Callable[[int], float]


def measured_interval(
    first: Oscillator, last: Oscillator, timebase_s: Phase, at_ns: int
) -> tuple[int, float] | None:
    """Return when an interval that is armed at `at_ns` ends, and its length in seconds.

    It goes from the next edge of one source to the next of another; an edge of that
    which comes up to 1 ns before still counts, which gives a small negative interval.
    Of a single source it is the period. None if no edge comes in sight.
    """
    start = _next_edge(first, at_ns)
    if start is None:
        return None
    if first is last:
        stop = _next_edge(last, start.t_ns + round(0.5 * start.period_ns))
    else:
        stop = _next_edge(last, start.t_ns, start)
    if stop is None:
        return None
    length_s = (stop.shown_ns - start.shown_ns) * 1e-9 + (start.phase_s - stop.phase_s)
    return stop.t_ns, length_s + (timebase_s(stop.t_ns) - timebase_s(start.t_ns))


def next_present(source: Oscillator, at_ns: int) -> int | None:
    """Return the first time not before `at_ns` at which a source has a signal.

    It is looked for in pieces of 0.1 s, a hundred at most.
    """
    for _ in range(_PATIENCE):
        if not math.isnan(source.phase_s(at_ns)):
            return at_ns
        at_ns += 100_000_000
    return None


class _Edge(NamedTuple):
    """An edge: what its source shows then, in ns, and the source's phase.

    It comes at ``shown_ns * 1e-9 - phase_s``.
    """

    shown_ns: float
    phase_s: float
    period_ns: float

    @property
    def t_ns(self) -> int:
        return round(self.shown_ns - self.phase_s * 1e9)


def _next_edge(source: Oscillator, at_ns: int, after: _Edge | None = None) -> _Edge | None:
    """Return the next edge from `at_ns` on, or not more than 1 ns before that `after`.

    Periods are whole nanoseconds where they can be: then nothing is lost by rounding.
    """
    period_ns: float = 1e9 / source.nominal_hz()
    if period_ns == round(period_ns):
        period_ns = round(period_ns)
    for _ in range(_PATIENCE):
        phase_s = source.phase_s(at_ns)
        if math.isnan(phase_s):
            at_ns += round(max(period_ns, 1e8))
            after = None
            continue
        if after is None:
            least_ns = at_ns + math.ceil(phase_s * 1e9)
        else:
            least_ns = math.ceil(after.shown_ns + (phase_s - after.phase_s) * 1e9 - 1.0)
        shown_ns = -(-least_ns // period_ns) * period_ns
        at_ns = round(shown_ns - phase_s * 1e9)
        phase_s = source.phase_s(at_ns)
        if not math.isnan(phase_s):
            return _Edge(shown_ns, phase_s, period_ns)
        after = None
    return None
