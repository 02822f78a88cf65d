"""Intervals and gates one after another: the driver, and the counter it talks to."""

from __future__ import annotations

import math
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from driver_bench import joined

from drivers.counters.keysight_53230a import Keysight53230A
from drivers.simulated.devices.keysight_53230a import Keysight53230ADevice
from drivers.simulated.time import VirtualTime

IDENTITY = "Agilent Technologies,53230A,MY50001484,02.05-1519.666-1.19-4.15-127-155-35"


class Steady:
    """An oscillator with a constant frequency error and a phase."""

    def __init__(self, hertz=10e6, offset=0.0, phase=0.0):
        self.hertz, self.offset, self.phase = hertz, offset, phase

    def nominal_hz(self):
        return self.hertz

    def phase_s(self, t_ns):
        return self.phase + self.offset * t_ns * 1e-9


def counter(**terminals):
    return Keysight53230ADevice("counter", VirtualTime(), terminals)


class Interrupted(Steady):
    """A signal that is absent for a time."""

    def __init__(self, from_s, until_s, **figures):
        super().__init__(**figures)
        self.from_s, self.until_s = from_s, until_s

    def phase_s(self, t_ns):
        absent = self.from_s <= t_ns * 1e-9 < self.until_s
        return math.nan if absent else super().phase_s(t_ns)


@contextmanager
def pulses(first, last, **settings):
    device = Keysight53230ADevice(
        "counter", VirtualTime(), {"input1": first, "input2": last}, **settings
    )
    with joined(Keysight53230A, device) as unit:
        for number in (1, 2):
            unit.channel(number).auto_level = False
        yield unit, device


def test_a_series_of_intervals_takes_one_query_each(scripted, set_pairs):
    unit = scripted(
        Keysight53230A,
        ("SENS:FREQ:GATE:TIME?", "+1.00000000000000E-001"),
        ("CONF?", '"TINT (@1),(@2)"'),
        *set_pairs("SAMP:COUN 1"),
        ("READ?", "+2.44833900000000E-004"),
        ("READ?", "+9.91000000000000E+037"),
        identity=IDENTITY,
    )
    unit.prepare_intervals()
    unit.begin_interval()
    assert unit.interval_s() == 244.8339e-6
    unit.begin_interval()
    assert math.isnan(unit.interval_s())


def test_a_series_of_intervals_follows_the_pulses():
    local, late = Steady(1.0, offset=1e-9, phase=3e-6), Steady(1.0, phase=-245e-6)
    with pulses(local, late, interval_noise_ps=0.0) as (unit, device):
        unit.prepare_intervals()
        start_s = device.time.now_ns() // 10**9
        for number in range(1, 6):
            unit.begin_interval()
            t_s = start_s + number
            # x at the pulse, which comes x early: exact to the 1e-15 s that are printed
            x_s = 3e-6 + 1e-9 * (t_s - 3e-6)
            assert unit.interval_s() == pytest.approx(x_s + 245e-6, abs=1e-15)
            assert device.time.now_ns() * 1e-9 == pytest.approx(t_s + 245e-6, abs=2e-3)


def test_the_noise_of_intervals_is_what_is_set():
    with pulses(Steady(1.0), Steady(1.0, phase=-1e-3), interval_noise_ps=500.0) as (unit, _):
        unit.prepare_intervals()
        seen = []
        for _ in range(400):
            unit.begin_interval()
            seen.append(unit.interval_s())
    # 400 readings: the estimate of sigma scatters by 3.5 %; five of these, 6e-7
    assert np.std(seen) == pytest.approx(500e-12, rel=0.18)


def test_two_counters_measure_the_same_pulse():
    time = VirtualTime()
    units = []
    with ExitStack() as stack:
        for number in (1, 2):
            inputs = {"input1": Steady(1.0), "input2": Steady(1.0, phase=-1e-4 * number)}
            device = Keysight53230ADevice(f"counter{number}", time, inputs)
            units.append(stack.enter_context(joined(Keysight53230A, device)))
            for channel in (1, 2):
                units[-1].channel(channel).auto_level = False
            units[-1].prepare_intervals()
        before_ns = time.now_ns()
        for _ in range(5):
            for unit in units:
                unit.begin_interval()
            readings = [unit.interval_s() for unit in units]
            assert readings == pytest.approx([1e-4, 2e-4], abs=1e-9)
        assert (time.now_ns() - before_ns) * 1e-9 < 6.0


def test_a_missing_pulse_gives_nan_and_the_next_is_measured_again():
    first, last = Steady(1.0), Interrupted(4.5, 9.5, hertz=1.0, phase=-1e-4)
    with pulses(first, last) as (unit, device):
        unit.prepare_intervals()
        seen = {}
        while device.time.now_ns() < 14 * 10**9:
            unit.begin_interval()
            reading = unit.interval_s()
            seen[device.time.now_ns() // 10**9] = reading
    assert [s for s, reading in seen.items() if math.isnan(reading)] == [6, 9]
    present = [reading for reading in seen.values() if not math.isnan(reading)]
    assert list(seen) == [1, 2, 3, 4, 6, 9, 10, 11, 12, 13, 14]
    assert present == pytest.approx([1e-4] * 9, abs=1e-9)


def test_gates_are_taken_as_they_end():
    device = counter(input1=Steady(offset=1e-9))
    with joined(Keysight53230A, device) as unit:
        unit.mode = "continuous"
        unit.start_gates(0.5)
        begun_ns = device.time.now_ns()
        assert unit.take_gates() == []
        gates = []
        while len(gates) < 20:
            device.time.wait_until(device.time.now_ns() + 10**9)
            gates += unit.take_gates()
        assert [gate.start_s for gate in gates] == [0.5 * k for k in range(len(gates))]
        assert [gate.frequency_hz for gate in gates] == pytest.approx([10e6 * (1 + 1e-9)] * 20)
        assert (device.time.now_ns() - begun_ns) * 1e-9 == pytest.approx(10.0, abs=0.1)


def test_gates_wait_for_a_signal_that_is_lost():
    device = counter(input1=Interrupted(3.2, 7.2))
    with joined(Keysight53230A, device) as unit:
        unit.mode = "continuous"
        unit.start_gates(1.0)
        taken = []
        for _ in range(10):
            device.time.wait_until(device.time.now_ns() + 10**9)
            taken.append(len(unit.take_gates()))
    assert sum(taken[3:7]) == 0
    assert sum(taken) in (6, 7)


def test_the_bench_seeds_the_noise():
    def reading(seed):
        inputs = {"input1": Steady(1.0), "input2": Steady(1.0, phase=-1e-4)}
        device = Keysight53230ADevice("counter", VirtualTime(), inputs, seed=seed)
        with joined(Keysight53230A, device) as unit:
            for channel in (1, 2):
                unit.channel(channel).auto_level = False
            return unit.time_interval_s()

    assert reading(1) == reading(1) != reading(2)


"""+"""
