"""SRS SR620 counter: time intervals and frequencies of two inputs, and status.

Commands after the manual, pages 30, 38 and 41, and the libraries that the driver
names. The noise of 25 ps, the digits of answers and the defaults are assumed. Of
the modes, time, frequency and period are simulated; the others measure nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from drivers.simulated.device import Later, SerialLine, Session, Setting
from drivers.simulated.devices.counter_edges import measured_interval, next_present
from drivers.simulated.devices.counter_gates import frequency
from drivers.simulated.line import LineDevice, line
from drivers.simulated.time import BenchTime

__all__ = ["SRSSR620Device"]

_EXECUTION, _COMMAND, _POWER_ON = 1 << 4, 1 << 5, 1 << 7
_TIME, _FREQUENCY, _PERIOD = 0, 3, 4
_EITHER_FIRST = 0
_GATES_NS = {3: 10_000_000, 4: 100_000_000, 5: 1_000_000_000}
_REARM_NS = 1_500_000
_HIGHEST = {"MODE": 6, "SRCE": 3, "ARMM": 12, "JTTR": 1, "CLCK": 1, "CLKF": 1, "AUTM": 1}
_SIZES = [n * 10**power for power in range(7) for n in (1, 2, 5)]


class SRSSR620Device(LineDevice):
    """A counter.

    Terminals
    ---------
    input1, input2 : Oscillator
        What is at inputs A and B.
    reference : Oscillator
        What arrives at the external time base input.

    Settings
    --------
    serial_number, firmware : str
        Its identity.
    timebase_offset : float
        Fractional frequency error of the internal time base.
    interval_noise_ps : float
        Standard deviation of a time interval.
    """

    connectors = ("gpib", "serial")
    serial = SerialLine(baud=9600)
    line_ends = b"\r\n"
    line_limit = 256
    latency_s = 3e-3
    terminal_names = ("input1", "input2", "reference")
    default_settings: ClassVar[Mapping[str, Setting]] = {
        "serial_number": "03715",
        "firmware": "1.48",
        "timebase_offset": 0.0,
        "interval_noise_ps": 25.0,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._random = np.random.default_rng(self.seed)
        self._events = _POWER_ON
        self.reset()

    @line(r"\*RST")
    def reset(self) -> None:
        """Go to the defaults."""
        self._values = dict.fromkeys(_HIGHEST, 0)
        self._values |= {"ARMM": 1, "AUTM": 1, "SIZE": 1}
        self._levels = {"0": 1.0, "1": 0.0, "2": 0.0}
        self._terminations = {"0": 1, "1": 1, "2": 1}

    # ---- the line ----------------------------------------------------------------

    def obey(self, session: Session, message: bytes) -> None:
        """Execute the commands of a line, and answer all queries in one."""
        answers: list[str | bytes | Later] = []
        for part in message.split(b";"):
            if not part.strip():
                continue
            found = self._look_up(part)
            answer = (
                getattr(self, found[0])(*found[1])
                if found
                else self.unknown(part.decode("latin-1"))
            )
            if answer is not None:
                answers.append(answer)
            if isinstance(answer, Later):
                self.t_ns = max(self.t_ns, answer.ready_ns)
        if answers:
            later = any(isinstance(answer, Later) for answer in answers)
            self._answer(
                session, Later(self.t_ns, lambda: _joined(answers)) if later else _joined(answers)
            )

    def unknown(self, text: str) -> str | bytes | None:
        """Say nothing, only remember it."""
        self._events |= _COMMAND
        return None

    def report_error(self, code: int, text: str = "") -> None:
        """Remember an error."""
        self._events |= _EXECUTION

    @line(r"\*IDN\?")
    def identity(self) -> str:
        """Answer the identity, in which the maker has no blanks."""
        settings = self.settings
        return f"StanfordResearchSystems,SR620,{settings['serial_number']},{settings['firmware']}"

    @line(r"\*ESR\?")
    def events(self) -> str:
        """Answer the standard event status and clear it."""
        events, self._events = self._events, 0
        return str(events)

    @line(r"\*CLS")
    def clear_status(self) -> None:
        """Clear the status."""
        self._events = 0

    # ---- settings ----------------------------------------------------------------

    @line(rf"({'|'.join(_HIGHEST)})\s*(\d+)")
    def set_value(self, name: str, value: str) -> None:
        """Set a parameter."""
        if int(value) > _HIGHEST[name.upper()]:
            self._events |= _EXECUTION
        else:
            self._values[name.upper()] = int(value)

    @line(r"SIZE\s*([^\s?]\S*)")
    def set_size(self, text: str) -> None:
        """Set how many measurements make a sample."""
        try:
            size = float(text)
        except ValueError:
            self._events |= _COMMAND
            return
        if size in _SIZES:
            self._values["SIZE"] = int(size)
        else:
            self._events |= _EXECUTION

    @line(rf"({'|'.join(_HIGHEST)}|SIZE)\?")
    def value(self, name: str) -> str:
        """Answer a parameter."""
        return str(self._values[name.upper()])

    @line(r"LEVL\s*([012])\s*,\s*(\S+)")
    def set_level(self, which: str, text: str) -> None:
        """Set a trigger level."""
        try:
            volts = float(text)
        except ValueError:
            volts = math.nan
        if abs(volts) <= 5.0:
            self._levels[which] = volts
        else:
            self._events |= _EXECUTION

    @line(r"LEVL\?\s*([012])")
    def level(self, which: str) -> str:
        """Answer a trigger level."""
        return f"{self._levels[which]:.2f}"

    @line(r"TERM\s*([012])\s*,\s*([01])")
    def set_termination(self, which: str, ohms: str) -> None:
        """Set a termination."""
        self._terminations[which] = int(ohms)

    @line(r"TERM\?\s*([012])")
    def termination(self, which: str) -> str:
        """Answer a termination."""
        return str(self._terminations[which])

    # ---- measuring ---------------------------------------------------------------

    @line(r"(?:STRT|\*TRG)")
    def start(self) -> None:
        """Start a sample, which nobody waits for here."""

    @line(r"STOP")
    def stop(self) -> None:
        """Give up what is being measured."""
        if self.session is not None:
            self.session.drop_output()

    @line(r"MEAS\?\s*([0-3])")
    def measure(self, statistic: str) -> Later | None:
        """Take a sample; without a signal it never ends."""
        at_ns = self.t_ns
        times = self._sample(at_ns)
        if times is None:
            return None

        def result() -> str:
            sample = self._sample(at_ns)  # the clocks may have been steered meanwhile
            return f"{self._statistic(statistic, sample[1] if sample else []):.15E}"

        return Later(times[0], result)

    def _sample(self, at_ns: int) -> tuple[int, list[float]] | None:
        """Return when a sample that begins at `at_ns` ends, and its readings; None for never."""
        readings: list[float] = []
        for _ in range(self._values["SIZE"]):
            found = self._reading(at_ns)
            if found is None:
                return None
            end_ns, value = found
            readings.append(value)
            at_ns = end_ns + _REARM_NS
        return at_ns - _REARM_NS, readings

    def _reading(self, at_ns: int) -> tuple[int, float] | None:
        mode, number = self._values["MODE"], self._values["SRCE"]
        first, other = self._input(number), self._input(1 - number)
        if first is None:
            return None
        if mode == _TIME:
            if other is None:
                return None
            either = self._values["ARMM"] == _EITHER_FIRST
            return self._interval(first, other, at_ns, either=either)
        gate_ns = _GATES_NS.get(self._values["ARMM"])
        if mode not in (_FREQUENCY, _PERIOD) or gate_ns is None:
            return None
        start_ns = next_present(first, at_ns)
        end_ns = None if start_ns is None else next_present(first, start_ns + gate_ns)
        if start_ns is None or end_ns is None:
            return None
        hz = frequency(first, self._timebase_s, start_ns, end_ns, triangle=False)
        return end_ns, hz if mode == _FREQUENCY else 1.0 / hz

    def _interval(
        self, first: Any, last: Any, at_ns: int, *, either: bool
    ) -> tuple[int, float] | None:
        """Return the end and the length of an interval.

        With `either` it is the nearer edge of the other input that counts, also the
        one before, unless that came before the counter was armed.
        """
        found = measured_interval(first, last, self._timebase_s, at_ns)
        if found is None:
            return None
        stop_ns, length_s = found
        period_s = 1.0 / last.nominal_hz()
        if not either or length_s <= 0.5 * period_s:
            return found
        start_ns = stop_ns - round(length_s * 1e9)
        before_ns = stop_ns - round(period_s * 1e9)
        if before_ns < at_ns:
            return found
        moved_s = last.phase_s(stop_ns) - last.phase_s(before_ns)
        base_s = self._timebase_s(stop_ns) - self._timebase_s(before_ns)
        return start_ns, length_s - (period_s - moved_s + base_s)

    def _statistic(self, which: str, sample: list[float]) -> float:
        if not sample:
            return math.nan
        noise_s = float(self.settings["interval_noise_ps"]) * 1e-12
        if self._values["MODE"] != _TIME:
            noise_s *= math.sqrt(2.0) * sample[0] / (_GATES_NS[self._values["ARMM"]] * 1e-9)
        noisy = [value + noise_s * float(self._random.standard_normal()) for value in sample]
        if which == "1":
            return statistics.stdev(noisy) if len(noisy) > 1 else 0.0
        if which == "0":
            return statistics.fmean(noisy)
        return max(noisy) if which == "2" else min(noisy)

    def _input(self, number: int) -> Any:
        return self.terminals.get(f"input{number + 1}") if number in (0, 1) else None

    def _timebase_s(self, t_ns: int) -> float:
        """Return the time error of the time base in use."""
        reference = self.terminals.get("reference")
        if self._values["CLCK"] and reference is not None:
            return float(reference.phase_s(t_ns))
        return float(self.settings["timebase_offset"]) * t_ns * 1e-9


def _joined(answers: list[str | bytes | Later]) -> str:
    return ";".join(
        str(answer.produce() if isinstance(answer, Later) else answer) for answer in answers
    )
