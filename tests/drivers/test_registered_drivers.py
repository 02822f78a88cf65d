"""Every registered driver opens its registered simulator, and both bear hard treatment."""

from __future__ import annotations

import functools
import re

import pytest
from driver_bench import LAN, joined
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.core import (
    Instrument,
    InstrumentFaultError,
    ResponseTimeoutError,
    UnexpectedReplyError,
    registry,
)
from drivers.simulated.time import VirtualTime

USB = "USB0::0x0957::0x1907::MY1::INSTR"
SOCKET = "TCPIP0::192.168.1.20::5025::SOCKET"
GPIB = "GPIB0::10::INSTR"

#: Registered names, where they answer, and a command that each takes.
INSTRUMENTS = {
    "keysight-33600a": (LAN, "SOUR1:FREQ 1000"),
    "keysight-53230a": (LAN, "SENS:FREQ:GATE:TIME 0.1"),
    "keysight-n7711a": (LAN, "SOUR1:WAV:AUTO 1"),
    "keysight-n7714a": (LAN, "SOUR1:WAV:AUTO 1"),
    "keysight-n7761a": (LAN, "INP1:ATT 3"),
    "keysight-n7764a": (LAN, "INP1:ATT 3"),
    "keysight-n7762a": (LAN, "INP1:ATT 3"),
    "pendulum-cnt91": (USB, ":ACQ:APER 1"),
    "thorlabs-pm100d": (USB, "SENS:AVER:COUN 3"),
}


def built(name):
    return registry.simulator_class(name)("unit", VirtualTime(), {})


@pytest.fixture(params=sorted(INSTRUMENTS))
def pair(request):
    address, command = INSTRUMENTS[request.param]
    device = built(request.param)
    with joined(registry.driver_class(request.param), device, address) as unit:
        yield unit, device, command


def test_every_driver_can_be_loaded():
    for name in registry.names():
        assert issubclass(registry.driver_class(name), Instrument)


def test_every_simulator_can_be_loaded():
    for name in registry.names(registry.SIMULATORS):
        assert registry.simulator_class(name).connectors


def test_every_driver_has_its_simulator():
    assert registry.names() == registry.names(registry.SIMULATORS)


def test_couplings_name_properties_and_values_that_they_can_have():
    for name in registry.names():
        driver = registry.driver_class(name)
        for kind in (driver, *(kind for kind, _ in driver.channels.values())):
            known = kind.properties()
            for coupled, coupling in kind.couplings.items():
                assert coupled in known
                assert all(known[other].command for other in coupling.moved_by)
                for other, value in coupling.true_while.items():
                    assert known[other].query is not None
                    assert known[other].check(value) == value


def test_a_driver_knows_its_simulator(pair):
    unit, device, command = pair
    unit.tell(command)
    assert unit.identity.endswith(str(device.settings["firmware"]))


@pytest.mark.parametrize("address", [USB, SOCKET, GPIB])
@pytest.mark.parametrize("name", ["keysight-33600a", "keysight-53230a", "keysight-n7764a"])
def test_every_interface_carries_it(name, address):
    with joined(registry.driver_class(name), built(name), address) as unit:
        unit.tell(INSTRUMENTS[name][1])


def test_properties_without_terminals_can_be_read(pair):
    unit, _, _ = pair
    for endpoint in unit.endpoints():
        for name, prop in type(endpoint).properties().items():
            if prop.query is not None and name not in ("power_w",):  # that one needs its head
                getattr(endpoint, name)


def test_silence_is_a_time_out(pair):
    unit, device, _ = pair
    device.faults.silent()
    with pytest.raises(ResponseTimeoutError, match="no answer"):
        unit.identify()


def test_one_lost_reply_is_asked_for_again(pair):
    unit, device, _ = pair
    device.faults.silent(times=1)
    assert unit.identify() == unit.identity


def test_garbage_is_no_number(pair):
    unit, device, command = pair
    device.faults.garbage(matching="ERR")
    with pytest.raises(UnexpectedReplyError):
        unit.tell(command)


def test_an_error_of_the_device_is_raised(pair):
    unit, device, command = pair
    device.faults.report_error(-240, "Hardware error")
    with pytest.raises(InstrumentFaultError, match="Hardware error") as caught:
        unit.tell(command)
    assert caught.value.code == -240
    unit.tell(command)


def test_after_a_hang_up_a_query_finds_its_way_back(pair):
    unit, device, _ = pair
    device.faults.hang_up()
    assert unit.identify() == unit.identity


_WORDS = """
SOUR1 SOUR9 FUNC ARB VOLT OFFS HIGH LOW FREQ DATA DAC VOL CLE INP1 INP8 ATT SPE OUTP STAT POW WAV
ALL UNIT LOAD INIT TRIG READ FETC R CONF TINT SENS CORR RANG AVER SYST ERR *TRG *RST *CLS *OPC? MIN
MAX DEF ON 1 -1 1e99 1e-99 nan inf #18 #0 #9 ( (@1) (@1:9) " ' , ; : ? DBM VPP NM 50HZ abc
"""
_words = st.sampled_from(_WORDS.split())
_messages = st.one_of(
    st.lists(_words, max_size=8).map(lambda words: ":".join(words).encode()),
    st.lists(_words, max_size=8).map(lambda words: " ".join(words).encode()),
    st.binary(max_size=40),
)
_arguments = st.one_of(
    _words,
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(
        ["0", "1", "1e-6", "0.1", "5", "50", "1e9", "1e400", '"a"', "INF", "#12ab", ""]
    ),
)


@functools.cache
def _commands(name):
    """Return what the driver would send, with arguments that it would not."""
    driver = registry.driver_class(name)
    kinds = [driver, *(kind for kind, _ in driver.channels.values())]
    forms = [p.command for kind in kinds for p in kind.properties().values() if p.command]
    return st.builds(
        lambda form, number, value: form.format(channel=number, value=value).encode(),
        st.sampled_from(forms),
        st.sampled_from([1, 2, 3, 9]),
        _arguments,
    )


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_message_breaks_a_device(name, data):
    device = built(name)
    session = device.port("usb").open()
    for message in data.draw(st.lists(st.one_of(_messages, _commands(name)), max_size=8)):
        device.time.wait_until(session.write(message, True))
        while (ready_ns := session.ready_at()) is not None:
            device.time.wait_until(ready_ns)
            session.read(1 << 20)
            if not session.waiting():
                break
    session.clear()
    for message in (b"*CLS", b"*IDN?"):
        device.time.wait_until(session.write(message, True))
    device.time.wait_until(session.ready_at())
    identity = session.read(200).data.decode().strip()
    assert re.fullmatch(registry.driver_class(name).identity_pattern, identity)
