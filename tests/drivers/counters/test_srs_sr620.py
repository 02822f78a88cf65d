from __future__ import annotations

import math

import numpy as np
import pytest
from driver_bench import joined

from drivers.core import (
    IdentityMismatchError,
    InstrumentFaultError,
    ResponseTimeoutError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.counters.srs_sr620 import SRSSR620
from drivers.simulated.devices.srs_sr620 import SRSSR620Device
from drivers.simulated.time import VirtualTime

GPIB = "GPIB0::16::INSTR"
SERIAL = "ASRL3::INSTR"
OPENING = [("*IDN?", "StanfordResearchSystems,SR620,03715,1.48"), ("*ESR?", "128")]


def told(*commands):
    """Return the exchanges of commands that are taken."""
    return [pair for command in commands for pair in ((command, ""), ("*ESR?", "0"))]


class Steady:
    """An oscillator with a constant frequency error and a phase, absent for a time."""

    def __init__(self, hertz=1.0, offset=0.0, phase=0.0, gone=(0.0, 0.0)):
        self.hertz, self.offset, self.phase, self.gone = hertz, offset, phase, gone

    def nominal_hz(self):
        return self.hertz

    def phase_s(self, t_ns):
        if self.gone[0] <= t_ns * 1e-9 < self.gone[1]:
            return math.nan
        return self.phase + self.offset * t_ns * 1e-9


def counter(*inputs, **settings):
    terminals = {f"input{n}": source for n, source in enumerate(inputs, 1) if source is not None}
    return SRSSR620Device("sr620", VirtualTime(), terminals, **settings)


class Crossing:
    """A line on which a counter's first answer crosses the STOP that gives it up."""

    def __init__(self):
        self.address, self.timeout_s, self.incoming, self.measured = SERIAL, 3.0, b"", 0

    def write(self, data):
        command = data.decode().strip()
        if command == "*IDN?":
            self.incoming += b"StanfordResearchSystems,SR620,03715,1.48\r\n"
        elif command == "MEAS?0":
            self.measured += 1
            if self.measured > 1:
                self.incoming += b"2.500E-04\r\n"
        elif command == "STOP":
            self.incoming += b"2.400E-04\r\n"
        elif command.endswith("?"):
            self.incoming += b"0\r\n"

    def read_until(self, end):
        line, found, self.incoming = self.incoming.partition(end)
        if not found:
            raise ResponseTimeoutError("nothing complete within 2.5 s", partial=line)
        return line + found

    def read_available(self, wait_s=0.0):
        taken, self.incoming = self.incoming, b""
        return taken

    def clear(self):
        self.incoming = b""

    def close(self):
        pass


def test_an_answer_that_crosses_the_stop_is_taken_for_nothing_else():
    line = Crossing()
    with SRSSR620("counter", SERIAL, lambda address, settings: line) as unit:
        unit.prepare_intervals()
        unit.begin_interval()
        assert math.isnan(unit.interval_s())
        for _ in range(3):
            unit.begin_interval()
            assert unit.interval_s() == 2.5e-4


# ---- the driver against a conversation -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("mode", "frequency", "MODE 3"),
        ("source", "B", "SRCE 1"),
        ("arming", "+- time", "ARMM 0"),
        ("arming", "external 1 s", "ARMM 12"),
        ("gate_time_s", 0.1, "ARMM 4"),
        ("sample_size", 500, "SIZE 500"),
        ("sample_size", 5_000_000, "SIZE 5000000"),
        ("jitter", "Allan deviation", "JTTR 1"),
        ("reference", "external", "CLCK 1"),
        ("reference_hz", "5 MHz", "CLKF 1"),
        ("auto_measure", False, "AUTM 0"),
    ],
)
def test_command(scripted, name, value, command):
    setattr(scripted(SRSSR620, *OPENING, *told(command)), name, value)


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("mode", "MODE?", "0", "time"),
        ("source", "SRCE?", "3", "ratio"),
        ("arming", "ARMM?", "2", "1 period"),
        ("gate_time_s", "ARMM?", "5", 1.0),
        ("sample_size", "SIZE?", "1E3", 1000),
        ("jitter", "JTTR?", "0", "standard deviation"),
        ("reference", "CLCK?", "1", "external"),
        ("reference_hz", "CLKF?", "0", "10 MHz"),
        ("auto_measure", "AUTM?", "1", True),
    ],
)
def test_reading(scripted, name, query, reply, value):
    unit = scripted(SRSSR620, *OPENING, (query, (reply + "\r\n").encode()))
    assert getattr(unit, name) == value


