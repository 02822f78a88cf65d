"""Pendulum CNT-91 frequency counter; the Tektronix FCA3000 takes the same commands.

Pages are those of the "CNT-90 Series Programmer's Handbook" (PH). Commands that only
PyMeasure's driver confirms are marked so.
"""

from __future__ import annotations

from typing import ClassVar

from drivers.core import (
    Channel,
    Choice,
    Flag,
    Instrument,
    Integer,
    LineSettings,
    Number,
    UnexpectedReplyError,
)
from drivers.core.errors import ValueOutOfRangeError
from drivers.core.reporting import ScpiQueue
from drivers.roles import Gate

__all__ = ["Input", "PendulumCNT91"]

_CHANNELS = (1, 2)
_ARRAY = (4, 10_000)
#: Time that a measurement may take beyond its gate: arming, and edges of a slow signal.
_MARGIN_S = 5.0


class Input(Channel):
    """Input A (1) or B (2)."""

    level_v = Number(
        "INP{channel}:LEV?",
        "INP{channel}:LEV {value}",
        low=-5,
        high=5,
        unit="V",
        page="PH chapter 6",
        doc="Trigger level; an automatic level is switched off by `auto_level`.",
    )
    auto_level = Flag(
        "INP{channel}:LEV:AUTO?",
        "INP{channel}:LEV:AUTO {value}",
        page="PH chapter 6",
        doc="Whether the trigger level follows the signal; not for slow pulses.",
    )


class PendulumCNT91(Instrument):
    """Pendulum CNT-91 counter.

    Satisfies `drivers.roles.Counter`, and with `start_gates` and `take_gates`
    `drivers.roles.GapFreeCounter`: back-to-back gates are differences of time stamps, so
    they are pi averages without dead time (PH p. 8-74).
    """

    line: ClassVar[LineSettings] = LineSettings(timeout_s=5.0, baud_rate=256000)
    reporting = ScpiQueue()
    identity_pattern: ClassVar[str] = r"(?i).*(CNT-91|FCA3\d\d\d).*"
    channels: ClassVar = {"channel": (Input, _CHANNELS)}
    estimator: str = "pi"
    dead_time_s: float = 0.0

    _gate_s = 1.0
    _last_s: float | None = None

    gate_time_s = Number(
        ":ACQ:APER?",
        ":ACQ:APER {value}",
        low=20e-9,
        high=1000,
        unit="s",
        page="PH p. 8-92 (PyMeasure)",
        doc="Gate time.",
    )
    arming_source = Choice(
        "ARM:SOUR?",
        "ARM:SOUR {value}",
        choices={"immediate": "IMM", "A": "EXT1", "B": "EXT2", "rear": "EXT4"},
        page="PyMeasure",
        doc="What starts a measurement or a series of gates.",
    )
    arming_slope = Choice(
        "ARM:SLOP?",
        "ARM:SLOP {value}",
        choices={"rising": "POS", "falling": "NEG"},
        page="PyMeasure",
        doc="Edge that arms.",
    )
    continuous = Flag(
        "INIT:CONT?", "INIT:CONT {value}", page="PyMeasure", doc="Whether it measures by itself."
    )
    time_stamps = Flag(
        "FORM:TINF?",
        "FORM:TINF {value}",
        page="PH p. 8-40",
        doc="Whether each result is followed by the time at which its gate opened.",
    )
    interpolator_calibration = Flag(
        ":CAL:INT:AUTO?",
        ":CAL:INT:AUTO {value}",
        page="PyMeasure",
        doc="Whether the interpolators are calibrated before each measurement.",
    )
    display = Flag("DISP:ENAB?", "DISP:ENAB {value}", page="PyMeasure", doc="Display of results.")
    batch_size = Integer(
        "FORM:SMAX?", low=1, high=1_000_000, page="PyMeasure", doc="Results in one answer at most."
    )

    def frequency_hz(self, channel: int = 1) -> float:
        """Measure a frequency over one gate."""
        self._check_channels(channel)
        gate_s = self.gate_time_s
        self.tell(f"CONF:FREQ (@{channel})")
        self.gate_time_s = gate_s
        return self._read(gate_s)

    def time_interval_s(self, start: int = 1, stop: int = 2) -> float:
        """Measure one time interval from a rising edge of `start` to the next of `stop`.

        Levels that are set are kept, though the function would make them automatic
        (PH p. 8-70).
        """
        self._check_channels(start, stop)
        inputs: list[Input] = [self.channel(number) for number in sorted({start, stop})]
        levels = [(each, each.level_v) for each in inputs if not each.auto_level]
        self.tell(f"CONF:TINT (@{start}),(@{stop})")
        for each, volts in levels:
            each.auto_level = False
            each.level_v = volts
        return self._read(2.0)

    def start_gates(self, gate_s: float, channel: int = 1, count: int = _ARRAY[1]) -> None:
        """Start `count` gates (4 to 10 000) without a gap, when the arming source says so.

        The counter runs through them by itself; `take_gates` fetches what has ended.
        """
        self._check_channels(channel)
        if not _ARRAY[0] <= count <= _ARRAY[1]:
            raise ValueOutOfRangeError(
                f"{count} gates are not {_ARRAY[0]} to {_ARRAY[1]}", instrument=self.name
            )
        self.tell("FORM ASC")
        self.tell(f":CONF:ARR:FREQ:BTB {count},(@{channel})")
        self.continuous = False
        self.gate_time_s = gate_s
        self.time_stamps = True
        self._gate_s, self._last_s = gate_s, None
        self.tell(":INIT")

    def take_gates(self) -> list[Gate]:
        """Return the gates that have ended since the last call, oldest first; may be empty.

        To be called when the first gate is over, and then at least every 10 000 gates:
        fetching does not disturb the series (PH p. 8-35).

        Raises
        ------
        ResponseTimeoutError
            If the counter has no result: there is no signal, or nothing arms.
        UnexpectedReplyError
            If an answer is no list of results.
        """
        newest = self._fetch(1)
        last_s, self._last_s = self._last_s, newest[-1].start_s
        if last_s is None:
            return newest
        ended = round((newest[-1].start_s - last_s) / self._gate_s)
        return newest[:ended] if ended < 2 else self._fetch(ended)

    def _fetch(self, count: int) -> list[Gate]:
        """Return the newest `count` results."""
        reply = self.ask(f":FETC:ARR? -{count}")
        fields = self._numbers(reply)
        if len(fields) != 2 * count:
            raise self._unexpected(reply)
        return [Gate(*pair) for pair in zip(fields[1::2], fields[0::2], strict=True)]

    def _read(self, expected_s: float) -> float:
        with self.link.patience(expected_s + _MARGIN_S):
            reply = self.link.query_once(b"READ?")
        fields = self._numbers(reply)
        if len(fields) not in (1, 2):  # the second is a time stamp, if those are on
            raise self._unexpected(reply)
        return fields[0]

    def _numbers(self, reply: str) -> list[float]:
        try:
            return [float(field) for field in reply.split(",")]
        except ValueError:
            raise self._unexpected(reply) from None

    def _unexpected(self, reply: str) -> UnexpectedReplyError:
        return UnexpectedReplyError(
            f"{reply[:60]!r} is no list of results", instrument=self.name, address=self.address
        )

    def _check_channels(self, *channels: int) -> None:
        if not set(channels) <= set(_CHANNELS):
            raise ValueOutOfRangeError(f"there are no inputs {channels}", instrument=self.name)
