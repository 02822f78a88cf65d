"""Stanford Research Systems FS740 GPS time and frequency system.

Source: the FS740 driver of CeNTREX, which quotes the manual page by page (below:
manual). The pages on the timebase are 132 to 137.

The unit steers its timebase (crystal, OCXO or rubidium) onto GPS by itself. The
voltage that steers it can be set while it does not follow GPS; its sensitivity is
in no source, so this is no standard that our loops can steer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from drivers.core import (
    Array,
    Channel,
    Choice,
    Flag,
    Instrument,
    LineSettings,
    Number,
    Text,
    UnexpectedReplyError,
)

__all__ = ["SRSFS740", "Event", "FrequencyInput"]

_STATES = {
    "powered up": "POW",
    "searching": "SEAR",
    "stabilising": "STAB",
    "validating time": "VTIM",
    "locked": "LOCK",
    "manual holdover": "MAN",
    "no GPS": "NGPS",
    "bad GPS": "BGPS",
    "unlocked": "UNL",
}
_LONG_FORMS = {"VTIME": "validating time"}
_NAMES = {token: name for name, token in _STATES.items()} | _LONG_FORMS
_MOST_EVENTS = 1000


class _Locked(Flag):
    """Whether the state is the one of a lock."""

    def parse(self, reply: str) -> bool:
        """Compare with the only state that means it."""
        return _NAMES[reply.strip().upper()] == "locked"

    def expects(self) -> str:
        """List the states."""
        return "one of " + ", ".join(_STATES.values())


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to the timebase, and when by the unit's clock.

    Attributes
    ----------
    state : str
        The state that began.
    date, time : tuple of three ints
        Year, month, day and hour, minute, second.
    """

    state: str
    date: tuple[int, int, int]
    time: tuple[int, int, int]


class FrequencyInput(Channel):
    """A counter input: 1 at the front, 2 at the rear."""

    gate_time_s = Number(
        "SENS{channel}:FREQ:GATE?",
        "SENS{channel}:FREQ:GATE {value}",
        low=1e-2,
        high=1e3,
        unit="s",
        doc="Gate time.",
        page="manual",
    )
    level_v = Number(
        "INP{channel}:LEV?",
        "INP{channel}:LEV {value}",
        low=-3.0,
        high=3.0,
        unit="V",
        doc="Trigger level.",
        page="manual",
    )

    def configure(self) -> None:
        """Prepare to measure a frequency; the gate time becomes 0.1 s (manual p. 97)."""
        self.guard("configure", True)
        self.tell(f"CONF{self.number}:FREQ DEF, DEF")

    def frequency_hz(self) -> float:
        """Measure a frequency over one gate (manual p. 98).

        Raises
        ------
        UnexpectedReplyError
            If no signal is there, for which the unit answers NAN.
        """
        with self.link.patience(self.gate_time_s + 1.0):
            reply = self.ask(f"READ{self.number}?")
        try:
            value = float(reply)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise UnexpectedReplyError(
                f"'READ{self.number}?' was answered by {reply[:60]!r}",
                instrument=self.path,
                address=self.link.address,
                remedy="check that a signal is there, and the trigger level",
            )
        return value


