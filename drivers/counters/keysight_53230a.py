"""Keysight 53230A universal frequency counter and timer.

Pages are those of the 53220A/53230A User's Guide, 53220-90001 (UG), and of the
Programmer's Reference (PR).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, ClassVar

from drivers.core import (
    Channel,
    Choice,
    Flag,
    Instrument,
    InstrumentFaultError,
    Integer,
    LineSettings,
    Number,
    ResponseTimeoutError,
    UnexpectedReplyError,
)
from drivers.core.errors import ValueOutOfRangeError
from drivers.core.reporting import ScpiQueue
from drivers.roles import Gate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Input", "Keysight53230A"]

_NOT_A_NUMBER = 9.9e37
#: Time that a measurement may take beyond its gates: arming, and edges of a slow signal.
_MARGIN_S = 5.0
_CHANNELS = (1, 2)


class _DeadTime(Number):
    """The gap between gates by the mode: none in CONT, else not specified."""

    def parse(self, reply: str) -> float:
        return 0.0 if reply.strip().upper().startswith("CONT") else math.nan


class Input(Channel):
    """One of the two front inputs."""

    coupling = Choice(
        "INP{channel}:COUP?",
        "INP{channel}:COUP {value}",
        choices={"AC": "AC", "DC": "DC"},
        page="UG p. 123",
        doc="Coupling.",
    )
    impedance_ohm = Number(
        "INP{channel}:IMP?",
        "INP{channel}:IMP {value}",
        low=50,
        high=1e6,
        unit="ohm",
        page="UG p. 123",
        doc="Input resistance, 50 ohm or 1 Mohm.",
    )
    range_v = Number(
        "INP{channel}:RANG?",
        "INP{channel}:RANG {value}",
        low=5,
        high=50,
        unit="V",
        page="UG p. 123",
        doc="Input range, 5 V or 50 V; changing it changes the level.",
    )
    level_v = Number(
        "INP{channel}:LEV?",
        "INP{channel}:LEV {value}",
        low=-51.25,
        high=51.25,
        step=2.5e-3,
        unit="V",
        page="UG p. 133",
        doc="Threshold; setting it ends the automatic level.",
    )
    auto_level = Flag(
        "INP{channel}:LEV:AUTO?",
        "INP{channel}:LEV:AUTO {value}",
        on="ON",
        off="OFF",
        page="UG p. 132",
        doc="Whether the threshold follows the signal; not for signals below 50 Hz.",
    )
    relative_level = Integer(
        "INP{channel}:LEV:REL?",
        "INP{channel}:LEV:REL {value}",
        low=10,
        high=90,
        unit="%",
        page="UG p. 132",
        doc="Automatic threshold between the signal's minimum and maximum, in steps of 5.",
    )
    slope = Choice(
        "INP{channel}:SLOP?",
        "INP{channel}:SLOP {value}",
        choices={"rising": "POS", "falling": "NEG"},
        page="UG p. 129",
        doc="Edge that counts.",
    )


class Keysight53230A(Instrument):
    """Keysight 53230A counter.

    `channel` gives an `Input`. A function is configured only when it changes,
    and the fixed thresholds and the gate time are kept: CONFigure by itself would
    turn the automatic level on, which fails on a 1PPS (UG p. 132).

    Satisfies `drivers.roles.Counter` and `drivers.roles.IntervalCounter`. In continuous
    `mode` its gates have no gap, but they are weighted by triangles.
    """

    line: ClassVar[LineSettings] = LineSettings(timeout_s=5.0)
    reporting = ScpiQueue()
    identity_pattern: ClassVar[str] = r"(Agilent|Keysight) Technologies,53230A,.*"
    channels: ClassVar = {"channel": (Input, _CHANNELS)}
    #: Gates that one series may have.
    most_gates: ClassVar[int] = 1_000_000

    _gates = 0
    _gate_s = math.nan

    gate_time_s = Number(
        "SENS:FREQ:GATE:TIME?",
        "SENS:FREQ:GATE:TIME {value}",
        low=1e-6,
        high=1000,
        step=1e-6,
        unit="s",
        page="UG p. 160",
        doc="Gate time of frequency measurements.",
    )
    # AUTO enhances the resolution of gates from 10 ms on, and is reciprocal below (UG p. 159).
    estimator = Choice(
        "SENS:FREQ:MODE?",
        "SENS:FREQ:MODE {value}",
        choices={"pi": "REC", "lambda": "CONT"},
        replies={"AUTO": "lambda"},
        page="UG p. 83",
        doc="Weighting in a gate: reciprocal (pi) or gap-free and averaged (lambda).",
    )
    mode = Choice(
        "SENS:FREQ:MODE?",
        "SENS:FREQ:MODE {value}",
        choices={"automatic": "AUTO", "reciprocal": "REC", "continuous": "CONT"},
        page="UG p. 83",
        doc="How frequency is measured.",
    )
    dead_time_s = _DeadTime(
        "SENS:FREQ:MODE?",
        unit="s",
        page="UG p. 83",
        doc="Gap between the gates of a series: 0 in continuous mode, else not specified (nan)",
    )
    reference = Choice(
        "ROSC:SOUR?",
        "ROSC:SOUR {value}",
        choices={"internal": "INT", "external": "EXT"},
        page="ROSCillator:SOURce",
        doc="Time base.",
    )
    # In non-volatile memory: to be set by hand, never in a loop.
    measurement_timeout_s = Number(
        "SYST:TIM?",
        "SYST:TIM {value}",
        low=10e-3,
        high=_NOT_A_NUMBER,
        unit="s",
        page="PR p. 459",
        doc="Time after which a measurement is given up, 10 ms to 2000 s or 9.9E37 (never).",
    )

    def frequency_hz(self, channel: int = 1) -> float:
        """Measure a frequency over one gate.

        Raises
        ------
        InstrumentFaultError
            If there is no signal.
        ResponseTimeoutError
            If there is no signal and the counter's own time-out is off.
        """
        return float(self.frequencies_hz(1, channel)[0])

    def frequencies_hz(self, count: int, channel: int = 1) -> NDArray[np.float64]:
        """Measure `count` frequencies (1 to 1e6), one after the other.

        With the estimator ``lambda`` there is no gap between them. A gate without
        signal gives nan, if the counter's own time-out is on.
        """
        gate_s = self._configure("FREQ", (channel,))
        self._sample(count)
        return self._read(count, gate_s * count)

    def time_interval_s(self, start: int = 1, stop: int = 2) -> float:
        """Measure one time interval from an edge of one channel to the next of another.

        Slow signals (a 1PPS) need fixed thresholds: see `Input.auto_level`.

        Raises
        ------
        InstrumentFaultError
            If there is no signal.
        """
        self._configure("TINT", (start,) if start == stop else (start, stop))
        self._sample(1)
        return float(self._read(1, 2.0)[0])

    def prepare_intervals(self, start: int = 1, stop: int = 2, within_s: float = 2.5) -> None:
        """Set up for one time interval after another; see `begin_interval`.

        Slow signals (a 1PPS) need fixed thresholds: see `Input.auto_level`. Until another
        kind of measurement is made, `within_s` is the patience for every answer.
        """
        self._configure("TINT", (start,) if start == stop else (start, stop))
        self._sample(1)
        self.link.transport.timeout_s = within_s

    def begin_interval(self) -> None:
        """Wait for the next pulse of the start channel, in the background.

        With `interval_s` it takes one query a reading, whose answer waits in the counter,
        after `prepare_intervals` and without a look at the error queue.
        """
        self.link.write(b"READ?")

    def interval_s(self) -> float:
        """Return the interval that `begin_interval` waits for.

        nan if it has not come within the time that was prepared for: then a pulse is
        missing, and the counter has been stopped.

        Raises
        ------
        UnexpectedReplyError
            If the answer is no reading.
        """
        try:
            reply = self.link.read()
        except ResponseTimeoutError:
            self._stop()
            return math.nan
        return self._readings("READ?", reply, 1)[0]

    def check_reference(self) -> None:
        """Have the counter look for its external time base (UG p. 69), where that is chosen.

        Raises
        ------
        InstrumentFaultError
            If there is none.
        """
        self.tell("ROSC:EXT:CHEC ONCE")

    def start_gates(self, gate_s: float, channel: int = 1, count: int = 1_000_000) -> None:
        """Start a series of gates, which the counter runs through by itself.

        They follow each other without a gap in continuous `mode` only.
        """
        self.gate_time_s = gate_s
        self._configure("FREQ", (channel,))
        self._sample(count)
        self.tell("FORM ASC")
        self._gates = 0
        self._gate_s = gate_s
        self.link.write(b"INIT")

    def take_gates(self) -> list[Gate]:
        """Return the gates that have ended since the last call, oldest first; may be empty.

        The counter stamps no times: they are told by counting, from the first gate's
        beginning and with no gap between gates.
        """
        reply = self.link.query_block(b"R?").decode("ascii", "replace")  # R? forgets what it gave
        if not reply:
            return []
        readings = self._readings("R?", reply, reply.count(",") + 1)
        first, self._gates = self._gates, self._gates + len(readings)
        return [Gate((first + k) * self._gate_s, each) for k, each in enumerate(readings)]

    def reset(self) -> None:
        """Return to the factory settings."""
        self.tell("*RST")

    def _configure(self, function: str, channels: tuple[int, ...]) -> float:
        """Choose what is measured, if it is not that already; return the gate time."""
        if not set(channels) <= set(_CHANNELS):
            raise ValueOutOfRangeError(f"there are no inputs {channels}", instrument=self.name)
        gate_s = self.gate_time_s
        present = self.ask("CONF?")
        measured = tuple(int(number) for number in re.findall(r"@(\d)", present))
        if present.strip('" ').startswith(function) and measured == channels:
            return gate_s
        inputs: list[Input] = [self.channel(number) for number in sorted(set(channels))]
        levels = [(each, each.level_v) for each in inputs if not each.auto_level]
        listed = ",".join(f"(@{number})" for number in channels)
        self.tell(f"CONF:{function} {listed}")
        for each, volts in levels:
            each.level_v = volts
        self.gate_time_s = gate_s
        return gate_s

    def _sample(self, count: int) -> None:
        if not 1 <= count <= 1_000_000:
            raise ValueOutOfRangeError(
                f"{count} samples are not 1 to 1000000", instrument=self.name
            )
        self.tell(f"SAMP:COUN {count}")

    def _read(self, count: int, expected_s: float) -> NDArray[np.float64]:
        """Measure and return the readings; stop the counter if they do not come."""
        import numpy as np

        with self.link.patience(expected_s + _MARGIN_S):
            try:
                reply = self.link.query_once(b"READ?")
            except ResponseTimeoutError as error:
                self._stop()
                error.remedy = "check the signal, its level and its coupling"
                raise
        readings = self._readings("READ?", reply, count)
        if count == 1 and math.isnan(readings[0]):
            raise InstrumentFaultError(
                "there is no signal to measure",
                command="READ?",
                reply=reply,
                instrument=self.name,
                address=self.address,
                remedy="check the signal, its level and its coupling",
            )
        return np.array(readings)

    def _stop(self) -> None:
        """End a measurement that does not come to an end."""
        self.link.transport.clear()
        self.link.write(b"ABOR;*CLS")

    def _readings(self, query: str, reply: str, count: int) -> list[float]:
        """Return the readings of a reply; nan for those that the counter gave up."""
        try:
            readings = [float(field) for field in reply.split(",")]
        except ValueError:
            readings = []
        if len(readings) != count:
            raise UnexpectedReplyError(
                f"{query!r} was answered by {reply[:60]!r}",
                instrument=self.name,
                address=self.address,
            )
        return [math.nan if each > _NOT_A_NUMBER * 0.999 else each for each in readings]
