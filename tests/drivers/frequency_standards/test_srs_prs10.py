from __future__ import annotations

import pytest
from driver_bench import joined
from hypothesis import given, settings
from hypothesis import strategies as st
from steered_oscillator import Steered

from drivers.core import (
    IdentityMismatchError,
    InstrumentFaultError,
    MisuseError,
    ResponseTimeoutError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.frequency_standards.srs_prs10 import FS725, PRS10, STATUS_BITS
from drivers.simulated.devices.srs_prs10 import FS725Device, PRS10Device
from drivers.simulated.plant.signals import Pulses
from drivers.simulated.time import VirtualTime

SERIAL = "ASRL7::INSTR"
OPENING = [("ID?", "PRS10_3.56_SN_107831"), ("ST?", "0,0,0,0,4,128")]
GOOD = ("ST?", "0,0,0,0,4,0")


def rubidium(oscillator=None, pps=None, **more):
    terminals = {"oscillator": oscillator, "pps_input": pps}
    given_ones = {name: it for name, it in terminals.items() if it is not None}
    return PRS10Device("rb", VirtualTime(), given_ones, **more)


def wait_until(device, seconds):
    device.time.wait_until(round(seconds * 1e9))


# ---- the driver against a conversation -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("steering", -245e-12, "SF-245"),
        ("steering", 2000e-12, "SF2000"),
        ("steering", 0.4e-12, "SF0"),
        ("pll", False, "PL0"),
        ("pll_time_constant", 14, "PT14"),
        ("lock_mode", 1, "LM1"),
    ],
)
def test_command(scripted, name, value, command):
    setattr(scripted(PRS10, *OPENING, (command, ""), GOOD), name, value)


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("locked", "LO?", "1", True),
        ("locked", "LO?", "0", False),
        ("steering", "SF?", "-245", -245e-12),
        ("pll_integrator", "PI?", "-21", -21e-12),
        ("pll_stability", "PF?", "2", 2),
        ("temperature_c", "AD10?", "0.728", 72.8),
        ("time_tag_s", "TT?", "13", 13e-9),
        ("time_tag_s", "TT?", "999999990", -10e-9),
        ("time_tag_s", "TT?", "499999999", 0.499999999),
        ("time_tag_s", "TT?", "500000000", -0.5),
    ],
)
def test_reading(scripted, name, query, reply, value):
    assert getattr(scripted(PRS10, *OPENING, (query, reply)), name) == pytest.approx(
        value, rel=1e-9
    )


def test_both_converters_are_read(scripted):
    unit = scripted(PRS10, *OPENING, ("FC?", "2246,1823"), ("FC?", "2246"))
    assert unit.frequency_control.tolist() == [2246, 1823]
    with pytest.raises(UnexpectedReplyError):
        _ = unit.frequency_control


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        ("0,0,0,0,4,32", "bad command syntax"),
        ("0,0,0,0,4,64", "bad command parameter"),
        ("0,0,0,0,4,96", "bad command syntax, bad command parameter"),
    ],
)
def test_a_refused_command_is_an_error(scripted, reply, name):
    unit = scripted(PRS10, *OPENING, ("PL1", ""), ("ST?", reply))
    with pytest.raises(InstrumentFaultError, match=f"reported {name} after 'PL1'"):
        unit.pll = True


def test_a_reset_before_opening_is_no_error_and_forgotten(scripted):
    unit = scripted(PRS10, *OPENING, ("ST?", "0,0,0,0,4,128"))
    assert unit.status() == ("PLL active", "unit was reset")


@given(st.lists(st.integers(0, 255), min_size=6, max_size=6))
def test_each_status_bit_has_its_name(values):
    unit = PRS10("rb", "SCRIPT", None)
    asked = []

    class Answers:
        def query_once(self, request):
            asked.append(request)
            return ",".join(map(str, values))

    unit.link = Answers()
    names = unit.status()
    assert asked == [b"ST?"]
    expected = [
        STATUS_BITS[byte][bit]
        for byte in range(6)
        for bit in range(8)
        if values[byte] & 1 << bit and STATUS_BITS[byte][bit]
    ]
    assert list(names) == expected


def test_the_status_table_is_whole():
    assert [len(names) for names in STATUS_BITS] == [8] * 6
    assert STATUS_BITS[4][2] == "PLL active"
    assert STATUS_BITS[5][5:7] == ("bad command syntax", "bad command parameter")


