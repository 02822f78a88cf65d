from __future__ import annotations

import pytest
from driver_bench import joined
from hypothesis import given, settings
from hypothesis import strategies as st
from steered_oscillator import Steered

from drivers.core import (
    IdentityMismatchError,
    InstrumentFaultError,
    ResponseTimeoutError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.frequency_standards.microchip_5071a import (
    REPORT_NAMES,
    Microchip5071A,
    parse_report,
)
from drivers.simulated.devices.microchip_5071a import Microchip5071ADevice
from drivers.simulated.time import VirtualTime

SERIAL = "ASRL7::INSTR"
STEP = 6.331991e-15


def said(command, *lines):
    """Return an exchange as it crosses the line: the echo, the reply, the prompt."""
    answer = "".join(f"{line}\r\n" for line in (command, *lines))
    return (command, (answer + "scpi >").encode())


OPENING = [said("*IDN?", "SYMMETRICOM,5071A,0,5216"), said("SYST:REM ON")]


def caesium(oscillator=None, **more):
    terminals = {} if oscillator is None else {"oscillator": oscillator}
    return Microchip5071ADevice("cs", VirtualTime(), terminals, **more)


def wait_until(device, seconds):
    device.time.wait_until(round(seconds * 1e9))


# ---- the driver against a conversation -------------------------------------------------


@pytest.mark.parametrize(
    ("value", "sent", "answer"),
    [
        (0.0, "0", "+0.000000E+00"),
        (STEP, "6.331991e-15", "+6.331991E-15"),
        (-1e-13, "-1.013118560e-13", "-1.01311856E-13"),
        (1e-9, "9.9999867e-10", "+9.9999867E-10"),
    ],
)
def test_steering_goes_out_in_whole_steps_and_is_read_back(scripted, value, sent, answer):
    steps = round(value / STEP)
    command = f"SOUR:ROSC:STE {steps * STEP:.12g}"
    assert float(command.split()[1]) == pytest.approx(float(sent), rel=1e-6, abs=0)
    unit = scripted(Microchip5071A, *OPENING, said(command), said("SOUR:ROSC:STE?", answer))
    unit.steering = value


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("display", True, "DISP:ENAB ON"),
        ("standby", False, "SOUR:PTIM:STAN OFF"),
        ("pulse_synchronisation", "rear", "SOUR:PTIM:SYNC REAR"),
        ("mjd", 60137, "SOUR:PTIM:MJD 60137"),
    ],
)
def test_command(scripted, name, value, command):
    setattr(scripted(Microchip5071A, *OPENING, said(command)), name, value)


def test_the_clock_is_set(scripted):
    unit = scripted(Microchip5071A, *OPENING, said("SOUR:PTIM:TIME 9,30,0"))
    unit.set_time(9, 30, 0)
    for wrong in ((24, 0, 0), (0, 60, 0), (0, 0, 60), (-1, 0, 0)):
        with pytest.raises(ValueOutOfRangeError):
            unit.set_time(*wrong)


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("locked", "DIAG:STAT:GLOB?", '"Operating normally"', True),
        ("locked", "DIAG:STAT:GLOB?", '"Warm-up"', False),
        ("status", "DIAG:STAT:GLOB?", '"Fatal error"', "Fatal error"),
        ("supply_status", "DIAG:STAT:SUPP?", '"AC"', "AC"),
        ("continuous_operation", "DIAG:CONT:STATE?", "ENA", "enabled"),
        ("temperature_c", "DIAG:TEMP?", "    +45.2", 45.2),
        ("beam_current", "DIAG:CURR:BEAM?", "+16.1", 16.1),
        ("c_field_a", "DIAG:CURR:CFIELD?", "+12.117", 12.117e-3),
        ("ion_pump_a", "DIAG:CURR:PUMP?", "+3.4", 3.4e-6),
        ("gain_percent", "DIAG:GAIN?", "+14.4", 14.4),
        ("beam_oven_v", "DIAG:VOLT:COV?", "+8.7", 8.7),
        ("multiplier_v", "DIAG:VOLT:EMUL?", "+1321", 1321),
        ("ionizer_v", "DIAG:VOLT:HWI?", "+0.9", 0.9),
        ("mass_spectrometer_v", "DIAG:VOLT:MSP?", "+11.9", 11.9),
        ("crystal_oven_v", "DIAG:VOLT:ROSC?", "-9.0", -9.0),
        ("crystal_control_percent", "SOUR:ROSC:CONT?", "-14.42", -14.42),
        ("tube_serial_number", "DIAG:CBTS?", '"US50120909(H)"', "US50120909(H)"),
    ],
)
def test_reading(scripted, name, query, reply, value):
    unit = scripted(Microchip5071A, *OPENING, said(query, reply))
    found = getattr(unit, name)
    assert found == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("name", "query", "reply", "values"),
    [
        ("rf_amplitude_percent", "DIAG:RFAMPLITUDE?", "     +23.7,     +22.3", [23.7, 22.3]),
        ("pll_v", "DIAG:VOLT:PLL?", "+0.0,+3.8,+1.8,+3.2", [0.0, 3.8, 1.8, 3.2]),
        ("supply_v", "DIAG:VOLT:SUPP?", "+5.4,+12.3,-12.3", [5.4, 12.3, -12.3]),
    ],
)
def test_several_numbers(scripted, name, query, reply, values):
    unit = scripted(Microchip5071A, *OPENING, said(query, reply), said(query, reply + ",1"))
    assert getattr(unit, name).tolist() == values
    with pytest.raises(UnexpectedReplyError):
        getattr(unit, name)


