"""Alice's optics against closed formulae."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.plant.link import LinkPlant
from drivers.simulated.plant.modulators import largest_sine_squared
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.terminals import Waveform
from drivers.simulated.time import VirtualTime

_S = 1_000_000_000
_DUTY = math.sqrt(math.pi / (4 * math.log(2))) * 500e-12 * 10e6


def db(loss):
    return 10 ** (-0.1 * loss)


def test_the_mean_photon_number_is_the_energy_over_that_of_a_photon(still):
    link = LinkPlant(replace(still, attenuator_linearity_db=0.0), 1, VirtualTime())
    link.laser.emit(0, 8e-3, 1551e-9)
    link.bias.lock(0, "null")
    link.attenuators[0].set(0, 20.0)
    link.attenuators[1].set(0, 17.0)
    photon_j = 6.62607015e-34 * 299792458 / 1551e-9
    loss_db = 4.0 + 4.0 + 3.0 + 20.0 + 17.0 + 2 * 1.2 + 30.0
    peak = 8e-3 * _DUTY * db(loss_db) * 0.99 * 0.9 / photon_j / 10e6
    truth = link.truth(0)
    assert truth.peak_photons == pytest.approx(peak, rel=1e-12)
    assert truth.mu(4.5) == pytest.approx(peak, rel=1e-12)
    assert truth.mu(0.0) == pytest.approx(peak * 1e-3, rel=1e-9)
    assert truth.mu(4.5 / 3) == pytest.approx(peak * (1e-3 + 0.999 * 0.25), rel=1e-9)
    assert truth.mu(truth.volts(0.3 * peak)) == pytest.approx(0.3 * peak, rel=1e-12)
    with pytest.raises(ValueError, match="no voltage"):
        truth.volts(1.01 * peak)


def test_half_a_photon_at_ten_megahertz_is_minus_91_9_dbm(still, lit):
    link = lit(still, 0.5)
    power_w = link.attenuators[1].power_w(0) * db(30.0)
    assert 10 * math.log10(power_w / 1e-3) == pytest.approx(-91.9, abs=0.05)


@pytest.mark.parametrize(
    ("point", "volts", "share"),
    [("null", 1.2, 0.001), ("peak", -3.3, 1.0), ("quad+", 3.45, 0.5005), ("quad-", -1.05, 0.5005)],
)
def test_a_locked_bias_sits_at_its_point(still, point, volts, share):
    link = LinkPlant(still, 1, VirtualTime())
    link.laser.emit(0, 5e-3, 1550e-9)
    link.bias.lock(0, point)
    assert link.bias.volts(0) == pytest.approx(volts)
    assert link.bias.tap_w(0) == pytest.approx(5e-3 * _DUTY * db(8.0) * 0.01 * share, rel=1e-9)
    link.intensity.hold(0, 0.2)
    rises = link.bias.tap_w(0) > 5e-3 * _DUTY * db(8.0) * 0.01 * share
    assert rises == (point in ("null", "quad+"))


def test_an_unknown_point_is_refused(still):
    with pytest.raises(ValueError, match="no operating point 'max'"):
        LinkPlant(still, 1, VirtualTime()).bias.lock(0, "max")


def test_a_held_bias_lets_the_drift_through_and_a_locked_one_does_not():
    p = replace(LinkParameters(), intensity_null_drift_v_per_sqrt_s=5e-3)
    link = LinkPlant(p, 4, VirtualTime())
    link.laser.emit(0, 5e-3, 1550e-9)
    link.bias.hold(0, 1.2)
    held = link.bias.tap_w(3000 * _S)
    link.bias.lock(3000 * _S, "null")
    locked = link.bias.tap_w(3100 * _S)
    null = 5e-3 * _DUTY * db(8.0) * 0.01 * 1e-3
    moved = link.truth(3000 * _S).null_v - 1.2
    assert held == pytest.approx(
        null * (1 + 999 * math.sin(math.pi / 2 * moved / 4.5) ** 2), rel=1e-6
    )
    assert held > 1.5 * null
    assert locked < 1.05 * null


def test_the_power_meter_reads_what_reaches_it():
    # 400 readings: mean and standard deviation within five standard errors, 5.7e-7 each.
    p = replace(LinkParameters(), monitor_noise_relative=1e-3, monitor_noise_w=1e-8)
    link = LinkPlant(p, 2, VirtualTime())
    link.laser.emit(0, 10e-3, 1550e-9)
    link.bias.lock(0, "peak")
    true_w = 10e-3 * _DUTY * db(11.0) * 0.99 * 0.1
    readings = np.array([link.monitor.power_w(k * 10_000_000, 0.01) for k in range(400)])
    noise = math.hypot(1e-3 * true_w, 1e-8) / math.sqrt(0.01)
    assert abs(readings.mean() - 1.01 * true_w) < 5 * noise / 20 + 1e-5 * true_w
    assert abs(readings.std() / noise - 1) < 5 / math.sqrt(800)
    assert link.monitor.power_w(0, 0.01) == readings[0]
    link.laser.emit(5 * _S, 0.0, 1550e-9)
    assert abs(link.monitor.power_w(5 * _S, 1.0)) < 5e-8


def test_a_reading_takes_time(still):
    with pytest.raises(ValueError, match="averaged over some time"):
        LinkPlant(still, 1, VirtualTime()).monitor.power_w(0, 0.0)


def test_the_power_meter_averages_over_what_is_played(still):
    quiet = replace(still, monitor_noise_relative=0.0, monitor_noise_w=0.0, monitor_gain_error=0.0)
    link = LinkPlant(quiet, 1, VirtualTime())
    link.laser.emit(0, 10e-3, 1550e-9)
    link.bias.lock(0, "null")
    full_w = 10e-3 * _DUTY * db(11.0) * 0.99 * 0.1
    codes = np.repeat(np.array([0, 1], dtype=np.int16), [3, 1])
    link.intensity.play(1 * _S, Waveform(codes, 4.5, 0.0, 10e6, 2_500_000))
    quarter = 0.25 + 0.75e-3
    assert link.monitor.power_w(1 * _S, 0.5) == pytest.approx(full_w * quarter, rel=1e-2)
    assert link.monitor.power_w(1 * _S, 0.01) == pytest.approx(full_w * quarter, rel=1e-4)
    assert link.monitor.power_w(1_500_000_000, 1.0) == pytest.approx(
        full_w * (0.5 * quarter + 0.5e-3), rel=1e-2
    )
    link.laser.emit(3 * _S, 5e-3, 1550e-9)
    link.intensity.hold(3 * _S, 4.5)
    assert link.monitor.power_w(3 * _S - 500_000_000, 1.0) == pytest.approx(
        full_w * (0.5e-3 + 0.25), rel=1e-6
    )


def test_attenuators_follow_their_setting_within_their_linearity():
    link = LinkPlant(LinkParameters(), 6, VirtualTime())
    link.laser.emit(0, 10e-3, 1550e-9)
    link.bias.lock(0, "peak")
    for attenuator in link.attenuators:
        attenuator.set(0, 0.0)
    zero_w = [attenuator.power_w(0) for attenuator in link.attenuators]
    assert zero_w[1] == pytest.approx(zero_w[0] * db(1.2), rel=1e-9)
    errors = []
    for loss_db in np.arange(1.0, 46.0):
        link.attenuators[0].set(0, loss_db)
        powers = [attenuator.power_w(0) for attenuator in link.attenuators]
        assert powers[1] == pytest.approx(powers[0] * db(1.2), rel=1e-9)
        errors.append(-10 * math.log10(powers[0] / zero_w[0]) - loss_db)
    assert 0.01 < np.ptp(errors) <= 0.04 + 1e-9
    assert max(map(abs, errors)) <= 0.04 + 1e-9
    link.attenuators[0].set(0, math.inf)
    assert link.attenuators[0].power_w(0) == 0.0
    assert link.truth(0).peak_photons == 0.0


def test_it_is_dark_until_somebody_turns_it_on():
    link = LinkPlant(LinkParameters(), 1, VirtualTime())
    assert link.truth().peak_photons == 0.0
    link.laser.emit(0, 1.0, 1550e-9)
    assert link.attenuators[1].power_w(0) == 0.0


@given(st.floats(-5, 5), st.floats(0, 1.5))
def test_the_largest_transmission_is_found(low, width):
    largest = largest_sine_squared(low, low + width)
    sampled = (np.sin(np.pi * np.linspace(low, low + width, 20_001)) ** 2).max()
    assert sampled - 1e-12 <= largest <= sampled + 1e-6
