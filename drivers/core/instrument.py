"""The base of every driver: opening, closing, identity, properties, channels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

from drivers.core.declared import Endpoint
from drivers.core.errors import IdentityMismatchError, MisuseError
from drivers.core.link import Connect, LineSettings, Link
from drivers.core.reporting import ErrorReporting, ScpiQueue

__all__ = ["API_VERSION", "Channel", "Guard", "Instrument"]

#: Version of this interface; a third party's driver names the one it was written for.
API_VERSION = 1

#: Called before a value is sent, with the instrument's path (``attenuators.channel1``),
#: the property's name and the value; raises `LimitError` to forbid it.
Guard = Callable[[str, str, object], None]


def _no_guard(path: str, name: str, value: object) -> None:
    """Allow everything, as long as no station has set limits."""


class Instrument(Endpoint):
    """One instrument at one address.

    A driver is a subclass that declares properties and, where a property is
    not enough, methods. The constructor never touches hardware.

    Parameters
    ----------
    name : str
        Name in the station, used in messages and in the run file.
    address : str
        VISA resource, serial device or ``socket://HOST:PORT``.
    connect : Connect
        Opens a transport to an address.
    """

    #: Interface version; a driver outside this package must declare its own.
    api: ClassVar[int] = API_VERSION
    #: Framing, and the line of a serial unit.
    line: ClassVar[LineSettings] = LineSettings()
    #: How the instrument reports errors.
    reporting: ErrorReporting = ScpiQueue()
    #: Query that names the instrument; empty where there is none.
    identity_query: ClassVar[str] = "*IDN?"
    #: Regular expression that the whole identity must match.
    identity_pattern: ClassVar[str] = ".*"
    #: Channel groups: attribute name, channel class and numbers.
    channels: ClassVar[dict[str, tuple[type[Channel], tuple[int, ...]]]] = {}

    #: What the instrument said it is, once it is open.
    identity: str
    #: What the station asks before a value is sent.
    station_guard: Guard

    def __init__(self, name: str, address: str, connect: Connect) -> None:
        self.link = Link(name, address, connect, self.line)
        self.path = name
        self.number = 0
        self.requests = {}
        self.identity = ""
        self.station_guard = _no_guard
        self._groups = {
            group: {n: kind(self, group, n) for n in numbers}
            for group, (kind, numbers) in self.channels.items()
        }

    @property
    def name(self) -> str:
        """Name in the station."""
        return self.link.name

    @property
    def address(self) -> str:
        """Address of the instrument."""
        return self.link.address

    def guard(self, name: str, value: object) -> None:
        """Ask the station whether `value` may be sent; raises `LimitError` if not."""
        self.station_guard(self.path, name, value)

    def open(self) -> Self:
        """Open the session, check the identity, drop old errors.

        Raises
        ------
        NoConnectionError
            If nothing answers at the address.
        IdentityMismatchError
            If another instrument answers; the session is closed again.
        """
        self.link.open()
        try:
            self.prepare()
            self.identity = self.identify()
            if not re.fullmatch(self.identity_pattern, self.identity):
                raise IdentityMismatchError(
                    f"{type(self).__name__} expected, but {self.identity[:80]!r} answers",
                    instrument=self.name,
                    address=self.address,
                    remedy="check the address and the driver in the station file",
                )
            self.reporting.forget(self.link)
        except BaseException:
            self.link.close()
            raise
        return self

    def prepare(self) -> None:
        """Bring a line into a known state before the first query; nothing by default."""

    def identify(self) -> str:
        """Return what the instrument says it is."""
        return self.ask(self.identity_query) if self.identity_query else ""

    def close(self) -> None:
        """Close the session; a closed instrument stays as it is."""
        self.link.close()

    def __enter__(self) -> Self:
        return self if self.link.is_open else self.open()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def channel(self, number: int, group: str = "channel") -> Any:
        """Return channel `number` of `group`.

        Raises
        ------
        MisuseError
            If the instrument has no such channel.
        """
        try:
            return self._groups[group][number]
        except KeyError:
            have = ", ".join(f"{g}{n}" for g, ns in self._groups.items() for n in ns) or "none"
            raise MisuseError(
                f"there is no {group}{number}", instrument=self.name, remedy=f"it has {have}"
            ) from None

    def endpoints(self) -> Iterator[Endpoint]:
        """Iterate over the instrument itself and all its channels."""
        yield self
        for group in self._groups.values():
            yield from group.values()

    def __repr__(self) -> str:
        state = "open" if self.link.is_open else "closed"
        return f"<{type(self).__name__} {self.name} at {self.address}, {state}>"


class Channel(Endpoint):
    """One of several alike parts of an instrument; shares its link and its lock."""

    instrument: Instrument

    def __init__(self, instrument: Instrument, group: str, number: int) -> None:
        self.instrument = instrument
        self.number = number
        self.path = f"{instrument.name}.{group}{number}"
        self.requests = {}

    @property
    def link(self) -> Link:  # type: ignore[override]  # the instrument's, which can be replaced
        """The instrument's link."""
        return self.instrument.link

    @property
    def reporting(self) -> ErrorReporting:  # type: ignore[override]  # the instrument's too
        """The instrument's error reporting."""
        return self.instrument.reporting

    def guard(self, name: str, value: object) -> None:
        """Ask the station whether `value` may be sent; raises `LimitError` if not."""
        self.instrument.station_guard(self.path, name, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"
