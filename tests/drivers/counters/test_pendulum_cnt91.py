from __future__ import annotations

import itertools

import pytest
from driver_bench import joined
from hypothesis import given
from hypothesis import strategies as st

from drivers.core import (
    InstrumentFaultError,
    ResponseTimeoutError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.counters.pendulum_cnt91 import PendulumCNT91
from drivers.roles import Gate
from drivers.simulated.devices.pendulum_cnt91 import PendulumCNT91Device
from drivers.simulated.time import VirtualTime

USB = "USB0::0x14EB::0x0091::940123::INSTR"
IDN = "Pendulum, CNT-91, 940123, V1.28"


class Tone:
    """An oscillator with a constant offset, and steps of phase at given times."""

    def __init__(self, offset=0.0, hertz=10e6, steps=(), phase_s=0.0):
        self.offset, self.hertz, self.steps, self.start_s = offset, hertz, steps, phase_s

    def nominal_hz(self):
        return self.hertz

    def phase_s(self, t_ns):
        stepped = sum(by for at_ns, by in self.steps if at_ns <= t_ns)
        return self.start_s + self.offset * t_ns * 1e-9 + stepped


def counter(a=None, b=None, rear=None, **more):
    terminals = {"input1": a, "input2": b, "rear": rear}
    known = {name: tone for name, tone in terminals.items() if tone is not None}
    return PendulumCNT91Device("counter", VirtualTime(), known, **more)


def wait(device, seconds):
    device.time.wait_until(device.time.now_ns() + round(seconds * 1e9))


# ---- the driver against a conversation -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("gate_time_s", 1000, ":ACQ:APER 1000"),
        ("gate_time_s", 2e-8, ":ACQ:APER 2e-08"),
        ("arming_source", "rear", "ARM:SOUR EXT4"),
        ("arming_source", "immediate", "ARM:SOUR IMM"),
        ("arming_slope", "falling", "ARM:SLOP NEG"),
        ("continuous", False, "INIT:CONT 0"),
        ("time_stamps", True, "FORM:TINF 1"),
        ("interpolator_calibration", False, ":CAL:INT:AUTO 0"),
        ("display", False, "DISP:ENAB 0"),
    ],
)
def test_command(scripted, set_pairs, name, value, command):
    setattr(scripted(PendulumCNT91, *set_pairs(command), identity=IDN), name, value)


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("gate_time_s", ":ACQ:APER?", "+1.0000000000000E+03", 1000.0),
        ("arming_source", "ARM:SOUR?", "EXT1", "A"),
        ("continuous", "INIT:CONT?", "1", True),
        ("batch_size", "FORM:SMAX?", "10000", 10000),
    ],
)
def test_reading(scripted, name, query, reply, value):
    assert getattr(scripted(PendulumCNT91, (query, reply), identity=IDN), name) == value


def test_levels(scripted, set_pairs):
    unit = scripted(
        PendulumCNT91,
        *set_pairs("INP2:LEV:AUTO 0"),
        *set_pairs("INP2:LEV 0.5"),
        ("INP2:LEV?", "+5.0000000000000E-01"),
        identity=IDN,
    )
    unit.channel(2).auto_level = False
    unit.channel(2).level_v = 0.5
    assert unit.channel(2).level_v == 0.5


def started(scripted, set_pairs, *more):
    commands = (
        "FORM ASC",
        ":CONF:ARR:FREQ:BTB 100,(@1)",
        "INIT:CONT 0",
        ":ACQ:APER 1",
        "FORM:TINF 1",
        ":INIT",
    )
    pairs = [pair for command in commands for pair in set_pairs(command)]
    unit = scripted(PendulumCNT91, *pairs, *more, identity=IDN)
    unit.start_gates(1.0, 1, 100)
    return unit


def test_gates_that_were_not_fetched_in_time_are_fetched_later(scripted, set_pairs):
    unit = started(
        scripted,
        set_pairs,
        (":FETC:ARR? -1", "+9.999992027E+06,+5.0E+00"),
        (":FETC:ARR? -1", "+9.999992028E+06,+6.0E+00"),
        (":FETC:ARR? -1", "+9.999992028E+06,+6.0E+00"),
        (":FETC:ARR? -1", "+9.999992030E+06,+8.0E+00"),
        (":FETC:ARR? -2", "+9.999992029E+06,+7.0E+00,+9.999992030E+06,+8.0E+00"),
    )
    assert unit.take_gates() == [Gate(5.0, 9999992.027)]
    assert unit.take_gates() == [Gate(6.0, 9999992.028)]
    assert unit.take_gates() == []
    assert unit.take_gates() == [Gate(7.0, 9999992.029), Gate(8.0, 9999992.030)]


