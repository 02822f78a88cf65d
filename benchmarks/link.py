"""The line between two parties on this machine: `python -m benchmarks.link`.

Two processes over loopback TCP. Beside each figure of the line stands the same exchange
over bare ZeroMQ sockets, which neither number nor acknowledge nor resume.
"""

from __future__ import annotations

import subprocess
import sys
import time

import zmq

from benchmarks.rows import Row, table
from qlab.link import Line, connect, listen

SMALL, MANY, TURNS = 100, 50_000, 5_000
LARGE, LARGES = 16_000_000, 12
#: What a link at 115.8 Mb/s of secret key may need in one direction: a seed of the modular
#: hash is twice as long as its key, which itself is longer than the secret.
WANTED_MBPS = 1000.0


def answer(line: Line) -> None:
    """Be the other end: take all, say so, then echo."""
    for _ in range(MANY):
        line.receive()
    line.send(b"")
    for _ in range(TURNS):
        line.send(line.receive())
    for _ in range(LARGES):
        line.receive()
    line.send(b"")


def bare_answer(socket: zmq.Socket[bytes]) -> None:
    for _ in range(MANY):
        socket.recv()
    socket.send(b"")
    for _ in range(TURNS):
        socket.send(socket.recv())
    for _ in range(LARGES):
        socket.recv()
    socket.send(b"")


def measured(send: object, receive: object) -> tuple[float, float, float]:
    """Return messages a second one way, turns a second, and Mb/s of large messages."""
    assert callable(send) and callable(receive)
    small, large = bytes(SMALL), bytes(LARGE)
    began = time.perf_counter()
    for _ in range(MANY):
        send(small)
    receive()
    one_way = MANY / (time.perf_counter() - began)
    began = time.perf_counter()
    for _ in range(TURNS):
        send(small)
        receive()
    turns = TURNS / (time.perf_counter() - began)
    began = time.perf_counter()
    for _ in range(LARGES):
        send(large)
    receive()
    rate = 8e-6 * LARGE * LARGES / (time.perf_counter() - began)
    return one_way, turns, rate


def child(kind: str, port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "benchmarks.link", kind, str(port)])


def line_figures() -> tuple[float, float, float]:
    with listen("0") as line, child("line", line.port) as other:
        line.open().trust()
        found = measured(line.send, line.receive)
        line.close()
        other.wait()
    return found


def bare_figures() -> tuple[float, float, float]:
    with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        with child("bare", port) as other:
            socket.poll(10_000, zmq.POLLOUT)
            found = measured(socket.send, socket.recv)
            other.wait()
    return found


def rows() -> list[Row]:
    ours, bare = line_figures(), bare_figures()
    names = (
        ("line, 100 B one way", "messages/s", None),
        ("line, 100 B there and back", "turns/s", None),
        ("line, 16 MB one way", "Mb/s", WANTED_MBPS),
    )
    return [
        Row(name, figure, unit, figure / beside, "bare ZeroMQ", target)
        for (name, unit, target), figure, beside in zip(names, ours, bare, strict=True)
    ]


def main() -> None:
    if len(sys.argv) < 3:
        print(table(rows()))
    elif sys.argv[1] == "line":
        with connect(sys.argv[2]) as line:
            line.open().trust()
            answer(line)
    else:
        with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
            socket.connect(f"tcp://127.0.0.1:{sys.argv[2]}")
            bare_answer(socket)


if __name__ == "__main__":
    main()
