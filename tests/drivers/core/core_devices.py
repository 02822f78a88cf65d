"""A small instrument on every connector, and a transport without any, for the core's tests."""

from __future__ import annotations

from collections.abc import Callable

import pyvisa

from drivers.core.errors import ResponseTimeoutError
from drivers.core.visa import visa_connector
from drivers.simulated.device import SerialLine
from drivers.simulated.line import LineDevice, line
from drivers.simulated.time import VirtualTime
from drivers.simulated.visa_library import SimulatedVisaLibrary

ADDRESSES = {
    "gpib": "GPIB0::7::INSTR",
    "usb": "USB0::0x0957::0x1907::MY1::INSTR",
    "lan": "TCPIP0::10.0.0.5::inst0::INSTR",
    "socket": "TCPIP0::10.0.0.5::5025::SOCKET",
    "serial": "ASRL3::INSTR",
}


class Slate(LineDevice):
    """Writes down what it is told and repeats it."""

    connectors = ("gpib", "usb", "lan", "socket", "serial")
    serial = SerialLine(9600, reply_end=b"\n")
    reply_end = b"\n"
    line_ends = b"\n"

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.heard = []
        self.triggers = 0
        self.asked = 0

    @line(r"\*IDN\?")
    def identity(self):
        return "ACME,Slate,1,1"

    @line(r"N\?")
    def number(self):
        self.asked += 1
        return str(self.asked)

    @line("SAY (.*)")
    def say(self, text):
        self.heard.append(text)

    @line(r"SAID\?")
    def said(self):
        return ",".join(self.heard)

    @line(r"BLOCK (\d+)\?")
    def block(self, count):
        return b"#6%06d" % int(count) + bytes(i % 256 for i in range(int(count))) + b"\n"

    @line(r"HALF\?")
    def half(self):
        return b"no line end"

    def status(self, session):
        return 0x20

    def triggered(self, session, t_ns):
        self.triggers += 1


class Wired:
    """A Slate behind a VISA library of its own."""

    def __init__(self):
        self.time = VirtualTime()
        self.device = Slate("slate", self.time, {})
        ports = {address: self.device.port(kind) for kind, address in ADDRESSES.items()}
        self.manager = pyvisa.ResourceManager(SimulatedVisaLibrary(ports, self.time))
        self.connect = visa_connector(self.manager)


class Wire:
    """A transport that plays what a function says to each thing written."""

    def __init__(self, answer: Callable[[bytes], bytes] = lambda data: b""):
        self.address = "WIRE"
        self.timeout_s = 1.0
        self.answer = answer
        self.sent = []
        self.calls = []
        self.incoming = b""
        self.closed = 0

    def write(self, data):
        self.sent.append(data)
        self.incoming += self.answer(data)

    def _take(self, count):
        taken, self.incoming = self.incoming[:count], self.incoming[count:]
        return taken

    def read_until(self, end):
        at = self.incoming.find(end)
        if at < 0:
            raise ResponseTimeoutError("nothing complete", partial=self._take(1 << 30))
        return self._take(at + len(end))

    def read_exactly(self, count):
        if len(self.incoming) < count:
            raise ResponseTimeoutError("nothing complete", partial=self._take(1 << 30))
        return self._take(count)

    def read_available(self, wait_s=0.0):
        return self._take(1 << 30)

    def status_byte(self):
        return 0x44

    def clear(self):
        self.calls.append("clear")
        self.incoming = b""

    def trigger(self):
        self.calls.append("trigger")

    def close(self):
        self.closed += 1
