"""How instruments write numbers, texts and blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["BlockReply", "block", "encode", "exponent", "fixed", "quoted"]


def exponent(digits: int = 8, exponent_digits: int = 2) -> Callable[[float], str]:
    """Return a writer of ``+1.23456789E+01`` with that many digits."""
    style = f"+.{digits}E"

    def write(value: float) -> str:
        text = format(value, style)  # with two digits of exponent, or three above 1E99
        if exponent_digits > 2 and text[-3] in "+-":
            return f"{text[:-2]}{text[-2:].zfill(exponent_digits)}"
        return text

    return write


def fixed(digits: int, *, sign: bool = False) -> Callable[[float], str]:
    """Return a writer of ``12.340`` with that many digits behind the point."""
    return lambda value: f"{value:{'+' if sign else ''}.{digits}f}"


def quoted(text: str) -> str:
    """Return text in double quotes, those within it doubled."""
    return '"' + text.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class BlockReply:
    """A block whose payload is copied only once, into the message."""

    header: bytes
    payload: bytes | bytearray | memoryview


def block(payload: bytes | bytearray | memoryview) -> BlockReply:
    """Return a definite length arbitrary block (IEEE 488.2, 8.7.9)."""
    size = str(memoryview(payload).nbytes)
    return BlockReply(f"#{len(size)}{size}".encode("ascii"), payload)


def encode(answer: Any, before: bytes = b"", after: bytes = b"") -> bytes:
    """Return an answer as it goes over the line, between what else goes with it."""
    kind = type(answer)
    if kind is str:
        return before + answer.encode("latin-1") + after  # type: ignore[no-any-return]  # a str
    if kind is BlockReply:
        return b"".join((before, answer.header, answer.payload, after))
    if kind is bool:
        return before + (b"1" if answer else b"0") + after
    if isinstance(answer, (bytes, bytearray, memoryview)):
        return b"".join((before, answer, after))
    if isinstance(answer, float):
        return before + _FLOAT(answer).encode("ascii") + after
    if isinstance(answer, (list, tuple)):
        return before + b",".join(encode(item) for item in answer) + after
    return before + str(answer).encode("latin-1") + after


_FLOAT = exponent()
