from __future__ import annotations

from dataclasses import replace

import pytest
from driver_bench import joined, settable, values_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.core import (
    IdentityMismatchError,
    InstrumentFaultError,
    MisuseError,
    ResponseTimeoutError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.modulators.thorlabs_mbx import ThorlabsMBX
from drivers.simulated.devices.thorlabs_mbx import ThorlabsMBXDevice
from drivers.simulated.time import VirtualTime

SERIAL = "ASRL3::INSTR"
IDN = "THORLABS,MBX,TP01234567,1.9.5"
OPENING = [("*IDN?", IDN)]


class Modulator:
    """A bias electrode whose points are given, and which remembers what was done."""

    def __init__(self, at=None):
        self.at = at or {"peak": 4.5, "null": 0.3, "quad+": 2.4, "quad-": -1.8}
        self.settings = [(0, 0.0)]
        self.done = []

    def hold(self, t_ns, volts):
        self.done.append(("hold", t_ns, volts))
        self.settings.append((t_ns, volts))

    def lock(self, t_ns, point):
        self.done.append(("lock", t_ns, point))
        self.settings.append((t_ns, self.at[point]))

    def volts(self, t_ns):
        return next(volts for since, volts in reversed(self.settings) if since <= t_ns)

    def tap_w(self, t_ns):
        return 2e-6


def controller(modulator=None, **more):
    terminals = {"modulator": modulator} if modulator else {}
    return ThorlabsMBXDevice("bias", VirtualTime(), terminals, **more)


def wait(device, seconds):
    device.time.wait_until(device.time.now_ns() + round(seconds * 1e9))


# ---- the driver against a conversation -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "pairs"),
    [
        ("mode", "off", [("MZM:MODE: 0", "1"), ("MZM:MODE?", "0")]),
        ("mode", "null", [("MZM:MODE: 2", "1"), ("MZM:MODE?", "2")]),
        ("mode", "quad+", [("MZM:MODE: 3", ""), ("MZM:MODE?", "3")]),
        ("mode", "ratio-", [("MZM:MODE: 9", "1"), ("MZM:MODE?", "9")]),
        ("bias_v", -1.2344, [("MZM:HOLD:VOLTAGE: -1234", "1"), ("MZM:HOLD:VOLTAGE?", "-1234")]),
        ("hold_ratio", 2.5, [("MZM:HOLD:RATIO: 250", ""), ("MZM:HOLD:RATIO?", "250")]),
        ("voa_output", True, [("VOA:POWER: 1", "1"), ("VOA:POWER?", "1")]),
        ("voa_mode", "power", [("VOA:MODE: 1", "1"), ("VOA:MODE?", "1")]),
        ("voa_attenuation_db", 3.5, [("VOA:ATTEN: 3.5", ""), ("VOA:ATTEN?", "3.5")]),
        ("voa_power_w", 1e-4, [("VOA:OUTPUT:MW: 0.1", "1"), ("VOA:OUTPUT:MW?", "0.1")]),
        ("light", "white", [("RGB:POWER: 2", ""), ("RGB:POWER?", "2")]),
        ("light_red", 7, [("RGB:RED: 7", ""), ("RGB:RED?", "7")]),
    ],
)
def test_command(scripted, name, value, pairs):
    setattr(scripted(ThorlabsMBX, *OPENING, *pairs), name, value)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_replies_may_end_either_way(scripted, end):
    unit = scripted(
        ThorlabsMBX,
        ("*IDN?", IDN.encode() + end),
        ("MZM:VOLTAGE?", b"5.42" + end),
        ("MZM:TAP:MW?", b"1.23" + end),
        ("MZM:SETPOINT?", b"1" + end),
        ("MZM:CALIBRATING?", b"0" + end),
    )
    assert unit.identity == IDN
    assert unit.bias_v == 5.42
    assert unit.tap_w == pytest.approx(1.23e-3)
    assert unit.stable is True
    assert unit.calibrating is False


def test_the_stations_line_settings_outlive_the_opening():
    """The driver learns the end of replies; what the station sets stays as it is."""
    device = controller()
    with joined(ThorlabsMBX, device, SERIAL) as unit:
        unit.close()
        unit.link.line = replace(unit.link.line, timeout_s=7.0, retries=4)
        device.faults.late(5.0, matching="IDN", times=1)
        unit.open()
        line = unit.link.line
    assert (line.timeout_s, line.retries) == (7.0, 4)


def test_an_error_is_quoted(scripted):
    unit = scripted(ThorlabsMBX, *OPENING, ("MZM:MODE: 2", "Err: Feature not present"))
    with pytest.raises(InstrumentFaultError, match=r"Err: Feature not present.*MZM:MODE: 2"):
        unit.mode = "null"


def test_a_setting_that_did_not_take_is_reported(scripted):
    unit = scripted(
        ThorlabsMBX,
        *OPENING,
        ("MZM:MODE: 2", ""),
        ("MZM:MODE?", "0"),
        ("MZM:HOLD:VOLTAGE: 1500", ""),
        ("MZM:HOLD:VOLTAGE?", "0"),
    )
    with pytest.raises(InstrumentFaultError, match="mode reads 'off'"):
        unit.mode = "null"
    with pytest.raises(InstrumentFaultError, match=r"bias_v = 1\.5: the unit holds '0' mV"):
        unit.bias_v = 1.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bias_v", 10.01),
        ("bias_v", -10.01),
        ("hold_ratio", 2.49),
        ("hold_ratio", 101),
        ("voa_attenuation_db", 0.4),
        ("voa_power_w", 0.2),
        ("light_blue", 101),
        ("mode", "quad"),
    ],
)
def test_out_of_range_sends_nothing(scripted, name, value):
    unit = scripted(ThorlabsMBX, *OPENING)
    with pytest.raises(ValueOutOfRangeError):
        setattr(unit, name, value)


