"""Holdover: the bound that is reported, and what the temperature does to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from clock_cases import CASES, REFERENCE, coefficients, phases

from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.oscillators import NoisyOscillator
from drivers.simulated.plant.temperatures import Temperature, TemperatureParameters
from protocols.clock.model import state_space
from protocols.clock.rehearsal import rehearse

HOURS_3 = 3 * 3600


def test_bound_after_three_hours_holds_as_often_as_it_says() -> None:
    """A correct bound fails with probability 0.002 (binomial, at least 180 of 200)."""
    local = replace(OscillatorParameters.preset("fs725"), offset=0.0, ageing_per_s=0.0)
    settings = CASES["FS725, 100 ps"].settings()
    at = HOURS_3 - 1 + np.array([100, 1000])
    errors, bounds = np.empty((200, 2)), np.empty((200, 2))
    for seed in range(200):
        free_s = phases(local, 2 * seed, HOURS_3 + 1000)
        delivered_s = phases(REFERENCE, 2 * seed + 1, free_s.size)
        seen_s = delivered_s + 1e-10 * np.random.default_rng(seed).standard_normal(free_s.size)
        seen_s[HOURS_3:] = np.nan
        run = rehearse(settings, free_s, seen_s)
        errors[seed] = (run.local_s - delivered_s)[at]
        bounds[seed] = run.bounds_95_s[at]
    assert np.all(np.sum(np.abs(errors) <= bounds, axis=0) >= 180)
    rms = np.sqrt(np.mean(errors**2, axis=0))
    assert np.all(np.median(bounds, axis=0) <= 1.3 * 1.96 * rms)
    assert np.all(rms <= 1.1 * np.array([0.25e-9, 0.97e-9]))


def test_temperature_is_compensated_where_there_is_a_sensor() -> None:
    """A kelvin up and down in a day at 1e-11/K: microseconds, or a tenth of one."""
    day = 86_400
    steps = 2 * day
    room = Temperature(TemperatureParameters(daily_k=1.0), (1,))
    figures = replace(OscillatorParameters.preset("fs725"), temperature_per_k=1e-11)
    times_ns = np.arange(steps) * 10**9
    free_s = NoisyOscillator(figures, (2,), room).phase_at(times_ns)
    delivered_s = phases(REFERENCE, 3, steps)
    rng = np.random.default_rng(4)
    seen_s = delivered_s + 1e-10 * rng.standard_normal(steps)
    seen_s[day:] = np.nan
    warmths_k = room.deviation_at(times_ns) + 0.01 * rng.standard_normal(steps)
    case = CASES["FS725, 100 ps"]
    model = state_space(
        coefficients(figures) + coefficients(REFERENCE),
        reading_s=case.reading_s,
        drift_per_s=2e-17,
        per_kelvin=1e-11,
    )
    settings = case.settings(model=model)
    with_sensor = rehearse(settings, free_s, seen_s, warmths_k=warmths_k)
    without = rehearse(settings, free_s, seen_s)
    error_s = np.abs(with_sensor.local_s - delivered_s)
    assert np.all(error_s[day:] < 1.6 * with_sensor.bounds_95_s[day:])  # three deviations
    half = day + day // 2
    assert with_sensor.bounds_95_s[half] < 200e-9
    assert abs(without.local_s - delivered_s)[half] > 5.0 * error_s[half]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nominal", "ageing", "h-halved", "daily-1K"])
def test_bound_after_a_day_holds_as_often_as_it_says(name: str) -> None:
    from benchmarks import clock_holdover

    case = clock_holdover.CASES[name]
    errors, bounds, _ = clock_holdover.measure(case, 200)
    covered = np.sum(np.abs(errors) <= bounds, axis=0)
    assert np.all(covered >= (180 if case.covered == 0.95 else 200 * case.covered))
    rms = np.sqrt(np.mean(errors**2, axis=0))
    assert np.all(np.median(bounds, axis=0) <= 1.3 * 1.96 * rms)
