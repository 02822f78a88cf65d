from __future__ import annotations

import pytest
from driver_bench import joined, settable, values_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.core import (
    IdentityMismatchError,
    InstrumentFaultError,
    ResponseTimeoutError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.simulated.devices.srs_cg635 import SRSCG635Device
from drivers.simulated.time import VirtualTime
from drivers.synthesisers.srs_cg635 import LOCK_BITS, SRSCG635

GPIB = "GPIB0::23::INSTR"
SERIAL = "ASRL3::INSTR"
OPENING = [("*IDN?", "Stanford Research Systems,CG635,s/n004025,ver0.01"), ("*CLS", "")]
GOOD = ("LERR?", "0")


def generator(**more):
    return SRSCG635Device("cg", VirtualTime(), {}, **more)


# ---- the driver against a conversation -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("frequency_hz", 10e6, "FREQ 10000000"),
        ("frequency_hz", 10_000_000.000_000_1, "FREQ 10000000.0000001"),
        ("frequency_hz", 1e-6, "FREQ 1e-06"),
        ("phase_deg", -90.5, "PHAS -90.5"),
        ("output", False, "RUNS 0"),
        ("cmos_standard", "3.3 V", "STDC 3"),
        ("cmos_low_v", 0.4, "CMOS 0,0.4"),
        ("cmos_high_v", 1.604, "CMOS 1,1.6"),
        ("q_standard", "LVDS", "STDQ 2"),
        ("q_standard", "ECL", "STDQ 0"),
        ("q_low_v", -3.0, "QOUT 0,-3"),
        ("q_high_v", 5.0, "QOUT 1,5"),
    ],
)
def test_command(scripted, name, value, command):
    setattr(scripted(SRSCG635, *OPENING, (command, ""), GOOD), name, value)


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("frequency_hz", "FREQ?", "10000000.0", 10e6),
        ("phase_deg", "PHAS?", "90.5", 90.5),
        ("output", "RUNS?", "1", True),
        ("timebase", "TIMB?", "3", "external"),
        ("cmos_standard", "STDC?", "-1", "other"),
        ("cmos_low_v", "CMOS?0", "0.00", 0.0),
        ("cmos_high_v", "CMOS?1", "3.30", 3.3),
        ("q_standard", "STDQ?", "2", "LVDS"),
        ("q_low_v", "QOUT?0", "1.07", 1.07),
        ("q_high_v", "QOUT?1", "1.43", 1.43),
    ],
)
def test_reading(scripted, name, query, reply, value):
    unit = scripted(SRSCG635, *OPENING, (query, (reply + "\r\n").encode()))
    assert getattr(unit, name) == value


def test_a_reported_error_quotes_command_and_code(scripted):
    unit = scripted(SRSCG635, *OPENING, ("RUNS 1", ""), ("LERR?", "111"))
    with pytest.raises(InstrumentFaultError, match="reported error 111 after 'RUNS 1'") as caught:
        unit.output = True
    assert (caught.value.code, caught.value.instrument) == (111, "unit")
    assert "manual" in caught.value.remedy


def test_an_error_buffer_that_answers_nonsense(scripted):
    unit = scripted(SRSCG635, *OPENING, ("RUNS 1", ""), ("LERR?", "ok"))
    with pytest.raises(UnexpectedReplyError, match="'ok' after 'RUNS 1'"):
        unit.output = True


@given(st.integers(0, 63))
def test_each_lock_event_has_its_name(bits):
    unit = SRSCG635("cg", "SCRIPT", None)
    unit.link.query_once = lambda request: str(bits)
    assert set(unit.lock_events()) == {name for n, name in enumerate(LOCK_BITS) if bits >> n & 1}


def test_lock_events_that_are_none(scripted):
    unit = scripted(SRSCG635, *OPENING, ("RPHS", ""), GOOD, ("LCKR?", "locked"))
    unit.zero_phase()
    with pytest.raises(UnexpectedReplyError, match="locked"):
        unit.lock_events()


def test_another_instrument_is_refused(scripted):
    with pytest.raises(IdentityMismatchError):
        scripted(SRSCG635, ("*IDN?", "Stanford Research Systems,DG645,s/n001776,ver1.14.10E"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequency_hz", 2.1e9),
        ("frequency_hz", 0.0),
        ("phase_deg", 721.0),
        ("cmos_low_v", 1.1),
        ("q_high_v", 5.1),
        ("cmos_standard", "other"),
    ],
)
def test_out_of_range_sends_nothing(scripted, name, value):
    unit = scripted(SRSCG635, *OPENING)
    with pytest.raises(ValueOutOfRangeError):
        setattr(unit, name, value)


