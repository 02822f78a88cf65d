from __future__ import annotations

import pytest
from driver_bench import joined, settable, values_of
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
from drivers.frequency_standards.srs_fs740 import SRSFS740, Event
from drivers.simulated.devices.srs_fs740 import SRSFS740Device
from drivers.simulated.time import VirtualTime

SOCKET = "TCPIP0::192.168.1.7::5025::SOCKET"
SERIAL = "ASRL4::INSTR"
IDENTITY = "Stanford Research Systems,FS740,s/n001043,ver1.13"
OPENING = [("*IDN?", IDENTITY), ("*CLS", "")]
GOOD = ("SYST:ERR?", '0,"No error"')


class Gps(Steered):
    """GPS that is there except between two times."""

    gone = (0, 0)

    def phase_s(self, t_ns):
        lost = self.gone[0] <= t_ns * 1e-9 < self.gone[1]
        return float("nan") if lost else super().phase_s(t_ns)


def system(oscillator=None, gps=None, inputs=(), **more):
    terminals = {"oscillator": oscillator, "gps": gps}
    terminals |= {f"input{n}": source for n, source in enumerate(inputs, 1)}
    given_ones = {name: it for name, it in terminals.items() if it is not None}
    return SRSFS740Device("fs740", VirtualTime(), given_ones, **more)


def wait_until(device, seconds):
    device.time.wait_until(round(seconds * 1e9))


# ---- the driver against a conversation -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("manual_time_constant_s", 300, "TBAS:TCON 300"),
        ("bandwidth", "manual", "TBAS:CONF:BWID MAN"),
        ("follow_gps", False, "TBAS:CONF:LOCK 0"),
        ("holdover_exit", "slew", "TBAS:CONF:HMOD SLEW"),
        ("time_limit_s", 1e-7, "TBAS:CONF:TINT:LIM 1e-07"),
        ("control_v", 2.048, "TBAS:FCON 2.048"),
    ],
)
def test_command(scripted, name, value, command):
    setattr(scripted(SRSFS740, *OPENING, (command, ""), GOOD), name, value)


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("state", "TBAS:STAT?", "LOCK", "locked"),
        ("state", "TBAS:STAT?", "VTIME", "validating time"),
        ("locked", "TBAS:STAT?", "LOCK", True),
        ("locked", "TBAS:STAT?", "BGPS", False),
        ("locked_for_s", "TBAS:STAT:LOCK:DUR?", "3600", 3600),
        ("holdover_s", "TBAS:STAT:HOLD:DUR?", "12", 12),
        ("warm_up_s", "TBAS:WARM?", "412", 412),
        ("time_interval_s", "TBAS:TINT? CURR", "-3.2e-9", -3.2e-9),
        ("mean_time_interval_s", "TBAS:TINT? AVER", "1e-10", 1e-10),
        ("time_constant_s", "TBAS:TCON? CURR", "30", 30),
        ("target_time_constant_s", "TBAS:TCON? TARG", "500", 500),
        ("manual_time_constant_s", "TBAS:TCON? MAN", "100", 100),
        ("bandwidth", "TBAS:CONF:BWID?", "AUT", "automatic"),
        ("follow_gps", "TBAS:CONF:LOCK?", "1", True),
        ("holdover_exit", "TBAS:CONF:HMOD?", "WAIT", "wait"),
        ("control_v", "TBAS:FCON?", "2.048000", 2.048),
        ("options", "*OPT?", "2,A,A,A", "2,A,A,A"),
    ],
)
def test_reading(scripted, name, query, reply, value):
    unit = scripted(SRSFS740, *OPENING, (query, (reply + "\r\n").encode()))
    assert getattr(unit, name) == value


def test_lists(scripted):
    unit = scripted(
        SRSFS740,
        *OPENING,
        ("GPS:POS?", "0.72,0.51,147.6"),
        ("SYST:DAT?", "2026,11,22"),
        ("SYST:TIM?", "17,5,3.12345678"),
        ("GPS:SAT:TRAC?", "3,1,14,22"),
        ("GPS:SAT:TRAC?", "0"),
    )
    assert unit.position.tolist() == [0.72, 0.51, 147.6]
    assert unit.date.tolist() == [2026, 11, 22]
    assert unit.time_of_day.tolist() == [17, 5, 3.12345678]
    assert unit.satellites() == (1, 14, 22)
    assert unit.satellites() == ()


