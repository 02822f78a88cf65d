from __future__ import annotations

from math import exp

import pytest
from driver_bench import joined, settable, values_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.core import (
    IdentityMismatchError,
    InstrumentFaultError,
    Number,
    ResponseTimeoutError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.detectors.sfifteen_spd import SFifteenSPD
from drivers.simulated.devices.sfifteen_spd import SFifteenSPDDevice
from drivers.simulated.time import VirtualTime

SERIAL = "ASRL4::INSTR"
OPENING = [("*idn?", "SPD IR 7, S-Fifteen")]


class Diode:
    """A diode that knows what holds when; a later word on a time overrides the plan."""

    def __init__(self, rate_hz=1000.0):
        self.rate_hz = rate_hz
        self.plans = {"volts": [], "celsius": []}

    def _plan(self, what, t_ns, value):
        self.plans[what] = [(t, v) for t, v in self.plans[what] if t < t_ns] + [(t_ns, value)]

    def bias(self, t_ns, overvoltage_v):
        self._plan("volts", t_ns, overvoltage_v)

    def temperature(self, t_ns, celsius):
        self._plan("celsius", t_ns, celsius)

    def at(self, what, t_ns):
        return next(value for since, value in reversed(self.plans[what]) if since <= t_ns)

    def count(self, t_ns, window_s):
        return round(self.rate_hz * window_s) if self.at("volts", t_ns) > 0 else 0


def detector(diode=None, **more):
    return SFifteenSPDDevice("spd", VirtualTime(), {"diode": diode} if diode else {}, **more)


# ---- the driver against a conversation -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "pairs"),
    [
        ("bias_v", 63, [("hvolt 63", ""), ("hvolt?", "63.04")]),
        ("threshold_v", -0.1, [("threshvolt -0.1", ""), ("threshvolt?", "-0.1")]),
        ("temperature_c", -50, [("settemp -50", ""), ("settemp?", "-50.0")]),
        ("cooling", True, [("loop 1", ""), ("loop?", "1")]),
        ("proportional", 0.5, [("constp 0.5", ""), ("constp?", "0.5")]),
        ("integral", 0.25, [("consti 0.25", ""), ("consti?", "0.25")]),
        ("peltier_v", 1.5, [("pvolt 1.5", ""), ("pvolt?", "1.48")]),
        ("counting_time_s", 0.25, [("time 250", ""), ("time?", "250")]),
        ("delay", 12, [("delay 12", ""), ("delay?", "12")]),
    ],
)
def test_command(scripted, name, value, pairs):
    setattr(scripted(SFifteenSPD, *OPENING, *pairs), name, value)


@pytest.mark.parametrize(
    ("name", "value", "command", "query", "reply"),
    [
        ("bias_v", 63, "hvolt 63", "hvolt?", "62.85"),
        ("bias_v", 63, "hvolt 63", "hvolt?", "what"),
        ("temperature_c", -50, "settemp -50", "settemp?", "20.0"),
        ("cooling", True, "loop 1", "loop?", "0"),
        ("peltier_v", 1.5, "pvolt 1.5", "pvolt?", "0"),
    ],
)
def test_a_setting_that_did_not_take_is_reported(scripted, name, value, command, query, reply):
    unit = scripted(SFifteenSPD, *OPENING, (command, ""), (query, reply))
    with pytest.raises(InstrumentFaultError, match=name):
        setattr(unit, name, value)


def test_a_count_sets_its_time_first(scripted):
    unit = scripted(SFifteenSPD, *OPENING, ("time 500", ""), ("time?", "500"), ("counts?", "12345"))
    assert unit.count(0.5) == 12345


def test_a_count_is_a_number(scripted):
    unit = scripted(SFifteenSPD, *OPENING, ("counts?", "many"))
    with pytest.raises(UnexpectedReplyError, match="counts"):
        _ = unit.counts


@pytest.mark.parametrize(("name", "value"), [("bias_v", -1), ("counting_time_s", 0)])
def test_out_of_range_sends_nothing(scripted, name, value):
    unit = scripted(SFifteenSPD, *OPENING)
    with pytest.raises(ValueOutOfRangeError):
        setattr(unit, name, value)


