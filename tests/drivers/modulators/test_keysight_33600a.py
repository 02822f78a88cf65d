from __future__ import annotations

import math

import numpy as np
import pytest
from driver_bench import Calls, joined, settable, values_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.core import (
    IdentityMismatchError,
    InstrumentFaultError,
    MisuseError,
    ValueOutOfRangeError,
)
from drivers.modulators.keysight_33600a import Keysight33600A
from drivers.simulated.devices.keysight_33600a import Keysight33600ADevice
from drivers.simulated.time import VirtualTime

IDENTITY = "Agilent Technologies,33622A,MY53801234,A.02.03-3.15-03-64-02"
OK = '+0,"No error"'


def generator(**more):
    terminals = {"output1": Calls(), "output2": Calls(), "sync": Calls()}
    return Keysight33600ADevice("awg", VirtualTime(), terminals, **more)


def ramp(count=64):
    return np.linspace(-32767, 32767, count).astype(np.int16)


# ---- the conversation, byte by byte ------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("output", True, "OUTP2 1"),
        ("load_ohm", math.inf, "OUTP2:LOAD INF"),
        ("load_ohm", 75.0, "OUTP2:LOAD 75"),
        ("polarity", "inverted", "OUTP2:POL INV"),
        ("function", "arbitrary", "SOUR2:FUNC ARB"),
        ("frequency_hz", 12345678.5, "SOUR2:FREQ 12345678.5"),
        ("amplitude_vpp", 3.5, "SOUR2:VOLT 3.5 VPP"),
        ("offset_v", -0.25, "SOUR2:VOLT:OFFS -0.25"),
        ("high_v", 1.5, "SOUR2:VOLT:HIGH 1.5"),
        ("low_v", -1.5, "SOUR2:VOLT:LOW -1.5"),
        ("sample_rate_hz", 250e6, "SOUR2:FUNC:ARB:SRAT 250000000"),
        ("filter", "off", "SOUR2:FUNC:ARB:FILT OFF"),
        ("waveform", "frame", 'SOUR2:FUNC:ARB "frame"'),
        ("burst", True, "SOUR2:BURS:STAT 1"),
        ("burst_mode", "triggered", "SOUR2:BURS:MODE TRIG"),
        ("burst_cycles", 3, "SOUR2:BURS:NCYC 3"),
        ("trigger_source", "software", "TRIG2:SOUR BUS"),
        ("trigger_delay_s", 10e-9, "TRIG2:DEL 8e-09"),
        ("rearm", False, "INIT2:CONT 0"),
    ],
)
def test_command(scripted, name, value, command):
    unit = scripted(Keysight33600A, (command, ""), ("SYST:ERR?", OK), identity=IDENTITY)
    setattr(unit.channel(2), name, value)


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("load_ohm", "OUTP1:LOAD?", "+9.900000000000000E+37", math.inf),
        ("output", "OUTP1?", "1", True),
        ("amplitude_vpp", "SOUR1:VOLT:UNIT VPP;:SOUR1:VOLT?", "+3.500000000000000E+00", 3.5),
        ("waveform", "SOUR1:FUNC:ARB?", '"frame"', "frame"),
        ("free_samples", "SOUR1:DATA:VOL:FREE?", "+4194304", 4194304),
        ("trigger_source", "TRIG1:SOUR?", "EXT", "external"),
    ],
)
def test_query(scripted, name, query, reply, value):
    unit = scripted(Keysight33600A, (query, reply), identity=IDENTITY)
    assert getattr(unit.channel(1), name) == value


def test_load_sends_little_endian_codes(scripted):
    block = b"SOUR1:DATA:ARB:DAC frame,#264" + b"\x01\x80" * 16 + b"\xff\x7f" * 16 + b"\n"
    unit = scripted(
        Keysight33600A,
        ("SOUR1:DATA:VOL:CLE;:FORM:BORD SWAP", ""),
        (block, b""),
        ('SOUR1:FUNC:ARB "frame";:SOUR1:FUNC ARB', ""),
        ("SYST:ERR?", OK),
        identity=IDENTITY,
    )
    unit.channel(1).load("frame", np.repeat(np.array([-32767, 32767], np.int16), 16))


def test_arming_sets_the_source_before_the_burst(scripted, set_pairs):
    pairs = [
        pair
        for command in (
            "TRIG1:SOUR EXT",
            "SOUR1:BURS:MODE TRIG",
            "SOUR1:BURS:NCYC 1",
            "SOUR1:BURS:STAT 1",
            "INIT1:CONT 1",
        )
        for pair in set_pairs(command)
    ]
    unit = scripted(Keysight33600A, *pairs, *set_pairs("*TRG"), identity=IDENTITY)
    unit.channel(1).play_once_on("external")
    unit.trigger()