def test_text_before_the_prompt_is_a_refusal(scripted):
    unit = scripted(Microchip5071A, *OPENING, said("DISP:ENAB ON", "Settings are locked"))
    with pytest.raises(InstrumentFaultError, match="answered 'Settings are locked' to 'DISP") as e:
        unit.display = True
    assert (e.value.command, e.value.instrument, e.value.address) == (
        "DISP:ENAB ON",
        "unit",
        "SCRIPT::INSTR",
    )


def test_a_steering_that_is_not_in_force_is_an_error(scripted):
    command = f"SOUR:ROSC:STE {158 * STEP:.12g}"
    unit = scripted(
        Microchip5071A, *OPENING, said(command), said("SOUR:ROSC:STE?", f"{157 * STEP:.6E}")
    )
    with pytest.raises(InstrumentFaultError, match="steering reads"):
        unit.steering = 1e-12


@pytest.mark.parametrize("value", [1.1e-9, -1.1e-9, float("nan")])
def test_out_of_range_sends_nothing(scripted, value):
    unit = scripted(Microchip5071A, *OPENING)
    with pytest.raises(ValueOutOfRangeError):
        unit.steering = value


def test_a_wrong_echo_is_told(scripted):
    unit = scripted(Microchip5071A, *OPENING, ("DIAG:GAIN?", b"DIAG:G\x1fIN?\r\n+14.4\r\nscpi >"))
    with pytest.raises(UnexpectedReplyError, match=r"'DIAG:GAIN\?' was echoed as 'DIAG:G") as e:
        _ = unit.gain_percent
    assert "baud rate" in e.value.remedy
    assert e.value.instrument == "unit"


def test_another_instrument_is_refused_and_told_nothing_more(scripted):
    with pytest.raises(IdentityMismatchError):
        scripted(Microchip5071A, said("*IDN?", "HEWLETT-PACKARD,53131A,0,3944"))


def test_closing_gives_the_panel_back(scripted):
    unit = scripted(Microchip5071A, *OPENING, said("SYST:REM OFF"))
    unit.close()
    unit.close()


# ---- the report --------------------------------------------------------------------------


def test_the_report_of_a_unit():
    with joined(Microchip5071A, caesium(), SERIAL) as unit:
        report = unit.report()
    assert tuple(report) == REPORT_NAMES
    assert report["CBT ID"] == "US50120909(H)"
    assert report["MJD"] == "60137 00:00:00"
    assert report["Status summary"] == "Operating normally"
    assert report["Freq Offset"] == "0e-15"
    assert report["CBT Oven"] == "8.7 V"
    assert report["CBT Oven Err"] == "0.00 C"
    assert report["Thermometer"] == "45.2 C"


def test_no_report(scripted):
    unit = scripted(Microchip5071A, *OPENING, said("SYST:PRINT?", "Empty"))
    with pytest.raises(UnexpectedReplyError, match="no report"):
        unit.report()


_values = st.text(st.characters(codec="ascii", exclude_categories=["C"], exclude_characters=":"))


@given(st.lists(st.sampled_from(REPORT_NAMES[1:]), unique=True), _values, st.booleans())
def test_any_columns_are_split(names, value, wide):
    value = " ".join(value.replace("MJD", "").split())
    gap = "      " if wide else "\r\n"
    text = gap.join(f"{name}  : {value}" for name in names)
    assert parse_report(text) == dict.fromkeys(names, value)


@given(st.text())
def test_no_text_breaks_the_report(text):
    assert set(parse_report(text)) <= set(REPORT_NAMES)


# ---- the driver against the simulated unit ----------------------------------------------


