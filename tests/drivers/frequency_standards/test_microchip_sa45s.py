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
from drivers.frequency_standards.microchip_sa45s import (
    ALARMS,
    STATES,
    MicrochipSA45s,
    parse_telemetry,
)
from drivers.simulated.devices.microchip_sa45s import MicrochipSA45sDevice
from drivers.simulated.time import VirtualTime

SERIAL = "ASRL7::INSTR"
LOCKED = (
    "0,0x0000,1209CS00909,0x0010,4381,0.86,1.573,17.62,0.996,28.26,-24,---,-1,1,1268126502,"
    "586969,1.09"
)
OPENING = [("!^", LOCKED)]


def clock(oscillator=None, pps=None, **more):
    terminals = {"oscillator": oscillator, "pps_input": pps}
    given_ones = {name: it for name, it in terminals.items() if it is not None}
    return MicrochipSA45sDevice("csac", VirtualTime(), given_ones, **more)


def wait_until(device, seconds):
    device.time.wait_until(round(seconds * 1e9))


# ---- the driver against a conversation -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "command", "query", "answer"),
    [
        ("steering", -1.23e-10, "!FA-123000", "!F?", "Steer = -123"),
        ("steering", 0.0, "!FA0", "!F?", "Steer = 0"),
        ("steering", 2e-6, "!FA2000000000", "!F?", "Steer = 2000000"),
        ("steering", 1.4e-12, "!FA1000", "!F?", "Steer = 1"),
        ("analogue_tuning", True, "!MA", "!M?", "0x0001"),
        ("analogue_tuning", False, "!Ma", "!M?", "0x0010"),
        ("discipline", True, "!MD", "!M?", "0x0010"),
        ("auto_sync", True, "!MS", "!M?", "0x0008"),
        ("phase_measurement", True, "!MM", "!M?", "0x0004"),
        ("low_power", False, "!Mu", "!M?", "0x0000"),
        ("discipline_time_constant_s", 80, "!D80", "!D?", "80"),
        ("cable_delay_s", 15e-9, "!DC150", "!DC?", "150"),
        ("phase_threshold_s", 50e-9, "!m50", "!m?", "50"),
    ],
)
def test_a_setting_is_answered_and_read_back(scripted, name, value, command, query, answer):
    unit = scripted(MicrochipSA45s, *OPENING, (command, answer), (query, answer))
    setattr(unit, name, value)


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("steering", "!F?", "Steer = -246", -246e-12),
        ("locked", "!^", LOCKED, True),
        ("locked", "!^", "8" + LOCKED[1:], False),
        ("temperature_c", "!^", LOCKED, 28.26),
        ("cable_delay_s", "!DC?", "-150", -15e-9),
    ],
)
def test_reading(scripted, name, query, reply, value):
    unit = scripted(MicrochipSA45s, *OPENING, (query, reply))
    assert getattr(unit, name) == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "query", "reply"),
    [
        ("steering", "!F?", "Steer"),
        ("steering", "!F?", "-246"),
        ("locked", "!^", "0,0x0000"),
        ("locked", "!^", "10" + LOCKED[1:]),
        ("temperature_c", "!^", LOCKED.replace("28.26", "warm")),
        ("discipline", "!M?", "?"),
    ],
)
def test_what_is_no_reading_is_quoted(scripted, name, query, reply):
    unit = scripted(MicrochipSA45s, *OPENING, (query, reply))
    with pytest.raises(UnexpectedReplyError) as caught:
        getattr(unit, name)
    assert query in str(caught.value)
    assert reply[:20] in str(caught.value)
    assert caught.value.instrument == "unit"


@pytest.mark.parametrize(("reply", "remedy"), [("?", "firmware"), ("*", "checksums off")])
def test_a_refusal_is_an_error_with_its_remedy(scripted, reply, remedy):
    unit = scripted(MicrochipSA45s, *OPENING, ("!FA1000", reply))
    with pytest.raises(InstrumentFaultError, match="to '!FA1000'") as caught:
        unit.steering = 1e-12
    assert remedy in caught.value.remedy


