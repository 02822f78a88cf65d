from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from driver_bench import joined, settable, values_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.core import InstrumentFaultError, ResponseTimeoutError, UnexpectedReplyError
from drivers.core.errors import ValueOutOfRangeError
from drivers.counters.keysight_53230a import Keysight53230A
from drivers.simulated.devices.counter_gates import enhanced, frequency, interval
from drivers.simulated.devices.keysight_53230a import Keysight53230ADevice
from drivers.simulated.time import VirtualTime

IDENTITY = "Agilent Technologies,53230A,MY50001484,02.05-1519.666-1.19-4.15-127-155-35"
OK = '+0,"No error"'


class Steady:
    """An oscillator with a constant frequency error and a phase."""

    def __init__(self, hertz=10e6, offset=0.0, phase=0.0, drift=0.0):
        self.hertz, self.offset, self.phase, self.drift = hertz, offset, phase, drift

    def nominal_hz(self):
        return self.hertz

    def phase_s(self, t_ns):
        t_s = t_ns * 1e-9
        return self.phase + self.offset * t_s + self.drift * t_s * t_s / 2


def counter(**terminals):
    offset = terminals.pop("timebase_offset", 0.0)
    return Keysight53230ADevice("counter", VirtualTime(), terminals, timebase_offset=offset)


# ---- the conversation, byte by byte ------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("coupling", "DC", "INP2:COUP DC"),
        ("impedance_ohm", 50, "INP2:IMP 50"),
        ("range_v", 5, "INP2:RANG 5"),
        ("level_v", 1.0, "INP2:LEV 1"),
        ("auto_level", False, "INP2:LEV:AUTO OFF"),
        ("relative_level", 30, "INP2:LEV:REL 30"),
        ("slope", "falling", "INP2:SLOP NEG"),
    ],
)
def test_input_command(scripted, set_pairs, name, value, command):
    unit = scripted(Keysight53230A, *set_pairs(command), identity=IDENTITY)
    setattr(unit.channel(2), name, value)


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("gate_time_s", 0.1, "SENS:FREQ:GATE:TIME 0.1"),
        ("estimator", "pi", "SENS:FREQ:MODE REC"),
        ("estimator", "lambda", "SENS:FREQ:MODE CONT"),
        ("mode", "automatic", "SENS:FREQ:MODE AUTO"),
        ("reference", "external", "ROSC:SOUR EXT"),
        ("measurement_timeout_s", 5.0, "SYST:TIM 5"),
    ],
)
def test_command(scripted, set_pairs, name, value, command):
    setattr(scripted(Keysight53230A, *set_pairs(command), identity=IDENTITY), name, value)


@pytest.mark.parametrize(
    ("mode", "estimator", "dead_time"),
    [("CONT", "lambda", 0.0), ("REC", "pi", math.nan), ("AUTO", "lambda", math.nan)],
)
def test_the_mode_tells_estimator_and_dead_time(scripted, mode, estimator, dead_time):
    pairs = [("SENS:FREQ:MODE?", mode)] * 2
    unit = scripted(Keysight53230A, *pairs, identity=IDENTITY)
    assert unit.estimator == estimator
    assert unit.dead_time_s == pytest.approx(dead_time, nan_ok=True)


def test_configuring_keeps_gate_and_fixed_levels(scripted, set_pairs):
    unit = scripted(
        Keysight53230A,
        ("SENS:FREQ:GATE:TIME?", "+1.00000000000000E+000"),
        ("CONF?", '"FREQ +1.00000000E+007,+1.00000000E-003,(@1)"'),
        ("INP1:LEV:AUTO?", "0"),
        ("INP1:LEV?", "+1.00000000E+000"),
        ("INP2:LEV:AUTO?", "1"),
        *set_pairs("CONF:TINT (@1),(@2)"),
        *set_pairs("INP1:LEV 1"),
        *set_pairs("SENS:FREQ:GATE:TIME 1"),
        *set_pairs("SAMP:COUN 1"),
        ("READ?", "+5.10520000000000E-006"),
        identity=IDENTITY,
    )
    assert unit.time_interval_s() == 5.1052e-6


