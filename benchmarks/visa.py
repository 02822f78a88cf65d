"""How fast the simulated bench's VISA library is: queries and binary data.

Run as ``python -m benchmarks.visa``. Rates are the best of some rounds; the
device keeps virtual time, so only the program's own work is measured. The peer is
pyvisa-py over TCP to the same device, in real time; blocks are held against a copy.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pyvisa

from benchmarks.rows import Row, table
from drivers.simulated.scpi import Block, Number, ScpiDevice, Setting, block, command, query
from drivers.simulated.scpi.replies import BlockReply
from drivers.simulated.server import Server
from drivers.simulated.tcp import serve_tcp
from drivers.simulated.time import RealTime, VirtualTime
from drivers.simulated.visa_library import SimulatedVisaLibrary

ROUNDS = 20
QUERIES = 2_000
PAYLOAD = bytes(range(256)) * (8_000_000 // 256)


class Unit(ScpiDevice):
    """A frequency and a memory."""

    connectors = ("usb", "socket")
    bytes_per_s = {}
    latency_s = 0.0
    memory: bytes = PAYLOAD

    frequency = Setting("[SOURce[1|2]]:FREQuency", Number("HZ", 1.0, 1e9, 1e3))

    @command("DATA", Block())
    def take(self, payload: memoryview) -> None:
        self.memory = bytes(payload)

    @query("DATA?")
    def give(self) -> BlockReply:
        return block(self.memory)


def best(work: Callable[[], None]) -> float:
    """Return the shortest of some runs in seconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def rows() -> list[Row]:
    peer = tcp_queries_per_s()
    bench = VirtualTime()
    device = Unit("unit", bench, {})
    manager = pyvisa.ResourceManager(
        SimulatedVisaLibrary({"USB::1::2::3": device.port("usb")}, bench)
    )
    unit = manager.open_resource("USB::1::2::3", write_termination="", chunk_size=1 << 24)
    library, session = unit.visalib, unit.session

    def low() -> None:
        for _ in range(QUERIES):
            library.write(session, b"FREQ?")
            library.read(session, 1 << 20)

    def high() -> None:
        for _ in range(QUERIES):
            unit.query("FREQ?")

    def sets() -> None:
        for number in range(QUERIES):
            library.write(session, b"SOUR2:FREQ %d" % (number + 1))

    def write_block() -> None:
        library.write(session, message)

    def read_block() -> None:
        library.write(session, b"DATA?")
        library.read(session, 1 << 24)

    def write_values() -> None:
        unit.write_binary_values("DATA ", PAYLOAD, datatype="B")

    def read_raw() -> None:
        unit.write("DATA?")
        unit.read_raw()

    message = b"DATA #8%08d" % len(PAYLOAD) + PAYLOAD
    copying = best(lambda: bytearray(PAYLOAD))
    found = []
    for name, work in (
        ("query, library", low),
        ("query, pyvisa", high),
        ("set, library", sets),
    ):
        rate = QUERIES / best(work)
        found.append(Row(f"bench: {name}", rate, "1/s", rate / peer, "pyvisa-py, TCP"))
    for name, work in (
        ("8 MB block written, library", write_block),
        ("8 MB block read, library", read_block),
        ("write_binary_values of bytes, pyvisa", write_values),
        ("read_raw, pyvisa", read_raw),
    ):
        took = best(work)
        rate = len(PAYLOAD) / took / 1e6
        found.append(Row(f"bench: {name}", rate, "MB/s", copying / took, "a copy in memory"))
    manager.close()
    return found


def tcp_queries_per_s() -> float:
    bench = RealTime()
    device = Unit("unit", bench, {})
    with Server(bench) as server:
        host, number = serve_tcp(server, device.port("socket"))
        manager = pyvisa.ResourceManager("@py")
        unit = manager.open_resource(
            f"TCPIP::{host}::{number}::SOCKET", read_termination="\n", write_termination="\n"
        )

        def queries() -> None:
            for _ in range(QUERIES // 4):
                unit.query("FREQ?")

        rate = QUERIES / 4 / best(queries)
        unit.close()
        manager.close()
    return rate


if __name__ == "__main__":
    print(table(rows()))
