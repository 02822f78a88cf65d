"""The figures of oscillators: what noise they have, and named ones to choose from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

__all__ = ["BANDWIDTH_HZ", "PRESETS", "OscillatorParameters", "Preset"]

#: The bandwidth in which phase noise is understood.
BANDWIDTH_HZ = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OscillatorParameters:
    """The stability of an oscillator by its Allan deviation.

    With a `servo_s` it is a quartz oscillator that follows an atomic resonance:
    the atomic noise (the figures without prefix) is low-passed and that of the
    quartz is high-passed, both of first order.

    Attributes
    ----------
    name : str
        What it is.
    nominal_hz : float
        Its nominal frequency.
    white_pm, flicker_pm : float
        Allan deviations at 1 s of its white and flicker phase noise within
        `BANDWIDTH_HZ`.
    white_fm : float
        Allan deviation at 1 s of its white frequency noise.
    flicker_fm : float
        Its flicker floor.
    random_walk_fm : float
        Allan deviation at 1 s of its random-walk frequency noise.
    servo_s : float
        Time constant with which the quartz follows; 0: there is none.
    quartz_flicker_fm, quartz_random_walk_fm : float
        Flicker floor and random walk (at 1 s) of the quartz alone.
    offset : float
        Fractional frequency error at time 0; positive runs fast.
    ageing_per_s : float
        Fractional frequency drift per second.
    temperature_per_k : float
        Fractional frequency change per kelvin.
    """

    name: str = ""
    nominal_hz: float = 10e6
    white_pm: float = 0.0
    flicker_pm: float = 0.0
    white_fm: float = 0.0
    flicker_fm: float = 0.0
    random_walk_fm: float = 0.0
    servo_s: float = 0.0
    quartz_flicker_fm: float = 0.0
    quartz_random_walk_fm: float = 0.0
    offset: float = 0.0
    ageing_per_s: float = 0.0
    temperature_per_k: float = 0.0

    @property
    def h2(self) -> float:
        """White-PM coefficient of S_y(f) in 1/Hz^3: 4 pi^2 sigma^2 / (3 f_h) (NIST SP 1065)."""
        return 4.0 * math.pi**2 * self.white_pm**2 / (3.0 * BANDWIDTH_HZ)

    @property
    def h1(self) -> float:
        """Flicker-PM coefficient of S_y(f) in 1/Hz^2: 4 pi^2 sigma^2 / (1.038 + 3 ln 2 pi f_h)."""
        return 4.0 * math.pi**2 * self.flicker_pm**2 / _flicker_pm_factor(1.0)

    @property
    def h0(self) -> float:
        """White-FM coefficient of S_y(f) in 1/Hz: 2 sigma^2 (NIST SP 1065, table 5)."""
        return 2.0 * self.white_fm**2

    @property
    def h_minus_1(self) -> float:
        """Flicker-FM coefficient of S_y(f): sigma^2 / (2 ln 2)."""
        return self.flicker_fm**2 / (2.0 * math.log(2.0))

    @property
    def h_minus_2(self) -> float:
        """Random-walk-FM coefficient of S_y(f) in Hz: 3 sigma^2 / (2 pi^2)."""
        return 3.0 * self.random_walk_fm**2 / (2.0 * math.pi**2)

    @classmethod
    def from_h(
        cls,
        h0: float = 0.0,
        h_minus_1: float = 0.0,
        h_minus_2: float = 0.0,
        *,
        h1: float = 0.0,
        h2: float = 0.0,
    ) -> Self:
        """Return an oscillator with S_y(f) = sum of h_n f^n."""
        return cls(
            white_pm=math.sqrt(3.0 * BANDWIDTH_HZ * h2) / (2.0 * math.pi),
            flicker_pm=math.sqrt(h1 * _flicker_pm_factor(1.0)) / (2.0 * math.pi),
            white_fm=math.sqrt(0.5 * h0),
            flicker_fm=math.sqrt(2.0 * math.log(2.0) * h_minus_1),
            random_walk_fm=math.pi * math.sqrt(2.0 * h_minus_2 / 3.0),
        )

    @classmethod
    def preset(cls, name: str) -> OscillatorParameters:
        """Return the figures of one of `PRESETS`.

        Raises
        ------
        ValueError
            If there is none of this name.
        """
        try:
            return PRESETS[name].parameters
        except KeyError:
            known = ", ".join(PRESETS)
            raise ValueError(f"there is no oscillator {name!r}; known are {known}") from None


_EULER_GAMMA = 0.5772156649015329


def _flicker_pm_factor(tau_s: float) -> float:
    # 3 gamma - ln 2 is the 1.038 of the tables.
    bandwidth = math.log(2.0 * math.pi * BANDWIDTH_HZ * tau_s)
    return 3.0 * _EULER_GAMMA - math.log(2.0) + 3.0 * bandwidth


@dataclass(frozen=True, slots=True)
class Preset:
    """A named oscillator.

    Attributes
    ----------
    parameters : OscillatorParameters
        Its figures.
    sheet : mapping of float to float
        Allan deviation that its data sheet promises, by averaging time in seconds.
    source : str
        Where the figures come from and how sure they are.
    """

    parameters: OscillatorParameters
    sheet: Mapping[float, float]
    source: str


def _preset(
    name: str, source: str, sheet: Mapping[float, float] | None = None, **figures: float
) -> Preset:
    return Preset(OscillatorParameters(name=name, **figures), sheet or {}, source)


# Floors, random walks, quartz and temperature are bench assumptions where the source
# does not say. Where a unit with the usual figures would be above its data sheet at
# some averaging time, white noise or floor are a little less here.
PRESETS: Mapping[str, Preset] = {
    "5071a": _preset(
        "5071A, standard tube",
        "data sheet, from memory; its ends agree with a second sheet",
        {1.0: 1.2e-11, 10.0: 8.5e-12, 100.0: 2.7e-12, 1e3: 8.5e-13, 1e4: 2.7e-13, 1e5: 8.5e-14},
        white_fm=2.64e-11,
        flicker_fm=1.5e-14,
        servo_s=3.0,
        quartz_flicker_fm=2e-12,
        quartz_random_walk_fm=2e-13,
    ),
    "5071a-hp": _preset(
        "5071A, high-performance tube",
        "data sheet, from memory",
        {1.0: 5e-12, 10.0: 3.5e-12, 100.0: 8.5e-13, 1e3: 2.7e-13, 1e4: 8.5e-14, 1e5: 2.7e-14},
        white_fm=8.3e-12,
        flicker_fm=5e-15,
        servo_s=3.0,
        quartz_flicker_fm=2e-12,
        quartz_random_walk_fm=2e-13,
    ),
    "fs725": _preset(
        "SRS FS725",
        "data sheet, from memory; 2e-11/sqrt(tau) in a second source",
        {1.0: 2e-11, 10.0: 1e-11, 100.0: 2e-12},
        white_fm=1.93e-11,
        flicker_fm=5e-13,
        random_walk_fm=3e-15,
        offset=2e-11,
        ageing_per_s=1.9e-17,
        temperature_per_k=2e-12,
    ),
    "sa45s": _preset(
        "Microchip SA.45s",
        "one secondary source",
        {1.0: 3e-10, 10.0: 1e-10, 100.0: 3e-11, 1e3: 1e-11},
        white_fm=2.95e-10,
        flicker_fm=3e-12,
        random_walk_fm=5e-14,
        ageing_per_s=3.42e-16,
        temperature_per_k=5e-12,
    ),
    "sa5x": _preset(
        "Microchip SA.5x",
        "one secondary source, variant unknown; floor and random walk as its sheet lets them be",
        {1.0: 1.5e-11, 10.0: 5e-12, 100.0: 1.5e-12, 1e3: 5e-13},
        white_fm=1.4e-11,
        flicker_fm=1.5e-13,
        random_walk_fm=5e-15,
        ageing_per_s=1.9e-17,
    ),
    "ocxo-noisy": _preset(
        "oven-controlled crystal, noisy",
        "all assumed",
        white_fm=1e-12,
        flicker_fm=1e-12,
        random_walk_fm=2e-13,
        ageing_per_s=1e-15,
    ),
    "ocxo-good": _preset(
        "oven-controlled crystal, good",
        "all assumed",
        flicker_fm=3e-13,
        random_walk_fm=5e-15,
        ageing_per_s=1e-15,
    ),
    "maser": _preset(
        "hydrogen maser",
        "USNO: 2e-13 tau^-0.6 to 1e3 s, at most 3e-15 to 1e4 s; below 1e-15 a day",
        {1.0: 2e-13, 10.0: 5.02e-14, 100.0: 1.26e-14, 1e3: 3.17e-15, 1e4: 3e-15},
        white_pm=1.3e-13,
        white_fm=6e-14,
        flicker_fm=1e-15,
        ageing_per_s=1.157e-20,
    ),
    "cavity-laser": _preset(
        "laser on a silicon cavity",
        "arXiv 1902.07012; its drift is unconfirmed and left out",
        {1.0: 4.1e-17},
        nominal_hz=193.4e12,
        flicker_fm=4e-17,
    ),
    "strontium": _preset(
        "strontium lattice clock, while it runs",
        "arXiv 1208.1634: 4e-16 to 5e-16 over sqrt(tau)",
        {1.0: 5e-16, 10.0: 1.58e-16, 100.0: 5e-17},
        nominal_hz=429.228e12,
        white_fm=4.5e-16,
        flicker_fm=1e-18,
    ),
    "crystal": _preset(
        "uncompensated crystal of a time tagger",
        "all assumed",
        white_fm=1e-10,
        flicker_fm=3e-10,
        random_walk_fm=1e-11,
        offset=1.4e-6,
        ageing_per_s=1e-14,
    ),
}
