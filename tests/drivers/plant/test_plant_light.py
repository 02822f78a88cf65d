"""Clicks against closed formulae.

A count is compared with its mean within five standard deviations: a correct
simulation fails a comparison with probability 5.7e-7, and the seeds are fixed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

_MS = 1_000_000
_T0 = 10 * _MS


def clicks(link, seconds, start_ns=_T0):
    link.tags.listen(start_ns, 2)
    times, lines = link.tags.edges(start_ns + round(seconds * 1e9))
    link.tags.listen(start_ns + round(seconds * 1e9), 0)
    return times[lines == 1], times[lines == 2]


def assert_binomial(count, trials, probability):
    sd = np.sqrt(trials * probability * (1.0 - probability))
    assert abs(count - trials * probability) < 5.0 * sd + 1.0


@pytest.mark.parametrize("mu", [0.5, 0.15, 0.001])
def test_gain_follows_poisson_light_and_losses(still, lit, mu):
    link = lit(still, 0.6)
    link.intensity.hold(0, link.truth(0).volts(mu))
    slots = 5_000_000
    eta = 10**-0.23 * 10**-0.3 * 0.2
    first, second = clicks(link, slots * 1e-7)
    for count, share in ((first.size, 0.9855), (second.size, 0.0145)):
        assert_binomial(count, slots, 1.0 - np.exp(-mu * eta * share))


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("bob_quarters", [0, 1])
def test_ports_follow_the_phase_difference(still, lit, quarters, bob_quarters):
    link = lit(still, 1.0)
    link.phase_alice.hold(0, quarters * still.phase_alice_v_pi_v / 2)
    link.phase_bob.hold(0, bob_quarters * still.phase_bob_v_pi_v / 2)
    slots = 2_000_000
    mean = 1.0 * 10**-0.53 * 0.2
    fringe = 0.971 * np.cos((quarters - bob_quarters) * np.pi / 2)
    first, second = clicks(link, slots * 1e-7)
    assert_binomial(first.size, slots, 1.0 - np.exp(-0.5 * mean * (1 + fringe)))
    assert_binomial(second.size, slots, 1.0 - np.exp(-0.5 * mean * (1 - fringe)))


@pytest.mark.parametrize("peak", [3.0, 60.0])  # below and above one avalanche a pulse
def test_detectors_click_independently(still, lit, peak):
    link = lit(still, peak)
    link.phase_alice.hold(0, still.phase_alice_v_pi_v / 2)
    slots = 400_000
    first, second = clicks(link, slots * 1e-7)
    each = 1.0 - np.exp(-0.5 * peak * 10**-0.53 * 0.2)
    assert_binomial(first.size, slots, each)
    assert_binomial(second.size, slots, each)
    both = np.intersect1d(first // 100_000, second // 100_000).size
    assert_binomial(both, slots, each * each)


def test_arrivals_spread_about_the_delay(still, lit):
    parameters = replace(still, laser_linewidth_nm=0.5, jitter_ps=(80.0, 300.0))
    link = lit(parameters, 2.0)
    link.phase_alice.hold(0, still.phase_alice_v_pi_v / 2)
    sides = clicks(link, 0.1)
    dispersion = 17.0 * 10.0 * 0.5
    delay = 10.0 * 1.468 / 299792.458 * 1e12
    for times, jitter, wire in zip(sides, (80.0, 300.0), (18.3e3, 19.1e3), strict=True):
        away = (times - 50_000 - delay - wire + 50_000) % 100_000 - 50_000
        sd = np.sqrt(jitter**2 + (500.0 / 2.35482) ** 2 + dispersion**2)
        assert abs(away.mean()) < 5.0 * sd / np.sqrt(away.size) + 1.0
        assert abs(away.std() / sd - 1.0) < 5.0 / np.sqrt(2.0 * away.size)
        standard = np.sort(away / sd)
        quantiles = np.interp(
            [0.0228, 0.1587, 0.8413, 0.9772], np.linspace(0, 1, away.size), standard
        )
        assert np.allclose(quantiles, [-2, -1, 1, 2], atol=0.05)


def test_dark_counts_are_a_poisson_process(still, lit):
    parameters = replace(still, detector_dark_hz=(3000.0, 500.0))
    link = lit(parameters, 1.0)
    link.laser.emit(0, 0.0, 1550e-9)
    seconds = 20.0
    for times, rate in zip(clicks(link, seconds), (3000.0, 500.0), strict=True):
        mean = rate * seconds
        assert abs(times.size - mean) < 5.0 * np.sqrt(mean)
        gaps = np.diff(times) * 1e-12 * rate
        assert abs(gaps.mean() - 1.0) < 5.0 / np.sqrt(mean)
        assert abs(gaps.var() - 1.0) < 5.0 * np.sqrt(8.0 / mean)
        counts = np.bincount((times // 10_000_000_000).astype(int))[2:-1]
        dispersion = counts.var() / counts.mean()
        assert abs(dispersion - 1.0) < 5.0 * np.sqrt(2.0 / counts.size)


@pytest.mark.parametrize("peak", [1.0, 10.0, 300.0])
def test_dead_time_spaces_the_clicks(still, lit, peak):
    parameters = replace(still, dead_time_ns=(950.0, 950.0))
    link = lit(parameters, peak)
    slots = 3_000_000
    p = 1.0 - np.exp(-peak * 0.9855 * 10**-0.53 * 0.2)
    first, _ = clicks(link, slots * 1e-7)
    assert np.diff(first).min() >= 950_000
    spacing, spread = (
        9.0 + 1.0 / p,
        np.sqrt(1.0 - p) / p,
    )  # renewal: nine slots lost, then geometric
    mean = slots / spacing
    assert abs(first.size - mean) < 5.0 * np.sqrt(slots * spread**2 / spacing**3) + 2.0


def test_afterpulses_have_their_probability_and_decay(still, lit):
    parameters = replace(
        still,
        detector_dark_hz=(2000.0, 2000.0),
        dead_time_ns=(1000.0, 1000.0),
        afterpulse_probability=0.05,
        afterpulse_decay_ns=3000.0,
    )
    link = lit(parameters, 1.0)
    link.laser.emit(0, 0.0, 1550e-9)
    times, _ = clicks(link, 40.0)
    after = np.diff(times) * 1e-3 - 1000.0
    assert after.min() >= 0.0
    window = 10.0 * 3000.0
    lone = np.exp(-2000.0 * window * 1e-9)
    near = after < window
    assert_binomial(near.sum(), near.size, 1.0 - (1.0 - 0.05 * (1.0 - np.exp(-10.0))) * lone)
    dark = near.size * (1.0 - lone) * 0.95
    mean = (near.sum() * after[near].mean() - dark * window / 2.0) / (near.sum() - dark)
    assert abs(mean / 3000.0 - 1.0) < 5.0 * 2.5 / np.sqrt(near.sum() - dark)


@pytest.mark.parametrize("overvoltage", [1.0, 3.0, 5.0, 0.0, -1.0])
def test_overvoltage_sets_efficiency_and_dark_counts(still, lit, overvoltage):
    parameters = replace(still, detector_dark_hz=(1000.0, 1000.0))
    link = lit(parameters, 0.5)
    link.detectors[0].bias(0, overvoltage)
    link.detectors[1].bias(0, overvoltage)
    seconds = 0.2
    first, _ = clicks(link, seconds)
    if overvoltage <= 0.0:
        assert first.size == 0
        return
    efficiency = 0.2 * (1 - np.exp(-overvoltage / 6.0)) / (1 - np.exp(-0.5))
    light = 1.0 - np.exp(-0.5 * 0.9855 * 10**-0.53 * efficiency)
    mean = seconds * (1e7 * light + 1000.0 * np.exp((overvoltage - 3.0) / 1.5))
    assert abs(first.size - mean) < 5.0 * np.sqrt(mean)


def test_a_warmer_diode_has_more_dark_counts(still, lit):
    link = lit(replace(still, detector_dark_hz=(1000.0, 1000.0)), 0.5)
    link.laser.emit(0, 0.0, 1550e-9)
    link.detectors[0].temperature(0, -70.0)
    first, second = clicks(link, 5.0)
    assert abs(first.size - 20_000) < 5.0 * np.sqrt(20_000)
    assert abs(second.size - 5_000) < 5.0 * np.sqrt(5_000)


@pytest.mark.parametrize("dead_ns", [0.0, 950.0, 1000.0, 3010.0])
@pytest.mark.parametrize("peak", [0.3, 6.0])
def test_the_count_agrees_whether_somebody_listens_or_not(still, lit, dead_ns, peak):
    parameters = replace(
        still,
        dead_time_ns=(dead_ns, dead_ns),
        detector_dark_hz=(5000.0, 5000.0),
        afterpulse_probability=0.01,
    )
    link = lit(parameters, peak)
    link.phase_alice.hold(0, 1.75)
    expected = [detector.count(2_000_000_000, 0.5) for detector in link.detectors]
    first, second = clicks(link, 1.0, 2_000_000_000)
    for count, times in zip(expected, (first, second), strict=True):
        half = times.size / 2
        assert abs(count - half) < 5.0 * np.sqrt(1.5 * half) + 3e-3 * half


def test_the_count_is_that_of_the_tags(lit, still):
    link = lit(still, 0.5)
    link.tags.listen(_T0, 2)
    early = link.detectors[0].count(_T0 + 300 * _MS, 0.1)
    times, lines = link.tags.edges(_T0 + 500 * _MS)
    late = link.detectors[0].count(_T0 + 500 * _MS, 0.2)
    ps = times[lines == 1] - _T0 * 1000
    assert early == np.count_nonzero((ps >= 200 * 10**9) & (ps < 300 * 10**9))
    assert late == np.count_nonzero((ps >= 300 * 10**9) & (ps < 500 * 10**9))
    assert link.detectors[0].count(_T0 + 500 * _MS, 0.2) == late
