"""What of an oscillator is no noise: offset, ageing, temperature, steering; and drifts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.simulated.plant.drifts import Drift
from drivers.simulated.plant.figures import PRESETS, OscillatorParameters
from drivers.simulated.plant.oscillators import NoisyOscillator
from drivers.simulated.plant.temperatures import Temperature, TemperatureParameters

RUBIDIUM = OscillatorParameters.preset("fs725")

_S = 1_000_000_000


def test_offset_and_ageing_are_exact():
    p = OscillatorParameters(offset=1e-6, ageing_per_s=1e-9)
    oscillator = NoisyOscillator(p, (1,))
    assert oscillator.phase_s(1500 * _S) == pytest.approx(1.5e-3 + 0.5e-9 * 1500**2, rel=1e-12)
    assert oscillator.frequency(100 * _S) == pytest.approx(1e-6 + 1e-7, rel=1e-12)
    assert oscillator.nominal_hz() == 10e6


def test_steering_bends_the_phase_where_it_is_set():
    heard = []
    oscillator = NoisyOscillator(OscillatorParameters(), (1,))
    oscillator.on_steer(heard.append)
    oscillator.steer(10 * _S, 1e-9)
    oscillator.steer(30 * _S, -2e-9)
    assert oscillator.phase_s(10 * _S) == 0.0
    assert oscillator.phase_s(20 * _S) == pytest.approx(1e-8)
    assert oscillator.phase_s(40 * _S) == pytest.approx(0.0, abs=1e-20)
    assert oscillator.frequency(5 * _S) == 0.0
    assert oscillator.frequency(35 * _S) == -2e-9
    oscillator.steer(20 * _S, 0.0)  # supersedes what was planned for later
    assert oscillator.phase_s(90 * _S) == pytest.approx(1e-8)
    assert heard == [10 * _S, 30 * _S, 20 * _S]


def test_temperature_pulls_the_frequency():
    # 2e-12/K and a sine of 1 K: the phase swings by 2e-12 * 86400 s / (2 pi) about its mean.
    p = OscillatorParameters(temperature_per_k=2e-12)
    warm = Temperature(TemperatureParameters(daily_k=1.0), (1,))
    oscillator = NoisyOscillator(p, (1,), warm)
    swing_s = 2e-12 * 86_400.0 / (2.0 * math.pi)
    assert oscillator.phase_s(43_200 * _S) == pytest.approx(2.0 * swing_s, rel=1e-12)
    assert oscillator.phase_s(86_400 * _S) == pytest.approx(0.0, abs=1e-20)
    assert oscillator.frequency(21_600 * _S) == pytest.approx(2e-12, rel=1e-9)


def test_warmth_is_the_integral_of_the_temperature():
    wandering = TemperatureParameters(daily_k=0.5, yearly_k=8.0, wander_k=0.3, wander_s=3000.0)
    warm = Temperature(wandering, (4,))
    times = np.arange(0, 20_001 * _S, _S // 2)
    kelvin = warm.deviation_at(times)
    summed = np.cumsum(0.25 * (kelvin[1:] + kelvin[:-1]))  # exact where it is linear
    assert np.allclose(warm.warmth_at(times)[1:], summed, atol=1e-4, rtol=1e-6)
    assert warm.celsius(777 * _S) == 23.0 + warm.deviation_k(777 * _S)
    assert np.ptp(kelvin) > 0.3


def test_the_weather_has_its_standard_deviation():
    # After 10 relaxation times; the variance of 2000 seeds within five standard errors: 6e-7.
    figures = TemperatureParameters(wander_k=2.0, wander_s=1000.0)
    seen = [Temperature(figures, (seed, 1)).deviation_k(10_000 * _S) for seed in range(2000)]
    assert abs(np.var(seen) / 4.0 - 1.0) < 5.0 * math.sqrt(2.0 / 2000)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9_000 * _S), min_size=1, max_size=20), st.data())
def test_one_by_one_or_at_once_makes_no_difference(times, data):
    figures = data.draw(st.sampled_from([preset.parameters for preset in PRESETS.values()]))
    warm = [Temperature(TemperatureParameters(daily_k=1.0, wander_k=0.5), (8,)) for _ in range(2)]
    single, many = (NoisyOscillator(figures, (5, 2), each) for each in warm)
    for each in (single, many):
        each.steer(1_000_000_007, 3e-11)
        each.steer(2_500 * _S + 1, -7e-12)
    one_by_one = [single.phase_s(t) for t in times]
    assert many.phase_at(np.array(times)).tolist() == one_by_one
    assert many.free_phase_at(np.array(times)).tolist() == [single.free_phase_s(t) for t in times]


def test_steering_leaves_the_free_clock_as_it_was():
    free, steered = (NoisyOscillator(RUBIDIUM, (3, 3)) for _ in range(2))
    steered.steer(100 * _S, 1e-10)
    times = np.arange(0, 500 * _S, _S)
    assert np.array_equal(steered.free_phase_at(times), free.phase_at(times))
    gained = steered.phase_at(times) - free.phase_at(times)
    assert gained[-1] == pytest.approx(399e-10, rel=1e-9)


def test_the_phase_does_not_depend_on_the_questions():
    forwards = NoisyOscillator(RUBIDIUM, (5, 1))
    jumping = NoisyOscillator(RUBIDIUM, (5, 1))
    times = [7 * _S // 3 * k for k in range(2000)]
    far = jumping.phase_s(times[-1])
    assert [forwards.phase_s(t) for t in times] == [jumping.phase_s(t) for t in times]
    assert forwards.phase_s(times[-1]) == far
    assert NoisyOscillator(RUBIDIUM, (6, 1)).phase_s(times[-1]) != far


@pytest.mark.parametrize("relaxation_s", [math.inf, 20.0])
def test_a_drift_wanders_at_its_rate(relaxation_s):
    # Variances over 4000 seeds within five standard errors: false alarm 5.7e-7 each.
    drifts = [Drift(0.3, relaxation_s, (seed, 1)) for seed in range(4000)]
    for seconds in (1, 10, 100):
        seen = np.array([drift.at(seconds * _S) for drift in drifts])
        if math.isinf(relaxation_s):
            variance = 0.09 * seconds
        else:
            variance = 0.09 * 10.0 * (1.0 - math.exp(-2.0 * seconds / 20.0))
        assert abs(seen.var() / variance - 1.0) < 5.0 * math.sqrt(2.0 / seen.size)
        assert abs(seen.mean()) < 5.0 * math.sqrt(variance / seen.size)
    drift = drifts[0]
    assert drift.at(0) == 0.0
    assert drift.at(1_500_000_000) == pytest.approx(0.5 * (drift.at(_S) + drift.at(2 * _S)))
    assert drift.at(2000 * _S) == Drift(0.3, relaxation_s, (0, 1)).at(2000 * _S)
