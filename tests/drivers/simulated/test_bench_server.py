"""The bench in real time behind TCP and pseudo-terminals."""

import socket
import sys
import threading
import time

import pytest
import pyvisa
import serial
from simulated_examples import Console, Generator, Rubidium, Tagger

from drivers.core.errors import MisuseError
from drivers.simulated.pty import serve_pty
from drivers.simulated.server import Server
from drivers.simulated.tcp import serve_tcp
from drivers.simulated.time import RealTime

no_terminals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


@pytest.fixture
def bench_time():
    return RealTime()


@pytest.fixture
def server(bench_time):
    before = threading.active_count()
    with Server(bench_time) as running:
        yield running
    assert threading.active_count() == before


@pytest.fixture
def device(bench_time):
    return Generator("gen", bench_time, {})


def connect(address):
    link = socket.create_connection(address, timeout=5)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def line_of(link, end=b"\n"):
    data = b""
    while not data.endswith(end):
        more = link.recv(1 << 16)
        assert more, f"closed after {data!r}"
        data += more
    return data


def received(link, count):
    data = b""
    while len(data) < count:
        more = link.recv(1 << 16)
        assert more, f"closed after {data!r}"
        data += more
    return data


def test_a_plain_socket_asks_and_is_answered(server, device):
    host, number = serve_tcp(server, device.port("socket"))
    assert host == "127.0.0.1"
    assert number > 0
    with connect((host, number)) as link:
        link.sendall(b"*IDN?\n")
        assert line_of(link) == b"ACME,G2,SN1,1.0\n"
        link.sendall(b"FRE")
        link.sendall(b"Q 5;FREQ?\nFUNC?\n")
        assert received(link, 20) == b"+5.00000000E+00\nSIN\n"


def test_answers_take_the_device_s_time(server, device):
    address = serve_tcp(server, device.port("socket"))
    with connect(address) as link:
        start = time.monotonic()
        link.sendall(b"MEAS:VOLT?\n")
        assert line_of(link) == b"+1.00000000E+00\n"
        assert time.monotonic() - start >= 1.0


def test_several_clients_share_the_device_and_not_their_buffers(server, device):
    address = serve_tcp(server, device.port("socket"))
    links = [connect(address) for _ in range(5)]
    for number, link in enumerate(links):
        link.sendall(b"FREQ %d;*OPC?\nFRE" % (number + 1))
        assert line_of(link) == b"1\n"
    for link in links:
        link.sendall(b"Q?\n")
    answers = {line_of(link) for link in links}
    assert answers == {b"+5.00000000E+00\n"}
    for link in links:
        link.close()
    deadline = time.monotonic() + 5
    while device.sessions and time.monotonic() < deadline:
        time.sleep(0.01)
    assert device.sessions == []


def test_large_blocks_cross_tcp(server, device):
    address = serve_tcp(server, device.port("socket"))
    payload = bytes(range(256)) * 8192
    block = b"#72097152" + payload
    with connect(address) as link:
        link.sendall(b"DATA " + block + b"\n")
        link.sendall(b"DATA?\n")
        data = bytearray()
        while len(data) < len(block) + 1:
            data += link.recv(1 << 20)
    assert bytes(data) == block + b"\n"


def test_a_client_that_does_not_read_is_not_read_either(server, device):
    """Its requests stay in its own buffers, and other clients go on."""
    device.memory = bytes(1 << 16)
    address = serve_tcp(server, device.port("socket"))
    with connect(address) as deaf, connect(address) as link:
        deaf.settimeout(0.5)
        with pytest.raises(TimeoutError):
            for _ in range(1000):  # 100 MB of requests for 6.5 GB
                deaf.sendall((b"DATA?" + b" " * 994 + b"\n") * 100)
        link.sendall(b"FUNC?\n")
        assert line_of(link) == b"SIN\n"


def test_a_stream_arrives_as_time_passes(server, bench_time):
    address = serve_tcp(server, Tagger("tag", bench_time, {}).port("serial"))
    with connect(address) as link:
        start = time.monotonic()
        link.sendall(b"go;")
        data = b""
        while len(data) < 200:
            data += link.recv(1000)
        assert time.monotonic() - start >= 0.049
        numbers = [int.from_bytes(data[i : i + 4], "little") for i in range(0, 200, 4)]
        assert numbers == list(range(1, 51))
        link.sendall(b"stop;*IDN?\r\n")
        assert line_of(link).endswith(b"Tagger\r\n")


