"""The text of a file in blocks of whole lines, unpacked if it is packed, in bounded memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from qlab.errors import UsageError

__all__ = ["beginning", "blocks_of_lines"]

_BLOCK = 1 << 22
_LONGEST_LINE = 1 << 16
_BEGINNING = 1 << 20
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Readings shrink to a third. What shrinks to less than a 250th was made to fill something.
_MOST_UNPACKED, _MOST_SHRUNK = 1 << 26, 250


def beginning(path: Path) -> bytes:
    """Return the first megabyte of the text of a file, or all of it if it is shorter.

    Raises
    ------
    UsageError
        The file cannot be read, or is damaged.
    """
    text = b""
    try:
        with path.open("rb") as file:
            for block in _unpacked(path, file):
                text += block
                if len(text) >= _BEGINNING:
                    break
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    return _with_line_ends(text[:_BEGINNING])


def blocks_of_lines(path: Path, *, split: bytes = b"") -> Iterator[bytes]:
    """Give the text of a file, plain or gzip, in blocks that end where lines end.

    Parameters
    ----------
    path : Path
        The file.
    split : bytes
        A character at which lines end as well, for lists of values in few long lines.

    Raises
    ------
    UsageError
        The file cannot be read, is damaged, holds no text, or a line has more than 65 536
        characters.
    """
    left = b""
    try:
        with path.open("rb") as file:
            for block in _unpacked(path, file):
                text = left + _with_line_ends(block.replace(split, b"\n") if split else block)
                end = text.rfind(b"\n") + 1
                left = text[end:]
                if len(left) > _LONGEST_LINE:
                    raise UsageError(
                        f"{path}: a line of more than {_LONGEST_LINE} characters",
                        remedy="write one reading per line",
                    )
                if end:
                    yield text[:end]
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    if left:
        yield left


def _with_line_ends(text: bytes) -> bytes:
    return text if b"\n" in text else text.replace(b"\r", b"\n")  # of old Macintosh programs


def _unpacked(path: Path, file: BinaryIO) -> Iterator[bytes]:
    packed = file.read(2) == _GZIP
    file.seek(0)
    first = True
    for block in _gunzipped(path, file) if packed else iter(lambda: file.read(_BLOCK), b""):
        if b"\0" in block:
            raise UsageError(
                f"{path}: not a text in UTF-8", remedy="save it as plain text, or give a run file"
            )
        yield block.removeprefix(_BYTE_ORDER_MARK) if first else block
        first = False


def _gunzipped(path: Path, file: BinaryIO) -> Iterator[bytes]:
    packed = unpacked = 0
    finished = True
    unpacker = zlib.decompressobj(wbits=31)
    data = b""
    try:
        while True:
            data = data or file.read(_BLOCK // 4)
            if not data:
                break
            before = len(data)
            block = unpacker.decompress(data, _BLOCK)
            data = unpacker.unconsumed_tail
            if unpacker.eof:  # another one may follow
                data = unpacker.unused_data.lstrip(b"\0")
                unpacker = zlib.decompressobj(wbits=31)
                finished = True
            else:
                finished = False
            packed += before - len(data)
            unpacked += len(block)
            if unpacked > max(_MOST_UNPACKED, _MOST_SHRUNK * packed):
                raise UsageError(
                    f"{path}: unpacks to more than {_MOST_SHRUNK} times its size",
                    remedy="unpack it yourself if that is right",
                )
            if block:
                yield block
        if not finished:
            raise UsageError(f"{path}: the packed file ends early", remedy="copy it again")
    except zlib.error as error:
        raise UsageError(f"{path}: damaged: {error}", remedy="copy it again") from None
