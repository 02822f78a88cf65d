"""Small devices for the tests of the simulated bench's frame."""

import itertools
from collections.abc import Iterator

from drivers.simulated.device import Later, SerialLine
from drivers.simulated.line import LineDevice, line
from drivers.simulated.port import PortSession
from drivers.simulated.scpi import (
    Block,
    Boolean,
    Channels,
    Choice,
    Many,
    Number,
    ScpiDevice,
    ScpiError,
    Setting,
    Text,
    block,
    command,
    exponent,
    query,
)
from drivers.simulated.scpi.replies import BlockReply
from drivers.simulated.time import BenchTime


class Generator(ScpiDevice):
    """A two-channel generator with a memory, a slow measurement and a sweep."""

    connectors = ("gpib", "usb", "lan", "socket", "serial")
    serial = SerialLine(9600, reply_end=b"\r\n")
    maker = "ACME"
    model = "G2"
    default_settings = {"serial_number": "SN1", "ports": 2, "rate": 1.5, "loud": False}
    terminal_names = ("out1", "out2")
    error_depth = 4

    frequency = Setting(
        "[SOURce[1|2]]:FREQuency[:CW]", Number("HZ", 1e-6, 30e6, 1e3), then="retune"
    )
    level = Setting(
        "[SOURce[1|2]]:VOLTage",
        Number("V", -5, lambda device, channel: 5.0 * channel, 0, step=0.001),
        reply=exponent(3, 3),
    )
    shape = Setting("[SOURce[1|2]]:FUNCtion", Choice("SINusoid", "SQUare", "PULSe"))
    state = Setting("OUTPut[1|2]:STATe", Boolean(default=False))
    label = Setting("DISPlay:TEXT", Text(default="hello"))
    count = Setting("SAMPle:COUNt", Number(low=1, high=1_000_000, default=1, integer=True))
    load = Setting("OUTPut[1|2]:LOAD", Number("OHM", 1, 1e4, 50, words={"INFinity": 9.9e37}))

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.memory = b""
        self.points: list[float] = []
        self.retuned: list[int] = []
        self.triggers = 0
        self.readings = itertools.count(1)

    def retune(self, channel: int) -> None:
        self.retuned.append(channel)

    def trigger(self) -> None:
        self.triggers += 1

    @command("DATA", Block())
    def take_data(self, payload: memoryview) -> None:
        self.memory = bytes(payload)

    @query("DATA?")
    def give_data(self) -> BlockReply:
        return block(self.memory)

    @command("DATA:POINts", Text(bare=True), Many(Number("V", -1, 1), or_block=True))
    def take_points(self, name: str, points) -> None:
        self.points = points if isinstance(points, list) else list(bytes(points))

    @query("MEASure[:SCALar]:VOLTage?", Channels(1, 2, optional=True))
    def measure(self, channels) -> Later:
        return Later(self.t_ns + 10**9, lambda: float(next(self.readings)))

    @query("FETCh?")
    def fetch(self) -> Later:
        def stale() -> float:
            raise ScpiError(-230)

        return Later(self.t_ns + 10**6, stale)

    @command("INITiate")
    def initiate(self) -> None:
        self.start_operation(2.5)

    @command("ABORt")
    def abort(self) -> None:
        self.cancel_operation()

    @command("SOURce:SAVE")
    def save(self) -> None:
        self.t_ns += 250_000_000


class Rubidium(LineDevice):
    """Two letters a command, CR both ways, silent about errors."""

    connectors = ("serial",)
    serial = SerialLine(9600, reply_end=b"\r")
    line_ends = b"\r"

    offset = 0

    @line(r"SF(-?\d+)")
    def set_offset(self, parts: str) -> None:
        self.offset = int(parts)

    @line(r"SF\?")
    def get_offset(self) -> str:
        return str(self.offset)

    @line(r"TT\?")
    def time_tag(self) -> Later:
        return Later(self.t_ns + 10**9, lambda: "13")


class Console(LineDevice):
    """Echo, prompt, chained commands, and a complaint about what it does not know."""

    connectors = ("serial", "lan")
    serial = SerialLine(115200, echo=True, prompt=b"> ")
    line_ends = b"\r\n;"

    @line(r"ver")
    def version(self) -> str:
        return "1.0"

    def unknown(self, text: str) -> str:
        return "what?"

    def finish(self, reply):
        return f"{reply}\r\nDone"


class Tagger(LineDevice):
    """A stream of four bytes a millisecond between `go` and `stop`."""

    connectors = ("serial",)
    serial = SerialLine(12_000_000, any_baud=True)
    line_ends = b"\r\n;"
    latency_s = 0.0

    @line(r"\*IDN\?")
    def identity(self) -> str:
        return "Tagger"

    @line(r"go")
    def go(self) -> None:
        self.session.stream(self._stamps(self.t_ns))

    @line(r"stop")
    def stop(self) -> None:
        self.session.stop_stream()

    def _stamps(self, start_ns: int) -> Iterator[Later]:
        for number in itertools.count(1):
            data = number.to_bytes(4, "little")
            yield Later(start_ns + number * 10**6, lambda data=data: data)


def ask(session: PortSession, time: BenchTime, message: bytes, count: int = 1 << 24) -> bytes:
    """Write, wait, read; b"" if nothing comes."""
    time.wait_until(session.write(message, True))
    return collect(session, time, count)


def collect(session: PortSession, time: BenchTime, count: int = 1 << 24) -> bytes:
    """Read a whole message, or all that is coming on a stream."""
    data = b""
    while (ready_ns := session.ready_at(count)) is not None:
        time.wait_until(ready_ns)
        if (at := session.ready_at(count)) is not None and at > time.now_ns():
            continue
        reading = session.read(count)
        data += reading.data
        if reading.end:
            break
    return data + (session.read(count).data if session.waiting() else b"")