@pytest.mark.parametrize(("options", "samples"), [("0", 4_000_000), ("MEM", 64_000_000)])
def test_memory_follows_the_option(scripted, options, samples):
    unit = scripted(Keysight33600A, ("*OPT?", options), identity=IDENTITY)
    assert unit.memory_samples == samples


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("1st", ramp()),
        ("much_too_long_", ramp()),
        ("a b", ramp()),
        ("short", ramp(31)),
        ("floats", np.zeros(64)),
        ("square", np.zeros((8, 8), np.int16)),
        ("low", np.full(64, -32768, np.int16)),
    ],
)
def test_what_is_no_record_is_not_sent(scripted, name, codes):
    unit = scripted(Keysight33600A, identity=IDENTITY)
    with pytest.raises(ValueOutOfRangeError):
        unit.channel(1).load(name, codes)


def test_another_model_is_refused(scripted):
    with pytest.raises(IdentityMismatchError):
        scripted(Keysight33600A, ("*IDN?", "Agilent Technologies,33522B,MY1,1.0"))


# ---- against the simulated generator -----------------------------------------------

# What the shape and the levels, at their factory settings, leave of the ranges.
NARROW = {
    "amplitude_vpp": (1e-3, 10.0),
    "offset_v": (-4.9, 4.9),
    "high_v": (0.0, 4.9),
    "low_v": (-4.9, 0.0),
    "load_ohm": (1.0, 10e3),
}


@pytest.fixture(scope="module")
def bench():
    device = generator()
    with joined(Keysight33600A, device) as unit:
        yield unit, device


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_setting_comes_back(bench, data):
    unit, _ = bench
    unit.reset()
    channel = unit.channel(data.draw(st.sampled_from([1, 2])))
    owner = data.draw(st.sampled_from([unit, channel]))
    known = settable(owner)
    known.pop("waveform", None)
    name = data.draw(st.sampled_from(sorted(known)))
    low, high = NARROW.get(name, (None, None))
    value = data.draw(values_of(known[name], low=low, high=high))
    setattr(owner, name, value)
    actual = getattr(owner, name)
    if isinstance(value, float):
        slack = max(known[name].step / 2 * (1 + 1e-9), 1e-11)
        assert actual == pytest.approx(value, rel=1e-11, abs=slack)
    else:
        assert actual == value


@settings(max_examples=25, deadline=None)
@given(
    codes=st.lists(st.integers(-32767, 32767), min_size=32, max_size=300),
    amplitude=st.floats(0.01, 9.0),
    share=st.floats(-1.0, 1.0),
)
def test_what_is_loaded_is_played(bench, codes, amplitude, share):
    unit, device = bench
    unit.reset()
    offset = share * (5.0 - amplitude / 2) * 0.999
    channel = unit.channel(1)
    record = np.array(codes, np.int16)
    channel.load("frame", record)
    channel.sample_rate_hz = 100e6
    channel.amplitude_vpp = amplitude
    channel.offset_v = offset
    channel.play_once_on("software")
    channel.output = True
    method, _, volts = device.terminals["output1"].last
    expected = offset + codes[0] / 32767 * amplitude / 2
    assert method == "hold"
    assert volts == pytest.approx(expected, abs=1e-9)
    unit.trigger()
    method, start_ns, waveform = device.terminals["output1"].last
    assert method == "play"
    assert np.array_equal(waveform.codes, record)
    assert waveform.repeats == 1
    assert waveform.sample_rate_hz == 100e6
    assert waveform.volts_per_code * 32767 * 2 == pytest.approx(amplitude, rel=1e-9)
    assert waveform.offset_v == pytest.approx(offset, rel=1e-9, abs=1e-12)
    assert device.terminals["sync"].last == ("edge", start_ns)


@pytest.mark.parametrize(("order", "dtype"), [("NORM", ">i2"), ("SWAP", "<i2")])
def test_both_byte_orders(bench, order, dtype):
    unit, device = bench
    unit.reset()
    codes = np.array([1, -2, 258, -32767, 32767] * 8, dtype=dtype)
    unit.tell(f"FORM:BORD {order}")
    unit.link.write_block(b"SOUR2:DATA:ARB:DAC both,", codes.tobytes())
    unit.tell("SOUR2:FUNC:ARB both")
    assert np.array_equal(device.memory[2].record, codes.astype(np.int16))


