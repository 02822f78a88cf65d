"""The edges of a counter's input signals, and the time between two of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from drivers.simulated.terminals import Oscillator

__all__ = ["Interval", "measured_interval", "next_interval", "next_present"]

#: So many edges, or pieces of 0.1 s, are waited for.
_PATIENCE = 100
_PIECE_NS = 100_000_000

Phase = Callable[[int], float]


class _Edge(NamedTuple):
    """An edge: when it comes, what its source shows then, in ns, and the source's phase.

    To a fraction of a nanosecond it comes at ``shown_ns * 1e-9 - phase_s``.
    """

    t_ns: int
    shown_ns: float
    phase_s: float


class Interval(NamedTuple):
    """From an edge of one source to the next of another."""

    start: _Edge
    stop: _Edge

    @property
    def end_ns(self) -> int:
        """When it is over."""
        return self.stop.t_ns

    def still_comes(self, first: Oscillator, last: Oscillator) -> bool:
        """Return whether its edges are where they were: nobody has moved a source since."""
        start, stop = self.start, self.stop
        return (
            first.phase_s(start.t_ns) == start.phase_s and last.phase_s(stop.t_ns) == stop.phase_s
        )

    def length_s(self, timebase_s: Phase) -> float:
        """Return its length as a time base with this time error sees it."""
        start, stop = self.start, self.stop
        length_s = (stop.shown_ns - start.shown_ns) * 1e-9 + (start.phase_s - stop.phase_s)
        return length_s + (timebase_s(stop.t_ns) - timebase_s(start.t_ns))


def next_interval(first: Oscillator, last: Oscillator, at_ns: int) -> Interval | None:
    """Return the interval of a counter that is armed at `at_ns`.

    It goes from the next edge of one source to the next of another; an edge of that
    which comes up to 1 ns before still counts, which gives a small negative interval.
    Of a single source it is the period. None if no edge comes in sight.
    """
    period_ns = _period_ns(first)
    start = _next_edge(first, period_ns, at_ns)
    if start is None:
        return None
    if first is last:
        stop = _next_edge(last, period_ns, start.t_ns + round(0.5 * period_ns))
    else:
        stop = _next_edge(last, _period_ns(last), start.t_ns, start)
    return None if stop is None else Interval(start, stop)


def measured_interval(
    first: Oscillator, last: Oscillator, timebase_s: Phase, at_ns: int
) -> tuple[int, float] | None:
    """Return when the interval of `next_interval` ends, and its length in seconds."""
    found = next_interval(first, last, at_ns)
    return None if found is None else (found.end_ns, found.length_s(timebase_s))


def next_present(source: Oscillator, at_ns: int) -> int | None:
    """Return the first time not before `at_ns` at which a source has a signal.

    It is looked for in pieces of 0.1 s, a hundred at most.
    """
    for _ in range(_PATIENCE):
        if not math.isnan(source.phase_s(at_ns)):
            return at_ns
        at_ns += _PIECE_NS
    return None


def _period_ns(source: Oscillator) -> float:
    """Return a period; whole nanoseconds, where it can be: then no rounding is lost."""
    period_ns: float = 1e9 / source.nominal_hz()
    return int(period_ns) if period_ns.is_integer() else period_ns


def _next_edge(
    source: Oscillator, period_ns: float, at_ns: int, after: _Edge | None = None
) -> _Edge | None:
    """Return the next edge from `at_ns` on, or not more than 1 ns before that `after`."""
    near_ns = at_ns
    if after is None:  # where a whole second is near, its phase is known best
        near_ns = round(-(-at_ns // period_ns) * period_ns)
    for _ in range(_PATIENCE):
        phase_s = source.phase_s(near_ns)
        if phase_s == phase_s:
            if after is None:
                least_ns = at_ns + math.ceil(phase_s * 1e9)
            else:
                least_ns = math.ceil(after.shown_ns + (phase_s - after.phase_s) * 1e9 - 1.0)
            shown_ns = -(-least_ns // period_ns) * period_ns
            t_ns = round(shown_ns - phase_s * 1e9)
            phase_s = source.phase_s(t_ns)
            if phase_s == phase_s:
                return _Edge(t_ns, shown_ns, phase_s)
            at_ns = near_ns = t_ns + 1  # that edge is missing
        else:
            at_ns = max(at_ns, near_ns)
            near_ns += round(max(period_ns, _PIECE_NS))
        after = None
    return None