def test_another_instrument_is_refused(scripted):
    with pytest.raises(IdentityMismatchError):
        scripted(SFifteenSPD, ("*idn?", "TDC1"))


# ---- the driver against the simulated unit ----------------------------------------------


@settings(max_examples=5, deadline=None)
@given(st.data())
def test_the_simulated_unit_keeps_its_settings(data):
    limits = {"temperature_c": (-100, 40)}
    with joined(SFifteenSPD, detector(), SERIAL) as unit:
        for name, prop in settable(unit).items():
            low, high = limits.get(name, (None, None))
            if isinstance(prop, Number) and low is None:
                low, high = max(prop.low, -5), min(prop.high, 200)
            value = data.draw(values_of(prop, low=low, high=high), label=name)
            if isinstance(value, float):
                value = max(round(value, 3), prop.low)  # the unit reads no exponents
            setattr(unit, name, value)
            read = unit.set_temperature_c if name == "temperature_c" else getattr(unit, name)
            assert read == pytest.approx(value, abs=0.01)


def test_the_bench_is_ready_at_once():
    diode = Diode()
    device = detector(diode)
    assert diode.at("volts", 0) == pytest.approx(3.0)
    assert diode.at("celsius", 0) == -90.0
    with joined(SFifteenSPD, device, SERIAL) as unit:
        assert (unit.temperature_c, unit.bias_v, unit.cooling) == (-90.0, 63.0, True)


def test_a_warm_diode_is_blind_until_it_is_cold():
    diode = Diode()
    device = detector(diode, cold=False, ambient_c=22.0, cooling_s=60.0)
    with joined(SFifteenSPD, device, SERIAL) as unit:
        assert unit.temperature_c == pytest.approx(22.0, abs=0.5)
        assert unit.count(0.1) == 0
        device.time.wait_until(60_000_000_000)
        expected = -90 + 112 * exp(-1)
        assert unit.temperature_c == pytest.approx(expected, abs=0.5)
        assert diode.at("celsius", device.time.now_ns()) == pytest.approx(expected, abs=4.5)
        # breakdown falls to 63 V 30 K above the rated temperature: after 60 s ln(112/30)
        device.time.wait_until(78_000_000_000)
        assert unit.count(0.1) == 0
        device.time.wait_until(90_000_000_000)
        assert unit.count(0.1) == 100
        device.time.wait_until(900_000_000_000)
        assert unit.temperature_c == pytest.approx(-90, abs=0.01)
        assert diode.at("volts", device.time.now_ns()) == pytest.approx(3.0, abs=0.01)


def test_switching_off_warms_it_up_and_back():
    diode = Diode()
    device = detector(diode)
    with joined(SFifteenSPD, device, SERIAL) as unit:
        unit.cooling = False
        device.time.wait_until(30_000_000_000)
        warm = unit.temperature_c
        assert warm == pytest.approx(22 - 112 * exp(-0.5), abs=0.5)
        unit.cooling = True
        assert unit.temperature_c == pytest.approx(warm, abs=0.5)
        device.time.wait_until(900_000_000_000)
        assert diode.at("celsius", device.time.now_ns()) == pytest.approx(-90, abs=0.1)


def test_the_overvoltage_is_the_bias_above_breakdown():
    diode = Diode()
    device = detector(diode, breakdown_v=58.5)
    with joined(SFifteenSPD, device, SERIAL) as unit:
        unit.bias_v = 61.0
        assert diode.at("volts", device.time.now_ns()) == pytest.approx(2.5)
        unit.bias_v = 50.0
        assert unit.count(0.5) == 0


def test_a_count_takes_its_time():
    device = detector(Diode(rate_hz=5000.0))
    with joined(SFifteenSPD, device, SERIAL) as unit:
        before = device.time.now_ns()
        assert unit.count(20.0) == 100_000
        assert 20.0 <= (device.time.now_ns() - before) * 1e-9 < 20.1


def test_a_hanging_unit_times_out():
    device = detector()
    with joined(SFifteenSPD, device, SERIAL) as unit:
        device.faults.silent(matching="(?i)counts")
        with pytest.raises(ResponseTimeoutError, match="no answer"):
            unit.count(0.5)
