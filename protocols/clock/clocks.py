"""Clocks by name: the noise of what laboratories have, as data.

The coefficients come from the Allan deviations of data sheets: white frequency noise at 1 s,
flicker floor, random walk of the frequency at 1 s. Where a sheet gives no floor or no random
walk they are assumed, and `source` says so. The clocks of the simulated bench have the same
names and figures, but for white noise of up to 4 % less: no unit is above its sheet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocols.clock.model import NoiseCoefficients
from protocols.errors import ParameterError

__all__ = ["CLOCKS", "Clock", "named_clock"]

_MONTH_S = 30.44 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A free-running clock.

    Attributes
    ----------
    noise : NoiseCoefficients
        Its frequency noise.
    white_phase_s : float
        Standard deviation of the white phase noise of its pulses.
    ageing_per_s : float
        Size of its frequency drift.
    per_kelvin : float
        Size of the temperature coefficient of its frequency, in 1/K.
    quartz : NoiseCoefficients or None
        Of the oscillator that an atomic reference steers, if that shows at short times.
    quartz_time_s : float
        Up to about this time the quartz rules: first-order filters of this time constant,
        low-pass on the atoms' noise and high-pass on the quartz's.
    source : str
        Where the figures come from.

    Raises
    ------
    ParameterError
        A value is negative or not finite.
    """

    noise: NoiseCoefficients
    white_phase_s: float = 0.0
    ageing_per_s: float = 0.0
    per_kelvin: float = 0.0
    quartz: NoiseCoefficients | None = None
    quartz_time_s: float = 3.0
    source: str = ""

    def __post_init__(self) -> None:
        values = (self.white_phase_s, self.ageing_per_s, self.per_kelvin, self.quartz_time_s)
        if not all(0.0 <= value < math.inf for value in values):
            raise ParameterError("a clock's figures must be finite and not negative")


_adev = NoiseCoefficients.from_adev
_CAESIUM_QUARTZ = _adev(flicker=2e-12, walk=2e-13)

CLOCKS: dict[str, Clock] = {
    "5071a": Clock(
        noise=_adev(white=2.7e-11, flicker=1.5e-14),
        quartz=_CAESIUM_QUARTZ,
        source="Symmetricom/Agilent 5071A, standard tube: 8.5e-13 at 1e3 s; quartz assumed",
    ),
    "5071a-hp": Clock(
        noise=_adev(white=8.5e-12, flicker=5e-15),
        quartz=_CAESIUM_QUARTZ,
        source="5071A, high-performance tube: 8.5e-13 at 100 s, floor 5e-15; quartz assumed",
    ),
    "fs725": Clock(
        noise=_adev(white=2e-11, flicker=5e-13, walk=3e-15),
        ageing_per_s=5e-11 / _MONTH_S,
        per_kelvin=2e-12,
        source="SRS FS725/PRS10: 2e-11 at 1 s, 5e-11 a month, 1e-10 over temperature; floor "
        "and random walk assumed",
    ),
    "sa45s": Clock(
        noise=_adev(white=3e-10, flicker=3e-12, walk=5e-14),
        ageing_per_s=9e-10 / _MONTH_S,
        per_kelvin=5e-12,
        source="Microchip SA.45s: 3e-10 at 1 s, 9e-10 a month, 4e-10 over temperature; floor "
        "and random walk as 1e-11 at 1e3 s lets them be",
    ),
    "sa5x": Clock(
        noise=_adev(white=1.4e-11, flicker=1.5e-13, walk=5e-15),
        ageing_per_s=5e-11 / _MONTH_S,
        source="Microchip SA.5x: 5e-11 a month; white noise, floor and random walk as 1.5e-11 "
        "at 1 s and 5e-13 at 1e3 s let them be",
    ),
    "ocxo-noisy": Clock(
        noise=_adev(white=1e-12, flicker=1e-12, walk=2e-13),
        ageing_per_s=1e-15,
        source="an ovenised crystal; all assumed",
    ),
    "ocxo-good": Clock(
        noise=_adev(flicker=3e-13, walk=5e-15),
        ageing_per_s=1e-15,
        source="a good ovenised crystal; all assumed",
    ),
    "maser": Clock(
        noise=_adev(white=6e-14, flicker=1e-15),
        white_phase_s=1.3e-13 / math.sqrt(3.0),
        ageing_per_s=1e-15 / 86400.0,
        source="hydrogen masers at USNO: 2e-13 tau^-0.6 to 1e3 s, below 1e-15 a day",
    ),
}
"""The clocks that have a name."""


def named_clock(name: str) -> Clock:
    """Return a clock by its name, whatever its case.

    Raises
    ------
    ParameterError
        There is none of that name.
    """
    clock = CLOCKS.get(name.lower())
    if clock is None:
        raise ParameterError(f"no clock is called {name!r}; there are {', '.join(CLOCKS)}")
    return clock