@pytest.mark.parametrize(
    "reply", ["", "0,0,0,0,4", "0,0,0,0,4,x", "0,0,0,0,4,256", "1,2,3,4,5,6,7"]
)
def test_a_status_that_is_none(scripted, reply):
    unit = scripted(PRS10, *OPENING, ("ST?", (reply + "\r").encode()))
    with pytest.raises(UnexpectedReplyError, match="six status bytes"):
        unit.status()


def test_no_time_tag_yet(scripted):
    unit = scripted(PRS10, *OPENING, ("TT?", "-1"))
    with pytest.raises(UnexpectedReplyError, match="is there a 1PPS input"):
        _ = unit.time_tag_s


def test_test_voltages(scripted):
    unit = scripted(PRS10, *OPENING, ("AD2?", "2.331"), ("AD3?", "volts"))
    assert unit.monitor_v(2) == 2.331
    with pytest.raises(UnexpectedReplyError, match=r"AD3\?"):
        unit.monitor_v(3)
    with pytest.raises(ValueOutOfRangeError):
        unit.monitor_v(20)


def test_placing_the_pulse(scripted):
    unit = scripted(PRS10, *OPENING, ("PP123456789", ""), GOOD)
    unit.place_pulse(0.123456789)
    for wrong in (-1e-9, 1.0):
        with pytest.raises(ValueOutOfRangeError):
            unit.place_pulse(wrong)


def test_the_station_can_forbid_to_move_the_pulse(scripted):
    unit = scripted(PRS10, *OPENING)
    asked = []

    def forbid(path, name, value):
        asked.append((path, name, value))
        raise MisuseError("not this one")

    unit.station_guard = forbid
    with pytest.raises(MisuseError):
        unit.place_pulse(0.5)
    assert asked == [("unit", "place_pulse", 0.5)]


def test_the_steering_has_its_maker_s_name_too(scripted):
    unit = scripted(PRS10, *OPENING, ("SF-245", ""), GOOD, ("SF?", "-245"))
    unit.frequency_offset = -245e-12
    assert unit.frequency_offset == pytest.approx(-245e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steering", 2001e-12),
        ("steering", -2001e-12),
        ("pll_time_constant", 15),
        ("lock_mode", 2),
        ("pll", 1),
    ],
)
def test_out_of_range_sends_nothing(scripted, name, value):
    unit = scripted(PRS10, *OPENING)
    with pytest.raises(ValueOutOfRangeError):
        setattr(unit, name, value)


def test_another_instrument_is_refused(scripted):
    with pytest.raises(IdentityMismatchError):
        scripted(PRS10, ("ID?", "SIM940"))


# ---- the driver against the simulated unit ----------------------------------------------


def test_a_warm_unit_is_locked():
    with joined(PRS10, rubidium(), SERIAL) as unit:
        assert unit.identity == "PRS10_3.56_SN_107831"
        assert unit.serial_number == "107831"
        assert unit.locked
        assert unit.status() == ("fewer than 256 good 1PPS inputs", "no 1PPS input")
        assert unit.temperature_c == pytest.approx(45.0)


def test_the_bench_unit_speaks_the_same():
    device = FS725Device("rb", VirtualTime(), {})
    with joined(FS725, device, SERIAL) as unit:
        assert unit.locked


def test_a_cold_unit_locks_in_time_and_remembers_that_it_was_not():
    device = rubidium(warm=False, warm_up_s=360.0)
    with joined(PRS10, device, SERIAL) as unit:
        assert not unit.locked
        names = unit.status()
        assert {"lamp light low", "synthesiser unlocked", "frequency lock control off"} < set(names)
        wait_until(device, 359)
        assert not unit.locked
        wait_until(device, 361)
        assert unit.locked
        assert "frequency lock control off" in unit.status()  # latched
        assert "frequency lock control off" not in unit.status()


def test_the_reset_shows_once():
    device = rubidium(warm=False)
    with joined(PRS10, device, SERIAL) as unit:  # opening reads it
        assert "unit was reset" not in unit.status()
    device = rubidium(warm=False)
    PRS10Device.status_bytes(device)
    assert device.status_bytes().split(",")[5] == "0"


def test_errors_are_reported_once_and_nothing_is_said():
    with joined(PRS10, rubidium(), SERIAL) as unit:
        with pytest.raises(InstrumentFaultError, match="bad command parameter"):
            unit.tell("PT15")
        with pytest.raises(InstrumentFaultError, match="bad command syntax"):
            unit.tell("XY1")
        with pytest.raises(ResponseTimeoutError):
            unit.ask("XY?")
        assert "bad command syntax" in unit.status()
        assert "bad command syntax" not in unit.status()