class SRSFS740(Instrument):
    """A GPS-disciplined clock. Satisfies `drivers.roles.FrequencyStandard`."""

    line = LineSettings(write_end=b"\r\n", read_end=b"\n", timeout_s=3.0, baud_rate=115200)
    identity_pattern = r"[^,]*,\s*FS740\s*,.*"
    channels: ClassVar[dict[str, tuple[type[Channel], tuple[int, ...]]]] = {
        "input": (FrequencyInput, (1, 2))
    }

    state = Choice(
        "TBAS:STAT?", choices=_STATES, replies=_LONG_FORMS, doc="Timebase.", page="manual p. 135"
    )
    locked = _Locked("TBAS:STAT?", doc="Whether it is locked to GPS.", page="manual p. 135")
    locked_for_s = Number("TBAS:STAT:LOCK:DUR?", unit="s", doc="Since it locked.", page="p. 136")
    holdover_s = Number("TBAS:STAT:HOLD:DUR?", unit="s", doc="In holdover.", page="manual p. 136")
    warm_up_s = Number(
        "TBAS:WARM?", unit="s", doc="From power-on to the first lock.", page="manual p. 136"
    )
    time_interval_s = Number(
        "TBAS:TINT? CURR", unit="s", doc="Between timebase and GPS, last.", page="manual p. 137"
    )
    mean_time_interval_s = Number(
        "TBAS:TINT? AVER", unit="s", doc="Between timebase and GPS, mean.", page="manual p. 137"
    )
    time_constant_s = Number(
        "TBAS:TCON? CURR", unit="s", doc="Time constant in use.", page="manual p. 136"
    )
    target_time_constant_s = Number(
        "TBAS:TCON? TARG", unit="s", doc="Best time constant.", page="manual p. 136"
    )
    manual_time_constant_s = Number(
        "TBAS:TCON? MAN",
        "TBAS:TCON {value}",
        low=3.0,
        unit="s",
        doc="Time constant for manual bandwidth.",
        page="manual p. 136",
    )
    bandwidth = Choice(
        "TBAS:CONF:BWID?",
        "TBAS:CONF:BWID {value}",
        choices={"automatic": "AUT", "manual": "MAN"},
        replies={"AUTO": "automatic", "MANUAL": "manual"},
        doc="Who chooses the time constant.",
        page="manual",
    )
    follow_gps = Flag(
        "TBAS:CONF:LOCK?", "TBAS:CONF:LOCK {value}", doc="Whether to lock to GPS.", page="manual"
    )
    holdover_exit = Choice(
        "TBAS:CONF:HMOD?",
        "TBAS:CONF:HMOD {value}",
        choices={"wait": "WAIT", "jump": "JUMP", "slew": "SLEW"},
        doc="How holdover ends when the time is off by more than the limit.",
        page="manual",
    )
    time_limit_s = Number(
        "TBAS:CONF:TINT:LIM?",
        "TBAS:CONF:TINT:LIM {value}",
        low=50e-9,
        high=1.0,
        unit="s",
        doc="Time error above which GPS counts as bad.",
        page="manual",
    )
    control_v = Number(
        "TBAS:FCON?",
        "TBAS:FCON {value}",
        low=0.0,
        high=4.096,
        unit="V",
        doc="Control of the timebase, to set only while it does not follow GPS; volatile.",
        page="manual",
    )
    options = Text("*OPT?", doc="Timebase and boards.", page="manual p. 92")
    position = Array(
        "GPS:POS?", length=3, doc="Latitude and longitude in rad, altitude in m.", page="manual"
    )
    date = Array("SYST:DAT?", length=3, doc="Year, month, day.", page="manual p. 129")
    time_of_day = Array(
        "SYST:TIM?", length=3, doc="Hour, minute, second to 10 ns.", page="manual p. 131"
    )

    def satellites(self) -> tuple[int, ...]:
        """Return the numbers of the satellites that are tracked.

        Raises
        ------
        UnexpectedReplyError
            If the unit does not answer with a count and as many numbers.
        """
        reply = self.ask("GPS:SAT:TRAC?")
        try:
            count, *numbers = (int(field) for field in reply.split(","))
            if count != len(numbers):
                raise ValueError(reply)
        except ValueError:
            raise self._nonsense("GPS:SAT:TRAC?", reply) from None
        return tuple(numbers)

    def events(self) -> list[Event]:
        """Take all events of the timebase from the unit's queue, oldest first (p. 134).

        Raises
        ------
        UnexpectedReplyError
            If something else comes.
        """
        found: list[Event] = []
        while len(found) < _MOST_EVENTS:
            reply = self.link.query_once(b"TBAS:EVEN?")  # which takes the event away
            if reply.strip().upper().startswith("NON"):
                break
            try:
                token, *fields = reply.split(",")
                year, month, day, hour, minute, second = (int(field) for field in fields)
                state = _NAMES[token.strip().upper()]
            except (ValueError, KeyError):
                raise self._nonsense("TBAS:EVEN?", reply) from None
            found.append(Event(state, (year, month, day), (hour, minute, second)))
        return found

    def _nonsense(self, query: str, reply: str) -> UnexpectedReplyError:
        return UnexpectedReplyError(
            f"{query!r} was answered by {reply[:60]!r}",
            instrument=self.name,
            address=self.address,
            remedy="check the model, its firmware and the line settings",
        )