def test_a_steering_that_is_not_in_force_is_an_error(scripted):
    unit = scripted(MicrochipSA45s, *OPENING, ("!FA1000", "Steer = 1"), ("!F?", "Steer = 3"))
    with pytest.raises(InstrumentFaultError, match="steering reads"):
        unit.steering = 1e-12


def test_identity(scripted):
    assert scripted(MicrochipSA45s, *OPENING).identity == "SA.45s 1209CS00909 1.09"
    with pytest.raises(IdentityMismatchError):
        scripted(MicrochipSA45s, ("!^", "?"))


def test_latching_synchronising_and_the_time_of_day(scripted):
    unit = scripted(
        MicrochipSA45s,
        *OPENING,
        ("!FL", "Steer Latched"),
        ("!S", "S"),
        ("!S", "E"),
        ("!T?", "TimeOfDay = 1221578499"),
        ("!T?", "1221578500"),
        ("!T?", "noon"),
    )
    unit.latch_steering()
    unit.synchronise()
    with pytest.raises(InstrumentFaultError, match="answered 'E'") as caught:
        unit.synchronise()
    assert "1PPS" in caught.value.remedy
    assert unit.time_of_day_s() == 1221578499
    assert unit.time_of_day_s() == 1221578500
    with pytest.raises(UnexpectedReplyError, match="noon"):
        unit.time_of_day_s()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steering", 2.1e-6),
        ("steering", -2.1e-6),
        ("discipline_time_constant_s", 9),
        ("cable_delay_s", 101e-9),
        ("phase_threshold_s", 0.0),
    ],
)
def test_out_of_range_sends_nothing(scripted, name, value):
    unit = scripted(MicrochipSA45s, *OPENING)
    with pytest.raises(ValueOutOfRangeError):
        setattr(unit, name, value)


# ---- telemetry ----------------------------------------------------------------------------


def test_telemetry():
    found = parse_telemetry(LOCKED)
    assert (found.state, found.alarms, found.mode) == ("locked", (), 0x10)
    assert (found.serial_number, found.firmware) == ("1209CS00909", "1.09")
    assert (found.contrast, found.discipline) == (4381, "locked")
    assert found.laser_a == pytest.approx(0.86e-3)
    assert found.heater_w == pytest.approx(17.62e-3)
    assert (found.crystal_v, found.signal_v, found.temperature_c) == (1.573, 0.996, 28.26)
    assert found.steering == pytest.approx(-24e-12)
    assert (found.analogue_tuning_v, found.phase_s) == (None, pytest.approx(-1e-9))
    assert (found.time_of_day_s, found.locked_for_s) == (1268126502, 586969)


@given(st.integers(0, 9), st.integers(0, 0xFFFF), st.integers(-(2**31), 2**31 - 1))
def test_state_alarms_and_steering_of_any_telemetry(state, alarms, steer):
    fields = LOCKED.split(",")
    fields[0], fields[1], fields[10] = str(state), f"0x{alarms:04X}", str(steer)
    fields[12] = "NEEDREFPPS"
    found = parse_telemetry(",".join(fields))
    assert found.state == STATES[state]
    assert found.steering == pytest.approx(steer * 1e-12)
    assert found.phase_s is None
    named = {name for bit, name in ALARMS.items() if alarms & bit}
    assert named <= set(found.alarms)
    assert len(found.alarms) == alarms.bit_count()


@given(st.one_of(st.text(), st.lists(st.text(), min_size=17, max_size=17).map(",".join)))
def test_other_text_is_no_telemetry(text):
    try:
        parse_telemetry(text)
    except ValueError:
        return
    assert text.count(",") == 16


# ---- the driver against the simulated unit ----------------------------------------------