# ---- the driver against the simulated unit ----------------------------------------------


@pytest.mark.parametrize("address", [GPIB, SERIAL])
def test_the_unit_answers_on_both_ports(address):
    with joined(SRSCG635, generator(), address) as unit:
        assert unit.frequency_hz == 10e6
        assert unit.timebase == "internal"
        assert (unit.cmos_standard, unit.q_standard) == ("3.3 V", "LVDS")
        unit.output = False
        assert not unit.output
        with pytest.raises(InstrumentFaultError, match="error 10 after 'FREQ 3e9'"):
            unit.tell("FREQ 3e9")
        with pytest.raises(InstrumentFaultError, match="error 111"):
            unit.tell("FRQE 1")
        assert unit.frequency_hz == 10e6


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_simulated_unit_keeps_its_settings(data):
    with joined(SRSCG635, generator(), GPIB) as unit:
        for name, prop in settable(unit).items():
            if name != "phase_deg":
                value = data.draw(values_of(prop), label=name)
                setattr(unit, name, value)
                assert prop.agrees(prop.check(value), getattr(unit, name))


@pytest.mark.parametrize(
    ("frequency_hz", "wanted", "kept"),
    [(100e6, 12.34, 12.3), (1e9, -12.9, -12.0), (10e6, 12.345, 12.34), (1.0, 0.123456789, None)],
)
def test_the_phase_is_cut_to_the_resolution_and_a_new_frequency_clears_it(
    frequency_hz, wanted, kept
):
    with joined(SRSCG635, generator(), GPIB) as unit:
        unit.frequency_hz = frequency_hz
        unit.phase_deg = wanted
        assert unit.phase_deg == pytest.approx(wanted if kept is None else kept, abs=1e-9)
        unit.frequency_hz = frequency_hz / 2
        assert unit.phase_deg == 0.0


def test_other_levels_are_no_standard():
    with joined(SRSCG635, generator(), GPIB) as unit:
        unit.cmos_standard = "2.5 V"
        assert (unit.cmos_low_v, unit.cmos_high_v) == (0.0, 2.5)
        unit.cmos_high_v = 1.6
        assert unit.cmos_standard == "other"
        unit.q_low_v = 1.0
        assert unit.q_standard == "other"


def test_lock_events_show_once():
    with joined(SRSCG635, generator(), GPIB) as unit:
        assert unit.lock_events() == ()
        unit.frequency_hz = 100e6
        unit.phase_deg = 10.0
        assert unit.lock_events() == ("output disabled", "phase shifting")
        assert unit.lock_events() == ()


class Arrives:
    """A reference of which the phase is known, or not."""

    def __init__(self, phase_s):
        self.phase = phase_s

    def phase_s(self, t_ns):
        return self.phase


@pytest.mark.parametrize(("phase_s", "timebase"), [(1e-9, "external"), (float("nan"), "rubidium")])
def test_an_external_timebase_is_used_while_it_arrives(phase_s, timebase):
    terminals = {"timebase": Arrives(phase_s)}
    device = SRSCG635Device("cg", VirtualTime(), terminals, installed_timebase=2)
    with joined(SRSCG635, device, GPIB) as unit:
        assert unit.timebase == timebase


def test_completion_comes_when_the_clock_has_settled():
    device = generator()
    with joined(SRSCG635, device, GPIB) as unit:
        unit.tell("*ESE 1")
        unit.frequency_hz = 20e6
        before_ns = device.time.now_ns()
        unit.tell("*OPC")
        assert unit.ask("*STB?") == "0"
        assert unit.ask("*OPC?") == "1"
        assert device.time.now_ns() - before_ns > 10**8
        assert int(unit.ask("*STB?")) & 1 << 5
        assert unit.ask("*ESR?") == "1"


def test_silence_garbage_and_errors_are_told():
    device = generator()
    with joined(SRSCG635, device, SERIAL) as unit:
        device.faults.silent(times=1)
        assert unit.output  # asked again
        device.faults.garbage(matching="LERR", times=1)
        with pytest.raises(UnexpectedReplyError):
            unit.output = False
        device.faults.report_error(17)
        with pytest.raises(InstrumentFaultError, match="error 17"):
            unit.output = True
        device.faults.silent(matching="LERR")
        with pytest.raises(ResponseTimeoutError, match="LERR") as caught:
            unit.output = True
        assert caught.value.address == SERIAL