def test_readings_cannot_be_set(scripted):
    unit = scripted(ThorlabsMBX, *OPENING)
    with pytest.raises(MisuseError):
        unit.stable = True


def test_another_instrument_is_refused(scripted):
    with pytest.raises(IdentityMismatchError):
        scripted(ThorlabsMBX, ("*IDN?", "ACME,G2,1,1"))


def test_an_error_in_place_of_a_reading_is_no_reading(scripted):
    unit = scripted(ThorlabsMBX, *OPENING, ("VOA:MEASURED?", "Err: Feature not present"))
    with pytest.raises(UnexpectedReplyError, match="Feature not present"):
        _ = unit.voa_measured_db


# ---- the driver against the simulated unit ----------------------------------------------


@settings(max_examples=5, deadline=None)
@given(st.data(), st.booleans())
def test_the_simulated_unit_keeps_its_settings(data, acknowledges):
    device = controller(acknowledges=acknowledges)
    with joined(ThorlabsMBX, device, SERIAL) as unit:
        unit.mode = "manual"
        for name, prop in settable(unit).items():
            if name == "mode":
                continue
            value = data.draw(values_of(prop), label=name)
            setattr(unit, name, value)
            if isinstance(value, float):
                assert getattr(unit, name) == pytest.approx(value, rel=1e-6, abs=0.005)
            else:
                assert getattr(unit, name) == value


@pytest.mark.parametrize("point", ["peak", "null", "quad+", "quad-"])
def test_an_operating_point_is_reached_in_time(point):
    modulator = Modulator()
    device = controller(modulator)
    with joined(ThorlabsMBX, device, SERIAL) as unit:
        unit.mode = point
        assert not unit.stable
        assert unit.bias_v == 0.0
        wait(device, 2.0)
        assert unit.stable
        assert unit.bias_v == modulator.at[point]
        assert unit.tap_w == pytest.approx(2e-6)


@pytest.mark.parametrize("point", ["quad+", "quad-"])
def test_holding_a_quadrature_freezes_the_voltage(point):
    modulator = Modulator()
    device = controller(modulator)
    with joined(ThorlabsMBX, device, SERIAL) as unit:
        unit.mode = f"hold {point}"
        assert modulator.done[-1][0] == "hold"
        assert modulator.done[-1][2] == modulator.at[point]


def test_a_bias_is_applied_in_mode_manual_only():
    modulator = Modulator()
    device = controller(modulator)
    with joined(ThorlabsMBX, device, SERIAL) as unit:
        unit.bias_v = 3.25
        assert unit.bias_v == 0.0
        unit.mode = "manual"
        assert unit.bias_v == 3.25
        assert unit.stable
        unit.bias_v = -2.0
        assert (unit.bias_v, unit.hold_v) == (-2.0, -2.0)
        unit.mode = "off"
        assert unit.bias_v == 0.0
        assert not unit.stable


def test_a_calibration_takes_its_time():
    device = controller(Modulator(), calibration_s=8.0, lock_s=2.0)
    with joined(ThorlabsMBX, device, SERIAL) as unit:
        unit.mode = "null"
        wait(device, 3.0)
        assert unit.stable
        unit.calibrate()
        assert unit.calibrating
        assert not unit.stable
        wait(device, 8.1)
        assert not unit.calibrating
        assert not unit.stable
        wait(device, 2.0)
        assert unit.stable


def test_the_attenuator_follows_its_mode():
    device = controller(Modulator())
    with joined(ThorlabsMBX, device, SERIAL) as unit:
        assert unit.voa_measured_db == 0.5
        unit.voa_attenuation_db = 6.0
        unit.voa_output = True
        assert (unit.voa_measured_db, unit.voa_error_db, unit.voa_stable) == (6.0, 0.0, True)
        unit.voa_mode = "power"
        unit.voa_power_w = 1e-5  # more than there is: the least loss
        assert unit.voa_measured_db == 0.5
        assert not unit.voa_stable


def test_what_the_unit_does_not_know_is_an_error():
    with joined(ThorlabsMBX, controller(), SERIAL) as unit:
        with pytest.raises(InstrumentFaultError, match="Undefined header"):
            unit.tell("MZM:NOTHING: 1")
        with pytest.raises(InstrumentFaultError, match="Data out of range"):
            unit.tell("MZM:MODE: 12")


def test_a_silent_unit_times_out():
    device = controller()
    device.faults.silent()
    with (
        pytest.raises(ResponseTimeoutError, match=r"no answer to \*IDN\?"),
        joined(ThorlabsMBX, device, SERIAL),
    ):
        pass


def test_a_late_acknowledgement_is_not_taken_for_an_answer():
    device = controller()
    with joined(ThorlabsMBX, device, SERIAL) as unit:
        unit.light_red = 42
        device.faults.late(0.2, matching="RGB:GREEN:")
        unit.light_green = 17
        assert unit.light_red == 42
