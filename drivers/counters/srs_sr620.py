"""Stanford Research Systems SR620 universal time interval counter.

Sources: SRS, "SR620 Universal Time Interval Counter" manual, pages 30, 38 and 41
(below: manual); ``sr620.h`` of garlick/gpib-utils and the SR620 library of Lab3841
(below: Lab3841), whose tables of numbers these are.

A refused command sets bit 4 or 5 of the standard event status, which is read after
each. ``MEAS?`` starts a sample and answers only when it is complete.
"""

from __future__ import annotations

import math
from typing import ClassVar

from drivers.core import (
    Channel,
    Choice,
    Flag,
    Instrument,
    LineSettings,
    Number,
    ResponseTimeoutError,
    StatusBits,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.core.reporting import ErrorReporting

__all__ = ["SRSSR620", "Input"]

_GATES = {"3": 0.01, "4": 0.1, "5": 1.0}
_ARMINGS = [str(number) for number in range(13)]
_SIZES = [n * 10**power for power in range(7) for n in (1, 2, 5)]
_TIME, _FREQUENCY = "0", "3"
_EITHER_FIRST = "0"
_MARGIN_S = 5.0


class _Gate(Number):
    """A gate time, which is one of the armings (Lab3841)."""

    def parse(self, reply: str) -> float:
        """Turn the arming into a time; nan for one that is no gate."""
        arming = reply.strip()
        if arming not in _ARMINGS:
            raise ValueError(reply)
        return _GATES.get(arming, math.nan)

    def check(self, value: float) -> float:
        """Accept the three gates only."""
        if value not in _GATES.values():
            raise ValueOutOfRangeError(f"{value!r} is not {self.expects()}")
        return value

    def format(self, value: float) -> str:
        """Return the arming."""
        return next(number for number, gate in _GATES.items() if gate == value)

    def expects(self) -> str:
        """List the gates."""
        return "a gate of 0.01, 0.1 or 1 s"


class _Size(Number):
    """How many measurements make a sample."""

    def parse(self, reply: str) -> float:
        """Read a count."""
        return float(int(float(reply)))

    def check(self, value: float) -> float:
        """Accept 1, 2, 5, 10 and so on."""
        if value not in _SIZES:
            raise ValueOutOfRangeError(f"{value!r} is not {self.expects()}")
        return float(value)

    def expects(self) -> str:
        """Describe the sequence."""
        return "1, 2 or 5 times a power of ten up to 5000000"


class Input(Channel):
    """Input A (1) or B (2)."""

    level_v = Number(
        "LEVL? {channel}", "LEVL {channel},{value}", unit="V", doc="Trigger level.", page="sr620.h"
    )
    impedance = Choice(
        "TERM? {channel}",
        "TERM {channel},{value}",
        choices={"50 ohm": "0", "1 Mohm": "1"},
        doc="Termination.",
        page="manual p. 30",
    )


class SRSSR620(Instrument):
    """A two-channel time interval and frequency counter.

    Satisfies `drivers.roles.Counter` and `drivers.roles.IntervalCounter`. Between two
    gates some time is lost; how much is in no source.
    """

    line: ClassVar[LineSettings] = LineSettings(
        write_end=b"\r", read_end=b"\n", timeout_s=3.0, baud_rate=9600
    )
    reporting: ErrorReporting = StatusBits(
        "*ESR?", {(0, 4): "an execution error", (0, 5): "a command error"}
    )
    identity_pattern: ClassVar[str] = r"Stanford\s?Research\s?Systems,\s*SR620,.*"
    channels: ClassVar[dict[str, tuple[type[Channel], tuple[int, ...]]]] = {
        "channel": (Input, (1, 2))
    }
    estimator: str = "pi"
    dead_time_s: float = math.nan

    _gate_s = 1.0

    mode = Choice(
        "MODE?",
        "MODE {value}",
        choices={
            "time": "0",
            "width": "1",
            "rise or fall": "2",
            "frequency": "3",
            "period": "4",
            "phase": "5",
            "count": "6",
        },
        doc="What is measured.",
        page="manual p. 30",
    )
    source = Choice(
        "SRCE?",
        "SRCE {value}",
        choices={"A": "0", "B": "1", "reference": "2", "ratio": "3"},
        doc="Input that starts, or whose frequency is measured.",
        page="Lab3841",
    )
    arming = Choice(
        "ARMM?",
        "ARMM {value}",
        choices={
            "+- time": "0",
            "+ time": "1",
            "1 period": "2",
            "0.01 s": "3",
            "0.1 s": "4",
            "1 s": "5",
            "external +- time": "6",
            "external + time": "7",
            "external gate": "8",
            "external 1 period": "9",
            "external 0.01 s": "10",
            "external 0.1 s": "11",
            "external 1 s": "12",
        },
        doc="What begins and, for a frequency, what ends a measurement.",
        page="Lab3841",
    )
    gate_time_s = _Gate(
        "ARMM?",
        "ARMM {value}",
        unit="s",
        doc="Gate time; nan while the arming is that of a time interval.",
        page="Lab3841",
    )
    sample_size = _Size("SIZE?", "SIZE {value}", doc="Measurements a sample.", page="Lab3841")
    jitter = Choice(
        "JTTR?",
        "JTTR {value}",
        choices={"standard deviation": "0", "Allan deviation": "1"},
        doc="Which deviation is shown as jitter.",
        page="Lab3841",
    )
    reference = Choice(
        "CLCK?",
        "CLCK {value}",
        choices={"internal": "0", "external": "1"},
        doc="Time base.",
        page="Lab3841",
    )
    reference_hz = Choice(
        "CLKF?",
        "CLKF {value}",
        choices={"10 MHz": "0", "5 MHz": "1"},
        doc="Frequency of an external time base.",
        page="Lab3841",
    )
    auto_measure = Flag("AUTM?", "AUTM {value}", doc="Measuring all by itself.", page="p. 38")

    def frequency_hz(self, channel: int = 1) -> float:
        """Measure a frequency over one gate, or the mean of a sample of them.

        After time intervals the gate is the one from before, or 1 s.

        Raises
        ------
        ResponseTimeoutError
            If there is no signal.
        """
        self._configure(_FREQUENCY, channel)
        if math.isnan(gate_s := self.gate_time_s):
            self.gate_time_s = gate_s = self._gate_s
        return self._measured(gate_s * self.sample_size)

    def time_interval_s(self, start: int = 1, stop: int = 2) -> float:
        """Measure one time interval between the two inputs.

        It is negative where the edge of `stop` comes first, by less than half a period
        and after the counter is armed.

        Raises
        ------
        ResponseTimeoutError
            If there is no signal.
        """
        self._prepare(start, stop)
        return self._measured(2.0)

    def prepare_intervals(self, start: int = 1, stop: int = 2, within_s: float = 2.5) -> None:
        """Set up for one time interval after another; see `begin_interval`.

        Until another kind of measurement is made, `within_s` is the patience for
        every answer.
        """
        self._prepare(start, stop)
        self.link.transport.timeout_s = within_s

    def begin_interval(self) -> None:
        """Wait for the next pulses, in the background."""
        self.link.write(b"MEAS?0")

    def interval_s(self) -> float:
        """Return the interval that `begin_interval` waits for; nan if it is missing.

        Raises
        ------
        UnexpectedReplyError
            If the answer is no number.
        """
        try:
            reply = self.link.read()
        except ResponseTimeoutError:
            self.stop()
            return math.nan
        return self._number(reply)

    def stop(self) -> None:
        """Give up a measurement, and its answer, which may cross the command."""
        self.link.write(b"STOP")
        self.link.disown()

    def _prepare(self, start: int, stop: int) -> None:
        if {start, stop} != {1, 2}:
            raise ValueOutOfRangeError(
                f"no interval from input {start} to {stop}",
                instrument=self.name,
                remedy="choose 1 to 2 or 2 to 1",
            )
        self._configure(_TIME, start)
        if not math.isnan(gate_s := self.gate_time_s):
            self._gate_s = gate_s
        self.tell(f"ARMM {_EITHER_FIRST}")
        self.tell("SIZE 1")

    def _configure(self, mode: str, channel: int) -> None:
        if channel not in (1, 2):
            raise ValueOutOfRangeError(
                f"there is no input {channel}", instrument=self.name, remedy="choose 1 or 2"
            )
        self.link.transport.timeout_s = self.line.timeout_s
        self.tell("AUTM 0")
        self.tell(f"MODE {mode}")
        self.tell(f"SRCE {channel - 1}")

    def _measured(self, expected_s: float) -> float:
        """Take one sample and return its mean."""
        with self.link.patience(expected_s + _MARGIN_S):
            try:
                reply = self.link.query_once(b"MEAS?0")
            except ResponseTimeoutError as error:
                error.remedy = "check the signals, their trigger levels and terminations"
                self.stop()
                raise
        return self._number(reply)

    def _number(self, reply: str) -> float:
        try:
            return float(reply)
        except ValueError:
            raise UnexpectedReplyError(
                f"'MEAS?0' was answered by {reply[:60]!r}, which is not a number",
                instrument=self.name,
                address=self.address,
                remedy="check the model and the line settings",
            ) from None
