"""What the steering of a frequency standard does to its oscillator in the plant."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

__all__ = ["Steering"]


@runtime_checkable
class _Steerable(Protocol):
    """An oscillator of the plant whose frequency can be pulled."""

    def steer(self, t_ns: int, fractional: float) -> None:
        """Pull the frequency from `t_ns` on; positive raises it."""


class Steering:
    """The steering in force, a whole number of steps.

    Parameters
    ----------
    oscillator : object, optional
        Terminal of the plant; steered if it has ``steer``, else nothing follows.
    step : float
        Fractional frequency of one step.
    """

    def __init__(self, oscillator: Any, step: float) -> None:
        self._steer = oscillator.steer if isinstance(oscillator, _Steerable) else None
        self._step = step
        self._latched = 0
        self._besides = 0.0
        self.steps = 0

    @property
    def latched(self) -> float:
        """Fractional frequency that latching has added for good."""
        return self._latched * self._step

    @property
    def fractional(self) -> float:
        """Fractional frequency by which the oscillator is pulled."""
        return self.steps * self._step

    def set(self, t_ns: int, steps: int) -> None:
        """Steer by so many steps from `t_ns` on."""
        if steps != self.steps:
            self.steps = steps
            self._act(t_ns)

    def disturb(self, t_ns: int, fractional: float) -> None:
        """Let the oscillator be off by so much besides, from `t_ns` on."""
        if fractional != self._besides:
            self._besides = fractional
            self._act(t_ns)

    def _act(self, t_ns: int) -> None:
        if self._steer is not None:
            self._steer(t_ns, (self._latched + self.steps) * self._step + self._besides)

    def latch(self) -> None:
        """Count from the present frequency on: it stays, the steering is 0."""
        self._latched += self.steps
        self.steps = 0