def test_a_device_that_hangs_up_closes_the_connection(server, device):
    address = serve_tcp(server, device.port("socket"))
    with connect(address) as link:
        device.faults.hang_up()
        link.sendall(b"*IDN?\n")
        assert link.recv(100) == b""
    with connect(address) as link:
        link.sendall(b"FUNC?\n")
        assert line_of(link) == b"SIN\n"
    device.faults.hang_up(for_good=True)
    with connect(address) as link:
        link.sendall(b"*IDN?\n")
        assert link.recv(100) == b""
    with connect(address) as link:
        assert link.recv(100) == b""


def test_closing_the_server_closes_everything(bench_time):
    device = Generator("gen", bench_time, {})
    server = Server(bench_time)
    address = serve_tcp(server, device.port("socket"))
    with connect(address) as link:
        link.sendall(b"FUNC?\n")
        assert line_of(link) == b"SIN\n"
        server.close()
        server.close()
        assert link.recv(100) == b""
    with pytest.raises(OSError):
        connect(address)
    assert device.sessions == []
    with pytest.raises(MisuseError, match="closed"):
        serve_tcp(server, device.port("socket"))


def test_what_cannot_be_served(server, device):
    with pytest.raises(MisuseError, match="gpib port cannot be served"):
        serve_tcp(server, device.port("gpib"))
    _, taken = serve_tcp(server, device.port("socket"))
    with pytest.raises(MisuseError, match="cannot listen"):
        serve_tcp(server, device.port("socket"), tcp_port=taken)


def test_too_many_clients_are_turned_away(server, device, monkeypatch):
    monkeypatch.setattr("drivers.simulated.server._CONNECTION_LIMIT", 2)
    address = serve_tcp(server, device.port("socket"))
    with connect(address) as one, connect(address) as two, connect(address) as three:
        assert three.recv(10) == b""
        for link in (one, two):
            link.sendall(b"FUNC?\n")
            assert line_of(link) == b"SIN\n"


def test_pyvisa_py_talks_to_a_served_socket(server, device):
    host, number = serve_tcp(server, device.port("socket"))
    manager = pyvisa.ResourceManager("@py")
    unit = manager.open_resource(
        f"TCPIP::{host}::{number}::SOCKET", read_termination="\n", write_termination="\n"
    )
    assert unit.query("*IDN?") == "ACME,G2,SN1,1.0"
    unit.write_binary_values("DATA ", list(range(1000)), datatype="H")
    assert unit.query_binary_values("DATA?", datatype="H") == list(range(1000))
    unit.close()
    manager.close()


def test_pyserial_talks_to_a_served_serial_line_over_tcp(server, bench_time):
    host, number = serve_tcp(server, Rubidium("rb", bench_time, {}).port("serial"))
    with serial.serial_for_url(f"socket://{host}:{number}", timeout=5) as line:
        line.write(b"SF-12\rSF?\r")
        assert line.read_until(b"\r") == b"-12\r"


@no_terminals
def test_pyserial_talks_to_a_pseudo_terminal(server, bench_time):
    path = serve_pty(server, Console("con", bench_time, {}).port("serial"))
    for _ in range(2):  # the session outlives the program that opened the terminal
        with serial.Serial(path, 115200, timeout=5) as line:
            line.write(b"ver\r\n")
            assert line.read_until(b"> ") == b"ver\r\n1.0\r\nDone\r\n> "


@no_terminals
def test_pyvisa_py_talks_to_a_pseudo_terminal(server, device):
    path = serve_pty(server, device.port("serial"))
    manager = pyvisa.ResourceManager("@py")
    unit = manager.open_resource(f"ASRL{path}::INSTR", read_termination="\r\n")
    assert unit.query("FREQ 5;FREQ?") == "+5.00000000E+00"
    unit.close()
    manager.close()


@no_terminals
def test_binary_streams_cross_a_pseudo_terminal_unchanged(server, bench_time):
    path = serve_pty(server, Tagger("tag", bench_time, {}).port("serial"))
    with serial.Serial(path, timeout=5) as line:
        line.write(b"go;")
        data = line.read(4 * 300)
    numbers = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    assert numbers == list(range(1, 301))


def test_a_serial_line_is_as_slow_as_its_baud_rate(server, bench_time):
    address = serve_tcp(server, Rubidium("rb", bench_time, {}).port("serial"))
    with connect(address) as link:
        start = time.monotonic()
        link.sendall(b"SF?\r" * 100)
        data = b""
        while len(data) < 200:
            data += link.recv(1000)
        assert time.monotonic() - start >= 600 * 10 / 9600  # 400 bytes there, then 200 back