@settings(max_examples=20, deadline=None)
@given(st.integers(-2000, 2000), st.integers(0, 14), st.integers(0, 1), st.booleans())
def test_the_simulated_unit_keeps_its_settings(parts, time_constant, mode, pll):
    with joined(PRS10, rubidium(), SERIAL) as unit:
        unit.pll_time_constant, unit.lock_mode, unit.pll = time_constant, mode, pll
        unit.steering = parts * 1e-12
        assert (unit.pll_time_constant, unit.lock_mode, unit.pll) == (time_constant, mode, pll)
        assert unit.steering == pytest.approx(parts * 1e-12, abs=1e-18)


def test_steering_up_raises_the_frequency():
    oscillator = Steered(offset=2e-11)
    device = rubidium(oscillator)
    with joined(PRS10, device, SERIAL) as unit:
        unit.steering = 500e-12
        start = device.time.now_ns()
        before = oscillator.phase_s(start)
        gained = oscillator.phase_s(start + 10**12) - before
        assert gained == pytest.approx(1000 * (2e-11 + 500e-12), rel=1e-9)


def test_a_time_tag_is_positive_when_the_input_is_late():
    ahead = Steered(phase_s=130e-9)
    with joined(PRS10, rubidium(ahead, Steered(), warm=True), SERIAL) as unit:
        assert unit.time_tag_s == pytest.approx(130e-9)
        unit.place_pulse(100e-9)  # the own pulse moves back
        assert unit.time_tag_s == pytest.approx(30e-9)
        unit.place_pulse(50e-9)
        assert unit.time_tag_s == pytest.approx(-20e-9)
    with joined(PRS10, rubidium(ahead), SERIAL) as unit, pytest.raises(UnexpectedReplyError):
        _ = unit.time_tag_s


def test_the_lock_to_1pps_takes_256_pulses_then_steers_phase_and_frequency_to_it():
    oscillator = Steered(offset=300e-12, phase_s=0.123)
    device = rubidium(oscillator, Steered())
    with joined(PRS10, device, SERIAL) as unit:
        unit.pll_time_constant = 0  # 256 s, so an approach of 506 s
        wait_until(device, 250)
        assert "PLL active" not in unit.status()
        assert unit.time_tag_s == pytest.approx(0.123, abs=1e-6)
        wait_until(device, 258)
        unit.status()
        assert "PLL active" in unit.status()
        assert abs(unit.time_tag_s) < 5e-9
        worst = max(abs(_tag_at(unit, device, t)) for t in range(300, 1500, 50))
        assert 20e-9 < worst < 200e-9  # the offset pulls the phase away at first
        wait_until(device, 12000)
        assert unit.steering == pytest.approx(-300e-12, abs=3e-12)
        assert abs(unit.time_tag_s) <= 3e-9
        unit.steering = 100e-12  # the lock holds it
        assert unit.steering == pytest.approx(-300e-12, abs=3e-12)
        unit.pll = False
        unit.steering = 100e-12
        assert unit.steering == pytest.approx(100e-12)


def _tag_at(unit, device, seconds):
    wait_until(device, seconds)
    return unit.time_tag_s


def test_the_pulses_of_the_plant_are_placed():
    pulses = Pulses(Steered(), 0.25)
    device = PRS10Device("rb", VirtualTime(), {"pps_output": pulses}, warm=True)
    with joined(PRS10, device, SERIAL) as unit:
        unit.place_pulse(0.750_244)
    assert pulses.late_s(device.time.now_ns()) == pytest.approx(244e-6, abs=1e-15)
    assert pulses.late_s(0) == 0.25


def test_a_1pps_that_vanishes_leaves_the_steering_as_it_is():
    class Vanishing(Steered):
        def phase_s(self, t_ns):
            return super().phase_s(t_ns) if t_ns < 600 * 10**9 else float("nan")

    device = rubidium(Steered(offset=300e-12), Vanishing())
    with joined(PRS10, device, SERIAL) as unit:
        unit.pll_time_constant = 0
        wait_until(device, 600)
        before = unit.steering
        wait_until(device, 900)
        assert unit.steering == before != 0.0
        with pytest.raises(UnexpectedReplyError, match="is there a 1PPS input"):
            _ = unit.time_tag_s
