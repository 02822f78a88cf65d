"""Microchip (Microsemi) SA.45s chip-scale atomic clock on its serial port.

After the SA.45s CSAC User Guide, revision D, pages 19 to 28 and 39: the commands
with and without ``!``, checksums, the states on the way to lock, the volatile
steering, and the count of writes to the memory. Assumed: how long each state
lasts, the answer to a latch, the sign of the phase, and the loop of disciplining,
of which the guide gives the time constant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from drivers.simulated.device import SerialLine, Session, Setting
from drivers.simulated.devices.atomic_clock import PulseFollowingClock
from drivers.simulated.line import line
from drivers.simulated.time import BenchTime

__all__ = ["MicrochipSA45sDevice"]

_SECOND_NS = 1_000_000_000
_STEP = 1e-12
_HIGHEST_ABSOLUTE, _HIGHEST_DELTA = 2_000_000_000, 20_000_000
_STATES_BEFORE_LOCK = 8
_SHORTCUTS = b"6^FMSDUTm?"
_ESCAPE = b"\x1b"
_PIECE = re.compile(rb"[^\x1b\n]*\n?")
_MODES = {"A": 0x01, "M": 0x04, "S": 0x08, "D": 0x10, "U": 0x20, "C": 0x40}
_EXCLUSIVE = _MODES["M"] | _MODES["S"] | _MODES["D"]
_HEADER = (
    "Status,Alarm,SN,Mode,Contrast,LaserI,TCXO,HeatP,Sig,Temp,"
    "Steer,ATune,Phase,DiscOK,TOD,LTime,Ver"
)


class MicrochipSA45sDevice(PulseFollowingClock):
    """A chip-scale clock.

    Settings
    --------
    temperature_c : float
        Its temperature in a room of 23 degrees Celsius.

    Attributes
    ----------
    memory_writes : int
        How often the memory was written, which it bears fewer than 20 000 times.
    calibration : float
        What latching has added to the frequency for good.
    """

    serial = SerialLine(baud=57600)
    latency_s = 2e-3
    steering_step = _STEP
    most_followed = 2e-8
    default_settings: ClassVar[Mapping[str, Setting]] = {
        "serial_number": "1209CS00909",
        "firmware": "1.09",
        "warm_up_s": 130.0,
        "temperature_c": 30.25,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._mode = 0
        self._tau_s = 100
        self._cable = 0  # 100 ps
        self._threshold_ns = 20
        self._sleep = "3300,300"
        self._day_s = 0

    @property
    def calibration(self) -> float:
        """What latching has added to the frequency for good."""
        return self._steering.latched

    # ---- the line ----------------------------------------------------------------

    def receive(self, session: Session, data: bytes, end: bool, arrival_ns: int) -> None:
        """Act at once on a shortcut at the beginning of a line, and forget at an escape."""
        while data and not session.lost:
            if data[:1] == _ESCAPE:
                session.input.clear()
                session.parser = 0
                data = data[1:]
            elif not session.input and data[:1] in _SHORTCUTS and not self._mode & _MODES["C"]:
                letter = data[:1]
                asks = letter in b"6^S?"
                self._whole_line(session, b"!" + letter + (b"" if asks else b"?"), b"", arrival_ns)
                data = data[1:]
            else:
                piece = _PIECE.match(data)
                assert piece is not None  # it matches anything
                super().receive(session, piece[0], end, arrival_ns)
                data = data[piece.end() :]

    def obey(self, session: Session, message: bytes) -> None:
        """Take the checksum off, if there has to be one."""
        if self._mode & _MODES["C"]:
            command, star, digits = message.strip().rpartition(b"*")
            if not star or digits.upper() != b"%02X" % _checksum(command[1:]):
                self._answer(session, b"*\r\n")
                return
            message = command
        super().obey(session, message)

    def finish(self, reply: str | bytes | None) -> str | bytes | None:
        """Put a checksum behind a reply, if there has to be one."""
        if isinstance(reply, str) and self._mode & _MODES["C"]:
            return f"{reply}*{_checksum(reply.encode('latin-1')):02X}"
        return reply

    def unknown(self, text: str) -> str:
        """Refuse what is no command."""
        return "?"

    def report_error(self, code: int, text: str = "") -> None:
        """Refuse a command."""
        assert self.session is not None  # there is an exchange
        self._answer(self.session, "?")

    # ---- readings ----------------------------------------------------------------

    @line("!6")
    def header(self) -> str:
        """Name the fields of the telemetry."""
        return _HEADER

    @line(r"!\^")
    def telemetry(self) -> str:
        """Tell everything."""
        state = self._state()
        measures = self._mode & (_MODES["D"] | _MODES["M"])
        phase_s = self._pulses.phase_s(self._second()) if measures else None
        phase = "---" if not measures else "NEEDREFPPS" if phase_s is None else str(_ns(phase_s))
        fields = (
            *(str(state), "0x0000", str(self.settings["serial_number"]), f"0x{self._mode:04X}"),
            *("4381" if state == 0 else "12", "0.86", "1.573", "17.62", "0.996"),
            *(f"{self._inside_c():.2f}", str(self._steering.steps)),
            "1.250" if self._mode & _MODES["A"] else "---",
            *(phase, self._discipline_state(phase_s), str(self._time_of_day())),
            str(max(0, self.t_ns - self._locked_from_ns) // _SECOND_NS),
            str(self.settings["firmware"]),
        )
        return ",".join(fields)

    @line(r"!\?")
    def help(self) -> str:
        """Name the commands."""
        return "6^FMSDUTm>@?"

    # ---- steering ----------------------------------------------------------------

    @line(r"!F\?", flags=0)
    def steering(self) -> str:
        """Answer the steering."""
        return f"Steer = {self._steering.steps}"

    @line(r"!FA([+-]?\d+)", flags=0)
    def steer(self, parts: str) -> str:
        """Steer by parts in 1e15, of which a thousand are a step."""
        if abs(int(parts)) > _HIGHEST_ABSOLUTE:
            return "?"
        return self._steered(round(int(parts) / 1000))

    @line(r"!FD([+-]?\d+)", flags=0)
    def steer_further(self, parts: str) -> str:
        """Add to the steering."""
        if abs(int(parts)) > _HIGHEST_DELTA:
            return "?"
        return self._steered(self._steering.steps + round(int(parts) / 1000))

    @line(r"!FL", flags=0)
    def latch(self) -> str:
        """Make the steering the calibration; the output's frequency stays."""
        self._steering.latch()
        self.memory_writes += 1
        return "Steer Latched"

    # ---- modes and the 1PPS input ------------------------------------------------

    @line(r"!M([AMSDUCamsduc?])", flags=0)
    def mode(self, letter: str) -> str:
        """Set or clear a bit of the mode, or answer the mode."""
        before = self._mode
        bit = _MODES.get(letter.upper(), 0)
        if letter.isupper():
            if bit & _EXCLUSIVE:
                self._mode &= ~_EXCLUSIVE
            self._mode |= bit
        else:
            self._mode &= ~bit
        if self._mode != before:
            self.memory_writes += 1
            self._follow_mode(self._mode & ~before)
        return f"0x{self._mode:04X}"

    @line(r"!S", flags=0)
    def synchronise(self) -> str:
        """Place the own second at the next pulse."""
        placed = self._pulses.place(self._second() + _SECOND_NS)
        self.t_ns = self._second() + _SECOND_NS if placed else self.t_ns + 3 * _SECOND_NS
        return "S" if placed else "E"

    @line(r"!D(\d+|\?)", flags=0)
    def time_constant(self, seconds: str) -> str:
        """Set or answer the time constant of disciplining."""
        if seconds != "?":
            if not 10 <= int(seconds) <= 10000:
                return "?"
            self.memory_writes += int(seconds) != self._tau_s
            self._tau_s = int(seconds)
        return str(self._tau_s)

    @line(r"!DC([+-]?\d+|\?)", flags=0)
    def cable(self, hundreds_of_ps: str) -> str:
        """Set or answer the compensation of the cable."""
        if hundreds_of_ps != "?":
            if abs(int(hundreds_of_ps)) > 1000:
                return "?"
            self._cable = int(hundreds_of_ps)
        return str(self._cable)

    @line(r"!DCL", flags=0)
    def latch_cable(self) -> str:
        """Keep the compensation of the cable."""
        self.memory_writes += 1
        return "Phase comp latched"

    @line(r"!m(\d+|\?)", flags=0)
    def threshold(self, nanoseconds: str) -> str:
        """Set or answer the phase below which disciplining is good."""
        if nanoseconds != "?":
            if not 1 <= int(nanoseconds) <= 10**9:
                return "?"
            self.memory_writes += int(nanoseconds) != self._threshold_ns
            self._threshold_ns = int(nanoseconds)
        return str(self._threshold_ns)

    @line(r"!U(\d+),\s*(\d+)", flags=0)
    def set_sleep(self, sleep_s: str, wake_s: str) -> str:
        """Set the times of the ultra-low power mode."""
        if not (1800 <= int(sleep_s) <= 65535 and 10 <= int(wake_s) <= 65535):
            return "?"
        self._sleep = f"{int(sleep_s)},{int(wake_s)}"
        self.memory_writes += 1
        return self._sleep

    @line(r"!U\?", flags=0)
    def sleep(self) -> str:
        """Answer the times of the ultra-low power mode."""
        return self._sleep

    # ---- time of day -------------------------------------------------------------

    @line(r"!T\?", flags=0)
    def time_of_day(self) -> str:
        """Answer the clock right after the next second."""
        self.t_ns = self._second() + _SECOND_NS + 10_000_000
        return f"TimeOfDay = {self._time_of_day()}"

    @line(r"!T([AD])([+-]?\d+)", flags=0)
    def set_time_of_day(self, kind: str, seconds: str) -> str:
        """Set the clock, or add to it."""
        shift = int(seconds) - (self._time_of_day() if kind == "A" else 0)
        if not 0 <= self._time_of_day() + shift < 1 << 32:
            return "?"
        self._day_s += shift
        return f"TimeOfDay = {self._time_of_day()}"

    # ---- state -------------------------------------------------------------------

    def advance(self, t_ns: int) -> None:
        """Let the disciplining work through the seconds since the last time."""
        if self._pulses.running:
            self._pulses.follow(t_ns, self._tau_s)

    def _steered(self, steps: int) -> str:
        if abs(steps) * 1000 > _HIGHEST_ABSOLUTE:
            return "?"
        self._steering.set(self.t_ns, steps)
        return self.steering()

    def _follow_mode(self, risen: int) -> None:
        if risen & (_MODES["D"] | _MODES["S"]):
            self._pulses.place(self._second())
        if risen & _MODES["D"]:
            self._pulses.start(self.t_ns)
        if not self._mode & _MODES["D"]:
            self._pulses.stop()

    def _discipline_state(self, phase_s: float | None) -> str:
        if not self._mode & _MODES["D"]:
            return "---"
        if phase_s is None:
            return "2"
        return str(int(abs(phase_s) * 1e9 <= self._threshold_ns))

    def _state(self) -> int:
        left_ns = self._locked_from_ns - self.t_ns
        if left_ns <= 0:
            return 0
        share = left_ns / max(self._locked_from_ns - self._started_ns, 1)
        return min(_STATES_BEFORE_LOCK, 1 + int(share * _STATES_BEFORE_LOCK))

    def _second(self) -> int:
        return self.t_ns // _SECOND_NS * _SECOND_NS

    def _time_of_day(self) -> int:
        return self._day_s + self.t_ns // _SECOND_NS


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def _checksum(text: bytes) -> int:
    total = 0
    for byte in text:
        total ^= byte
    return total
