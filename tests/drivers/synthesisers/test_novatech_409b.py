from __future__ import annotations

import pytest
from driver_bench import Calls, joined, settable, values_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.core import (
    IdentityMismatchError,
    InstrumentFaultError,
    MisuseError,
    ResponseTimeoutError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.simulated.devices.novatech_409b import Novatech409BDevice
from drivers.simulated.time import VirtualTime
from drivers.synthesisers.novatech_409b import Novatech409B, Output

SERIAL = "ASRL5::INSTR"
ROW = "00989680 2000 01F5 0000 00000000 00000000 000301"
STATUS = "80 BC0000 0000 0102 21"
TABLE = "\r\n".join([ROW, ROW, ROW, ROW, STATUS])
OPENING = [("E d", "OK"), ("QUE", TABLE)]


def generator(shifter=None, **more):
    return Novatech409BDevice("dds", VirtualTime(), {"output1": shifter} if shifter else {}, **more)


# ---- the driver against a conversation -------------------------------------------------


@pytest.mark.parametrize(
    ("number", "name", "value", "command"),
    [
        (0, "frequency_hz", 10e6, "F0 10.0000000"),
        (3, "frequency_hz", 171_127_603.1, "F3 171.1276031"),
        (1, "frequency_hz", 80_000_000.14, "F1 80.0000001"),
        (1, "frequency_hz", 0.0, "F1 0.0000000"),
        (2, "phase_turns", 0.5, "P2 8192"),
        (2, "phase_turns", 16383 / 16384, "P2 16383"),
        (0, "amplitude", 1.0, "V0 1023"),
        (0, "amplitude", 0.0, "V0 0"),
    ],
)
def test_command(scripted, number, name, value, command):
    unit = scripted(Novatech409B, *OPENING, (command, "OK"))
    setattr(unit.channel(number), name, value)


def test_the_phase_may_run_on(scripted):
    unit = scripted(Novatech409B, *OPENING, ("M n", "OK"), ("M a", "OK"))
    unit.phase_continuous = True
    unit.phase_continuous = False
    with pytest.raises(MisuseError, match="can only be set"):
        _ = unit.phase_continuous


def test_state(scripted):
    table = "\r\n".join([ROW, "FFFFFFFF 3FFF 03FF 0 0", ROW, ROW, STATUS])
    unit = scripted(Novatech409B, *OPENING, *[("QUE", table)] * 4)
    assert unit.identity == STATUS
    assert unit.channel(0).frequency_hz == pytest.approx(1e6, abs=1e-6)
    assert unit.channel(0).phase_turns == 0.5
    assert unit.channel(2).amplitude == pytest.approx(501 / 1023)
    highest = unit.states()[1]
    assert highest.frequency_hz == pytest.approx((2**32 - 1) / 10)
    assert (highest.phase_turns, highest.amplitude) == (16383 / 16384, 1.0)


@pytest.mark.parametrize("row", ["", "OK", "00989680 2000", "00989680 4000 0 0", "x y z w"])
def test_a_state_that_is_none(scripted, row):
    unit = scripted(Novatech409B, *OPENING, ("QUE", "\r\n".join([ROW, row, ROW, ROW, STATUS])))
    with pytest.raises(UnexpectedReplyError, match="QUE"):
        unit.states()


@pytest.mark.parametrize(("reply", "meaning"), [("?1", "bad frequency"), ("?z", "no answer")])
def test_a_refused_command_is_an_error(scripted, reply, meaning):
    unit = scripted(Novatech409B, *OPENING, ("F0 10.0000000", reply))
    with pytest.raises(InstrumentFaultError, match=rf"{meaning}.*F0 10\.0000000") as caught:
        unit.channel(0).frequency_hz = 10e6
    assert caught.value.reply == reply


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequency_hz", 171_127_603.3),
        ("frequency_hz", -0.2),
        ("frequency_hz", float("nan")),
        ("phase_turns", 1.0),
        ("amplitude", 1.001),
    ],
)
def test_values_that_the_unit_does_not_take(scripted, name, value):
    output = scripted(Novatech409B, *OPENING).channel(1)
    with pytest.raises(ValueOutOfRangeError, match=name):
        setattr(output, name, value)


def test_something_else_answers(scripted):
    with pytest.raises(IdentityMismatchError, match="Novatech409B expected"):
        scripted(Novatech409B, ("E d", ""), ("QUE", "\r\n".join("hello")))


# ---- the driver on the simulated unit --------------------------------------------------


def test_opens_with_and_without_echo():
    for echo in (True, False):
        with joined(Novatech409B, generator(echo=echo), SERIAL) as unit:
            assert unit.identity == STATUS
            assert unit.channel(0).frequency_hz == 10e6


def test_drives_the_shifter():
    shifter = Calls()
    device = generator(shifter, frequency_hz=80e6)
    assert shifter.last == ("drive", 0, 80e6, 0.0, 1.0)
    with joined(Novatech409B, device, SERIAL) as unit:
        unit.channel(1).frequency_hz = 79_999_999.9
        call, t_ns, frequency_hz, turns, amplitude = shifter.last
        assert (call, turns, amplitude) == ("drive", 0.0, 1.0)
        assert frequency_hz == pytest.approx(79_999_999.9, abs=1e-3)
        assert t_ns > 0
        unit.channel(1).amplitude = 0.0
        unit.channel(1).phase_turns = 0.25
        assert shifter.last[3:] == (0.25, 0.0)


_outputs = settable(Output.__new__(Output))


@settings(max_examples=30)
@given(st.data())
def test_what_is_set_is_read(data):
    name = data.draw(st.sampled_from(sorted(_outputs)))
    value = data.draw(values_of(_outputs[name]))
    number = data.draw(st.integers(0, 3))
    with joined(Novatech409B, generator(), SERIAL) as unit:
        setattr(unit.channel(number), name, value)
        read = getattr(unit.channel(number), name)
        assert abs(read - value) <= 0.5001 * _outputs[name].step


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("F0 172.0000000", "?1"),
        ("F0 ten", "?1"),
        ("F0 10", "?1"),
        ("P0 16384", "?4"),
        ("V0 -1", "?7"),
        ("M x", "?6"),
        ("F4 10.0", "?0"),
        ("HELLO", "?0"),
        ("F0 " + "1" * 60 + ".0 0", "?3"),
    ],
)
def test_the_unit_refuses(command, reply):
    with joined(Novatech409B, generator(), SERIAL) as unit:
        assert unit.ask(command) == reply


def test_the_unit_takes_an_amplitude_that_is_too_high():
    with joined(Novatech409B, generator(), SERIAL) as unit:
        assert unit.ask("V0 1024") == "OK"


def test_silence_and_garbage():
    device = generator()
    with joined(Novatech409B, device, SERIAL) as unit:
        device.faults.silent(times=1)
        with pytest.raises(ResponseTimeoutError, match="no answer"):
            unit.channel(0).amplitude = 0.5
        device.faults.garbage(times=1)
        with pytest.raises((UnexpectedReplyError, InstrumentFaultError)):
            unit.channel(0).amplitude = 0.5
        unit.channel(0).amplitude = 0.5
        assert unit.channel(0).amplitude == pytest.approx(0.5, abs=1e-3)
