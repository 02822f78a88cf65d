from __future__ import annotations

import os
import socket
import sys
import threading
import time

import pytest

from drivers.core import (
    CommunicationError,
    ConnectionLostError,
    LineSettings,
    NoConnectionError,
    ResponseTimeoutError,
)
from drivers.core.serial_line import SerialTransport, is_serial_address, serial_connector
from drivers.core.transport import Transport

LINE = LineSettings(timeout_s=0.3)


class Far:
    """The far end of a line: says what it is told to, and remembers what it heard."""

    def __init__(self, send, receive, hang_up):
        self.send, self.hang_up = send, hang_up
        self._receive = receive

    def heard(self, count):
        data = b""
        while len(data) < count:
            data += self._receive(count - len(data))
        return data


@pytest.fixture(params=["socket", "pty"])
def ends(request):
    """Return a transport and the far end of its line; pyserial's sockets do where no ptys are."""
    if request.param == "socket":
        server = socket.create_server(("127.0.0.1", 0))
        address = f"socket://127.0.0.1:{server.getsockname()[1]}"
        accepted = []
        waiting = threading.Thread(target=lambda: accepted.append(server.accept()[0]))
        waiting.start()
        transport = serial_connector(address, LINE)
        waiting.join()
        far = accepted[0]
        yield transport, Far(far.sendall, far.recv, far.close)
        transport.close()
        far.close()
        server.close()
        return
    if sys.platform == "win32":
        pytest.skip("there are no pseudo-terminals on Windows")
    import tty

    master, slave = os.openpty()
    tty.setraw(slave)
    transport = SerialTransport(os.ttyname(slave), LINE)
    yield (
        transport,
        Far(
            lambda data: os.write(master, data),
            lambda count: os.read(master, count),
            lambda: os.close(master),
        ),
    )
    transport.close()
    os.close(slave)
    if "hang" not in request.node.name:
        os.close(master)


def test_lines_and_counts(ends):
    line, far = ends
    assert isinstance(line, Transport)
    line.write(b"N?\n")
    assert far.heard(3) == b"N?\n"
    far.send(b"one\r\ntwo\r\n" + bytes(range(256)) + b"rest")
    assert line.read_until(b"\r\n") == b"one\r\n"
    assert line.read_until(b"\r\n") == b"two\r\n"
    assert line.read_exactly(256) == bytes(range(256))
    assert line.read_exactly(4) == b"rest"


def test_a_half_line_is_kept_by_the_time_out(ends):
    line, far = ends
    far.send(b"half")
    before = time.monotonic()
    with pytest.raises(ResponseTimeoutError, match=r"within 0\.3 s") as caught:
        line.read_until(b"\n")
    assert caught.value.partial == b"half"
    assert time.monotonic() - before >= 0.29
    far.send(b"too few")
    with pytest.raises(ResponseTimeoutError) as caught:
        line.read_exactly(8)
    assert caught.value.partial == b"too few"
    far.send(b"next\n")
    assert line.read_until(b"\n") == b"next\n"


def test_what_is_there_is_read_without_waiting(ends):
    line, far = ends
    assert line.read_available() == b""
    assert line.read_available(0.05) == b""
    sent = bytes(range(256)) * 4
    far.send(sent)
    got = b""
    for _ in range(100):
        got += line.read_available(0.3)
        if len(got) >= len(sent):
            break
    assert got == sent
    assert line.timeout_s == 0.3
    far.send(b"later\n")
    assert line.read_until(b"\n") == b"later\n"


def test_waiting_for_the_first_byte_ends_when_it_comes(ends):
    line, far = ends
    threading.Timer(0.05, lambda: far.send(b"x")).start()
    before = time.monotonic()
    assert line.read_available(5.0) == b"x"
    assert time.monotonic() - before < 4.0


def test_clearing_drops_what_came(ends):
    line, far = ends
    far.send(b"old\n")
    time.sleep(0.05)
    line.clear()
    far.send(b"new\n")
    assert line.read_until(b"\n") == b"new\n"


def test_the_time_out_can_be_changed(ends):
    line, _ = ends
    line.timeout_s = 0.05
    assert line.timeout_s == 0.05
    before = time.monotonic()
    with pytest.raises(ResponseTimeoutError):
        line.read_exactly(1)
    assert time.monotonic() - before < 0.29


def test_a_serial_line_has_no_status_byte_and_no_trigger(ends):
    line, _ = ends
    with pytest.raises(CommunicationError, match="no status byte"):
        line.status_byte()
    with pytest.raises(CommunicationError, match="no trigger"):
        line.trigger()


def test_a_hang_up_is_a_lost_connection(ends):
    line, far = ends
    far.hang_up()
    time.sleep(0.02)
    with pytest.raises(ConnectionLostError, match="the line broke"):
        line.read_until(b"\n")
    with pytest.raises(ConnectionLostError):
        line.read_available(0.1)


def test_a_closed_port_is_lost(ends):
    line, _ = ends
    line.close()
    line.close()
    for act in (
        lambda: line.write(b"x"),
        lambda: line.read_until(b"\n"),
        lambda: line.read_exactly(1),
        lambda: line.read_available(),
    ):
        with pytest.raises(ConnectionLostError):
            act()


@pytest.mark.skipif(sys.platform == "win32", reason="no ptys; Windows opens ports once anyway")
def test_a_port_in_use_is_not_shared():
    master, slave = os.openpty()
    first = serial_connector(os.ttyname(slave), LINE)
    try:
        with pytest.raises(NoConnectionError, match="cannot be opened"):
            serial_connector(os.ttyname(slave), LINE)
    finally:
        first.close()
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(
    "address", ["ASRL/dev/tty-that-is-not-there::INSTR", "socket://127.0.0.1:9", "socket://nowhere"]
)
def test_nothing_at_the_address(address):
    with pytest.raises(NoConnectionError) as caught:
        serial_connector(address, LINE)
    assert caught.value.address == address


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("ASRL3::INSTR", True),
        ("asrl/dev/ttyUSB0::instr", True),
        ("/dev/ttyACM0", True),
        ("COM12", True),
        ("socket://10.0.0.5:4001", False),
        ("rfc2217://10.0.0.5:4001", False),
        ("GPIB0::7::INSTR", False),
        ("TCPIP0::10.0.0.5::5025::SOCKET", False),
        ("USB0::1::2::3::INSTR", False),
        ("COMX", False),
    ],
)
def test_which_addresses_are_serial(address, is_one):
    assert is_serial_address(address) is is_one


def test_visa_names_of_ports(monkeypatch):
    import serial

    asked = []

    def refuse(name, **settings):
        asked.append((name, settings["baudrate"], settings["parity"], settings["xonxoff"]))
        raise serial.SerialException("not here")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    settings = LineSettings(baud_rate=19200, parity="odd", flow_control="xon_xoff")
    for address in ("ASRL3::INSTR", "ASRL/dev/ttyUSB0::INSTR", "COM4"):
        with pytest.raises(NoConnectionError):
            serial_connector(address, settings)
    assert asked == [
        ("COM3", 19200, "O", True),
        ("/dev/ttyUSB0", 19200, "O", True),
        ("COM4", 19200, "O", True),
    ]
