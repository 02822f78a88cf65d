"""The fault switches of a simulated device.

An exchange is one complete message or line that reaches the device, over any
port. A fault waits until its conditions hold (so many exchanges have passed,
the bench time has come, the command matches) and then acts on `times`
exchanges, or on all until it is cleared.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any, Literal

from drivers.core.errors import MisuseError

__all__ = ["Effect", "Fault", "FaultKind", "Faults"]

FaultKind = Literal["silent", "garbage", "late", "hang_up", "error"]
_KINDS = ("silent", "garbage", "late", "hang_up", "error")
#: What a fault's values may be: their types, and the lowest number.
_VALUES: tuple[tuple[str, tuple[type, ...], float], ...] = (
    ("after", (int,), 0),
    ("at_s", (int, float), 0),
    ("matching", (str,), 0),
    ("times", (int, NoneType), 1),
    ("seconds", (int, float), 0),
    ("code", (int,), -math.inf),
    ("text", (str,), 0),
    ("for_good", (bool,), 0),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and when it acts.

    Parameters
    ----------
    kind : str
        ``silent``: the exchange is lost and nothing happens. ``garbage``: it
        happens, but random bytes come back. ``late``: the reply comes `seconds`
        later. ``hang_up``: the connection breaks. ``error``: the device reports
        `code` and `text` instead of obeying.
    after : int
        Exchanges to let pass first.
    at_s : float
        Bench time in seconds before which nothing happens.
    matching : str
        Regular expression that must be found in the command; empty for any.
    times : int, optional
        On how many exchanges to act; None for all.
    seconds : float
        Lateness of ``late``.
    code, text : int, str
        Error of ``error``.
    for_good : bool
        After ``hang_up`` the device cannot be opened again.
    """

    kind: FaultKind
    after: int = 0
    at_s: float = 0.0
    matching: str = ""
    times: int | None = None
    seconds: float = 0.0
    code: int = 0
    text: str = ""
    for_good: bool = False

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise MisuseError(
                f"there is no fault {self.kind!r}", remedy=f"choose from {', '.join(_KINDS)}"
            )
        for name, kinds, low in _VALUES:
            value = getattr(self, name)
            number = type(value) is not bool and isinstance(value, (int, float))
            if type(value) not in kinds or (number and not low <= value < math.inf):
                raise MisuseError(f"fault: {name} cannot be {value!r}")
        try:
            re.compile(self.matching)
        except re.error as error:
            raise MisuseError(f"fault: {self.matching!r} is no pattern: {error}") from None

    @classmethod
    def from_table(cls, table: Any) -> Fault:
        """Read a fault from a table of the station file."""
        if not isinstance(table, Mapping):
            raise MisuseError(
                f"fault: {table!r} is no table", remedy='write faults = [{ kind = "silent" }]'
            )
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(table) - known)
        if unknown or "kind" not in table:
            wrong = f"unknown key {unknown[0]!r}" if unknown else "no 'kind'"
            raise MisuseError(f"fault: {wrong}", remedy=f"the keys are {', '.join(sorted(known))}")
        return cls(**table)


@dataclass(slots=True)
class Effect:
    """What the armed faults do to one exchange."""

    silent: bool = False
    garbage: random.Random | None = None
    late_ns: int = 0
    hang_up: bool = False
    error: tuple[int, str] | None = None


class _Armed:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.pattern = re.compile(fault.matching)
        self.to_pass = fault.after
        self.left = fault.times

    def trips(self, command: str, t_ns: int) -> bool:
        if self.left == 0 or t_ns < self.fault.at_s * 1e9 or not self.pattern.search(command):
            return False
        if self.to_pass:
            self.to_pass -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """All faults of one device.

    Parameters
    ----------
    seed : str
        Seeds the garbage, so that a run can be repeated.

    Attributes
    ----------
    armed : bool
        Whether there is any; looked at before each exchange.
    gone : bool
        Whether the device has hung up for good.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - garbage has to repeat, not to surprise
        self._armed: list[_Armed] = []
        self.armed = False
        self.gone = False

    def arm(self, fault: Fault) -> None:
        """Arm one more fault."""
        self._armed.append(_Armed(fault))
        self.armed = True

    def silent(self, **when: Any) -> None:
        """Let the device not answer; for `when` see `Fault`."""
        self.arm(Fault("silent", **when))

    def garbage(self, **when: Any) -> None:
        """Let random bytes come back; for `when` see `Fault`."""
        self.arm(Fault("garbage", **when))

    def late(self, seconds: float, **when: Any) -> None:
        """Let replies come `seconds` later; for `when` see `Fault`."""
        self.arm(Fault("late", seconds=seconds, **when))

    def hang_up(self, *, for_good: bool = False, **when: Any) -> None:
        """Let the connection break at the next exchange; for `when` see `Fault`."""
        when.setdefault("times", 1)
        self.arm(Fault("hang_up", for_good=for_good, **when))

    def report_error(self, code: int, text: str = "", **when: Any) -> None:
        """Let the device report an error instead of obeying; for `when` see `Fault`."""
        when.setdefault("times", 1)
        self.arm(Fault("error", code=code, text=text, **when))

    def clear(self) -> None:
        """Disarm everything; a device that was gone is back."""
        self._armed.clear()
        self.armed = self.gone = False

    def trip(self, command: bytes | memoryview, t_ns: int) -> Effect:
        """Return what happens to the exchange that `command` begins at `t_ns`."""
        effect = Effect()
        text = bytes(command[:256]).decode("latin-1")
        for armed in self._armed:
            if not armed.trips(text, t_ns):
                continue
            fault = armed.fault
            if fault.kind == "silent":
                effect.silent = True
            elif fault.kind == "garbage":
                effect.garbage = self._random
            elif fault.kind == "late":
                effect.late_ns += round(fault.seconds * 1e9)
            elif fault.kind == "hang_up":
                effect.hang_up = True
                self.gone = self.gone or fault.for_good
            else:
                effect.error = (fault.code, fault.text)
        return effect
