"""The raw socket transport against a server that does what it is told."""

import contextlib
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.core.errors import (
    CommunicationError,
    ConnectionLostError,
    NoConnectionError,
    ResponseTimeoutError,
)
from drivers.core.link import LineSettings, Link
from drivers.core.socket_line import SocketTransport, is_socket_address, socket_connector

LINE = LineSettings(timeout_s=0.2)


@contextlib.contextmanager
def connected(line=LINE):
    """Yield a transport and the far end of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"TCPIP0::127.0.0.1::{server.getsockname()[1]}::SOCKET"
        transport = SocketTransport(address, line)
        far, _ = server.accept()
        try:
            with far:
                yield transport, far
        finally:
            transport.close()


def test_addresses():
    assert is_socket_address("TCPIP0::192.168.0.1::5025::SOCKET")
    assert is_socket_address("tcpip::lab.example::5025::socket")
    assert is_socket_address("socket://127.0.0.1:5025")
    for other in ("TCPIP0::192.168.0.1::inst0::INSTR", "ASRL3::INSTR", "/dev/ttyUSB0", ""):
        assert not is_socket_address(other)


@pytest.mark.parametrize("shape", ["TCPIP0::127.0.0.1::{}::SOCKET", "socket://127.0.0.1:{}"])
def test_nobody_there(shape):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NoConnectionError, match="refused"):
        socket_connector(shape.format(port), LINE)


@pytest.mark.parametrize("address", ["TCPIP0::127.0.0.1::99999::SOCKET", "nonsense"])
def test_addresses_that_are_none(address):
    with pytest.raises(NoConnectionError):
        SocketTransport(address, LINE)


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=10))
def test_the_stream_is_cut_where_it_is_asked_for(data, counts):
    with connected() as (transport, far):
        far.sendall(data + b"\n")
        stream = data + b"\n"
        for count in counts:
            if count <= len(stream):
                assert transport.read_exactly(count) == stream[:count]
                stream = stream[count:]
        while stream:
            line, end, stream = stream.partition(b"\n")
            assert transport.read_until(b"\n") == line + end


def test_an_end_that_arrives_in_two_pieces():
    with connected(LineSettings(timeout_s=5.0)) as (transport, far):
        far.sendall(b"abc\r")
        later = threading.Timer(0.05, far.sendall, (b"\nrest",))
        later.start()
        assert transport.read_until(b"\r\n") == b"abc\r\n"
        assert transport.read_exactly(4) == b"rest"
        later.join()


def test_bytes_go_out():
    with connected() as (transport, far):
        data = bytes(range(256)) * 20_000
        received = bytearray()

        def take():
            while len(received) < len(data):
                received.extend(far.recv(1 << 16))

        taker = threading.Thread(target=take)
        taker.start()
        transport.write(data)
        taker.join(10.0)
        assert received == data


def test_a_reply_that_is_not_complete_is_kept():
    with connected() as (transport, far):
        far.sendall(b"half")
        with pytest.raises(ResponseTimeoutError) as caught:
            transport.read_until(b"\n")
        assert caught.value.partial == b"half"
        far.sendall(b"abc")
        with pytest.raises(ResponseTimeoutError) as caught:
            transport.read_exactly(4)
        assert caught.value.partial == b"abc"


def test_what_is_there_and_what_is_not():
    with connected() as (transport, far):
        assert transport.read_available() == b""
        far.sendall(b"x" * 200_000)
        got = b""
        while len(got) < 200_000:
            got += transport.read_available(1.0)
        assert got == b"x" * 200_000
        start = time.monotonic()
        assert transport.read_available(0.05) == b""
        assert time.monotonic() - start >= 0.049


def test_clearing_drops_the_input():
    with connected() as (transport, far):
        far.sendall(b"old\n")
        assert transport.read_exactly(1) == b"o"
        time.sleep(0.05)
        transport.clear()
        far.sendall(b"new\n")
        assert transport.read_until(b"\n") == b"new\n"


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.read_until(b"\n"),
        lambda t: t.read_exactly(1),
        lambda t: t.read_available(1.0),
        lambda t: t.clear(),
    ],
)
def test_a_far_end_that_closes(call):
    with connected(LineSettings(timeout_s=5.0)) as (transport, far):
        far.close()
        time.sleep(0.02)
        with pytest.raises(ConnectionLostError, match="far end has closed"):
            call(transport)


def test_writing_to_a_far_end_that_has_gone():
    with connected() as (transport, far):
        far.close()
        with pytest.raises(ConnectionLostError):
            for _ in range(100):
                transport.write(b"x" * 1000)
                time.sleep(0.001)


def test_a_socket_has_neither_status_nor_trigger():
    with connected() as (transport, _):
        with pytest.raises(CommunicationError, match="no status byte"):
            transport.status_byte()
        with pytest.raises(CommunicationError, match="no trigger"):
            transport.trigger()


def test_closing_twice_does_nothing():
    with connected() as (transport, _):
        transport.close()
        transport.close()


def test_a_link_reconnects_after_a_dropped_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"socket://127.0.0.1:{server.getsockname()[1]}"

        def serve():
            for number in range(2):
                far, _ = server.accept()
                with far:
                    far.recv(100)
                    if number:
                        far.sendall(b"answer\n")

        worker = threading.Thread(target=serve)
        worker.start()
        link = Link("box", address, socket_connector, LineSettings(timeout_s=5.0))
        link.open()
        assert link.query(b"*IDN?") == "answer"
        link.close()
        worker.join(5.0)
