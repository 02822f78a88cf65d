"""How warm it is inside an instrument."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Room", "inside_c"]

_USUAL_C = 23.0


class Room(Protocol):
    """A place of the plant with a temperature."""

    def celsius(self, t_ns: int) -> float:
        """Return the temperature in degrees Celsius."""


def inside_c(room: Room | None, t_ns: int, usual_c: float) -> float:
    """Return the temperature of a unit that has `usual_c` where it is 23 degrees Celsius."""
    return usual_c if room is None else usual_c + room.celsius(t_ns) - _USUAL_C
