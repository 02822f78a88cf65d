"""Signals on their way: through a fibre, as seconds pulses, with faults, or gone."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.clock_fibre import Way
from drivers.simulated.plant.oscillators import NoisyOscillator

__all__ = ["ArrivingSignal", "Fault", "Pulses", "Signal", "with_faults"]

_Array = NDArray[np.float64]


class Signal(Protocol):
    """A signal with a phase; while there is none, the phase is nan."""

    def nominal_hz(self) -> float:
        """Return the nominal frequency."""

    def phase_s(self, t_ns: int) -> float:
        """Return the time error in seconds, positive when it is ahead."""

    def phase_at(self, times_ns: NDArray[np.int64]) -> _Array:
        """Return the time errors in seconds at many times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that happens to a signal.

    Attributes
    ----------
    at_s : float
        When it begins, bench time.
    kind : str
        ``step``: the phase jumps by `amount` seconds. ``drift``: the frequency is off by
        `amount`. ``vanish``: there is no signal; when it comes back its phase is off by
        `amount` seconds.
    amount : float
        How much; positive is ahead or fast.
    for_s : float
        How long a drift or an absence lasts; by default for ever.
    site : int or None
        The site whose fibre it happens to; the reference itself if not given.
    """

    at_s: float
    kind: Literal["step", "drift", "vanish"]
    amount: float = 0.0
    for_s: float = math.inf
    site: int | None = None

    def __post_init__(self) -> None:
        if not self.at_s >= 0.0 or not self.for_s >= 0.0 or not math.isfinite(self.amount):
            raise ValueError("at_s and for_s are not negative, and amount is finite")

    def phase_at(self, times_ns: NDArray[np.int64]) -> _Array:
        """Return what it adds to the phase at many times; nan while there is no signal."""
        since_s = times_ns * 1e-9 - self.at_s
        if self.kind == "drift":
            lasting_s: _Array = np.clip(since_s, 0.0, self.for_s)
            return self.amount * lasting_s
        if self.kind == "step":
            return np.where(since_s >= 0.0, self.amount, 0.0)
        late = np.where(since_s >= self.for_s, self.amount, np.nan)
        return np.where(since_s >= 0.0, late, 0.0)

    def lasts_at(self, times_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return when a drift or an absence is under way; a step is over at once."""
        since_s = times_ns * 1e-9 - self.at_s
        lasts: NDArray[np.bool_] = (since_s >= 0.0) & (since_s < self.for_s)
        return lasts & (self.kind != "step")


class FaultySignal:
    """A signal to which faults happen."""

    def __init__(self, signal: Signal, faults: tuple[Fault, ...]) -> None:
        self._signal = signal
        self._faults = faults
        self._one = np.zeros(1, dtype=np.int64)
        self._first_ns = min((round(f.at_s * 1e9) for f in faults), default=1 << 62)

    def nominal_hz(self) -> float:
        """Return the nominal frequency."""
        return self._signal.nominal_hz()

    def phase_s(self, t_ns: int) -> float:
        """Return the time error; nan while there is no signal."""
        phase = self._signal.phase_s(t_ns)
        if t_ns < self._first_ns:
            return phase
        self._one[0] = t_ns
        for fault in self._faults:
            phase += float(fault.phase_at(self._one)[0])
        return phase

    def phase_at(self, times_ns: NDArray[np.int64]) -> _Array:
        """Return the time errors at many times."""
        phase = self._signal.phase_at(times_ns)
        for fault in self._faults:
            phase = phase + fault.phase_at(times_ns)
        return phase


class FaultyOscillator(FaultySignal):
    """An oscillator to which faults happen, and which can still be steered."""

    def __init__(self, oscillator: NoisyOscillator, faults: tuple[Fault, ...]) -> None:
        super().__init__(oscillator, faults)
        self.steer = oscillator.steer
        self.on_steer = oscillator.on_steer


def with_faults(signal: Signal, faults: tuple[Fault, ...]) -> Signal:
    """Return a signal to which `faults` happen: itself, if there are none."""
    if not faults:
        return signal
    if isinstance(signal, NoisyOscillator):
        return FaultyOscillator(signal, faults)
    return FaultySignal(signal, faults)


class ArrivingSignal:
    """A signal behind a delay: x(t) = x_sent(t - d) - d."""

    def __init__(self, sent: Signal, way: Way) -> None:
        self._sent = sent
        self._way = way

    def nominal_hz(self) -> float:
        """Return the nominal frequency."""
        return self._sent.nominal_hz()

    def phase_s(self, t_ns: int) -> float:
        """Return the time error where it arrives."""
        delay_s = self._way.delay_s(t_ns)
        return self._sent.phase_s(t_ns - round(delay_s * 1e9)) - delay_s

    def phase_at(self, times_ns: NDArray[np.int64]) -> _Array:
        """Return the time errors where it arrives, at many times."""
        delays_s = self._way.delay_at(times_ns)
        left_ns = times_ns - np.rint(delays_s * 1e9).astype(np.int64)
        return self._sent.phase_at(left_ns) - delays_s


class Pulses:
    """The seconds pulses of a signal, which can be placed anew.

    Parameters
    ----------
    signal : Signal
        What is divided down to 1 Hz.
    late_s : float
        How late its pulses come after its own seconds.
    """

    def __init__(self, signal: Signal, late_s: float = 0.0) -> None:
        self._signal = signal
        self._from_ns = [0]
        self._late_s = [late_s]

    def nominal_hz(self) -> float:
        """Return 1 Hz."""
        return 1.0

    def phase_s(self, t_ns: int) -> float:
        """Return how much ahead of the bench's second its pulse comes."""
        return self._signal.phase_s(t_ns) - self.late_s(t_ns)

    def phase_at(self, times_ns: NDArray[np.int64]) -> _Array:
        """Return the phases at many times."""
        place = np.searchsorted(np.array(self._from_ns), times_ns, side="right") - 1
        late_s: _Array = np.array(self._late_s)[np.maximum(place, 0)]
        return self._signal.phase_at(times_ns) - late_s

    def late_s(self, t_ns: int) -> float:
        """Return how late its pulses come after the signal's own seconds."""
        if self._from_ns[-1] <= t_ns:
            return self._late_s[-1]
        return self._late_s[max(bisect_right(self._from_ns, t_ns) - 1, 0)]

    def place(self, t_ns: int, late_s: float) -> None:
        """Let the pulses come `late_s` after the signal's own seconds from `t_ns` on."""
        while len(self._from_ns) > 1 and self._from_ns[-1] >= t_ns:
            del self._from_ns[-1], self._late_s[-1]
        self._from_ns.append(t_ns)
        self._late_s.append(late_s)
