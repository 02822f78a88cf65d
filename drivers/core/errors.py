"""Everything that can go wrong between a script and an instrument, on one page.

Misuse (the caller can mend it), communication (the line or the session failed)
and faults (the instrument itself said no) are three branches of `DriverError`.
Every message names the instrument and, where one is known, the remedy.
"""

from __future__ import annotations

__all__ = [
    "CommunicationError",
    "ConnectionLostError",
    "DriverError",
    "IdentityMismatchError",
    "InstrumentFaultError",
    "LimitError",
    "MisuseError",
    "NoConnectionError",
    "NotOpenError",
    "ResponseTimeoutError",
    "UnexpectedReplyError",
    "UnknownDriverError",
    "ValueOutOfRangeError",
]


class DriverError(Exception):
    """Root of all errors of drivers and transports.

    Parameters
    ----------
    message : str
        What happened, in one line.
    instrument : str
        Name of the instrument in the station, empty when not known.
    address : str
        Its address, empty when not known.
    remedy : str
        What the reader can do about it, in one line.
    """

    def __init__(
        self, message: str, *, instrument: str = "", address: str = "", remedy: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.instrument = instrument
        self.address = address
        self.remedy = remedy

    def located(self, instrument: str, address: str) -> DriverError:
        """Fill in where it happened, if that is still unknown, and return itself."""
        self.instrument = self.instrument or instrument
        self.address = self.address or address
        return self

    def __str__(self) -> str:
        place = self.instrument
        if self.address and self.address != self.instrument:
            place = f"{place} ({self.address})" if place else self.address
        text = f"{place}: {self.message}" if place else self.message
        return f"{text}; {self.remedy}" if self.remedy else text


class MisuseError(DriverError):
    """The call itself was wrong; nothing was sent."""


class ValueOutOfRangeError(MisuseError, ValueError):
    """A value outside the range that the manual gives; nothing was sent."""


class NotOpenError(MisuseError):
    """The instrument has not been opened, or has been closed."""


class UnknownDriverError(MisuseError):
    """No driver of this name, or one made for another version of the driver interface."""


class LimitError(DriverError):
    """A limit or an interlock of the station stands against this; nothing was sent."""


class CommunicationError(DriverError):
    """The line, the session or the framing failed."""


class NoConnectionError(CommunicationError):
    """Nothing answers at the address."""


class ConnectionLostError(CommunicationError):
    """An open session broke."""


class ResponseTimeoutError(CommunicationError, TimeoutError):
    """No complete reply in time; `partial` holds the bytes that did arrive."""

    def __init__(
        self,
        message: str,
        *,
        partial: bytes = b"",
        instrument: str = "",
        address: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message, instrument=instrument, address=address, remedy=remedy)
        self.partial = partial


class UnexpectedReplyError(CommunicationError):
    """A reply came that the manual does not allow here."""


class IdentityMismatchError(CommunicationError):
    """Another instrument than the driver's answers at the address."""


class InstrumentFaultError(DriverError):
    """The instrument reported an error, in its own way, to a command.

    `command` is what was sent, `reply` what the instrument said, `code` its
    number where it has one.
    """

    def __init__(
        self,
        message: str,
        *,
        command: str = "",
        reply: str = "",
        code: int | None = None,
        instrument: str = "",
        address: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message, instrument=instrument, address=address, remedy=remedy)
        self.command = command
        self.reply = reply
        self.code = code