def test_a_warm_unit_is_locked():
    with joined(MicrochipSA45s, clock(temperature_c=31.5), SERIAL) as unit:
        assert unit.locked
        assert unit.temperature_c == pytest.approx(31.5)
        assert unit.telemetry().contrast > 2000
        for name, prop in MicrochipSA45s.properties().items():
            if prop.query is not None:
                getattr(unit, name)


def test_a_cold_unit_goes_through_its_states_to_lock():
    device = clock(warm=False, warm_up_s=80.0)
    with joined(MicrochipSA45s, device, SERIAL) as unit:
        seen = []
        for second in range(1, 90):
            wait_until(device, second)
            seen.append(unit.telemetry().state)
        assert [state for i, state in enumerate(seen) if i == 0 or seen[i - 1] != state] == list(
            STATES[8::-1]
        )
        assert unit.locked
        assert unit.telemetry().locked_for_s == 9


@settings(max_examples=30, deadline=None)
@given(st.floats(-2e-6, 2e-6))
def test_steering_pulls_the_oscillator_in_steps_and_writes_no_memory(value):
    oscillator = Steered(offset=3e-10)
    device = clock(oscillator)
    with joined(MicrochipSA45s, device, SERIAL) as unit:
        unit.steering = value
        pulled = oscillator.frequency(10**18) - 3e-10
        assert pulled == pytest.approx(value, abs=0.51e-12)
        assert unit.steering == pytest.approx(pulled, abs=1e-16)
    assert device.memory_writes == 0


def test_steering_up_raises_the_frequency():
    oscillator = Steered()
    device = clock(oscillator)
    with joined(MicrochipSA45s, device, SERIAL) as unit:
        unit.steering = 1e-10
        start = device.time.now_ns()
        gained = oscillator.phase_s(start + 10**12) - oscillator.phase_s(start)
        assert gained == pytest.approx(1e-7, rel=1e-9)


def test_latching_keeps_the_frequency_and_writes_the_memory():
    oscillator = Steered()
    device = clock(oscillator)
    with joined(MicrochipSA45s, device, SERIAL) as unit:
        unit.steering = 5e-11
        unit.latch_steering()
        assert unit.steering == 0.0
        assert oscillator.frequency(10**18) == pytest.approx(5e-11)
        unit.steering = 1e-11
        assert oscillator.frequency(10**18) == pytest.approx(6e-11)
        assert device.calibration == pytest.approx(5e-11)
        assert device.memory_writes == 1


def test_what_writes_the_memory_does_so_on_a_change_only():
    device = clock()
    with joined(MicrochipSA45s, device, SERIAL) as unit:
        unit.discipline_time_constant_s = 100
        unit.phase_threshold_s = 20e-9
        unit.analogue_tuning = False
        unit.cable_delay_s = 20e-9
        assert device.memory_writes == 0
        unit.discipline_time_constant_s = 200
        unit.analogue_tuning = True
        assert device.memory_writes == 2
        assert unit.telemetry().analogue_tuning_v == pytest.approx(1.25)


def test_the_modes_of_the_1pps_exclude_each_other():
    with joined(MicrochipSA45s, clock(pps=Steered()), SERIAL) as unit:
        unit.phase_measurement = True
        unit.discipline = True
        assert (unit.phase_measurement, unit.auto_sync) == (False, False)
        unit.auto_sync = True
        assert (unit.discipline, unit.auto_sync) == (False, True)


def test_synchronising_takes_a_pulse():
    device = clock(Steered(phase_s=1e-3), Steered())
    with joined(MicrochipSA45s, device, SERIAL) as unit:
        unit.phase_measurement = True
        assert unit.telemetry().phase_s == pytest.approx(1e-3)
        unit.synchronise()
        assert abs(unit.telemetry().phase_s) <= 100e-9
    with (
        joined(MicrochipSA45s, clock(), SERIAL) as unit,
        pytest.raises(InstrumentFaultError, match="answered 'E'"),
    ):
        unit.synchronise()


