"""Clocks that the tests of the loop rehearse against: the plant's, and faults of a reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.oscillators import NoisyOscillator
from protocols.clock.actuator import Actuator
from protocols.clock.control import Gains
from protocols.clock.model import NoiseCoefficients, state_space
from protocols.clock.settings import LoopSettings

Floats = NDArray[np.float64]

REFERENCE = OscillatorParameters.preset("5071a-hp")
STEPS = Actuator(step=1e-12, lower=-20_000, upper=20_000, slew=1e-10)


@dataclass(frozen=True)
class Case:
    """A local clock, the noise of its readings, and gains near the best."""

    clock: str
    reading_s: float
    gains: Gains
    ageing_per_s: float
    controller: str = "lqg"

    def settings(self, **others) -> LoopSettings:
        local = OscillatorParameters.preset(self.clock)
        model = state_space(
            coefficients(local) + coefficients(REFERENCE),
            reading_s=self.reading_s,
            drift_per_s=self.ageing_per_s,
        )
        given = {"model": model, "actuator": STEPS, "gains": self.gains, **others}
        return LoopSettings(controller=self.controller, **given)


CASES = {
    "FS725, 100 ps": Case("fs725", 1e-10, Gains(0.1, 1.0), 2e-17),
    "FS725, 1 ns": Case("fs725", 1e-9, Gains(0.02, 1.0), 2e-17),
    "FS725, 100 ps, PI": Case("fs725", 1e-10, Gains(0.1, 2e-4, 0.5), 2e-17, "pi"),
    "OCXO, 60 ps": Case("ocxo-noisy", 6e-11, Gains(0.1, 1.0), 1e-15),
    "CSAC, 1 ns": Case("sa45s", 1e-9, Gains(0.5, 1.0), 4e-16),
}


def coefficients(p: OscillatorParameters) -> NoiseCoefficients:
    return NoiseCoefficients(h_0=p.h0, h_minus_1=p.h_minus_1, h_minus_2=p.h_minus_2)


def phases(figures: OscillatorParameters, seed: int, steps: int) -> Floats:
    """Return an oscillator's phase at every second."""
    return NoisyOscillator(figures, (seed,)).phase_at(np.arange(steps) * 10**9)


@dataclass
class Day:
    """Free-running local clock, reference as delivered, what a reading adds, health."""

    free_s: Floats
    delivered_s: Floats
    noise_s: Floats
    healthy: NDArray[np.bool_]

    @property
    def seen_s(self) -> Floats:
        return self.delivered_s + self.noise_s


def day(case: Case, seed: int, steps: int, offset_s: float = 30e-9) -> Day:
    """Return clocks that start `offset_s` apart."""
    local = OscillatorParameters.preset(case.clock)
    return Day(
        phases(local, 2 * seed, steps) + offset_s,
        phases(REFERENCE, 2 * seed + 1, steps),
        case.reading_s * np.random.default_rng(seed).standard_normal(steps),
        np.ones(steps, bool),
    )


def spoil_readings(found: Day, rng: np.random.Generator, part: float) -> None:
    """Make that part of the readings outliers of 10 ns to 1 ms, and lose as many."""
    draws = rng.random(found.noise_s.size)
    outliers = draws < part
    size = int(outliers.sum())
    found.noise_s[outliers] += rng.choice([-1, 1], size) * 10.0 ** rng.uniform(-8, -3, size)
    found.noise_s[(draws >= part) & (draws < 2 * part)] = np.nan


def fault(found: Day, kind: str, at: int, sign: int = 1) -> int:
    """Spoil the reference from `at` on; return after how many steps a lock must have ended."""
    since = np.arange(found.delivered_s.size) - at
    late = since >= 0
    if kind == "step":
        found.delivered_s[late] += sign * 1e-6
    elif kind == "drift":
        found.delivered_s += np.where(late, sign * 1e-9 * since, 0.0)
    elif kind == "loss":
        found.delivered_s[late] = np.nan
    elif kind == "returns wrong":
        found.delivered_s[late] = np.where(since[late] < 600, np.nan, found.delivered_s[late])
        found.delivered_s[late] += sign * 2e-7
    elif kind == "returns":
        late &= since < 600
        found.delivered_s[late] = np.nan
    elif kind == "steps back":
        late &= since < 600
        found.delivered_s[late] += sign * 1e-6
    found.healthy[late] = False
    return 10 if kind == "drift" else 2
