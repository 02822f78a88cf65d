r"""Instruments that speak in lines of text without SCPI's machinery.

A class declares what it understands by patterns that a whole line must match::

    class Rubidium(LineDevice):
        serial = SerialLine(9600, reply_end=b"\r")

        @line(r"SF(-?\d+)")
        def set_offset(self, parts_in_1e12: str) -> None: ...

        @line(r"SF\?")
        def offset(self) -> str: ...

A handler gets the pattern's groups as text and returns the reply without its
line end, or None for none. Streams (time stamps that come by themselves) are
sent with ``self.session.stream(...)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from drivers.simulated.device import Device, Later, Session
from drivers.simulated.time import BenchTime

__all__ = ["LineDevice", "line"]

_Handler = TypeVar("_Handler", bound=Callable[..., Any])
_REMEMBERED = 4096


def line(pattern: str, *, flags: int = re.IGNORECASE) -> Callable[[_Handler], _Handler]:
    """Declare a method as the handler of lines that match `pattern` from end to end."""
    compiled = re.compile(pattern, flags)

    def mark(function: _Handler) -> _Handler:
        function.__dict__.setdefault("line_patterns", []).append(compiled)
        return function

    return mark


class LineDevice(Device):
    r"""A device that answers lines.

    Attributes
    ----------
    line_ends : bytes
        The characters that end a line, each by itself; empty lines are ignored,
        so ``b"\r\n"`` takes CR, LF and CRLF. Chained commands: add ``;``.
    reply_end : bytes
        What ends a reply on ports other than the serial one.
    line_limit : int
        Longer lines are thrown away.
    echo : bool
        Whether the serial port echoes now; as its line says, until a command changes it.
    """

    line_ends: ClassVar[bytes] = b"\r\n"
    reply_end: ClassVar[bytes] = b"\r\n"
    line_limit: ClassVar[int] = 4096

    _patterns: ClassVar[list[tuple[re.Pattern[str], str]]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = {
            name: [*getattr(member, "line_patterns", ())]
            for base in reversed(cls.__mro__)
            for name, member in vars(base).items()
            if hasattr(member, "line_patterns")
        }
        cls._patterns = [(pattern, name) for name, own in names.items() for pattern in own]

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self.echo = self.serial.echo
        self._known: dict[bytes, tuple[str, tuple[str, ...]] | None] = {}
        both = b"\r\n|" if b"\r" in self.line_ends and b"\n" in self.line_ends else b""
        self._line_end = re.compile(both + b"[" + re.escape(self.line_ends) + b"]")

    # ---- for subclasses ----------------------------------------------------------

    def unknown(self, text: str) -> str | bytes | None:
        """Return the reply to a line that nothing matches; silence by default."""
        return None

    def finish(self, reply: str | bytes | None) -> str | bytes | None:
        """Return what is really sent for a reply, for units that add ``Done`` or ``OK``."""
        return reply

    # ---- the line ----------------------------------------------------------------

    def receive(self, session: Session, data: bytes, end: bool, arrival_ns: int) -> None:
        """Take bytes; each line that is whole is executed."""
        pending = session.input
        first = None if pending else self._line_end.search(data)
        if first is not None and first.end() == len(data):  # one line, as nearly always
            self._whole_line(session, data[: first.start()], first[0], arrival_ns)
            return
        pending += data
        looked = session.parser or 0
        while match := self._line_end.search(pending, looked):
            text = bytes(pending[: match.start()])
            ended_by = match[0]
            del pending[: match.end()]
            looked = 0
            self._whole_line(session, text, ended_by, arrival_ns)
            if session.lost:
                return
        if end and session.marks_end and pending:
            text = bytes(pending)
            pending.clear()
            self._whole_line(session, text, b"", arrival_ns)
        if len(pending) > self.line_limit:
            pending.clear()
        session.parser = len(pending)

    def _whole_line(self, session: Session, text: bytes, ended_by: bytes, arrival_ns: int) -> None:
        if self.echo and session.connector == "serial":
            session.send(text + ended_by, arrival_ns)
        if text.strip():
            self.exchange(session, text, arrival_ns)

    def obey(self, session: Session, message: bytes) -> None:
        """Execute one line and send its reply and the prompt."""
        found = self._known.get(message, False)
        if found is False:
            found = self._look_up(message)
        if found:
            name, groups = found  # type: ignore[misc]  # True is never stored
            reply = getattr(self, name)(*groups)
        else:
            reply = self.unknown(message.decode("latin-1").strip())
        self._answer(session, reply)
        if self.serial.prompt and session.connector == "serial":
            session.send(self.serial.prompt, self.t_ns)

    def _answer(self, session: Session, reply: Any) -> None:
        line_end = self.serial.reply_end if session.connector == "serial" else self.reply_end
        if isinstance(reply, Later):
            settle = reply.produce
            self.t_ns = max(self.t_ns, reply.ready_ns)
            session.send(
                Later(self.t_ns, lambda: _encoded(self.finish(settle()), line_end)), self.t_ns, True
            )
            return
        reply = self.finish(reply)
        if reply is not None:
            self.t_ns += self._latency_ns
            session.send(_encoded(reply, line_end), self.t_ns, True)

    def _look_up(self, message: bytes) -> tuple[str, tuple[str, ...]] | None:
        text = message.decode("latin-1").strip()
        found = None
        for pattern, name in self._patterns:
            if match := pattern.fullmatch(text):
                found = (name, match.groups(""))
                break
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[message] = found
        return found


def _encoded(reply: str | bytes | None, line_end: bytes) -> bytes:
    """Return a reply as it goes over the line; bytes go as they are."""
    if reply is None:
        return b""
    return reply if isinstance(reply, bytes) else reply.encode("latin-1") + line_end