def test_both_outputs_start_together_after_their_delays(bench):
    unit, device = bench
    unit.reset()
    for number in (1, 2):
        channel = unit.channel(number)
        channel.load("frame", ramp())
        channel.play_once_on("software")
        channel.output = True
    unit.channel(2).trigger_delay_s = 40e-9
    unit.trigger()
    first = device.terminals["output1"].last[1]
    assert device.terminals["output2"].last[1] == first + 40


def test_an_external_trigger_starts_what_waits_for_it(bench):
    unit, device = bench
    unit.reset()
    channel = unit.channel(1)
    channel.load("frame", ramp())
    channel.play_once_on("external")
    channel.output = True
    device.external_trigger(device.time.now_ns() + 5000)
    assert device.terminals["output1"].last[:2] == ("play", device.time.now_ns() + 5000)
    with pytest.raises(InstrumentFaultError) as caught:
        unit.trigger()
    assert caught.value.code == -211


def test_a_trigger_within_a_burst_is_ignored(bench):
    unit, device = bench
    unit.reset()
    channel = unit.channel(1)
    channel.load("frame", ramp())
    channel.sample_rate_hz = 64.0  # a second
    channel.play_once_on("software")
    channel.output = True
    unit.trigger()
    played = len(device.terminals["output1"].made)
    with pytest.raises(InstrumentFaultError):
        unit.trigger()
    assert len(device.terminals["output1"].made) == played


def test_what_the_generator_refuses_is_raised(bench):
    unit, _ = bench
    unit.reset()
    channel = unit.channel(1)
    channel.load("frame", ramp())
    faults = {
        785: lambda: setattr(channel, "waveform", "nothing"),
        786: lambda: unit.tell("SOUR1:DATA:ARB frame," + ",".join(["0.5"] * 32)),
        781: lambda: channel.load("huge", np.zeros((1 << 22) + 1, np.int16)),
        -222: lambda: unit.tell("OUTP1:LOAD 20e3"),
    }
    for code, action in faults.items():
        with pytest.raises(InstrumentFaultError) as caught:
            action()
        assert caught.value.code == code


def test_amplitude_and_offset_give_way_with_an_error(bench):
    unit, _ = bench
    unit.reset()
    channel = unit.channel(1)
    channel.offset_v = 4.0
    with pytest.raises(InstrumentFaultError) as caught:
        channel.amplitude_vpp = 6.0
    assert caught.value.code == -221
    assert channel.offset_v == pytest.approx(2.0)
    with pytest.raises(InstrumentFaultError) as caught:
        channel.offset_v = 4.5
    assert caught.value.code == -221
    assert channel.amplitude_vpp == pytest.approx(1.0)


def test_the_load_changes_what_is_shown_and_not_what_is_there(bench):
    unit, device = bench
    unit.reset()
    channel = unit.channel(1)
    channel.function = "dc"
    channel.offset_v = 1.0
    channel.output = True
    channel.load_ohm = math.inf
    assert channel.offset_v == pytest.approx(2.0)
    assert device.terminals["output1"].last[0::2] == ("hold", pytest.approx(1.0))
    channel.offset_v = 8.0
    assert device.terminals["output1"].last[2] == pytest.approx(4.0)


def test_the_true_termination_divides_the_voltage():
    device = generator(termination_ohm=1e6)
    with joined(Keysight33600A, device) as unit:
        channel = unit.channel(1)
        channel.function = "dc"
        channel.offset_v = 1.0
        channel.output = True
    assert device.terminals["output1"].last[2] == pytest.approx(2.0, rel=1e-4)


def test_an_output_that_is_switched_off_is_at_zero(bench):
    unit, device = bench
    unit.reset()
    channel = unit.channel(1)
    channel.load("frame", ramp())
    channel.output = True
    assert device.terminals["output1"].last[0] == "play"
    channel.output = False
    assert device.terminals["output1"].last[0::2] == ("hold", 0.0)


def test_a_full_memory_takes_the_time_of_the_line():
    device = generator()
    with joined(Keysight33600A, device) as unit:
        before = device.time.now_ns()
        unit.channel(1).load("frame", np.zeros(4_000_000, np.int16))
        seconds = (device.time.now_ns() - before) * 1e-9
        assert seconds == pytest.approx(8e6 / 5e6, rel=0.05)
        assert unit.channel(1).records()[-1] == "frame"
        assert unit.channel(1).free_samples == (1 << 22) - 4_000_000


def test_a_model_has_its_sample_rate():
    with joined(Keysight33600A, generator(model="33612A")) as unit:
        with pytest.raises(InstrumentFaultError):
            unit.channel(1).sample_rate_hz = 1e9
        assert unit.channel(1).sample_rate_hz == 660e6


