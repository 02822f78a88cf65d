"""SRS CG635 clock generator: frequency, phase, levels, errors and status.

After the manual, pages 20, 21, 23 and 30, and the driver and mock of DESY's package
cg635-clock-generator. Error codes are those of the DG645, whose list the same maker
prints; that the CG635 has the same is assumed, and so are the digits of answers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from drivers.simulated.device import SerialLine, Session, Setting
from drivers.simulated.line import LineDevice, line
from drivers.simulated.time import BenchTime

__all__ = ["SRSCG635Device"]

_ILLEGAL_VALUE, _UNDEFINED = 10, 111
_LONGEST_BUFFER = 20
_COMPLETE, _EXECUTION, _COMMAND, _POWER_ON = 1, 1 << 4, 1 << 5, 1 << 7
_SHIFT_S = 0.15
_OUTPUT_OFF, _SHIFTING = 1 << 4, 1 << 5
_LOWEST_HZ, _HIGHEST_HZ = 1e-6, 2.05e9
#: Below the first eleven octaves dividers change without a gap (p. 20).
_SEAMLESS_BELOW_HZ = 937_500.0
_CMOS = {0: 1.2, 1: 1.8, 2: 2.5, 3: 3.3, 4: 5.0}
_Q = {0: (-1.8, -1.0), 1: (-0.5, 0.5), 2: (1.07, 1.43), 3: (1.5, 2.3), 4: (3.2, 4.0)}
_CMOS_RANGES = ((-1.0, 1.0), (-0.5, 6.0))
_Q_RANGES = ((-3.0, 4.8), (-2.0, 5.0))


class SRSCG635Device(LineDevice):
    """A clock generator.

    Terminals
    ---------
    timebase : Oscillator
        What arrives at the 10 MHz input; left out, it runs on its own.

    Settings
    --------
    serial_number, firmware : str
        Its identity.
    installed_timebase : int
        0 for a crystal, 1 for an OCXO, 2 for rubidium.
    """

    connectors = ("gpib", "serial")
    serial = SerialLine(baud=9600)
    line_ends = b";\r\n"
    line_limit = 255
    latency_s = 3e-3
    terminal_names = ("timebase",)
    default_settings: ClassVar[Mapping[str, Setting]] = {
        "serial_number": "s/n004025",
        "firmware": "ver0.01",
        "installed_timebase": 0,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._errors: deque[int] = deque(maxlen=_LONGEST_BUFFER)
        self._events = _POWER_ON
        self._masks = {"ESE": 0, "SRE": 0}
        self._lock_events = 0
        self._ready_ns = self.t_ns
        self._completes = False
        self.reset()

    @line(r"\*RST")
    def reset(self) -> None:
        """Go to the defaults."""
        self.frequency_hz, self.phase_deg = 10e6, 0.0
        self.runs = True
        self._cmos = [0.0, 3.3]
        self._q = list(_Q[2])

    # ---- status ------------------------------------------------------------------

    def unknown(self, text: str) -> None:
        """Say nothing, only remember it."""
        self._object(_UNDEFINED, _COMMAND)

    def report_error(self, code: int, text: str = "") -> None:
        """Remember an error."""
        self._object(code, _EXECUTION)

    def status(self, session: Session) -> int:
        """Return the status byte."""
        return (1 << 5 if self._events & self._masks["ESE"] else 0) | (
            1 << 4 if session.has_output else 0
        )

    def advance(self, t_ns: int) -> None:
        """Set the bit of completion when its time has come."""
        if self._completes and t_ns >= self._ready_ns:
            self._events |= _COMPLETE
            self._completes = False

    @line(r"\*IDN\?")
    def identity(self) -> str:
        """Answer the identity."""
        settings = self.settings
        return f"Stanford Research Systems,CG635,{settings['serial_number']},{settings['firmware']}"

    @line(r"\*CLS")
    def clear_status(self) -> None:
        """Clear status and errors."""
        self._errors.clear()
        self._events = self._lock_events = 0
        self._completes = False

    @line(r"\*(ESE|SRE)\s*(\d+)")
    def set_mask(self, which: str, mask: str) -> None:
        """Set a mask."""
        if int(mask) > 255:
            self._object(_ILLEGAL_VALUE, _EXECUTION)
        else:
            self._masks[which.upper()] = int(mask)

    @line(r"\*(ESE|SRE)\?")
    def mask(self, which: str) -> str:
        """Answer a mask."""
        return str(self._masks[which.upper()])

    @line(r"\*ESR\?")
    def events(self) -> str:
        """Answer the event status and clear it."""
        events, self._events = self._events, 0
        return str(events)

    @line(r"\*STB\?")
    def status_byte(self) -> str:
        """Answer the status byte."""
        assert self.session is not None  # there is an exchange
        byte = self.status(self.session)
        return str(byte | (1 << 6 if byte & self._masks["SRE"] else 0))

    @line(r"\*OPC")
    def flag_completion(self) -> None:
        """Have the event status tell when the clock has settled."""
        self._completes = True
        self.advance(self.t_ns)

    @line(r"\*OPC\?")
    def await_completion(self) -> str:
        """Answer when the clock has settled."""
        self.t_ns = max(self.t_ns, self._ready_ns)
        return "1"

    @line(r"LERR\?")
    def last_error(self) -> str:
        """Answer the oldest error and forget it."""
        return str(self._errors.popleft() if self._errors else 0)

    @line(r"LCKR\?")
    def lock_events(self) -> str:
        """Answer what has unlocked or moved since the last time."""
        events, self._lock_events = self._lock_events, 0
        return str(events)

    @line(r"TIMB\?")
    def timebase(self) -> str:
        """Answer the timebase in use."""
        return "3" if self._external() else str(self.settings["installed_timebase"])

    # ---- the clock ---------------------------------------------------------------

    @line(r"FREQ\?")
    def frequency(self) -> str:
        """Answer the frequency."""
        return f"{self.frequency_hz:.15g}"

    @line(r"FREQ\s*(\S+)")
    def set_frequency(self, text: str) -> None:
        """Set the frequency; the phase becomes 0."""
        value = self._number(text, _LOWEST_HZ, _HIGHEST_HZ)
        if value is None:
            return
        if math.frexp(value)[1] != math.frexp(self.frequency_hz)[1]:
            self._lock_events |= _OUTPUT_OFF if value >= _SEAMLESS_BELOW_HZ else 0
        self.frequency_hz, self.phase_deg = value, 0.0
        self._ready_ns = self.t_ns + round(_SHIFT_S * 1e9)

    @line(r"PHAS\?")
    def phase(self) -> str:
        """Answer the phase."""
        return f"{self.phase_deg:.12g}"

    @line(r"PHAS\s*(\S+)")
    def set_phase(self, text: str) -> None:
        """Set the phase, cut to the resolution at this frequency."""
        value = self._number(text, -720.0, 720.0)
        if value is None:
            return
        step = _phase_step(self.frequency_hz)
        self.phase_deg = math.trunc(value / step + math.copysign(1e-6, value)) * step
        self._lock_events |= _SHIFTING
        self._ready_ns = self.t_ns + round(_SHIFT_S * 1e9)

    @line(r"RPHS")
    def zero_phase(self) -> None:
        """Call the phase 0."""
        self.phase_deg = 0.0

    @line(r"RUNS\s*([01])")
    def run(self, state: str) -> None:
        """Let the clock run or stop it."""
        self.runs = state == "1"

    @line(r"RUNS\?")
    def running(self) -> str:
        """Answer whether the clock runs."""
        return str(int(self.runs))

    # ---- levels ------------------------------------------------------------------

    @line(r"STDC\s*([0-4])")
    def set_cmos_standard(self, number: str) -> None:
        """Choose CMOS levels."""
        self._cmos = [0.0, _CMOS[int(number)]]

    @line(r"STDC\?")
    def cmos_standard(self) -> str:
        """Answer which CMOS levels these are."""
        return str(next((n for n, high in _CMOS.items() if self._cmos == [0.0, high]), -1))

    @line(r"STDQ\s*([0-4])")
    def set_q_standard(self, number: str) -> None:
        """Choose levels of the complementary outputs."""
        self._q = list(_Q[int(number)])

    @line(r"STDQ\?")
    def q_standard(self) -> str:
        """Answer which levels these are."""
        return str(next((n for n, levels in _Q.items() if self._q == list(levels)), -1))

    @line(r"(CMOS|QOUT)\s*([01])\s*,\s*(\S+)")
    def set_level(self, output: str, which: str, text: str) -> None:
        """Set a level."""
        ranges = _CMOS_RANGES if output.upper() == "CMOS" else _Q_RANGES
        value = self._number(text, *ranges[int(which)])
        if value is not None:
            self._levels(output)[int(which)] = round(value, 2)

    @line(r"(CMOS|QOUT)\?\s*([01])")
    def level(self, output: str, which: str) -> str:
        """Answer a level."""
        return f"{self._levels(output)[int(which)]:.2f}"

    # ---- within ------------------------------------------------------------------

    def _levels(self, output: str) -> list[float]:
        return self._cmos if output.upper() == "CMOS" else self._q

    def _external(self) -> bool:
        source = self.terminals.get("timebase")
        return source is not None and not math.isnan(source.phase_s(self.t_ns))

    def _number(self, text: str, low: float, high: float) -> float | None:
        try:
            value = float(text)
        except ValueError:
            self._object(_UNDEFINED, _COMMAND)
            return None
        if not low <= value <= high:
            self._object(_ILLEGAL_VALUE, _EXECUTION)
            return None
        return value

    def _object(self, code: int, event: int) -> None:
        self._errors.append(code)
        self._events |= event


def _phase_step(frequency_hz: float) -> float:
    """Return the resolution of the phase in degrees (manual, table 12)."""
    limits = (2e8, 2e7, 2e6, 2e5, 2e4, 2e3, 2e2, 2e1, 2e0)
    decades = next((n for n, limit in enumerate(limits) if frequency_hz > limit), len(limits))
    return float(10.0**-decades)