@pytest.mark.parametrize("reply", ["", "1e7", "1e7,1,1e7", "one,two"])
def test_results_that_are_none(scripted, set_pairs, reply):
    unit = started(scripted, set_pairs, (":FETC:ARR? -1", (reply + "\n").encode()))
    with pytest.raises(UnexpectedReplyError, match="no list of results"):
        unit.take_gates()


@pytest.mark.parametrize(("channel", "count"), [(3, 100), (1, 3), (1, 10_001)])
def test_series_that_there_are_not(scripted, channel, count):
    with pytest.raises(ValueOutOfRangeError):
        scripted(PendulumCNT91, identity=IDN).start_gates(1.0, channel, count)


# ---- the driver on the simulated counter -----------------------------------------------


def test_frequency_with_and_without_time_stamp():
    with joined(PendulumCNT91, counter(Tone(2e-9)), USB) as unit:
        unit.gate_time_s = 1.0
        for stamped in (False, True):
            unit.time_stamps = stamped
            assert unit.frequency_hz() == pytest.approx(10e6 * (1 + 2e-9), abs=5e-3)
        assert unit.gate_time_s == 1.0


def test_time_interval_keeps_the_levels():
    pulses = Tone(hertz=1.0, phase_s=300e-9), Tone(hertz=1.0)
    with joined(PendulumCNT91, counter(*pulses), USB) as unit:
        for number in (1, 2):
            unit.channel(number).auto_level = False
            unit.channel(number).level_v = 0.5
        assert unit.time_interval_s() == pytest.approx(300e-9, abs=1e-9)
        assert unit.channel(2).level_v == 0.5
        assert not unit.channel(1).auto_level


def test_a_series_has_no_gap():
    """What all gates gained together is what the phase gained, to a time stamp's noise."""
    device = counter(Tone(1e-6, steps=[(2_500_000_000, 1e-7)]))
    with joined(PendulumCNT91, device, USB) as unit:
        unit.start_gates(0.1, count=100)
        wait(device, 0.35)
        gates = unit.take_gates()
        assert len(gates) == 1  # those before it are nobody's
        while len(gates) < 60:
            wait(device, 0.17)
            gates += unit.take_gates()
    starts = [gate.start_s for gate in gates]
    assert all(b - a == pytest.approx(0.1, abs=1e-9) for a, b in itertools.pairwise(starts))
    gained_s = sum(gate.frequency_hz / 10e6 - 1.0 for gate in gates) * 0.1
    expected_s = 1e-6 * 0.1 * len(gates) + 1e-7
    assert gained_s == pytest.approx(expected_s, abs=6 * 2**0.5 * 50e-12)


def test_waits_for_the_arming_pulse():
    pulses = Tone(hertz=1.0)
    device = counter(Tone(), rear=pulses, arming_delay_s=10e-6)
    with joined(PendulumCNT91, device, USB) as unit:
        unit.arming_source = "rear"
        wait(device, 0.3)
        unit.start_gates(0.1, count=4)
        started_ns = device.time.now_ns()
        edge_ns = -(-started_ns // 1_000_000_000) * 1_000_000_000
        device.time.wait_until(edge_ns + 101_000_000)
        [gate] = unit.take_gates()
        assert gate.start_s == pytest.approx(edge_ns * 1e-9 + 10e-6, abs=2e-9)


def test_without_an_arming_pulse_there_is_no_result():
    device = counter(Tone())
    with joined(PendulumCNT91, device, USB) as unit:
        unit.arming_source = "rear"
        unit.start_gates(0.1, count=4)
        wait(device, 1.0)
        with pytest.raises((InstrumentFaultError, ResponseTimeoutError)):
            unit.take_gates()


def test_fetches_in_order_and_starts_over():
    device = counter(Tone())
    with joined(PendulumCNT91, device, USB) as unit:
        unit.start_gates(0.1, count=4)
        wait(device, 0.5)
        unit.time_stamps = False
        everything = unit.ask(":FETC:ARR? MAX").split(",")
        assert len(everything) == 4
        in_turn = [unit.ask(":FETC:ARR? 2").split(",") for _ in range(3)]
        assert in_turn == [everything[:2], everything[2:], everything[:2]]


def test_without_a_signal_there_is_no_answer():
    with joined(PendulumCNT91, counter(), USB) as unit, pytest.raises(ResponseTimeoutError):
        unit.frequency_hz()


@given(st.text(alphabet="0123456789+-.eE,nanif ", max_size=40))
def test_any_answer_is_numbers_or_an_error(text):
    unit = PendulumCNT91("unit", "SCRIPT", None)
    try:
        assert len(unit._numbers(text)) == text.count(",") + 1
    except UnexpectedReplyError as error:
        assert "no list of results" in str(error)
