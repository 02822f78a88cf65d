"""How instruments write numbers, texts and blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["block", "encode", "exponent", "fixed", "quoted"]


def exponent(digits: int = 8, exponent_digits: int = 2) -> Callable[[float], str]:
    """Return a writer of ``+1.23456789E+01`` with that many digits."""

    def write(value: float) -> str:
        text = f"{value:+.{digits}E}"
        mantissa, mark, power = text.partition("E")
        if not mark:  # inf and nan have no exponent
            return text
        return f"{mantissa}E{power[0]}{power[1:].zfill(exponent_digits)}"

    return write


def fixed(digits: int, *, sign: bool = False) -> Callable[[float], str]:
    """Return a writer of ``12.340`` with that many digits behind the point."""
    return lambda value: f"{value:{'+' if sign else ''}.{digits}f}"


def quoted(text: str) -> str:
    """Return text in double quotes, those within it doubled."""
    return '"' + text.replace('"', '""') + '"'


def block(payload: bytes | bytearray | memoryview) -> bytes:
    """Return a definite length arbitrary block (IEEE 488.2, 8.7.9)."""
    size = str(memoryview(payload).nbytes)
    return b"".join((f"#{len(size)}{size}".encode("ascii"), payload))


def encode(answer: Any) -> bytes:
    """Return an answer as it goes over the line."""
    kind = type(answer)
    if kind is str:
        return answer.encode("latin-1")  # type: ignore[no-any-return]  # a str
    if kind is bytes:
        return answer  # type: ignore[no-any-return]  # bytes
    if kind is bool:
        return b"1" if answer else b"0"
    if isinstance(answer, (bytearray, memoryview)):
        return bytes(answer)
    if isinstance(answer, float):
        return _FLOAT(answer).encode("ascii")
    if isinstance(answer, (list, tuple)):
        return b",".join(encode(item) for item in answer)
    return str(answer).encode("latin-1")


_FLOAT = exponent()