def test_events_are_taken_until_there_is_none(scripted):
    unit = scripted(
        SRSFS740,
        *OPENING,
        ("TBAS:EVEN?", "POW,2026,11,22,17,0,0"),
        ("TBAS:EVEN?", "VTIME,2026,11,22,17,5,1"),
        ("TBAS:EVEN?", "NON,0,0,0,0,0,0"),
    )
    assert unit.events() == [
        Event("powered up", (2026, 11, 22), (17, 0, 0)),
        Event("validating time", (2026, 11, 22), (17, 5, 1)),
    ]


@pytest.mark.parametrize(
    ("call", "query", "reply"),
    [
        ("satellites", "GPS:SAT:TRAC?", "3,1,14"),
        ("satellites", "GPS:SAT:TRAC?", "none"),
        ("events", "TBAS:EVEN?", "LOCK,2026,11"),
        ("events", "TBAS:EVEN?", "WHAT,2026,11,22,17,5,1"),
    ],
)
def test_nonsense_is_quoted(scripted, call, query, reply):
    unit = scripted(SRSFS740, *OPENING, (query, reply))
    with pytest.raises(UnexpectedReplyError) as caught:
        getattr(unit, call)()
    assert query in str(caught.value)
    assert reply in str(caught.value)


def test_an_input_counts(scripted):
    unit = scripted(
        SRSFS740,
        *OPENING,
        ("CONF2:FREQ DEF, DEF", ""),
        GOOD,
        ("SENS2:FREQ:GATE 1", ""),
        GOOD,
        ("INP2:LEV 0.5", ""),
        GOOD,
        ("SENS2:FREQ:GATE?", "1"),
        ("READ2?", "1.0000000000012e7"),
        ("SENS2:FREQ:GATE?", "1"),
        ("READ2?", "NAN"),
    )
    rear = unit.channel(2, "input")
    rear.configure()
    rear.gate_time_s = 1.0
    rear.level_v = 0.5
    assert rear.frequency_hz() == 1.0000000000012e7
    with pytest.raises(UnexpectedReplyError, match="NAN") as caught:
        rear.frequency_hz()
    assert "signal" in caught.value.remedy


def test_an_error_of_the_unit_is_raised(scripted):
    refused = ("SYST:ERR?", '-221,"Settings conflict"')
    unit = scripted(SRSFS740, *OPENING, ("TBAS:FCON 2", ""), refused, GOOD)
    with pytest.raises(InstrumentFaultError, match="Settings conflict") as caught:
        unit.control_v = 2.0
    assert caught.value.code == -221


@pytest.mark.parametrize(
    ("name", "value"), [("control_v", 4.1), ("time_limit_s", 1e-9), ("manual_time_constant_s", 2)]
)
def test_out_of_range_sends_nothing(scripted, name, value):
    unit = scripted(SRSFS740, *OPENING)
    with pytest.raises(ValueOutOfRangeError):
        setattr(unit, name, value)


def test_another_instrument_is_refused(scripted):
    with pytest.raises(IdentityMismatchError):
        scripted(SRSFS740, ("*IDN?", "Stanford Research Systems,FS725,s/n1,ver1"))


# ---- the driver against the simulated unit ----------------------------------------------


@pytest.mark.parametrize("address", [SOCKET, SERIAL])
def test_the_unit_answers_on_both_ports(address):
    with joined(SRSFS740, system(Steered(), Gps()), address) as unit:
        assert unit.identity == IDENTITY
        assert unit.locked
        for endpoint in unit.endpoints():
            for name, prop in type(endpoint).properties().items():
                if prop.query is not None:
                    getattr(endpoint, name)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_the_simulated_unit_keeps_its_settings(data):
    with joined(SRSFS740, system(), SOCKET) as unit:
        for endpoint in unit.endpoints():
            for name, prop in settable(endpoint).items():
                most = 1e5 if name == "manual_time_constant_s" else None
                value = data.draw(values_of(prop, high=most), label=name)
                setattr(endpoint, name, value)
                kept = getattr(endpoint, name)
                if isinstance(value, float):  # the time constant is answered in whole seconds
                    slack = 0.51 if name == "manual_time_constant_s" else 1e-6
                    assert kept == pytest.approx(value, rel=1e-6, abs=slack)
                else:
                    assert kept == value


