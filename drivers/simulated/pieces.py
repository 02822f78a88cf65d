"""The pieces of a session's output, and what a fault makes of them.

A piece is ready as a whole at some bench time, or byte by byte on a serial line;
its bytes may be settled only when that time comes (`Later`), so that a measurement
sees what the other instruments did in the meantime.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from drivers.simulated.faults import Effect

__all__ = ["Later", "Piece", "affected_stream", "garbled", "serial_ns"]

_BITS_PER_BYTE_NS = 10 * 10**9  # start bit, eight data bits, stop bit


def serial_ns(size: int, baud: int) -> int:
    """Return the time that `size` bytes take on a serial line."""
    return -(-size * _BITS_PER_BYTE_NS // baud)


class Later(NamedTuple):
    """An answer that is settled only when its time has come.

    `produce` is called once, at the first look at the session not before
    `ready_ns`. It returns bytes; in SCPI, anything that a query may answer.
    """

    ready_ns: int
    produce: Callable[[], Any]


class Piece:
    """A part of the output: at `baud` 0 ready as a whole, else byte by byte.

    Attributes
    ----------
    ready_ns : int
        When it is ready, or its first byte begins to cross the line.
    data : bytes
        What it says, once `produce` is None.
    produce : callable or None
        Settles its bytes when its time has come.
    end : bool
        Whether it ends a message.
    offset : int
        How much of it has been taken.
    """

    __slots__ = ("baud", "data", "end", "offset", "produce", "ready_ns")

    def __init__(
        self,
        ready_ns: int,
        data: bytes,
        produce: Callable[[], bytes] | None,
        end: bool,
        baud: int,
    ) -> None:
        self.ready_ns = ready_ns
        self.data = data
        self.produce = produce
        self.end = end
        self.baud = baud
        self.offset = 0

    def time_of(self, index: int) -> int:
        """Return when the byte at `index` has arrived."""
        if not self.baud:
            return self.ready_ns
        return self.ready_ns + serial_ns(index + 1, self.baud)

    def arrived(self, now_ns: int) -> int:
        """Return how many bytes have arrived, those already taken included."""
        if now_ns < self.ready_ns or self.produce is not None:
            return 0
        if not self.baud:
            return len(self.data)
        return min((now_ns - self.ready_ns) * self.baud // _BITS_PER_BYTE_NS, len(self.data))


def garbled(
    data: bytes, produce: Callable[[], bytes] | None, source: random.Random
) -> tuple[bytes, Callable[[], bytes] | None]:
    """Return noise for bytes that are known, or for those that `produce` will give."""
    if produce is None:
        return _noise(data, source), None
    return b"", _late_noise(produce, source)


def affected_stream(pieces: Iterator[Later], effect: Effect) -> Iterator[Later]:
    """Let a fault act on the whole stream that the command has started."""
    for piece in pieces:
        produce = piece.produce
        if effect.garbage is not None:
            produce = _late_noise(produce, effect.garbage)
        yield Later(piece.ready_ns + effect.late_ns, produce)


def _late_noise(produce: Callable[[], bytes], source: random.Random) -> Callable[[], bytes]:
    return lambda: _noise(produce(), source)


def _noise(data: bytes, source: random.Random) -> bytes:
    """Replace all but the line end by random bytes that are no line end."""
    body = data.rstrip(b"\r\n")
    noise = source.randbytes(len(body)).translate(_NO_LINE_ENDS)
    return noise + data[len(body) :]


_NO_LINE_ENDS = bytes(0x7F if byte in b"\r\n" else byte for byte in range(256))
