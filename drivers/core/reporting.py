"""How instruments say that something went wrong: one class for each family.

After every command the driver asks the instrument in its own way. A family
raises `InstrumentFaultError` with the command and the instrument's words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from drivers.core.errors import (
    InstrumentFaultError,
    ResponseTimeoutError,
    UnexpectedReplyError,
)
from drivers.core.link import Link

__all__ = ["ErrorReporting", "NoReporting", "ReplyText", "ScpiQueue", "StatusBits"]

_SCPI_ERROR = re.compile(r'\s*([+-]?\d+)\s*,\s*"?(.*?)"?\s*$', re.DOTALL)


class ErrorReporting(Protocol):
    """What a driver does to learn of errors."""

    def forget(self, link: Link) -> None:
        """Drop errors from before this session."""

    def send(self, link: Link, command: str) -> None:
        """Send a command and raise `InstrumentFaultError` if the instrument objects."""


class ScpiQueue:
    """SCPI error queue, read after every command until it is empty (SCPI-99, 21.8).

    Parameters
    ----------
    query : str
        The query that takes the oldest error from the queue.
    depth : int
        Reads after which an unending queue is given up.
    """

    def __init__(self, query: str = "SYST:ERR?", depth: int = 32) -> None:
        self._query = query.encode("ascii")
        self._depth = depth

    def forget(self, link: Link) -> None:
        """Clear status and queue with ``*CLS``."""
        link.write(b"*CLS")

    def send(self, link: Link, command: str) -> None:
        """Send `command`, then read the queue."""
        with link.lock:
            link.write(command.encode("ascii"))
            self.check(link, command)

    def check(self, link: Link, command: str) -> None:
        """Read the queue and raise its oldest error, naming the later ones."""
        errors: list[tuple[int, str]] = []
        for _ in range(self._depth):
            try:
                reply = link.query_once(self._query)  # which takes the error away
            except ResponseTimeoutError:
                if errors:
                    break
                raise
            if reply.startswith(('+0,"No error', '0,"No error', '+0,"NO ERROR')):
                break
            found = _SCPI_ERROR.match(reply)
            if found is None:
                raise UnexpectedReplyError(
                    f"the error queue answered {reply[:60]!r}",
                    instrument=link.name,
                    address=link.address,
                )
            code = int(found.group(1))
            if code == 0:
                break
            errors.append((code, found.group(2)))
        if errors:
            code, text = errors[0]
            more = "".join(f", then {c} {t}" for c, t in errors[1:])
            raise InstrumentFaultError(
                f'answered error {code} "{text}"{more} to {command[:80]!r}',
                command=command,
                reply=text,
                code=code,
                instrument=link.name,
                address=link.address,
            )


class StatusBits:
    """Status bytes that are cleared by reading them (such as ``ST?`` of the PRS10).

    Parameters
    ----------
    query : str
        Query whose reply is a comma list of integers.
    faults : mapping of (byte, bit) to str
        Which bits mean that the last command was refused, and their names.
        Bytes and bits are counted from 0.
    """

    def __init__(self, query: str, faults: Mapping[tuple[int, int], str]) -> None:
        self._query = query.encode("ascii")
        self._faults = faults

    def forget(self, link: Link) -> None:
        """Read the bytes once, which clears them."""
        link.query(self._query)

    def send(self, link: Link, command: str) -> None:
        """Send `command`, then read the status bytes."""
        with link.lock:
            link.write(command.encode("ascii"))
            reply = link.query_once(self._query)  # which clears the bits
        try:
            values = [int(field) for field in reply.split(",")]
            raised = [name for (byte, bit), name in self._faults.items() if values[byte] >> bit & 1]
        except (ValueError, IndexError):
            raise UnexpectedReplyError(
                f"the status query answered {reply[:60]!r}",
                instrument=link.name,
                address=link.address,
            ) from None
        if raised:
            raise InstrumentFaultError(
                f"reported {', '.join(raised)} after {command[:80]!r}",
                command=command,
                reply=reply,
                instrument=link.name,
                address=link.address,
            )


class ReplyText:
    """Every command is answered by a line that says whether it was taken.

    Parameters
    ----------
    good : sequence of str
        Replies that mean success.
    """

    def __init__(self, good: Sequence[str]) -> None:
        self._good = tuple(good)

    def forget(self, link: Link) -> None:
        """Drop whatever is left on the line."""
        link.read_available()

    def send(self, link: Link, command: str) -> None:
        """Send `command` and read its reply."""
        reply = link.query_once(command.encode("ascii"))
        if reply.strip() not in self._good:
            raise InstrumentFaultError(
                f"answered {reply[:60]!r} to {command[:80]!r}",
                command=command,
                reply=reply,
                instrument=link.name,
                address=link.address,
            )


class NoReporting:
    """The instrument stays silent on errors: its driver reads settings back instead."""

    def forget(self, link: Link) -> None:
        """Drop whatever is left on the line."""
        link.read_available()

    def send(self, link: Link, command: str) -> None:
        """Send `command`; a property with `read_back` verifies it."""
        link.write(command.encode("ascii"))
