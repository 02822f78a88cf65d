"""When things happen along the link: slots, delays, and what holds from which slot on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Generic, TypeVar

from drivers.simulated.plant.fibre import Fibre
from drivers.simulated.plant.oscillators import NoisyOscillator

__all__ = ["SlotGrid", "Timeline"]

_T = TypeVar("_T")


class SlotGrid:
    """The numbering of the pulses, and its relation to bench time.

    Slot k begins at Alice when the reference shows k slot lengths; its pulse
    passes in the middle. At Bob's modulator it is later by the fibre's delay.
    """

    def __init__(self, slot_rate_hz: float, reference: NoisyOscillator, fibre: Fibre) -> None:
        self.slot_ps = round(1e12 / slot_rate_hz)
        if self.slot_ps < 1 or abs(self.slot_ps * slot_rate_hz - 1e12) > 1e-3 * slot_rate_hz:
            raise ValueError("a slot is a whole number of picoseconds")
        self._reference = reference
        self._fibre = fibre

    def reference_ps(self, t_ns: int) -> int:
        """Return what the reference shows at `t_ns`."""
        return t_ns * 1000 + round(self._reference.phase_s(t_ns) * 1e12)

    def bench_ps(self, reference_ps: int) -> int:
        """Return when the reference shows `reference_ps`."""
        bench_ps = reference_ps
        for _ in range(2):  # a rate error of 1e-6 over a day leaves less than 0.1 ps
            bench_ps = reference_ps - round(self._reference.phase_s(bench_ps // 1000) * 1e12)
        return bench_ps

    def at_alice(self, t_ns: int) -> int:
        """Return the first slot that begins at `t_ns` or later."""
        return -(-self.reference_ps(t_ns) // self.slot_ps)

    def at_bob(self, t_ns: int) -> int:
        """Return the first slot whose pulse passes Bob's modulator at `t_ns` or later."""
        middle_ps = self.slot_ps // 2 + self._fibre.delay_ps(t_ns)
        return -(-(self.reference_ps(t_ns) - middle_ps) // self.slot_ps)

    def start_ns(self, slot: int) -> int:
        """Return the bench time at which a slot begins, rounded up."""
        return -(-self.bench_ps(slot * self.slot_ps) // 1000)

    def passes_bob_ps(self, slot: int) -> int:
        """Return the bench time at which a pulse passes Bob's modulator."""
        leaves_ps = self.bench_ps(slot * self.slot_ps + self.slot_ps // 2)
        return leaves_ps + self._fibre.delay_ps(leaves_ps // 1000)


class Timeline(Generic[_T]):
    """A setting and the slots from which each of its values holds.

    Parameters
    ----------
    value : object
        What holds from the beginning.
    changed : callable
        Told the first slot for which a new value holds, before it does.
    """

    def __init__(self, value: _T, changed: Callable[[int], None]) -> None:
        self._slots = [-(1 << 62)]
        self._values = [value]
        self._changed = changed

    def set(self, slot: int, value: _T) -> None:
        """Let `value` hold from `slot` on, whatever was planned for later."""
        self._changed(slot)
        while len(self._slots) > 1 and self._slots[-1] >= slot:
            del self._slots[-1], self._values[-1]
        self._slots.append(slot)
        self._values.append(value)

    def at(self, slot: int) -> _T:
        """Return what holds for `slot`."""
        return self._values[max(bisect_right(self._slots, slot) - 1, 0)]

    def change_after(self, slot: int) -> int | None:
        """Return the first later slot for which something else holds, if one is planned."""
        place = bisect_right(self._slots, slot)
        return self._slots[place] if place < len(self._slots) else None

    def forget(self, slot: int) -> None:
        """Drop what no longer holds for `slot`."""
        gone = max(bisect_right(self._slots, slot) - 1, 0)
        del self._slots[:gone], self._values[:gone]
