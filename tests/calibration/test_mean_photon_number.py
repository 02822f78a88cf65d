from __future__ import annotations

import math
from dataclasses import replace

import pytest

from calibration.mean_photon_number import SenderPath, set_mean_photon_number
from drivers.core.errors import InstrumentFaultError, LimitError, ValueOutOfRangeError

PATH = SenderPath(
    tap_ratio=0.1,
    fixed_db=30.0,
    step_db=0.01,
    highest_db=45.0,
    pulse_rate_hz=10e6,
    wavelength_m=1550e-9,
    relative_uncertainty=0.05,
)


class Clock:
    def __init__(self):
        self.slept = []

    def now_ns(self):
        return round(sum(self.slept) * 1e9)

    def sleep(self, seconds):
        self.slept.append(seconds)


class Meter:
    def __init__(self, *powers_w):
        self.powers_w = powers_w
        self.reads = 0

    @property
    def power_w(self):
        self.reads += 1
        return self.powers_w[(self.reads - 1) % len(self.powers_w)]


class Attenuator:
    def __init__(self):
        self.attenuation_db = 45.0
        self.settled = True


def calibrate(wanted=0.5, meter=None, path=PATH, attenuators=2, **options):
    units = [Attenuator() for _ in range(attenuators)]
    meter = meter or Meter(4e-7)
    found = set_mean_photon_number(wanted, path, units, meter, Clock(), **options)
    return found, [unit.attenuation_db for unit in units]


def photons(power_w, path=PATH):
    """Photons per pulse at the attenuators: P / (tap f h c / lambda), by SI values of h and c."""
    joule = power_w / path.tap_ratio / path.pulse_rate_hz
    return joule * path.wavelength_m / (6.62607015e-34 * 299792458.0)


def test_the_setting_follows_from_power_tap_and_photon_energy():
    # 4 uW at 10 MHz are 0.4 pJ, 3.12e6 photons of 1.2816e-19 J: 67.95 dB above 0.5.
    found, set_db = calibrate()
    assert photons(4e-7) == pytest.approx(3.1212e6, rel=1e-4)
    assert sum(set_db) == pytest.approx(10 * math.log10(3.1212e6 / 0.5) - 30.0, abs=0.006)
    assert found.settings_db == tuple(set_db)
    assert found.monitor_w == pytest.approx(4e-7)
    assert found.wanted == 0.5


@pytest.mark.parametrize("wanted", [0.1, 0.15, 0.5, 0.83, 2.0])
@pytest.mark.parametrize("power_w", [1e-8, 4.183e-7, 3.3e-6])
def test_the_realised_number_is_that_of_the_settings(wanted, power_w):
    found, set_db = calibrate(wanted, Meter(power_w))
    expected = photons(power_w) * 10 ** (-(sum(set_db) + 30.0) / 10)
    assert found.realised == pytest.approx(expected, rel=1e-12)
    # Rounding to 0.01 dB leaves 0.115 % at most.
    assert abs(found.realised / wanted - 1) < 0.00116
    assert all(abs(db / 0.01 - round(db / 0.01)) < 1e-9 for db in set_db)


@pytest.mark.parametrize("attenuators", [1, 2, 3])
def test_the_attenuators_share_the_steps_evenly(attenuators):
    _, set_db = calibrate(attenuators=attenuators)
    assert sum(set_db) == pytest.approx(37.95, abs=1e-9)
    assert max(set_db) - min(set_db) < 0.0101
    assert sorted(set_db, reverse=True) == set_db


@pytest.mark.parametrize(
    "change, factor",
    [
        ({"tap_ratio": 0.2}, 0.5),
        ({"pulse_rate_hz": 20e6}, 0.5),
        ({"wavelength_m": 1310e-9}, 1310 / 1550),
        ({"fixed_db": 33.0}, 10**-0.3),
    ],
)
def test_each_fact_of_the_path_counts(change, factor):
    plain, _ = calibrate()
    other, set_db = calibrate(path=replace(PATH, **change))
    moved = sum(set_db) - sum(plain.settings_db)
    assert moved == pytest.approx(10 * math.log10(factor), abs=0.011)
    assert other.realised == pytest.approx(0.5, rel=0.0012)


def test_the_readings_are_averaged_over_time_and_their_scatter_is_in_the_uncertainty():
    clock, meter = Clock(), Meter(3.9e-7, 4.1e-7)
    units = [Attenuator()]
    path = replace(PATH, relative_uncertainty=0.0)
    found = set_mean_photon_number(0.5, path, units, meter, clock, readings=10, interval_s=0.02)
    assert found.monitor_w == pytest.approx(4e-7)
    assert meter.reads == 10
    assert clock.slept == [0.02] * 10
    # Ten values 2.5 % off their mean: standard deviation of the mean 2.5 %/sqrt(9).
    assert found.standard_uncertainty == pytest.approx(found.realised * 0.025 / 3)
    both = set_mean_photon_number(0.5, PATH, units, meter, clock, readings=10)
    expected = found.realised * math.hypot(0.05, 0.025 / 3)
    assert both.standard_uncertainty == pytest.approx(expected)


def test_it_ends_when_the_filters_have_arrived():
    class Slow(Attenuator):
        @property
        def settled(self):
            return self.attenuation_db == 45.0 or clock.now_ns() >= 4_000_000_000

        @settled.setter
        def settled(self, value):
            pass

    clock = Clock()
    set_mean_photon_number(0.5, PATH, [Slow(), Attenuator()], Meter(4e-7), clock)
    assert clock.now_ns() == pytest.approx(4_000_000_000, abs=20_000_000)


@pytest.mark.parametrize("power_w", [0.0, -1e-9, math.inf, math.nan])
def test_without_light_nothing_is_set(power_w):
    units = [Attenuator()]
    with pytest.raises(InstrumentFaultError, match=r"power meter reads .* with the laser on"):
        set_mean_photon_number(0.5, PATH, units, Meter(power_w), Clock())
    assert units[0].attenuation_db == 45.0


@pytest.mark.parametrize("wanted, power_w", [(0.5, 1e-14), (1e9, 4e-7), (0.5, 4.0), (1e-12, 4e-7)])
def test_what_the_attenuators_cannot_reach_is_refused(wanted, power_w):
    units = [Attenuator(), Attenuator()]
    with pytest.raises(InstrumentFaultError, match=r"have 0 to 90 dB") as caught:
        set_mean_photon_number(wanted, PATH, units, Meter(power_w), Clock())
    assert "laser's power" in str(caught.value)
    assert [unit.attenuation_db for unit in units] == [45.0, 45.0]


@pytest.mark.parametrize("wanted", [0.0, -0.5, math.inf, math.nan])
def test_a_number_that_is_none_is_refused_before_any_reading(wanted):
    meter = Meter(4e-7)
    with pytest.raises(ValueOutOfRangeError, match="positive number of photons"):
        set_mean_photon_number(wanted, PATH, [Attenuator()], meter, Clock())
    assert meter.reads == 0


def test_a_single_reading_has_no_scatter_and_is_refused():
    with pytest.raises(ValueOutOfRangeError, match="two readings at least"):
        calibrate(readings=1)


def test_a_refusal_of_the_station_comes_through():
    class Guarded(Attenuator):
        @property
        def attenuation_db(self):
            return 45.0

        @attenuation_db.setter
        def attenuation_db(self, value):
            if value < 45.0:
                raise LimitError("light into the fibre")

    unit = Guarded.__new__(Guarded)
    with pytest.raises(LimitError):
        set_mean_photon_number(0.5, PATH, [unit, unit], Meter(4e-7), Clock())
