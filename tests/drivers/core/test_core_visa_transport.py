from __future__ import annotations

import pytest
from core_devices import ADDRESSES
from pyvisa.constants import ControlFlow, Parity, ResourceAttribute, StatusCode, StopBits
from pyvisa.errors import VisaIOError

from drivers.core import (
    CommunicationError,
    ConnectionLostError,
    LineSettings,
    NoConnectionError,
    ResponseTimeoutError,
)
from drivers.core.transport import Transport
from drivers.core.visa import VisaTransport

LINE = LineSettings(timeout_s=1.0)
ALL = sorted(ADDRESSES)
MESSAGES = ["gpib", "lan", "usb"]
STREAMS = ["serial", "socket"]


@pytest.fixture
def opened(wired):
    transports = []

    def open_one(kind, line=LINE):
        transports.append(wired.connect(ADDRESSES[kind], line))
        return transports[-1]

    yield open_one
    for transport in transports:
        transport.close()


@pytest.mark.parametrize("kind", ALL)
def test_lines_blocks_and_what_is_left(opened, kind):
    line = opened(kind)
    assert isinstance(line, Transport)
    line.write(b"*IDN?\n")
    assert line.read_until(b"\n") == b"ACME,Slate,1,1\n"
    line.write(b"BLOCK 2000?\n")
    assert line.read_exactly(8) == b"#6002000"
    payload = line.read_exactly(2000)
    assert payload == bytes(i % 256 for i in range(2000))
    assert line.read_until(b"\n") == b"\n"
    line.write(b"N?\n")
    assert line.read_available(0.5).strip() == b"1"
    assert line.read_available(0.0) == b""


@pytest.mark.parametrize("kind", ALL)
def test_reading_pieces_of_a_line(opened, kind):
    line = opened(kind)
    line.write(b"*IDN?\n")
    assert line.read_exactly(4) == b"ACME"
    assert line.read_until(b"\n") == b",Slate,1,1\n"


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_messages_end_ends_the_read_without_a_line_end(opened, kind):
    line = opened(kind)
    line.write(b"HALF?\n")
    assert line.read_until(b"\n") == b"no line end"


@pytest.mark.parametrize("kind", STREAMS)
def test_a_half_line_is_kept_by_the_time_out(opened, wired, kind):
    line = opened(kind)
    line.write(b"HALF?\n")
    before = wired.time.now_ns()
    with pytest.raises(ResponseTimeoutError) as caught:
        line.read_until(b"\n")
    assert caught.value.partial == b"no line end"
    assert 0.9 < (wired.time.now_ns() - before) * 1e-9 < 1.2
    line.write(b"N?\n")
    assert line.read_until(b"\n") == b"1\n"


@pytest.mark.parametrize("kind", ALL)
def test_too_few_bytes_are_kept_by_the_time_out(opened, kind):
    line = opened(kind)
    line.write(b"*IDN?\n")
    with pytest.raises(ResponseTimeoutError) as caught:
        line.read_exactly(40)
    assert caught.value.partial == b"ACME,Slate,1,1\n"
    line.write(b"N?\n")
    assert line.read_until(b"\n") == b"1\n"


@pytest.mark.parametrize("kind", ALL)
def test_nothing_comes_in_time(opened, wired, kind):
    line = opened(kind)
    line.timeout_s = 0.25
    assert line.timeout_s == 0.25
    before = wired.time.now_ns()
    with pytest.raises(ResponseTimeoutError, match=r"within 0\.25 s") as caught:
        line.read_until(b"\n")
    assert caught.value.partial == b""
    assert (wired.time.now_ns() - before) * 1e-9 == pytest.approx(0.25, abs=0.01)
    before = wired.time.now_ns()
    assert line.read_available(0.1) == b""
    assert (wired.time.now_ns() - before) * 1e-9 == pytest.approx(0.1, abs=0.01)


def test_a_slow_line_arrives_byte_by_byte(opened, wired):
    line = opened("serial")
    line.write(b"BLOCK 960?\n")
    before = wired.time.now_ns()
    line.read_exactly(960)
    assert (wired.time.now_ns() - before) * 1e-9 == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("kind", ALL)
def test_clearing_drops_what_came(opened, wired, kind):
    line = opened(kind)
    line.write(b"*IDN?\n")
    wired.time.wait_until(wired.time.now_ns() + 100_000_000)
    line.clear()
    line.write(b"N?\n")
    assert line.read_until(b"\n") == b"1\n"


@pytest.mark.parametrize("kind", STREAMS)
def test_clearing_without_the_librarys_help(opened, wired, kind, monkeypatch):
    line = opened(kind)

    def unsupported(session):
        raise VisaIOError(StatusCode.error_nonsupported_operation)

    monkeypatch.setattr(wired.manager.visalib, "clear", unsupported)
    line.write(b"*IDN?\n")
    wired.time.wait_until(wired.time.now_ns() + 100_000_000)
    line.clear()
    line.write(b"N?\n")
    assert line.read_until(b"\n") == b"1\n"


@pytest.mark.parametrize("kind", MESSAGES)
def test_status_byte_and_trigger(opened, wired, kind):
    line = opened(kind)
    assert line.status_byte() == 0x20
    line.trigger()
    assert wired.device.triggers == 1


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_has_neither(opened, kind):
    line = opened(kind)
    with pytest.raises(CommunicationError):
        line.status_byte()
    with pytest.raises(CommunicationError):
        line.trigger()


@pytest.mark.parametrize("kind", ALL)
def test_a_hang_up_is_a_lost_connection(opened, wired, kind):
    line = opened(kind)
    line.write(b"*IDN?\n")
    line.read_until(b"\n")
    wired.device.faults.hang_up()
    with pytest.raises(ConnectionLostError):
        line.write(b"N?\n")
        line.read_until(b"\n")
    again = wired.connect(ADDRESSES[kind], LINE)
    again.write(b"N?\n")
    assert again.read_until(b"\n") == b"1\n"
    again.close()


@pytest.mark.parametrize("kind", ALL)
def test_a_closed_session_is_lost_and_closes_twice(opened, kind):
    line = opened(kind)
    line.close()
    line.close()
    for act in (lambda: line.write(b"N?\n"), lambda: line.read_until(b"\n")):
        with pytest.raises(ConnectionLostError):
            act()


@pytest.mark.parametrize("address", ["GPIB0::9::INSTR", "ASRL9::INSTR", "no address", ""])
def test_nothing_at_the_address(wired, address):
    with pytest.raises(NoConnectionError) as caught:
        wired.connect(address, LINE)
    assert caught.value.address == address
    assert "check the address" in str(caught.value)


def test_the_line_of_a_serial_unit_is_set(wired):
    settings = LineSettings(
        baud_rate=19200, data_bits=7, stop_bits=2, parity="even", flow_control="rts_cts"
    )
    line = wired.connect(ADDRESSES["serial"], settings)
    assert isinstance(line, VisaTransport)
    resource = line._resource
    assert resource.baud_rate == 19200
    assert resource.data_bits == 7
    assert resource.stop_bits == StopBits.two
    assert resource.parity == Parity.even
    assert resource.flow_control == ControlFlow.rts_cts
    assert resource.get_visa_attribute(ResourceAttribute.timeout_value) == 3000
    line.close()


def test_at_a_wrong_baud_rate_nothing_is_understood(opened):
    line = opened("serial", LineSettings(timeout_s=0.5, baud_rate=19200))
    line.write(b"N?\n")
    with pytest.raises(ResponseTimeoutError):
        line.read_until(b"\n")