def test_what_is_configured_is_measured_at_once(scripted, set_pairs):
    unit = scripted(
        Keysight53230A,
        ("SENS:FREQ:GATE:TIME?", "+1.00000000000000E-001"),
        ("CONF?", '"FREQ +1.00000000E+007,+1.00000000E-003,(@2)"'),
        *set_pairs("SAMP:COUN 2"),
        ("READ?", "+1.00000052795438E+006,+9.91000000000000E+037"),
        identity=IDENTITY,
    )
    first, second = unit.frequencies_hz(2, channel=2)
    assert first == 1000000.52795438
    assert math.isnan(second)


def read_once(scripted, set_pairs, reply):
    return scripted(
        Keysight53230A,
        ("SENS:FREQ:GATE:TIME?", "+1.00000000000000E-001"),
        ("CONF?", '"FREQ +1.00000000E+007,+1.00000000E-003,(@1)"'),
        *set_pairs("SAMP:COUN 1"),
        ("READ?", reply),
        identity=IDENTITY,
    )


def test_no_signal_is_raised(scripted, set_pairs):
    unit = read_once(scripted, set_pairs, "+9.91000000000000E+037")
    with pytest.raises(InstrumentFaultError, match="no signal"):
        unit.frequency_hz()


@pytest.mark.parametrize("reply", ["hello", "+1.0E+006,+1.0E+006"])
def test_a_garbled_reading_is_unexpected(scripted, set_pairs, reply):
    unit = read_once(scripted, set_pairs, reply)
    with pytest.raises(UnexpectedReplyError, match="READ"):
        unit.frequency_hz()


def test_inputs_and_counts_that_do_not_exist(scripted):
    unit = scripted(
        Keysight53230A,
        ("SENS:FREQ:GATE:TIME?", "+1.00000000000000E-001"),
        ("CONF?", '"FREQ +1.00000000E+007,+1.00000000E-003,(@1)"'),
        identity=IDENTITY,
    )
    with pytest.raises(ValueOutOfRangeError):
        unit.frequency_hz(3)
    with pytest.raises(ValueOutOfRangeError):
        unit.frequencies_hz(0)


# ---- against the simulated counter -------------------------------------------------


@pytest.fixture(scope="module")
def bench():
    device = counter(input1=Steady(offset=1e-7), input2=Steady(1e6))
    with joined(Keysight53230A, device) as unit:
        yield unit, device


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_every_setting_comes_back(bench, data):
    unit, _ = bench
    unit.reset()
    owner = data.draw(st.sampled_from([unit, unit.channel(1), unit.channel(2)]))
    known = settable(owner)
    name = data.draw(st.sampled_from(sorted(known)))
    if name == "level_v":
        owner.range_v = 50
    high = {"measurement_timeout_s": 2000}.get(name)
    value = data.draw(values_of(known[name], high=high))
    setattr(owner, name, value)
    actual = getattr(owner, name)
    if name == "impedance_ohm":
        assert actual == (50 if value < 1e3 else 1e6)
    elif name == "range_v":
        assert actual == (5 if float(known[name].format(value)) <= 5 else 50)
    elif name == "relative_level":
        assert abs(actual - value) <= 2.5
    elif isinstance(value, float):
        slack = known[name].step / 2 * (1 + 1e-9)
        assert actual == pytest.approx(value, rel=1e-8, abs=max(slack, 1e-12))
    else:
        assert actual == value
    unit.measurement_timeout_s = 9.9e37


@pytest.mark.parametrize("mode", ["automatic", "reciprocal", "continuous"])
@pytest.mark.parametrize("gate_s", [1e-3, 0.1, 10.0])
def test_frequency_is_that_of_the_oscillator(bench, mode, gate_s):
    unit, device = bench
    unit.reset()
    unit.mode = mode
    unit.gate_time_s = gate_s
    before = device.time.now_ns()
    reading = unit.frequency_hz()
    took_s = (device.time.now_ns() - before) * 1e-9
    assert reading == pytest.approx(10e6 * (1 + 1e-7), rel=6 * 28e-12 / gate_s)
    assert gate_s <= took_s < gate_s + 0.1