def test_disciplining_follows_the_input():
    oscillator = Steered(offset=2e-10)
    device = clock(oscillator, Steered())
    with joined(MicrochipSA45s, device, SERIAL) as unit:
        unit.discipline_time_constant_s = 50
        assert unit.telemetry().discipline is None
        unit.discipline = True
        wait_until(device, 1000)
        found = unit.telemetry()
        assert found.discipline == "locked"
        assert abs(found.phase_s) <= 2e-9
        assert found.steering == pytest.approx(-2e-10, abs=2e-11)
        unit.discipline = False
        held = unit.steering
        wait_until(device, 2000)
        assert unit.steering == held


def test_without_an_input_disciplining_needs_one():
    with joined(MicrochipSA45s, clock(), SERIAL) as unit:
        unit.discipline = True
        found = unit.telemetry()
        assert (found.phase_s, found.discipline) == (None, "holdover")


def test_the_time_of_day_comes_with_the_next_second():
    device = clock()
    with joined(MicrochipSA45s, device, SERIAL) as unit:
        wait_until(device, 41.3)
        assert unit.ask("!TA1221578499") == "TimeOfDay = 1221578499"
        assert unit.time_of_day_s() == 1221578500
        assert 0 < device.time.now_ns() - 42 * 10**9 < 40 * 10**6
        assert unit.ask("!TD-3600").startswith("TimeOfDay = 122157490")


def test_shortcuts_act_at_once_and_an_escape_drops_a_line():
    device = clock()
    session = device.port("serial").open()

    def typed(data):
        device.time.wait_until(session.write(data, False))
        device.time.wait_until(device.time.now_ns() + 10**8)
        return session.read(1000).data

    assert typed(b"^").startswith(b"0,0x0000,1209CS00909,0x0000")
    assert typed(b"6\r\n").startswith(b"Status,Alarm,SN")
    assert typed(b"F") == b"Steer = 0\r\n"
    assert typed(b"!FA50\x1bM") == b"0x0000\r\n"
    assert typed(b"!XY\r\n") == b"?\r\n"
    assert typed(b"!FA2000000001\r\n!FD20000001\r\n") == b"?\r\n?\r\n"
    assert typed(b"!FD-123000\r\n!FD-123000\r\n") == b"Steer = -123\r\nSteer = -246\r\n"
    assert typed(b"!U1800,10\r\n!U?\r\n!U1,1\r\n") == b"1800,10\r\n1800,10\r\n?\r\n"


def test_checksums_are_asked_for_and_given():
    device = clock()
    session = device.port("serial").open()

    def typed(data):
        device.time.wait_until(session.write(data, False))
        device.time.wait_until(device.time.now_ns() + 10**8)
        return session.read(1000).data

    assert typed(b"!MC\r\n") == b"0x0040*4C\r\n"
    assert typed(b"!MA*0C\r\n") == b"0x0041*4D\r\n"
    assert typed(b"!MA*0D\r\n") == b"*\r\n"
    assert typed(b"!MA\r\n^\r\n") == b"*\r\n*\r\n"
    assert typed(b"!Mc*2E\r\n") == b"0x0001\r\n"


def test_silence_garbage_and_refusals_are_told():
    device = clock()
    with joined(MicrochipSA45s, device, SERIAL) as unit:
        device.faults.silent(times=1)
        assert unit.locked  # asked again
        device.faults.garbage(times=1)
        with pytest.raises(UnexpectedReplyError):
            _ = unit.locked
        device.faults.report_error(-1)
        with pytest.raises(InstrumentFaultError, match="answered '\\?' to '!FA1000'"):
            unit.steering = 1e-12
        device.faults.silent(matching="!FA")
        with pytest.raises(ResponseTimeoutError, match="!FA") as caught:
            unit.steering = 1e-12
        assert caught.value.address == SERIAL
        device.faults.clear()
        unit.steering = 2e-12
        assert unit.steering == pytest.approx(2e-12)
