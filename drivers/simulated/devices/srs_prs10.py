"""SRS PRS10 rubidium standard: warm-up, status bytes, steering, lock to a 1PPS.

Commands and replies after prs10 (taishi-hashimoto) and the readings that LBNL
lists; the lock to 1PPS after the manual, p. 16 and 17: 256 good inputs within
2048 ns, then the output is moved onto the input and steering begins; inputs
more than 1024 ns off are bad. Its gains follow from the time constant there:
an integrator of 65536 s makes an approach of 8095 s, the root of 1000 times
that, at a stability factor of 1. The unit steers only when somebody talks to
it, then for all seconds since. Warm-up shows in the status, not in the
oscillator. How long it takes is assumed, and what ``TT?`` says without input; so
is what the crystal does while it has lost the resonance.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan, sqrt
from typing import TYPE_CHECKING, Any, ClassVar

from drivers.simulated.device import SerialLine, Setting
from drivers.simulated.devices.atomic_clock import AtomicClock
from drivers.simulated.line import line
from drivers.simulated.time import BenchTime

if TYPE_CHECKING:
    from drivers.simulated.terminals import Oscillator

__all__ = ["FS725Device", "PRS10Device"]

_SECOND_NS = 1_000_000_000
_GOOD_BEFORE_LOCK = 256
_NEAR_FIRST_S, _NEAR_LAST_S = 2048e-9, 1024e-9
_STABILITY = (0.25, 0.5, 1.0, 2.0, 4.0)
_SYNTAX, _PARAMETER, _RESET = 1 << 5, 1 << 6, 1 << 7

#: What only the factory sets (LBNL, first unit).
_FIXED = {
    "SS": "1403",
    "GA": "7",
    "PH": "24",
    "SP": "5363,3014,22",
    "MS": "1",
    "MO": "2661",
    "MR": "2595",
    "TS": "14149",
    "TO": "-1828",
    "PS": "180",
    "FC": "2246,2048",
}
_CONVERTERS = (20, 32, 55, 150, 196, 190, 112, 185)
_VOLTS = (
    *(0.006, 2.322, 2.331, 0.495, 0.316, 2.396, 2.322, 1.435, 3.858, 2.633),
    *(0.728, 0.958, 0.965, 0.981, 2.498, 0.006, 0.0, 0.0, 0.0, 0.0),
)


class PRS10Device(AtomicClock):
    """A rubidium standard.

    Settings
    --------
    case_c : float
        Temperature of the case in a room of 23 degrees Celsius.
    steering : int
        Steering that it was left with, in parts in 1e12.
    unlocks_at_s, unlocked_for_s : float
        When it loses the rubidium's resonance, bench time, and for how long; by default never.
    unlocked_offset : float
        Fractional frequency by which the crystal is off meanwhile.
    """

    serial = SerialLine(baud=9600, reply_end=b"\r")
    line_ends = b"\r"
    steering_step = 1e-12
    temperature_setting = "case_c"
    default_settings: ClassVar[Mapping[str, Setting]] = {
        "serial_number": "107831",
        "firmware": "3.56",
        "warm_up_s": 360.0,
        "case_c": 45.0,
        "steering": 0,
        "unlocks_at_s": inf,
        "unlocked_for_s": 60.0,
        "unlocked_offset": 0.0,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._values = {"LM": 1, "PL": 1, "PT": 8, "PF": 2}
        self._steering.set(self.t_ns, self.settings["steering"])
        self._lost_ns = self.settings["unlocks_at_s"] * 1e9
        self._found_ns = self._lost_ns + self.settings["unlocked_for_s"] * 1e9
        self._integrator = 0.0
        pulses = self.terminals.get("pps_output")
        self._delay_s = 0.0 if pulses is None else float(pulses.late_s(self.t_ns))
        self._good = 0
        self._reference_tag_s = 0.0
        self._seen_ns = self.t_ns
        self._latched = [0, 0, 0, 0, 0, 0 if self.settings["warm"] else _RESET]
        self._condition: tuple[bool, ...] = ()
        self._present = [0] * 5
        self._latch()

    # ---- identity and readings ---------------------------------------------------

    def unknown(self, text: str) -> None:
        """Say nothing, only remember it."""
        self._latched[5] |= _SYNTAX

    @line(r"ID\?")
    def identity(self) -> str:
        """Answer the identity."""
        return f"PRS10_{self.settings['firmware']}_SN_{self.settings['serial_number']}"

    @line(r"SN\?")
    def serial_number(self) -> str:
        """Answer the serial number."""
        return str(self.settings["serial_number"])

    @line(r"LO\?")
    def locked(self) -> str:
        """Answer whether the loop is closed."""
        return str(int(self._warm(self.t_ns)))

    @line(r"ST\?")
    def status_bytes(self) -> str:
        """Answer what has happened since the last time."""
        reply = ",".join(map(str, self._latched))
        self._latched = [*self._present, 0]
        return reply

    @line(rf"({'|'.join(_FIXED)})\?")
    def fixed(self, name: str) -> str:
        """Answer what only the factory sets."""
        return _FIXED[name.upper()]

    @line(r"SD(\d)\?")
    def converter(self, number: str) -> str | None:
        """Answer the setting of a converter."""
        if int(number) >= len(_CONVERTERS):
            self._latched[5] |= _PARAMETER
            return None
        return str(_CONVERTERS[int(number)])

    @line(r"AD(\d+)\?")
    def monitor(self, number: str) -> str | None:
        """Answer an analogue test voltage."""
        if int(number) >= len(_VOLTS):
            self._latched[5] |= _PARAMETER
            return None
        if int(number) == 10:
            return f"{self._inside_c() * 0.01:.3f}"
        return f"{_VOLTS[int(number)]:.3f}"

    # ---- settings ----------------------------------------------------------------

    @line(r"(LM|PL|PT|PF)\s*(\d+)")
    def set_value(self, name: str, value: str) -> None:
        """Set a parameter of the 1PPS lock."""
        highest = {"LM": 1, "PL": 1, "PT": 14, "PF": 4}
        if int(value) > highest[name.upper()]:
            self._latched[5] |= _PARAMETER
            return
        if name.upper() == "PL":
            self._good = 0
            self._integrator = float(self._steering.steps)
        self._values[name.upper()] = int(value)

    @line(r"(LM|PL|PT|PF)\?")
    def value(self, name: str) -> str:
        """Answer a parameter of the 1PPS lock."""
        return str(self._values[name.upper()])

    @line(r"SF\s*([+-]?\d+)")
    def set_steering(self, parts: str) -> None:
        """Steer by parts in 1e12, unless the 1PPS lock does."""
        if abs(int(parts)) > 2000:
            self._latched[5] |= _PARAMETER
        elif not self._pll_active():
            self._steering.set(self.t_ns, int(parts))

    @line(r"SF\?")
    def steering(self) -> str:
        """Answer the steering."""
        return str(self._steering.steps)

    @line(r"PI\?")
    def integrator(self) -> str:
        """Answer the integrator of the 1PPS lock."""
        return str(round(self._integrator))

    # ---- 1PPS --------------------------------------------------------------------

    @line(r"PP\s*(\d+)")
    def place_pulse(self, nanoseconds: str) -> None:
        """Move the 1PPS output."""
        if int(nanoseconds) >= _SECOND_NS:
            self._latched[5] |= _PARAMETER
        else:
            self._move_pulse(self.t_ns, int(nanoseconds) * 1e-9)

    @line(r"TT\?")
    def time_tag(self) -> str:
        """Answer when the last 1PPS input came, in ns after the output; -1 for never."""
        if "pps_input" not in self.terminals:
            return "-1"
        tag_s = self._tag_s(self.t_ns // _SECOND_NS * _SECOND_NS)
        return "-1" if isnan(tag_s) else str(round(tag_s * 1e9) % _SECOND_NS)

    def advance(self, t_ns: int) -> None:
        """Let the lock to 1PPS work through the seconds since the last time."""
        if self._values["PL"] and "pps_input" in self.terminals:
            first = self._seen_ns // _SECOND_NS + 1
            for second in range(first, t_ns // _SECOND_NS + 1):
                if self._warm(second * _SECOND_NS):
                    self._pulse(second * _SECOND_NS)
        if self._seen_ns < self._lost_ns <= t_ns:
            self._steering.disturb(round(self._lost_ns), self.settings["unlocked_offset"])
        if self._seen_ns < self._found_ns <= t_ns:
            self._steering.disturb(round(self._found_ns), 0.0)
        self._seen_ns = max(t_ns, self._seen_ns)
        self._latch()

    def _pulse(self, t_ns: int) -> None:
        tag_s = self._tag_s(t_ns)
        if isnan(tag_s):  # no pulse arrives
            return
        if self._good < _GOOD_BEFORE_LOCK:
            if self._good == 0:
                self._reference_tag_s = tag_s
            good = abs(_within_half(tag_s - self._reference_tag_s)) <= _NEAR_FIRST_S
            self._good = self._good + 1 if good else 0
            if self._good == _GOOD_BEFORE_LOCK:
                self._move_pulse(t_ns, tag_s)
                self._integrator = float(self._steering.steps)
                self._reference_tag_s = 0.0
            return
        if abs(_within_half(tag_s - self._reference_tag_s)) > _NEAR_LAST_S:
            return
        self._reference_tag_s = tag_s
        integrator_s = 2.0 ** (self._values["PT"] + 8)
        approach_s = sqrt(1000.0 * integrator_s)
        damping = 2.0 * _STABILITY[self._values["PF"]]
        # An output that is early (the input comes late, tag > 0) has to run slower.
        self._integrator -= tag_s / approach_s**2 * 1e12
        parts = round(self._integrator - damping * tag_s / approach_s * 1e12)
        self._steering.set(t_ns, max(-2000, min(parts, 2000)))

    def _move_pulse(self, t_ns: int, later_s: float) -> None:
        self._delay_s = (self._delay_s + later_s) % 1.0
        if "pps_output" in self.terminals:
            self.terminals["pps_output"].place(t_ns, self._delay_s)

    def _tag_s(self, t_ns: int) -> float:
        own: Oscillator | None = self.terminals.get("oscillator")
        ahead_s = (own.phase_s(t_ns) if own is not None else 0.0) - self._delay_s
        return _within_half(ahead_s - float(self.terminals["pps_input"].phase_s(t_ns)))

    # ---- state -------------------------------------------------------------------

    def _warm(self, t_ns: int) -> bool:
        return t_ns >= self._locked_from_ns and not self._lost_ns <= t_ns < self._found_ns

    def _pll_active(self) -> bool:
        return bool(self._values["PL"]) and self._good >= _GOOD_BEFORE_LOCK

    def _latch(self) -> None:
        """Add what is the case now to what the next status readings show."""
        locking = bool(self._values["PL"])
        active = locking and self._good >= _GOOD_BEFORE_LOCK
        saturated = active and abs(self._steering.steps) == 2000
        condition = (self._warm(self.t_ns), locking, active, saturated)
        if condition == self._condition:
            return  # all of it is latched
        self._condition = condition
        now = [0] * 5
        if not condition[0]:
            now[:4] = [1 << 4, 1, 1 | 1 << 2 | 1 << 4, 1]
        now[4] = 1 << 2 if active else 1 << 1 if locking else 1
        if "pps_input" not in self.terminals:
            now[4] |= 1 << 7
        if saturated:
            now[4] |= 1 << 6
        self._present = now
        self._latched[:5] = [old | new for old, new in zip(self._latched[:5], now, strict=True)]


class FS725Device(PRS10Device):
    """A PRS10 in a box with a supply and a distribution amplifier."""


def _within_half(seconds: float) -> float:
    return (seconds + 0.5) % 1.0 - 0.5
