"""Command-pair tests: a driver is played against a written-down conversation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from drivers.core import Instrument, LineSettings, ResponseTimeoutError

#: What the host sends, and what the instrument answers; "" answers nothing. Text
#: gets the driver's terminators, bytes cross the line as they are.
Pair = tuple[str | bytes, str | bytes]

#: In place of a command: the instrument is serial polled and answers one byte.
POLL = b"<serial poll>"
#: In place of a command: a group execute trigger.
TRIGGER = b"<trigger>"


class ScriptedTransport:
    """A transport that knows one conversation and insists on it."""

    def __init__(self, address: str, line: LineSettings, pairs: Sequence[Pair]) -> None:
        self.address = address
        self.timeout_s = line.timeout_s
        self.expected = deque(
            (_bytes(sent, line.write_end), _bytes(reply, line.read_end) if reply else b"")
            for sent, reply in pairs
        )
        self.incoming = bytearray()
        self.closed = False

    def _next(self, data: bytes) -> bytes:
        assert self.expected, f"unexpected: {data[:80]!r}"
        sent, reply = self.expected.popleft()
        assert data == sent, f"expected {sent[:80]!r}, the driver sent {data[:80]!r}"
        return reply

    def _take(self, count: int) -> bytes:
        data = bytes(self.incoming[:count])
        del self.incoming[:count]
        return data

    def write(self, data: bytes) -> None:
        self.incoming += self._next(bytes(data))

    def read_until(self, end: bytes) -> bytes:
        at = self.incoming.find(end)
        if at < 0:
            raise ResponseTimeoutError("the script has no line", partial=self._take(1 << 30))
        return self._take(at + len(end))

    def read_exactly(self, count: int) -> bytes:
        if len(self.incoming) < count:
            raise ResponseTimeoutError("the script is short", partial=self._take(1 << 30))
        return self._take(count)

    def read_available(self, wait_s: float = 0.0) -> bytes:
        return self._take(1 << 30)

    def status_byte(self) -> int:
        return self._next(POLL)[0]

    def clear(self) -> None:
        self.incoming.clear()

    def trigger(self) -> None:
        self._next(TRIGGER)

    def close(self) -> None:
        self.closed = True


def _bytes(part: str | bytes, end: bytes) -> bytes:
    return part.encode("ascii") + end if isinstance(part, str) else part


@pytest.fixture
def scripted() -> Iterator[Callable[..., Any]]:
    """Return a function that opens a driver onto a conversation.

    ``scripted(Driver, *pairs)`` opens the driver, which has to use up the pairs
    in their order; what is left over when the test ends fails it. An SCPI
    driver's own opening is put in front if `identity` is given.
    """
    conversations: list[ScriptedTransport] = []

    def play(driver: type[Instrument], *pairs: Pair, identity: str | None = None) -> Any:
        opening: list[Pair] = [("*IDN?", identity), ("*CLS", "")] if identity else []

        def connect(address: str, line: LineSettings) -> ScriptedTransport:
            transport = ScriptedTransport(address, line, [*opening, *pairs])
            conversations.append(transport)
            return transport

        return driver("unit", "SCRIPT::INSTR", connect).open()

    yield play
    for transport in conversations:
        assert not transport.expected, f"not asked for: {list(transport.expected)[:3]}"
        assert not transport.incoming, f"not read: {bytes(transport.incoming[:80])!r}"


@pytest.fixture
def set_pairs() -> Callable[[str], list[Pair]]:
    """Return a function giving the exchange of a set that an SCPI queue accepts."""
    return lambda command: [(command, ""), ("SYST:ERR?", '+0,"No error"')]
