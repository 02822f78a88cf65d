"""How a clock follows the pulses at its 1PPS input."""

from __future__ import annotations

import math
from typing import Any

from drivers.simulated.devices.steering import Steering

__all__ = ["OwnSecond", "PulseDiscipline"]

_SECOND_NS = 1_000_000_000


class OwnSecond:
    """Where a clock puts its second, which may be later than its oscillator's.

    Parameters
    ----------
    oscillator : object or None
        Terminal of the plant: the clock itself.
    output : object or None
        Terminal of the plant: its pulses, which are placed with ``place``.
    t_ns : int
        Present time.
    """

    def __init__(self, oscillator: Any, output: Any, t_ns: int) -> None:
        self._oscillator, self._output = oscillator, output
        self.late_s = 0.0 if output is None else float(output.late_s(t_ns))

    def early_s(self, reference: Any, t_ns: int) -> float | None:
        """Return by how much it is earlier than that of `reference`; None without one."""
        if reference is None:
            return None
        reference_s = float(reference.phase_s(t_ns))
        if math.isnan(reference_s):  # nothing arrives
            return None
        own_s = 0.0 if self._oscillator is None else float(self._oscillator.phase_s(t_ns))
        return (own_s - self.late_s - reference_s + 0.5) % 1.0 - 0.5

    def move(self, t_ns: int, later_s: float) -> None:
        """Put it so much later from `t_ns` on."""
        self.late_s = (self.late_s + later_s) % 1.0
        if self._output is not None:
            self._output.place(t_ns, self.late_s)


class PulseDiscipline:
    """A clock's own second against the pulses at its input, and a loop between them.

    The loop is of second order and critically damped: with the time constant tau
    it corrects the frequency by 2/tau of the phase and 1/tau^2 of its integral.

    Parameters
    ----------
    second : OwnSecond
        The clock's second.
    reference : object or None
        Terminal of the plant: what arrives at its input.
    steering : Steering
        The clock's steering.
    step : float
        One step of it.
    resolution_s : float
        Of the phase meter.
    most : float
        Highest fractional frequency that the loop asks for.
    near_s : float
        Pulses further off than this are not followed.
    """

    def __init__(
        self,
        second: OwnSecond,
        reference: Any,
        steering: Steering,
        *,
        step: float,
        resolution_s: float,
        most: float,
        near_s: float = 1e-6,
    ) -> None:
        self._second, self._reference = second, reference
        self._steering, self._step, self._resolution_s = steering, step, resolution_s
        self._most, self._near_s = most, near_s
        self._integral = 0.0
        self._seen_ns = 0
        self.running = False
        self.correction_steps = 0

    def phase_s(self, t_ns: int) -> float | None:
        """Return by how much the own second is early, in steps of the resolution; None unknown."""
        exact_s = self._second.early_s(self._reference, t_ns)
        return None if exact_s is None else round(exact_s / self._resolution_s) * self._resolution_s

    def place(self, t_ns: int) -> bool:
        """Put the own second onto the input's; False if no pulse comes."""
        exact_s = self._second.early_s(self._reference, t_ns)
        if exact_s is None:
            return False
        self._second.move(t_ns, exact_s)
        return True

    def start(self, t_ns: int) -> None:
        """Begin to follow the input from the steering in force."""
        self.running = True
        self._integral = self._steering.fractional
        self._seen_ns = t_ns

    def stop(self) -> None:
        """Leave the steering where it is."""
        self.running = False

    def follow(self, until_ns: int, tau_s: float) -> None:
        """Work through the seconds since the last time."""
        for second in range(self._seen_ns // _SECOND_NS + 1, until_ns // _SECOND_NS + 1):
            phase_s = self.phase_s(second * _SECOND_NS)
            if phase_s is not None and abs(phase_s) <= self._near_s:
                self._integral = self._within(self._integral - phase_s / tau_s**2)
                wanted = self._within(self._integral - 2.0 * phase_s / tau_s)
                steps = round(wanted / self._step)
                self.correction_steps = steps - self._steering.steps
                self._steering.set(second * _SECOND_NS, steps)
        self._seen_ns = until_ns

    def _within(self, fractional: float) -> float:
        return max(-self._most, min(fractional, self._most))