def test_a_warm_unit_operates():
    with joined(Microchip5071A, caesium(), SERIAL) as unit:
        assert unit.identity == "SYMMETRICOM,5071A,0,5216"
        assert unit.locked
        assert unit.continuous_operation == "on"
        assert unit.temperature_c == pytest.approx(45.2)
        assert unit.supply_v.tolist() == [5.4, 12.3, -12.3]
        assert unit.log() == ["Log status: Empty"]
        for name, prop in Microchip5071A.properties().items():
            if prop.query is not None:
                getattr(unit, name)


def test_a_cold_unit_operates_in_time():
    device = caesium(warm=False, warm_up_s=600.0)
    with joined(Microchip5071A, device, SERIAL) as unit:
        assert not unit.locked
        wait_until(device, 599)
        assert unit.status == "Warm-up"
        wait_until(device, 601)
        assert unit.locked


def test_standby_is_no_operation_and_is_left_by_warming_up():
    device = caesium(warm_up_s=600.0)
    with joined(Microchip5071A, device, SERIAL) as unit:
        unit.standby = True
        assert (unit.locked, unit.status) == (False, "Standby")
        unit.standby = False
        assert not unit.locked
        wait_until(device, 650)
        assert unit.locked


@settings(max_examples=30, deadline=None)
@given(st.floats(-1e-9, 1e-9))
def test_steering_pulls_the_oscillator_by_the_step_that_is_read(value):
    oscillator = Steered(offset=3e-13)
    with joined(Microchip5071A, caesium(oscillator), SERIAL) as unit:
        unit.steering = value
        pulled = oscillator.frequency(10**18) - 3e-13
        assert pulled == pytest.approx(value, abs=0.51 * STEP)
        assert pulled / STEP == pytest.approx(round(pulled / STEP), abs=1e-6)
        assert unit.steering == pytest.approx(pulled, abs=1e-15)


def test_steering_up_raises_the_frequency_at_once():
    oscillator = Steered()
    device = caesium(oscillator)
    with joined(Microchip5071A, device, SERIAL) as unit:
        unit.steering = 1e-10
        start = device.time.now_ns()
        gained = oscillator.phase_s(start + 10**12) - oscillator.phase_s(start)
        assert gained == pytest.approx(1e-7, rel=1e-4)


def test_a_setting_needs_remote_mode():
    with joined(Microchip5071A, caesium(), SERIAL) as unit:
        unit.tell("SYST:REM OFF")
        with pytest.raises(InstrumentFaultError, match="Not in remote mode"):
            unit.steering = 1e-12
        assert unit.steering == 0.0


@pytest.mark.parametrize("command", ["SOUR:ROSC:STE 2e-9", "DIAGN:TEMP?", "ROSC:STE x", "XYZ"])
def test_what_the_unit_does_not_take_is_refused(command):
    with joined(Microchip5071A, caesium(), SERIAL) as unit, pytest.raises(InstrumentFaultError):
        unit.tell(command)


@pytest.mark.parametrize(
    "query", ["SOURCE:ROSCILLATOR:STEER?", "rosc:ste?", "Sour:Rosc:Steer?", "ROSC:STEER?"]
)
def test_both_forms_of_a_word_and_no_other_are_taken(query):
    with joined(Microchip5071A, caesium(), SERIAL) as unit:
        assert float(unit.ask(query)) == 0.0
        assert "Undefined" in unit.ask(query.upper().replace("STE", "STEE", 1))


def test_the_clock_of_the_unit_runs_on():
    device = caesium()
    with joined(Microchip5071A, device, SERIAL) as unit:
        unit.set_time(23, 59, 50)
        unit.mjd = 61000
        wait_until(device, device.time.now_ns() * 1e-9 + 20)
        assert unit.report()["MJD"].startswith("61001 00:00:1")


def test_silence_garbage_and_errors_are_told():
    device = caesium()
    with joined(Microchip5071A, device, SERIAL) as unit:
        device.faults.silent(times=1)
        assert unit.locked  # asked again
        device.faults.garbage(times=2)
        with pytest.raises((ResponseTimeoutError, UnexpectedReplyError), match="DIAG:STAT:GLOB"):
            _ = unit.locked
        assert unit.locked
        device.faults.report_error(-221, "Settings conflict")
        with pytest.raises(InstrumentFaultError, match="Settings conflict"):
            unit.steering = 1e-12
        device.faults.silent(matching="STE ")
        with pytest.raises(ResponseTimeoutError, match="SOUR:ROSC:STE") as caught:
            unit.steering = 1e-12
        assert caught.value.address == SERIAL
        device.faults.clear()
        unit.steering = 2e-12
        assert unit.steering == pytest.approx(2e-12, abs=STEP)
