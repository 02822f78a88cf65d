"""How one counter is read again and again, whatever its kind."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

from drivers.core.context import Clock
from qlab.errors import UsageError
from qlab.experiments.counter.options import CounterOptions
from qlab.experiments.levels import fix_levels

__all__ = ["GateLog", "IntervalLog", "Log", "Reading", "SingleLog"]


#: Gates of one series, where the counter does not say how many it takes.
_MOST_GATES = 10_000
#: Gates are not asked for more often than this.
_POLL_S = 1.0
#: A frequency that is off by this fraction is another one than expected.
_FAR = 0.1


class Reading(NamedTuple):
    """A reading, and how many readings' time it is after the one before."""

    value: float
    steps: int


class Log(Protocol):
    """One counter's series. All counters begin before any is collected from."""

    def start(self) -> None:
        """Set the counter up."""

    def begin(self) -> None:
        """Let it measure."""

    def collect(self) -> list[Reading]:
        """Return what has come; nan for a reading that is missing."""


def _steps(since: float, period: float) -> int:
    return max(1, math.floor(since / period + 0.5))


class IntervalLog:
    """Time intervals, one for each pulse (`drivers.roles.IntervalCounter`)."""

    def __init__(self, counter: Any, options: CounterOptions, clock: Clock) -> None:
        self._counter = counter
        self._options = options
        self._clock = clock
        self._last_ns: int | None = None
        self._last_s = 0.0

    def start(self) -> None:
        """Set the counter up."""
        options = self._options
        _fix_levels(self._counter, (options.start, options.stop), options.level_v)
        self._counter.prepare_intervals(options.start, options.stop, 2.5 * options.pulse_s)

    def begin(self) -> None:
        """Wait for the next pulse."""
        self._counter.begin_interval()

    def collect(self) -> list[Reading]:
        """Return the interval, without whole periods as far as the one before tells."""
        value = self._counter.interval_s()
        now_ns = self._clock.now_ns()
        period_s = self._options.pulse_s
        if math.isnan(value):
            return [Reading(value, 0)]
        value -= period_s * math.floor((value - self._last_s) / period_s + 0.5)
        before_ns, self._last_ns, self._last_s = self._last_ns, now_ns, value
        steps = 1 if before_ns is None else _steps((now_ns - before_ns) * 1e-9, period_s)
        return [Reading(value, steps)]


class GateLog:
    """Frequencies without a gap (`drivers.roles.GapFreeCounter`), as fractions."""

    def __init__(self, counter: Any, options: CounterOptions, estimator: str, clock: Clock) -> None:
        self._counter = counter
        self._options = options
        self._estimator = estimator
        self._clock = clock
        self._most = getattr(counter, "most_gates", _MOST_GATES)
        self._left = 0
        self._last_s: float | None = None
        self._last_ns: int | None = None

    def start(self) -> None:
        """Set the counter up."""
        options, counter = self._options, self._counter
        _fix_levels(counter, (options.input,), options.level_v)
        if counter.estimator != self._estimator or counter.dead_time_s != 0.0:
            counter.estimator = self._estimator
        if counter.dead_time_s != 0.0:
            raise UsageError(
                f"{counter.name} leaves gaps between its gates with the estimator "
                f"{self._estimator}",
                remedy="choose another estimator in [counter], or give interval_s",
            )

    def begin(self) -> None:
        """Start a series of gates, if none runs, and wait for some to end."""
        options = self._options
        if self._left <= 0:
            self._counter.start_gates(options.gate_s, options.input, self._most)
            self._left, self._last_s = self._most, None
        self._clock.sleep(max(options.gate_s, _POLL_S))

    def collect(self) -> list[Reading]:
        """Return the gates that have ended."""
        options = self._options
        now_ns = self._clock.now_ns()
        found = []
        for gate in self._counter.take_gates():
            if self._last_s is not None:
                since_s = gate.start_s - self._last_s
            elif self._last_ns is not None:  # the first of another series
                since_s = (now_ns - self._last_ns) * 1e-9
            else:
                since_s = options.gate_s
            fraction = _fraction(gate.frequency_hz, options.nominal_hz)
            found.append(Reading(fraction, _steps(since_s, options.gate_s)))
            self._last_s, self._last_ns = gate.start_s, now_ns
        self._left -= len(found)
        return found


class SingleLog:
    """Frequencies, each asked for, as fractions (`drivers.roles.Counter`)."""

    def __init__(self, counter: Any, options: CounterOptions, clock: Clock) -> None:
        self._counter = counter
        self._options = options
        self._clock = clock
        self._next_ns: int | None = None

    def start(self) -> None:
        """Set the counter up."""
        _fix_levels(self._counter, (self._options.input,), self._options.level_v)
        self._counter.gate_time_s = self._options.gate_s

    def begin(self) -> None:
        """Wait until the next reading is due."""
        if self._options.interval_s == 0.0:
            return
        now_ns = self._clock.now_ns()
        if self._next_ns is None:
            self._next_ns = now_ns
        if self._next_ns > now_ns:
            self._clock.sleep((self._next_ns - now_ns) * 1e-9)
        self._next_ns += round(self._options.interval_s * 1e9)

    def collect(self) -> list[Reading]:
        """Measure."""
        value = self._counter.frequency_hz(self._options.input)
        return [Reading(_fraction(value, self._options.nominal_hz), 1)]


def _fraction(hertz: float, nominal_hz: float) -> float:
    """Return by which fraction a frequency is off."""
    fraction = (hertz - nominal_hz) / nominal_hz
    if abs(fraction) > _FAR:
        raise UsageError(
            f"the counter reads {hertz:.9g} Hz where {nominal_hz:.9g} Hz is expected",
            remedy="set nominal_hz in [counter], and check which input it is",
        )
    return fraction


def _fix_levels(counter: Any, inputs: tuple[int, ...], level_v: float) -> None:
    """Set fixed thresholds, where they are wanted."""
    if not math.isinf(level_v):
        fix_levels(counter, inputs, level_v)