def test_inputs(scripted):
    unit = scripted(
        SRSSR620,
        *OPENING,
        *told("LEVL 1,0.5", "TERM 2,0"),
        ("LEVL? 1", "0.50"),
        ("TERM? 2", "1"),
    )
    unit.channel(1).level_v = 0.5
    unit.channel(2).impedance = "50 ohm"
    assert unit.channel(1).level_v == 0.5
    assert unit.channel(2).impedance == "1 Mohm"


def test_a_gate_that_is_none(scripted):
    unit = scripted(SRSSR620, *OPENING, ("ARMM?", "1"), ("ARMM?", "13"))
    assert math.isnan(unit.gate_time_s)
    with pytest.raises(UnexpectedReplyError, match="a gate of"):
        _ = unit.gate_time_s


@pytest.mark.parametrize(
    ("status", "words"), [("16", "an execution error"), ("32", "a command error")]
)
def test_a_refusal_names_the_command(scripted, status, words):
    unit = scripted(SRSSR620, *OPENING, ("MODE 3", ""), ("*ESR?", status))
    with pytest.raises(InstrumentFaultError, match=f"reported {words} after 'MODE 3'") as caught:
        unit.mode = "frequency"
    assert caught.value.address == "SCRIPT::INSTR"


def test_a_frequency_is_measured(scripted):
    unit = scripted(
        SRSSR620,
        *OPENING,
        *told("AUTM 0", "MODE 3", "SRCE 1"),
        ("ARMM?", "5"),
        ("SIZE?", "1"),
        ("MEAS?0", "1.00000000012E7"),
    )
    assert unit.frequency_hz(2) == 1.00000000012e7


def test_intervals_take_a_command_and_an_answer_each(scripted):
    setting_up = [
        *told("AUTM 0", "MODE 0", "SRCE 0"),
        ("ARMM?", "1"),
        *told("ARMM 0", "SIZE 1"),
    ]
    unit = scripted(
        SRSSR620,
        *OPENING,
        *setting_up,
        ("MEAS?0", "-1.25E-8"),
        ("MEAS?0", "late"),
        ("MEAS?0", ""),
        ("STOP", ""),
    )
    unit.prepare_intervals(1, 2)
    unit.begin_interval()
    assert unit.interval_s() == -1.25e-8
    unit.begin_interval()
    with pytest.raises(UnexpectedReplyError, match="late"):
        unit.interval_s()
    unit.begin_interval()
    assert math.isnan(unit.interval_s())


@pytest.mark.parametrize(
    ("name", "value"), [("gate_time_s", 0.5), ("sample_size", 3), ("arming", "never")]
)
def test_out_of_range_sends_nothing(scripted, name, value):
    unit = scripted(SRSSR620, *OPENING)
    with pytest.raises(ValueOutOfRangeError):
        setattr(unit, name, value)


def test_inputs_that_are_none(scripted):
    unit = scripted(SRSSR620, *OPENING)
    for start, stop in ((1, 1), (1, 3), (0, 1)):
        with pytest.raises(ValueOutOfRangeError):
            unit.time_interval_s(start, stop)
    with pytest.raises(ValueOutOfRangeError):
        unit.frequency_hz(3)


def test_another_instrument_is_refused(scripted):
    with pytest.raises(IdentityMismatchError):
        scripted(SRSSR620, ("*IDN?", "Stanford Research Systems,DG645,s/n001776,ver1.14.10E"))


# ---- the driver against the simulated unit ----------------------------------------------


@pytest.mark.parametrize("address", [GPIB, SERIAL])
def test_the_unit_measures_on_both_ports(address):
    device = counter(Steady(10e6, 3e-9), Steady(), timebase_offset=1e-9)
    with joined(SRSSR620, device, address) as unit:
        unit.gate_time_s = 1.0
        before_ns = device.time.now_ns()
        assert unit.frequency_hz(1) == pytest.approx(10e6 * (1 + 2e-9), rel=3e-10)
        assert device.time.now_ns() - before_ns > 10**9
        for endpoint in unit.endpoints():
            for name, prop in type(endpoint).properties().items():
                if prop.query is not None:
                    getattr(endpoint, name)


def test_after_intervals_the_gate_is_the_one_before():
    device = counter(Steady(10e6), Steady(10e6))
    with joined(SRSSR620, device, GPIB) as unit:
        unit.gate_time_s = 0.1
        unit.time_interval_s()
        assert math.isnan(unit.gate_time_s)
        unit.frequency_hz()
        assert unit.gate_time_s == 0.1