def test_an_unknown_model_is_a_mistake():
    with pytest.raises(MisuseError, match="33600A"):
        generator(model="33522B")


def test_standard_waveforms_follow_their_formulae(bench):
    unit, device = bench
    unit.reset()
    channel = unit.channel(1)
    channel.amplitude_vpp = 2.0
    channel.output = True
    for shape, rms in (("sine", 0.5**0.5), ("square", 1.0), ("triangle", 3**-0.5)):
        channel.function = shape
        waveform = device.terminals["output1"].last[2]
        volts = waveform.codes * waveform.volts_per_code
        assert np.sqrt(np.mean(volts**2)) == pytest.approx(rms, rel=2e-3)
        assert waveform.repeats is None
        assert waveform.sample_rate_hz / waveform.codes.size == pytest.approx(1e3)


def test_usb_works_as_lan():
    with joined(Keysight33600A, generator(), "USB0::0x0957::0x5707::MY53801234::INSTR") as unit:
        unit.channel(1).load("frame", ramp(100_000))
        assert unit.channel(1).waveform == "frame"


_LEVELS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["VOLT", "VOLT:OFFS", "VOLT:HIGH", "VOLT:LOW"]), st.floats(-30, 30)
        ),
        st.tuples(st.just("LOAD"), st.sampled_from(["1", "50", "75", "1e4", "INF"])),
        st.tuples(st.just("VOLT:UNIT"), st.sampled_from(["VPP", "VRMS", "DBM"])),
    ),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(steps=_LEVELS)
def test_no_order_of_settings_leaves_the_amplifiers_reach(bench, steps):
    unit, device = bench
    unit.reset()
    unit.link.write(b"OUTP1 ON;:FUNC SQU")
    for header, value in steps:
        prefix = "OUTP1:" if header == "LOAD" else "SOUR1:"
        unit.link.write(f"{prefix}{header} {value}".encode())
    unit.link.write(b"*CLS")
    channel, levels = unit.channel(1), device.levels[1]
    reach = levels.peak * (1 + 1e-9)
    assert 0 < channel.amplitude_vpp <= 2 * reach
    assert channel.high_v <= reach
    assert channel.low_v >= -reach
    assert channel.high_v - channel.low_v == pytest.approx(channel.amplitude_vpp, rel=1e-6)
    waveform = device.terminals["output1"].last[2]
    seen = 2 * 32767 * waveform.volts_per_code
    scale = 0.5 / (levels.peak / 10)  # the connector into 50 ohm, and what is shown for it
    assert seen == pytest.approx(channel.amplitude_vpp * scale, rel=1e-9)
    assert waveform.offset_v == pytest.approx(channel.offset_v * scale, rel=1e-9, abs=1e-12)


def test_a_timed_trigger_repeats_the_burst_with_its_pause(bench):
    unit, device = bench
    unit.reset()
    channel = unit.channel(1)
    channel.load("frame", ramp(100))
    channel.sample_rate_hz = 1e6
    channel.burst_period_s = 1e-3
    channel.burst_cycles = 2
    channel.burst = True
    channel.output = True
    waveform = device.terminals["output1"].last[2]
    assert waveform.codes.size == 1000
    assert np.array_equal(waveform.codes[:200], np.tile(ramp(100), 2))
    assert set(waveform.codes[200:]) == {ramp(100)[0]}
    assert waveform.repeats is None


def test_armed_once_it_starts_once(bench):
    unit, device = bench
    unit.reset()
    channel = unit.channel(1)
    channel.load("frame", ramp())
    channel.sample_rate_hz = 100e6
    channel.play_once_on("software")
    channel.output = True
    channel.rearm = False
    for _ in range(2):
        unit.tell("INIT1")
        unit.trigger()
        with pytest.raises(InstrumentFaultError):
            unit.trigger()
    assert [call[0] for call in device.terminals["output1"].made].count("play") >= 2
    channel.rearm = True
    with pytest.raises(InstrumentFaultError) as caught:
        unit.tell("INIT1")
    assert caught.value.code == -213


def test_inverted_output_mirrors_about_the_offset(bench):
    unit, device = bench
    unit.reset()
    channel = unit.channel(1)
    channel.load("frame", ramp())
    channel.amplitude_vpp = 2.0
    channel.offset_v = 0.5
    channel.polarity = "inverted"
    channel.play_once_on("software")
    channel.output = True
    assert device.terminals["output1"].last[2] == pytest.approx(0.5 + 1.0)
