"""IEEE 488.2 arbitrary blocks: bulk data inside a text protocol.

A definite block is ``#``, one digit d, d digits of byte count, then the bytes
(IEEE 488.2-1992, 7.7.6 and 8.7.9). An indefinite block is ``#0``, the bytes,
and the end of the message (7.7.6.5, 8.7.10).
"""

from __future__ import annotations

from drivers.core.errors import MisuseError, UnexpectedReplyError
from drivers.core.transport import Transport

__all__ = ["MAX_BLOCK_BYTES", "block_header", "read_block"]

#: No instrument in the field answers with more; a longer count is a garbled reply.
MAX_BLOCK_BYTES = 1 << 31


def block_header(count: int) -> bytes:
    """Return the header of a definite block of `count` bytes.

    Raises
    ------
    MisuseError
        If `count` is negative or has more than nine digits.
    """
    digits = str(count)
    if count < 0 or len(digits) > 9:
        raise MisuseError(f"a block of {count} bytes cannot be announced in nine digits")
    return f"#{len(digits)}{digits}".encode("ascii")


def read_block(transport: Transport, end: bytes = b"\n") -> bytes:
    """Read one block reply, with the terminator that follows it.

    Raises
    ------
    UnexpectedReplyError
        If the reply is not a block.
    CommunicationError
        If the transport fails.
    """
    start = transport.read_exactly(1)
    if start != b"#":
        rest = transport.read_until(end)
        raise UnexpectedReplyError(f"expected a block, got {(start + rest)[:60]!r}")
    first = transport.read_exactly(1)
    if first == b"0":
        return transport.read_until(end).removesuffix(end)
    digits = _digit_count(first)
    count = _byte_count(transport.read_exactly(digits), digits)
    payload = transport.read_exactly(count) if count else b""
    tail = transport.read_until(end)
    if tail.strip():
        raise UnexpectedReplyError(f"{len(tail)} bytes too many after a block of {count}")
    return payload


def _digit_count(digit: bytes) -> int:
    if digit not in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"):
        raise UnexpectedReplyError(f"a block header has {digit!r} for its number of digits")
    return int(digit)


def _byte_count(digits: bytes, expected: int) -> int:
    if len(digits) != expected or not digits.isdigit():
        raise UnexpectedReplyError(f"a block header has {digits!r} for its byte count")
    count = int(digits)
    if count > MAX_BLOCK_BYTES:
        raise UnexpectedReplyError(f"a block announces {count} bytes")
    return count
