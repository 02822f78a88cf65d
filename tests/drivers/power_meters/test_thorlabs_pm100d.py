from __future__ import annotations

import pytest
from driver_bench import joined, settable, values_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.core import InstrumentFaultError, UnexpectedReplyError
from drivers.power_meters.thorlabs_pm100d import ThorlabsPM100D
from drivers.simulated.devices.thorlabs_pm100d import ThorlabsPM100DDevice
from drivers.simulated.time import VirtualTime

IDENTITY = "Thorlabs,PM100D,P0027168,2.7.0"
USB = "USB0::0x1313::0x8078::P0027168::INSTR"
SENSOR = "S154C,140305001,05-Mar-2014,1,18,33"


class Head:
    """A place with some light, which remembers how it was looked at."""

    def __init__(self, watt=1e-6):
        self.watt = watt
        self.looks = []

    def power_w(self, t_ns, average_s):
        self.looks.append((t_ns, average_s))
        return self.watt


def meter(head=None, **more):
    terminals = {"head": head} if head else {}
    return ThorlabsPM100DDevice("meter", VirtualTime(), terminals, **more)


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("wavelength_m", 1550e-9, "SENS:CORR:WAV 1550"),
        ("averaging", 300, "SENS:AVER:COUN 300"),
        ("range_w", 1e-3, "SENS:POW:RANG 0.001"),
        ("auto_range", True, "SENS:POW:RANG:AUTO 1"),
        ("display_unit", "dBm", "SENS:POW:UNIT DBM"),
        ("external_loss_db", 3.5, "SENS:CORR 3.5"),
    ],
)
def test_command(scripted, set_pairs, name, value, command):
    unit = scripted(ThorlabsPM100D, *set_pairs(command), identity=IDENTITY)
    setattr(unit, name, value)


def test_power_is_asked_for_in_watts_once_the_sensor_is_known(scripted):
    unit = scripted(
        ThorlabsPM100D,
        ("SYST:SENS:IDN?", SENSOR),
        ("SENS:POW:UNIT W;:MEAS:POW?", "1.23456789E-06"),
        identity=IDENTITY,
    )
    assert unit.power_w == 1.23456789e-6


@pytest.mark.parametrize("sensor", ["no sensor,no sensor,no sensor,0,0,0", "ES111C,1,2,2,3,2"])
def test_without_a_power_sensor_nothing_is_measured(scripted, sensor):
    unit = scripted(ThorlabsPM100D, ("SYST:SENS:IDN?", sensor), identity=IDENTITY)
    with pytest.raises(InstrumentFaultError, match="plug in a power sensor"):
        _ = unit.power_w


def test_over_range_is_raised_with_its_remedy(scripted):
    unit = scripted(
        ThorlabsPM100D,
        ("SYST:SENS:IDN?", SENSOR),
        ("SENS:POW:UNIT W;:MEAS:POW?", "9.90000000E+37"),
        identity=IDENTITY,
    )
    with pytest.raises(InstrumentFaultError, match="auto_range"):
        _ = unit.power_w


def test_the_sensor_is_told(scripted):
    unit = scripted(ThorlabsPM100D, ("SYST:SENS:IDN?", SENSOR), identity=IDENTITY)
    sensor = unit.sensor()
    assert (sensor.name, sensor.serial_number) == ("S154C", "140305001")
    assert sensor.measures_power
    assert sensor.takes_wavelength


def test_a_garbled_sensor_is_unexpected(scripted):
    unit = scripted(ThorlabsPM100D, ("SYST:SENS:IDN?", "S154C,1"), identity=IDENTITY)
    with pytest.raises(UnexpectedReplyError, match="S154C"):
        unit.sensor()


# ---- against the simulated meter ---------------------------------------------------


@pytest.fixture(scope="module")
def bench():
    head = Head()
    with joined(ThorlabsPM100D, meter(head), USB) as unit:
        yield unit, head


SENSOR_LIMITS = {"wavelength_m": (800e-9, 1700e-9), "range_w": (0.0, 3e-3)}


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_every_setting_comes_back(bench, data):
    unit, _ = bench
    unit.tell("*RST")
    known = settable(unit)
    name = data.draw(st.sampled_from(sorted(known)))
    low, high = SENSOR_LIMITS.get(name, (None, None))
    value = data.draw(values_of(known[name], low=low, high=high))
    setattr(unit, name, value)
    actual = getattr(unit, name)
    if name == "range_w":  # the next of the ranges, which are decades
        assert actual >= value * (1 - 1e-6)
        assert round(3e-3 / actual) in (1, 10, 100, 1000, 10_000, 100_000)
        assert not unit.auto_range
    elif isinstance(value, float):
        assert actual == pytest.approx(value, rel=1e-7, abs=1e-12)
    else:
        assert actual == value


def test_power_is_averaged_in_bench_time(bench):
    unit, head = bench
    unit.tell("*RST")
    head.watt = 12.5e-6
    unit.averaging = 3000
    assert unit.power_w == pytest.approx(12.5e-6)
    assert head.looks[-1][1] == pytest.approx(1.0)


def test_the_clock_moves_by_the_averaging_time():
    device = meter(Head())
    with joined(ThorlabsPM100D, device, USB) as unit:
        unit.averaging = 6000
        before = device.time.now_ns()
        _ = unit.power_w
        assert (device.time.now_ns() - before) * 1e-9 == pytest.approx(2.0, abs=0.01)


def test_a_fixed_range_can_be_too_low(bench):
    unit, head = bench
    unit.tell("*RST")
    head.watt = 1e-3
    unit.range_w = 1e-4
    with pytest.raises(InstrumentFaultError, match="more light"):
        _ = unit.power_w
    unit.auto_range = True
    assert unit.power_w == pytest.approx(1e-3)
    assert unit.range_w == pytest.approx(3e-3)


def test_the_panel_unit_does_not_mislead(bench):
    unit, head = bench
    unit.tell("*RST")
    head.watt = 1e-3
    unit.display_unit = "dBm"
    assert float(unit.ask("MEAS:POW?")) == pytest.approx(0.0, abs=1e-6)
    assert unit.power_w == pytest.approx(1e-3)


def test_external_loss_raises_the_reading(bench):
    unit, head = bench
    unit.tell("*RST")
    head.watt = 1e-6
    unit.external_loss_db = 10.0
    assert unit.power_w == pytest.approx(1e-5)


def test_a_meter_without_a_head():
    with joined(ThorlabsPM100D, meter(), USB) as unit:
        assert unit.sensor().flags == 0
        with pytest.raises(InstrumentFaultError, match="no sensor"):
            _ = unit.power_w
        with pytest.raises(InstrumentFaultError) as caught:
            unit.wavelength_m = 1550e-9
        assert caught.value.code == -241


def test_wavelengths_beyond_the_sensor_are_refused(bench):
    unit, _ = bench
    unit.tell("*RST")
    assert unit.shortest_wavelength_m == pytest.approx(800e-9)
    assert unit.longest_wavelength_m == pytest.approx(1700e-9)
    with pytest.raises(InstrumentFaultError) as caught:
        unit.wavelength_m = 633e-9
    assert caught.value.code == -222


def test_zeroing_is_accepted(bench):
    unit, _ = bench
    unit.start_zeroing()
    assert unit.ask("SENS:CORR:COLL:ZERO:STAT?") == "1"