def test_the_time_base_is_what_it_is_compared_with():
    reference = Steady(offset=3e-9)
    device = counter(input1=Steady(offset=3e-9), reference=reference, timebase_offset=-1e-8)
    with joined(Keysight53230A, device) as unit:
        unit.gate_time_s = 1.0
        assert unit.frequency_hz() / 10e6 - 1 == pytest.approx(1.3e-8, abs=1e-10)
        unit.reference = "external"
        assert unit.frequency_hz() / 10e6 - 1 == pytest.approx(0.0, abs=1e-10)


def test_an_absent_time_base_is_found_by_the_check_and_gives_no_reading():
    with joined(Keysight53230A, counter(input1=Steady())) as unit:
        unit.reference = "external"
        with pytest.raises(InstrumentFaultError):
            unit.check_reference()
        with pytest.raises(InstrumentFaultError, match="no signal"):
            unit.frequency_hz()
    with joined(Keysight53230A, counter(input1=Steady(), reference=Steady())) as unit:
        unit.reference = "external"
        unit.check_reference()


def test_readings_scatter_as_the_data_sheet_says():
    # Seeded; chi-square with 2000 degrees of freedom leaves the 10 % band
    # with a probability below 1e-9 (standard deviation of s is 1.6 %).
    device = counter(input1=Steady())
    with joined(Keysight53230A, device) as unit:
        unit.gate_time_s = 1e-3
        unit.estimator = "pi"
        readings = unit.frequencies_hz(2000)
    assert np.std(readings / 10e6) == pytest.approx(1.4 * 20e-12 / 1e-3, rel=0.1)


@pytest.mark.parametrize(
    ("hertz", "gate_s", "factor"),
    [
        (10e6, 100.0, 6.0),
        (10e6, 1.0, 6.0),
        (10e6, 0.1, 4.0),
        (10e6, 0.01, 2.0),
        (10e6, 1e-4, 1.0),
        (16.0, 1.0, 1.0),
        (16.0, 9.0, 3.0),
    ],
)
def test_enhancement_is_the_data_sheets(hertz, gate_s, factor):
    assert enhanced(hertz, gate_s) == pytest.approx(factor)


def test_weights_of_a_drifting_source_agree_at_the_middle():
    # Under linear drift pi and lambda both give the frequency at the gate's middle.
    source = Steady(offset=1e-9, drift=1e-10)
    for triangle in (False, True):
        value = frequency(source, lambda _: 0.0, 0, 10**10, triangle=triangle)
        assert value / 10e6 - 1 == pytest.approx(1e-9 + 5e-10, abs=1e-13)


def test_a_lambda_gate_suppresses_what_a_pi_gate_sees():
    class Jump(Steady):
        def phase_s(self, t_ns):
            return 1e-9 if t_ns >= 10**9 else 0.0  # a jump with the last instant of the gate

    pi = frequency(Jump(), lambda _: 0.0, 0, 10**9, triangle=False)
    smooth = frequency(Jump(), lambda _: 0.0, 0, 10**9, triangle=True)
    assert pi / 10e6 - 1 == pytest.approx(1e-9, rel=1e-6)
    assert smooth == 10e6


def test_continuous_gates_have_no_gap():
    device = counter(input1=Steady())
    took_s = {}
    with joined(Keysight53230A, device) as unit:
        unit.gate_time_s = 0.1
        for estimator in ("lambda", "pi"):
            unit.estimator = estimator
            unit.frequencies_hz(20)
            before = device.time.now_ns()
            unit.frequencies_hz(20)
            took_s[estimator] = (device.time.now_ns() - before) * 1e-9
    assert 2.0 <= took_s["lambda"] < 2.02
    assert took_s["pi"] == pytest.approx(took_s["lambda"] + 19 * 2e-3, abs=1e-3)


@pytest.mark.parametrize("apart_s", [0.0, 5e-7, -5e-7, 3.2e-3])
def test_time_interval_is_local_minus_reference(apart_s):
    # conventions: x > 0 means that the pulse comes first, TI = x_start - x_stop
    device = counter(input1=Steady(1.0, phase=apart_s), input2=Steady(1.0))
    with joined(Keysight53230A, device) as unit:
        for number in (1, 2):
            unit.channel(number).auto_level = False
            unit.channel(number).level_v = 1.0
        measured = unit.time_interval_s()
        expected = apart_s if apart_s > -1e-9 else 1.0 + apart_s
        assert measured == pytest.approx(expected, abs=6 * 28e-12)
        assert not unit.channel(1).auto_level
        assert unit.channel(1).level_v == 1.0


