"""Novatech 409B four-channel signal generator, also sold as the DDS9m board.

Sources: Novatech Instruments, "409B Manual", 17-Apr-2015, sections 1, 2 and 4 (below:
manual); the drivers of m-labs/novatech409b (below: m-labs) and of labscript-devices,
NovaTechDDS9M (below: labscript).

Each command is answered by ``OK`` or by ``?`` and a digit. The unit echoes what it is
sent until it is told not to, which opening does. An amplitude above 1023 is taken
without a word (m-labs). Nothing here writes its non-volatile memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, overload

from drivers.core import (
    Channel,
    Flag,
    Instrument,
    InstrumentFaultError,
    LineSettings,
    Link,
    Number,
    UnexpectedReplyError,
)
from drivers.core.declared import Endpoint
from drivers.core.reporting import ErrorReporting

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Novatech409B", "Output", "OutputState"]

_CHANNELS = (0, 1, 2, 3)
_PHASES, _AMPLITUDES = 16384, 1023
_ERRORS = {
    "?0": "unknown command",
    "?1": "bad frequency",
    "?2": "bad amplitude modulation command",
    "?3": "line too long",
    "?4": "bad phase",
    "?5": "bad time",
    "?6": "bad mode",
    "?7": "bad amplitude",
    "?8": "bad constant",
    "?f": "bad byte",
}


@dataclass(frozen=True, slots=True)
class OutputState:
    """What a line of ``QUE`` says of one output.

    Attributes
    ----------
    frequency_hz : float
        In steps of 0.1 Hz.
    phase_turns : float
        From 0 to 1, in steps of 1/16384.
    amplitude : float
        Share of the full scale, from 0 to 1.
    """

    frequency_hz: float
    phase_turns: float
    amplitude: float


class _Answered:
    """Commands are answered by ``OK``, or by ``?`` and what was wrong (m-labs)."""

    def forget(self, link: Link) -> None:
        """Drop whatever is left on the line."""
        link.read_available()

    def send(self, link: Link, command: str) -> None:
        """Send `command` and read its answer."""
        reply = link.query_once(command.encode("ascii")).strip()
        if reply != "OK":
            meaning = _ERRORS.get(reply.lower(), "no answer that is known")
            raise InstrumentFaultError(
                f"answered {reply[:60]!r} ({meaning}) to {command[:80]!r}",
                command=command,
                reply=reply,
                instrument=link.name,
                address=link.address,
            )


class _OfOutput(Number):
    """A number that is read from the state of its output."""

    @overload
    def __get__(self, owner: None, kind: type) -> _OfOutput: ...
    @overload
    def __get__(self, owner: Endpoint, kind: type) -> float: ...
    def __get__(self, owner: Endpoint | None, kind: type) -> _OfOutput | float:
        if owner is None:
            return self
        assert isinstance(owner, Output)
        state = owner.instrument.states()[owner.number]
        value: float = getattr(state, self.name)
        return value


class _Frequency(_OfOutput):
    """A frequency in MHz with seven decimals (m-labs)."""

    def format(self, value: float) -> str:
        return f"{value * 1e-6:.7f}"


class _Share(_OfOutput):
    """A share of a full scale, in whole steps."""

    def format(self, value: float) -> str:
        return str(round(value / self.step))


class Output(Channel):
    """One of the four outputs."""

    instrument: Novatech409B

    frequency_hz = _Frequency(
        "QUE",
        "F{channel} {value}",
        low=0.0,
        high=171_127_603.1,
        step=0.1,
        unit="Hz",
        doc="Frequency.",
        page="manual section 1.1, m-labs",
    )
    phase_turns = _Share(
        "QUE",
        "P{channel} {value}",
        low=0.0,
        high=(_PHASES - 1) / _PHASES,
        step=1.0 / _PHASES,
        doc="Phase in turns.",
        page="m-labs",
    )
    amplitude = _Share(
        "QUE",
        "V{channel} {value}",
        low=0.0,
        high=1.0,
        step=1.0 / _AMPLITUDES,
        doc="Share of the full amplitude of 0.51 V peak to peak; 0 is off.",
        page="m-labs",
    )


class Novatech409B(Instrument):
    """A direct digital synthesiser, such as drives an acousto-optic shifter.

    Its outputs, `Output`, satisfy `drivers.roles.FrequencyShifter`.
    """

    line: ClassVar[LineSettings] = LineSettings(
        write_end=b"\r\n", read_end=b"\r\n", timeout_s=2.0, baud_rate=19200
    )
    reporting: ErrorReporting = _Answered()
    identity_query: ClassVar[str] = ""
    identity_pattern: ClassVar[str] = "[0-9A-F ]+"
    channels: ClassVar = {"channel": (Output, _CHANNELS)}

    phase_continuous = Flag(
        None,
        "M {value}",
        on="n",
        off="a",
        doc="Whether a new frequency leaves the phase as it is, which is so after power-on.",
        page="manual section 4",
    )

    def prepare(self) -> None:
        """Switch the echo off, and drop the answer that may still be echoed."""
        self.link.write(b"E d")
        while self.link.read_available(0.1):
            pass

    def identify(self) -> str:
        """Return the status line, of which the last field is the version (m-labs)."""
        return self._ask_state()[-1]

    def states(self) -> tuple[OutputState, ...]:
        """Return what all four outputs are set to.

        Raises
        ------
        UnexpectedReplyError
            If the unit does not answer with its table.
        """
        lines = self._ask_state()
        try:
            return tuple(_state(text) for text in lines[: len(_CHANNELS)])
        except ValueError:
            raise UnexpectedReplyError(
                f"'QUE' was answered by {lines[0][:60]!r}, which is no state of an output",
                instrument=self.name,
                address=self.address,
                remedy="check that nothing else uses the line",
            ) from None

    def _ask_state(self) -> Sequence[str]:
        with self.link.lock:
            first = self.link.query_once(b"QUE")
            return [first, *(self.link.read() for _ in _CHANNELS)]


def _state(text: str) -> OutputState:
    """Read a line such as ``00989680 2000 01F5 0000 00000000 00000000 000301``."""
    tenths, phase, amplitude, *rest = (int(field, 16) for field in text.split(" "))
    if not rest or not 0 <= phase < _PHASES or amplitude < 0 or tenths < 0:
        raise ValueError(text)
    return OutputState(tenths * 0.1, phase / _PHASES, amplitude / _AMPLITUDES)
