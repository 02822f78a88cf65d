"""Allan deviations, as means over seeds, against the coefficients they come from.

The standard error is taken from the scatter of the seeds' Allan variances and the
limit is five of them: false alarm about 1e-5 with 24 seeds (Student's t).
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivers.simulated.plant.drifts import Drift
from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.oscillators import NoisyOscillator

RUBIDIUM = OscillatorParameters.preset("fs725")

_S = 1_000_000_000
_SEEDS = 24


def allan_variance(phase, m):
    """Overlapping, from phase at 1 s steps (NIST SP 1065, eq. 11)."""
    second = phase[2 * m :] - 2 * phase[m:-m] + phase[: -2 * m]
    return float((second**2).mean() / (2.0 * m * m))


def phases(parameters, seed, seconds):
    oscillator = NoisyOscillator(parameters, (seed, 99))
    return np.array([oscillator.phase_s(t * _S) for t in range(seconds)])


def assert_variances(parameters, expected, seconds, model=0.0):
    runs = [phases(parameters, seed, seconds) for seed in range(_SEEDS)]
    for m, variance in expected.items():
        seen = np.array([allan_variance(run, m) for run in runs])
        error = seen.std(ddof=1) / math.sqrt(_SEEDS)
        assert abs(seen.mean() - variance) < 5.0 * error + model * variance, m


def test_white_frequency_noise():
    p = OscillatorParameters(white_fm=2e-11)
    assert_variances(p, {m: p.h0 / (2 * m) for m in (1, 10, 100)}, 4096)


def test_flicker_floor():
    # The sum of states follows 1/f within one per cent from ten steps on.
    p = OscillatorParameters(flicker_fm=3e-10)
    level = 2.0 * math.log(2.0) * p.h_minus_1
    assert level == pytest.approx(9e-20)
    assert_variances(p, dict.fromkeys((10, 100, 500), level), 8192, model=0.01)


def test_random_walk_of_the_frequency():
    p = OscillatorParameters(random_walk_fm=1e-11)
    expected = {m: 2.0 * math.pi**2 / 3.0 * p.h_minus_2 * m for m in (1, 10, 100)}
    assert_variances(p, expected, 4096)


def test_the_rubidium_standard_meets_its_data_sheet():
    runs = [phases(RUBIDIUM, seed, 4096) for seed in range(8)]
    for tau, limit in ((1, 2.05e-11), (100, 2.2e-12)):
        assert math.sqrt(np.mean([allan_variance(run, tau) for run in runs])) < limit


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