def test_one_channel_alone_gives_its_period():
    assert interval(
        Steady(1e3), Steady(1e3, offset=1e-6), lambda _: 0.0, 0, single=True
    ) == pytest.approx(1e-3 / (1 + 1e-6), rel=1e-12)
    device = counter(input1=Steady(1e3))
    with joined(Keysight53230A, device) as unit:
        assert unit.time_interval_s(1, 1) == pytest.approx(1e-3, abs=1e-9)


def test_automatic_level_misses_slow_signals():
    device = counter(input1=Steady(1.0), input2=Steady(1.0))
    with joined(Keysight53230A, device) as unit:
        unit.measurement_timeout_s = 3.0
        with pytest.raises(InstrumentFaultError, match="no signal"):
            unit.time_interval_s()


def test_without_signal_and_time_out_the_counter_is_stopped():
    device = counter(input1=Steady())
    with joined(Keysight53230A, device) as unit:
        unit.gate_time_s = 1.0
        before = device.time.now_ns()
        with pytest.raises(ResponseTimeoutError, match="check the signal"):
            unit.frequency_hz(channel=2)
        waited = (device.time.now_ns() - before) * 1e-9
        assert 10.0 < waited < 12.0
        assert unit.frequency_hz(channel=1) == pytest.approx(10e6)


def test_gate_of_a_resolution(bench):
    unit, _ = bench
    unit.reset()
    for hertz, resolution, gate_s in ((5e6, 5e-4, 0.1), (200e6, 2, 1e-3), (1.2e6, 1e-4, 0.1)):
        unit.tell(f"CONF:FREQ {hertz},{resolution},(@1)")  # UG p. 160, PR p. 243
        assert unit.gate_time_s == pytest.approx(gate_s)
    assert unit.ask("CONF?").endswith('(@1)"')


def test_fetch_and_r(bench):
    unit, device = bench
    unit.reset()
    with pytest.raises(InstrumentFaultError) as caught:
        unit.tell("FETC?")
    assert caught.value.code == -230
    unit.tell("CONF:FREQ (@1)")
    unit.tell("SENS:FREQ:GATE:TIME 0.1;:SAMP:COUN 10")
    unit.link.write(b"INIT")
    device.time.wait_until(device.time.now_ns() + 420_000_000)
    assert len(unit.link.query_block(b"R? 3").split(b",")) == 3
    assert len(unit.link.query_block(b"R?").split(b",")) == 1
    rest = unit.ask("FETC?").split(",")
    assert len(rest) == 6
    assert unit.ask("FETC?").split(",") == rest
    assert all(len(reading) == len("+1.00000100000000E+007") for reading in rest)


def test_binary_readings(bench):
    unit, _ = bench
    unit.reset()
    unit.tell("FORM REAL;:SAMP:COUN 3")
    data = unit.link.query_block(b"READ?")
    assert struct.unpack(">3d", data) == pytest.approx([10e6 + 1.0] * 3)


def test_a_software_trigger_begins(bench):
    unit, device = bench
    unit.reset()
    unit.tell("TRIG:SOUR BUS;:INIT")
    device.time.wait_until(device.time.now_ns() + 10**9)
    begun_ns = device.time.now_ns()
    unit.tell("*TRG")
    unit.ask("FETC?")
    assert device.run.at_ns >= begun_ns + 10**8  # the default gate
    with pytest.raises(InstrumentFaultError) as caught:
        unit.tell("*TRG")
    assert caught.value.code == -211


def test_the_time_out_survives_a_reset(bench):
    unit, _ = bench
    unit.measurement_timeout_s = 5.0
    unit.reset()
    assert unit.measurement_timeout_s == 5.0
    unit.measurement_timeout_s = 9.9e37


def test_a_number_beyond_all_floats_is_out_of_range(bench):
    unit, _ = bench
    unit.reset()
    with pytest.raises(InstrumentFaultError) as caught:
        unit.tell("SENS:FREQ:GATE:TIME 1e400")
    assert caught.value.code == -222
