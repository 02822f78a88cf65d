from __future__ import annotations

import math
import random
from importlib import resources

import pytest

from calibration.steering import SteeringGain, calibrate_steering
from drivers.core.errors import InstrumentFaultError, ValueOutOfRangeError
from qlab.station import Station, parse_station


class Clock:
    """A clock whose pulses a counter reads, with an offset, a drift and a gain of its own."""

    steering_step = 1e-12
    steering_range = (-2e-9, 2e-9)

    def __init__(
        self, gain=1.0, offset=3e-11, drift=1e-14, noise=1e-10, seed=1, missing=0.0, wander=0.0
    ):
        self.gain, self.frequency, self.drift, self.noise = gain, offset, drift, noise
        self.wander = wander
        self.missing = missing
        self.random = random.Random(seed)
        self.phase, self.steering, self.set_to = 0.4999999, 5e-11, []

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "steering" and hasattr(self, "set_to"):
            self.set_to.append(value)

    def begin_interval(self):
        self.phase += self.frequency + self.gain * self.steering
        self.phase += self.wander * self.random.gauss(0.0, 1.0)
        self.frequency += self.drift

    def interval_s(self):
        if self.random.random() < self.missing:
            return math.nan
        read = self.phase + self.noise * self.random.gauss(0.0, 1.0)
        return (read + 0.5) % 1.0 - 0.5  # which wraps on the way


@pytest.mark.parametrize("gain", [1.0, -1.0, 0.5, 1.05])
def test_gain_and_sign_are_found_despite_offset_and_drift(gain):
    """Within five standard uncertainties: of ten cycles, but for 7 seeds in ten thousand."""
    clock = Clock(gain)
    found = calibrate_steering(clock, clock, readings=50)
    assert abs(found.gain - gain) < 5 * found.standard_uncertainty
    assert found.standard_uncertainty < 0.01
    assert found.sign == (1 if gain > 0 else -1)
    assert found.readings == 2000


@pytest.mark.parametrize("noise", [{"noise": 1e-10}, {"noise": 2e-11, "wander": 2e-11}])
def test_the_uncertainty_is_that_of_the_gain(noise):
    """Of 300 runs of ten cycles 65.7 % lie within one (Student, 9); 3 sigma are 8.2 %.

    Also where the clock's own frequency noise is what counts: about straight lines its
    readings scatter far less than its slopes do.
    """
    within = 0
    for seed in range(300):
        clock = Clock(seed=seed, drift=0.0, **noise)
        found = calibrate_steering(clock, clock, readings=20)
        within += abs(found.gain - 1.0) < found.standard_uncertainty
    assert 0.575 < within / 300 < 0.739


def test_the_steering_is_what_it_was():
    clock = Clock()
    calibrate_steering(clock, clock, excursion=2.4e-12, readings=8)
    assert clock.set_to[0] == pytest.approx(5.2e-11)
    assert clock.steering == 5e-11
    failing = Clock(missing=0.9)
    with pytest.raises(InstrumentFaultError, match="pulses came"):
        calibrate_steering(failing, failing, readings=20)
    assert failing.steering == 5e-11


def test_missing_pulses_are_left_out():
    clock = Clock(missing=0.2)
    found = calibrate_steering(clock, clock, readings=50)
    assert abs(found.gain - 1.0) < 5 * found.standard_uncertainty
    assert 1000 < found.readings < 2000


def test_a_clock_that_does_not_follow_has_no_sign():
    clock = Clock(0.0)
    assert calibrate_steering(clock, clock, readings=20).sign == 0
    assert SteeringGain(1.0, 0.3, 1e-10, 80).sign == 0
    assert SteeringGain(0.0, 0.0, 1e-10, 80).sign == 0  # readings without noise


def test_room_and_number_are_checked_before_anything_is_steered():
    clock = Clock()
    with pytest.raises(ValueOutOfRangeError, match="leaves"):
        calibrate_steering(clock, clock, excursion=2e-9)
    with pytest.raises(ValueOutOfRangeError, match="fewer"):
        calibrate_steering(clock, clock, readings=7)
    with pytest.raises(ValueOutOfRangeError, match="cycles"):
        calibrate_steering(clock, clock, cycles=3)
    assert clock.set_to == []


def test_on_the_simulated_bench():
    text = (resources.files("qlab.stations") / "clock.toml").read_text(encoding="utf-8")
    with Station(parse_station(text, "clock.toml"), seed=4) as station:
        [local], [counter] = station.role("local"), station.role("counter")
        for number in (1, 2):
            counter.channel(number).auto_level = False
            counter.channel(number).level_v = 1.0
        counter.prepare_intervals()
        found = calibrate_steering(local, counter, readings=20)
    assert found.sign == 1
    assert abs(found.gain - 1.0) < 5 * found.standard_uncertainty