def test_a_cold_unit_goes_through_its_states_to_lock():
    device = system(Steered(offset=1e-10, phase_s=0.2), Gps(), warm=False, warm_up_s=100.0)
    with joined(SRSFS740, device, SOCKET) as unit:
        assert unit.state == "powered up"
        wait_until(device, 130)
        assert unit.locked
        assert [event.state for event in unit.events()] == [
            "powered up",
            "searching",
            "stabilising",
            "validating time",
            "locked",
        ]
        assert unit.events() == []
        assert unit.warm_up_s == 100
        assert 25 < unit.locked_for_s < 31
        assert len(unit.satellites()) == 6


def test_without_gps_a_cold_unit_searches():
    device = system(Steered(), warm=False, warm_up_s=100.0)
    with joined(SRSFS740, device, SOCKET) as unit:
        wait_until(device, 1000)
        assert unit.state == "searching"
        assert unit.satellites() == ()


def test_the_timebase_follows_gps_and_holds_without():
    oscillator, gps = Steered(offset=1e-10), Gps()
    gps.gone = (5000, 6000)
    device = system(oscillator, gps)
    with joined(SRSFS740, device, SOCKET) as unit:
        wait_until(device, 4000)
        assert abs(unit.time_interval_s) < 1e-9
        assert abs(unit.mean_time_interval_s) < 1e-9
        assert unit.time_constant_s == pytest.approx(400, abs=2)
        assert oscillator.frequency(4000 * 10**9) == pytest.approx(0.0, abs=5e-12)
        assert unit.control_v == pytest.approx(2.048 - 0.1, abs=0.01)
        with pytest.raises(InstrumentFaultError, match="Settings conflict"):
            unit.control_v = 2.0
        wait_until(device, 5500)
        assert unit.state == "no GPS"
        assert unit.holdover_s == pytest.approx(500, abs=2)
        assert abs(oscillator.frequency(5500 * 10**9)) < 5e-12
        wait_until(device, 6010)
        assert unit.locked


@pytest.mark.parametrize(
    ("leaving", "state"), [("wait", "bad GPS"), ("jump", "locked"), ("slew", "locked")]
)
def test_how_holdover_ends_after_a_step(leaving, state):
    gps = Gps()
    device = system(Steered(), gps)
    with joined(SRSFS740, device, SOCKET) as unit:
        unit.holdover_exit = leaving
        wait_until(device, 100)
        assert unit.locked
        gps.pieces.append((200 * 10**9, 0.0, 5e-6))
        wait_until(device, 199)
        assert unit.locked
        wait_until(device, 210)
        assert unit.state == state
        if leaving == "jump":
            assert abs(unit.time_interval_s) < 1e-8
        if leaving == "slew":
            assert "bad GPS" in [event.state for event in unit.events()]
            assert unit.time_interval_s == pytest.approx(-5e-6, rel=0.01)
            wait_until(device, 6000)  # 2500 s at 2e-9
            assert unit.locked
            assert abs(unit.time_interval_s) < 1e-8


def test_by_hand_the_voltage_steers():
    oscillator = Steered()
    device = system(oscillator, Gps())
    with joined(SRSFS740, device, SOCKET) as unit:
        unit.follow_gps = False
        wait_until(device, 10)
        assert unit.state == "manual holdover"
        unit.control_v = 3.048
        assert oscillator.frequency(10**18) == pytest.approx(1e-9)


def test_the_counter_compares_with_the_timebase():
    device = system(Steered(offset=1e-9), None, [Steered(offset=3e-9)])
    with joined(SRSFS740, device, SOCKET) as unit:
        front, rear = unit.channel(1, "input"), unit.channel(2, "input")
        front.gate_time_s = 10.0
        before_ns = device.time.now_ns()
        assert front.frequency_hz() == pytest.approx(10e6 * (1 + 2e-9), rel=1e-13)
        assert device.time.now_ns() - before_ns >= 10 * 10**9
        with pytest.raises(UnexpectedReplyError, match="NAN"):
            rear.frequency_hz()


def test_silence_and_garbage_are_told():
    device = system()
    with joined(SRSFS740, device, SOCKET) as unit:
        device.faults.silent(times=1)
        assert unit.state  # asked again
        device.faults.garbage(matching="ERR", times=1)
        with pytest.raises(UnexpectedReplyError):
            unit.follow_gps = False
        device.faults.silent(matching="TBAS")
        with pytest.raises(ResponseTimeoutError, match="TBAS:STAT") as caught:
            _ = unit.locked
        assert caught.value.address == SOCKET