@pytest.mark.parametrize("lead_s", [40e-9, -40e-9, 0.0, 0.1])
def test_an_interval_is_negative_where_the_other_comes_first(lead_s):
    device = counter(Steady(phase=lead_s), Steady(), interval_noise_ps=0.0)
    with joined(SRSSR620, device, GPIB) as unit:
        assert unit.time_interval_s(1, 2) == pytest.approx(lead_s, abs=1e-14)


def test_a_pulse_before_the_counter_is_armed_does_not_count():
    device = counter(Steady(phase=-0.3), Steady(), interval_noise_ps=0.0)
    with joined(SRSSR620, device, GPIB) as unit:
        assert unit.time_interval_s(1, 2) == pytest.approx(0.7, abs=1e-14)
        assert unit.time_interval_s(2, 1) == pytest.approx(0.3, abs=1e-14)


def test_with_the_other_arming_it_waits_for_the_next_pulse():
    device = counter(Steady(phase=-40e-9), Steady(), interval_noise_ps=0.0)
    with joined(SRSSR620, device, GPIB) as unit:
        unit.prepare_intervals()
        unit.arming = "+ time"
        unit.begin_interval()
        assert unit.interval_s() == pytest.approx(1.0 - 40e-9, abs=1e-14)


def test_a_series_follows_the_pulses_with_the_noise_that_is_set():
    device = counter(Steady(offset=1e-9), Steady(), interval_noise_ps=25.0)
    with joined(SRSSR620, device, GPIB) as unit:
        unit.prepare_intervals()
        readings, seconds = [], []
        for _ in range(400):
            unit.begin_interval()
            readings.append(unit.interval_s())
            seconds.append(round(device.time.now_ns() * 1e-9))
        assert np.diff(seconds).tolist() == [1] * 399
        rest = np.array(readings) - 1e-9 * np.array(seconds)
        # 400 normal numbers: outside four standard errors once in 16000
        assert np.std(rest) == pytest.approx(25e-12, rel=4 / math.sqrt(800))
        assert abs(np.mean(rest)) < 4 * 25e-12 / 20


def test_a_missing_pulse_gives_nan_and_the_next_is_measured_again():
    device = counter(Steady(), Steady(phase=-1e-7, gone=(2.5, 7.5)), interval_noise_ps=0.0)
    with joined(SRSSR620, device, GPIB) as unit:
        unit.prepare_intervals(within_s=2.5)
        found = []
        for _ in range(8):
            unit.begin_interval()
            found.append(unit.interval_s())
        assert sum(map(math.isnan, found)) >= 1
        assert found[-1] == pytest.approx(1e-7, abs=1e-13)


def test_a_sample_has_a_mean_and_a_jitter():
    device = counter(Steady(10e6), Steady(10e6))
    with joined(SRSSR620, device, GPIB) as unit:
        unit.sample_size = 100
        unit.gate_time_s = 0.01
        unit.mode = "frequency"
        before_ns = device.time.now_ns()
        jitter = float(unit.ask("MEAS?1"))
        assert device.time.now_ns() - before_ns > 10**9
        assert jitter == pytest.approx(10e6 * math.sqrt(2) * 25e-12 / 0.01, rel=0.35)
        low, high = float(unit.ask("MEAS?3")), float(unit.ask("MEAS?2"))
        assert low < 10e6 < high


def test_without_a_signal_a_measurement_ends_in_time():
    with joined(SRSSR620, counter(Steady()), GPIB) as unit:
        with pytest.raises(ResponseTimeoutError, match="MEAS") as caught:
            unit.time_interval_s()
        assert "trigger levels" in caught.value.remedy
        assert unit.mode == "time"


def test_one_line_may_hold_several_commands():
    with joined(SRSSR620, counter(), SERIAL) as unit:
        assert unit.ask("MODE 1; MODE?;SRCE?") == "1;0"


def test_errors_are_reported_and_silence_is_told():
    device = counter()
    with joined(SRSSR620, device, GPIB) as unit:
        for command in ("MODE 7", "SIZE 3", "LEVL 1,9"):
            with pytest.raises(InstrumentFaultError, match="execution"):
                unit.tell(command)
        for command in ("WHAT 1", "SIZE many"):
            with pytest.raises(InstrumentFaultError, match="command"):
                unit.tell(command)
        device.faults.garbage(matching="ESR", times=1)
        with pytest.raises(UnexpectedReplyError):
            unit.auto_measure = False
        device.faults.silent(matching="ESR")
        with pytest.raises(ResponseTimeoutError, match="ESR") as caught:
            unit.auto_measure = False
        assert caught.value.address == GPIB
