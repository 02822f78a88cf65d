"""Allan deviations of simulated oscillators, as means over 20 seeds, and their closed forms.

The standard error is taken from the scatter of the seeds, and the limit is three of
them: false alarm 0.7 % for each of the values that are compared (Student's t, 19 degrees
of freedom), so about one in two of all; the seeds are fixed, so there is none. The closed
forms are those of NIST SP 1065, table 5, or an integral over S_y(f) where a servo filters
the noise; neither knows the ladder of states that makes the noise.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from drivers.simulated.plant.figures import BANDWIDTH_HZ, PRESETS, OscillatorParameters
from drivers.simulated.plant.oscillators import NoisyOscillator

_S = 1_000_000_000
_SEEDS = 20
_KINDS = {
    "white PM": OscillatorParameters(white_pm=1e-12),
    "flicker PM": OscillatorParameters(flicker_pm=1e-12),
    "white FM": OscillatorParameters(white_fm=1e-12),
    "flicker FM": OscillatorParameters(flicker_fm=1e-12),
    "random-walk FM": OscillatorParameters(random_walk_fm=1e-12),
}


def closed_form(p, tau):
    """Return the Allan deviation at `tau`."""
    edge = 2.0 * math.pi * BANDWIDTH_HZ * tau
    variance = p.h2 * 3.0 * BANDWIDTH_HZ / (2.0 * math.pi * tau) ** 2
    variance += p.h1 * (1.0384 + 3.0 * math.log(edge)) / (2.0 * math.pi * tau) ** 2
    if p.servo_s:
        return math.sqrt(variance + filtered(p, tau))
    variance += p.h0 / (2.0 * tau) + 2.0 * math.log(2.0) * p.h_minus_1
    return math.sqrt(variance + 2.0 * math.pi**2 / 3.0 * p.h_minus_2 * tau)


def filtered(p, tau):
    """Return the Allan variance of quartz that follows an atomic resonance."""
    quartz = replace(
        OscillatorParameters(),
        flicker_fm=p.quartz_flicker_fm,
        random_walk_fm=p.quartz_random_walk_fm,
    )

    def density(f):
        share = (2.0 * math.pi * f * p.servo_s) ** 2
        atomic = p.h0 + p.h_minus_1 / f + p.h_minus_2 / f**2
        return (atomic + share * (quartz.h_minus_1 / f + quartz.h_minus_2 / f**2)) / (1.0 + share)

    def weighted(u):
        return density(u / (math.pi * tau)) * 2.0 * math.sin(u) ** 4 / u**2 / (math.pi * tau)

    def tail(u):  # sin^4 is 3/8 on average
        return density(u / (math.pi * tau)) * 0.75 / u**2 / (math.pi * tau)

    ends = [1e-12, 1e-6, 1e-3, *range(1, 61)]
    total = sum(quad(weighted, *pair, limit=200)[0] for pair in pairwise(ends))
    return total + quad(tail, 60.0, np.inf, limit=500)[0]


def oadev(phase, m):
    """Return the overlapping Allan deviation of phase at 1 s steps (NIST SP 1065, eq. 11)."""
    second = phase[2 * m :] - 2.0 * phase[m:-m] + phase[: -2 * m]
    return math.sqrt((second @ second) / second.size / 2.0) / m


def deviations(parameters, seconds, taus):
    """Return mean and standard error at each tau, without offset and ageing."""
    still = replace(parameters, offset=0.0, ageing_per_s=0.0)
    times = np.arange(seconds) * _S
    runs = (NoisyOscillator(still, (seed, 99)).phase_at(times) for seed in range(_SEEDS))
    seen = np.array([[oadev(run, tau) for tau in taus] for run in runs])
    return seen.mean(axis=0), seen.std(axis=0, ddof=1) / math.sqrt(_SEEDS)


def assert_stability(parameters, seconds, taus, sheet=None):
    means, errors = deviations(parameters, seconds, taus)
    for tau, mean, error in zip(taus, means, errors, strict=True):
        assert abs(mean - closed_form(parameters, tau)) < 3.0 * error, tau
        if sheet and tau in sheet:
            assert mean < sheet[tau] + 3.0 * error, tau


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_stays_within_its_data_sheet(name):
    preset = PRESETS[name]
    for tau, limit in preset.sheet.items():
        assert closed_form(preset.parameters, tau) <= limit, tau


@pytest.mark.parametrize("kind", _KINDS)
def test_a_noise_has_its_allan_deviation(kind):
    assert_stability(_KINDS[kind], 30_000, (1, 10, 100, 1000))


@pytest.mark.parametrize("name", ["fs725", "5071a-hp"])
def test_a_clock_has_its_allan_deviation_in_five_decades(name):
    preset = PRESETS[name]
    assert_stability(preset.parameters, 130_000, (1, 10, 100, 1000, 10_000), preset.sheet)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_every_clock_has_its_allan_deviation_up_to_a_day(name):
    preset = PRESETS[name]
    taus = (1, 10, 100, 1000, 10_000, 100_000)
    assert_stability(preset.parameters, 1_300_000, taus, preset.sheet)


@pytest.mark.parametrize("offset_ns", [123, 271_828_182, 500_000_000])
def test_white_frequency_noise_is_the_same_between_the_seconds(offset_ns):
    # 20 seeds of 4000 gates of 1 s and of 1/8 s: 0.25 % scatter, within five of these.
    p = OscillatorParameters(white_fm=1e-11)
    for gate_ns in (_S, _S // 8):
        starts = np.arange(4000) * _S + offset_ns
        gained = [
            oscillator.phase_at(starts + gate_ns) - oscillator.phase_at(starts)
            for oscillator in (NoisyOscillator(p, (seed, 3)) for seed in range(_SEEDS))
        ]
        expected = 1e-11 * math.sqrt(gate_ns * 1e-9)
        assert np.std(gained) == pytest.approx(expected, rel=5.0 / math.sqrt(2 * 4000 * _SEEDS))


def test_coefficients_and_deviations_are_each_other_s_inverse():
    p = OscillatorParameters.from_h(1e-21, 2e-25, 3e-30, h1=4e-24, h2=5e-26)
    found = (p.h0, p.h_minus_1, p.h_minus_2, p.h1, p.h2)
    assert found == pytest.approx((1e-21, 2e-25, 3e-30, 4e-24, 5e-26), rel=1e-12)
    assert OscillatorParameters.from_h(8e-22).white_fm == pytest.approx(2e-11)
    with pytest.raises(ValueError, match="known are"):
        OscillatorParameters.preset("sundial")
