"""Where a program message ends, and how it falls into units and data elements.

IEEE 488.2, chapter 7: units are divided by semicolons, data elements by commas,
except within strings, expressions and arbitrary blocks. Blocks are handed on as
views of the message, never copied.
"""

from __future__ import annotations

import re
import sys

from drivers.simulated.scpi.errors import ScpiError

__all__ = ["MessageScanner", "Token", "Unit", "split_message"]

#: A data element as it stands in the message; a view is the payload of a block.
Token = bytes | memoryview

#: A header and its data elements.
Unit = tuple[bytes, list[Token]]

_QUOTES = b"\"'"
_SPACE = bytes(range(33))
_SPECIAL = re.compile(rb"[\"'#(]")
_HEADER = re.compile(rb"[\x00-\x20]*([^\x00-\x20;]*)[\x00-\x20]*")
_PLAIN = re.compile(rb"[^,;]*")
_STRING = re.compile(rb"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'")
_EXPRESSION = re.compile(rb"\([^()]*\)")
_GAP = re.compile(rb"[\x00-\x20]*")


class MessageScanner:
    """Finds the line end that closes a message in a growing buffer.

    Line ends within blocks of known length do not count; with `to_end`, for a
    connector that marks the end of messages, neither do those behind ``#0``.
    Each byte is looked at once, however small the pieces in which it comes.
    """

    def __init__(self, ends: bytes = b"\n", *, to_end: bool = False) -> None:
        self._mark = re.compile(b"[" + re.escape(ends) + b"\"'#]")
        self._ends = ends
        self._closing = {
            quote: re.compile(b"[" + re.escape(ends) + bytes([quote]) + b"]") for quote in _QUOTES
        }
        self._to_end = to_end
        self._position = 0
        self._quote = 0

    def find(self, buffer: bytes | bytearray) -> int:
        """Return the index of the next closing line end, or -1; `buffer` starts at a message."""
        while True:
            mark = self._closing[self._quote] if self._quote else self._mark
            match = mark.search(buffer, self._position)
            if match is None:
                self._position = max(self._position, len(buffer))
                return -1
            at = match.start()
            character = buffer[at]
            if character in self._ends:
                self.restart()
                return at
            if self._quote:
                self._quote = 0
            elif character in _QUOTES:
                self._quote = character
            else:
                end = self._block_end(buffer, at)
                if end is None:
                    self._position = at
                    return -1
                if end > len(buffer):
                    self._position = end
                    return -1
                self._position = end
                continue
            self._position = at + 1

    def restart(self) -> None:
        """Begin a new message at the start of the buffer."""
        self._position = 0
        self._quote = 0

    def _block_end(self, buffer: bytes | bytearray, at: int) -> int | None:
        """Return where the block that begins at `at` ends; just behind the # if it is none."""
        if at and buffer[at - 1] not in b" \t,":
            return at + 1
        first = buffer[at + 1 : at + 2]
        if not first:
            return None
        if first == b"0" and self._to_end:
            return sys.maxsize
        if not first.isdigit() or first == b"0":
            return at + 1
        digits = int(first)
        size = buffer[at + 2 : at + 2 + digits]
        if size and not size.isdigit():
            return at + 1
        return at + 2 + digits + int(size) if len(size) == digits else None


def split_message(message: bytes) -> tuple[list[Unit], ScpiError | None]:
    """Split a message into its units, as far as it can be read.

    Returns the units and the error behind the last of them: -103, -151, -161 or
    -171 for data that cannot be read. Empty units are left out.
    """
    if _SPECIAL.search(message) is None:
        return [_plain_unit(unit) for unit in message.split(b";") if unit.strip(_SPACE)], None
    units: list[Unit] = []
    view = memoryview(message)
    position = 0
    try:
        while position < len(message):
            match = _HEADER.match(message, position)
            assert match is not None  # the pattern also matches nothing
            header, position = match[1], match.end()
            tokens: list[Token] = []
            while position < len(message) and message[position] != 0x3B:
                token, position = _element(message, view, position)
                tokens.append(token)
                if message[position : position + 1] == b",":
                    position += 1
                    if position == len(message) or message[position] == 0x3B:
                        tokens.append(b"")
            position += 1
            if header or tokens:
                units.append((header, tokens))
    except ScpiError as error:
        return units, error
    return units, None


def _plain_unit(unit: bytes) -> Unit:
    header, *data = unit.strip(_SPACE).split(None, 1)
    if not data:
        return header, []
    return header, [element.strip(_SPACE) for element in data[0].split(b",")]


def _element(message: bytes, view: memoryview, position: int) -> tuple[Token, int]:
    """Return the element at `position` and where it ends: at a comma, a semicolon or the end."""
    token: Token
    first = message[position : position + 1]
    if first in (b'"', b"'"):
        token, end = _matched(_STRING, message, position, -151)
    elif first == b"(":
        token, end = _matched(_EXPRESSION, message, position, -171)
    elif first == b"#" and message[position + 1 : position + 2].isdigit():
        token, end = _block(message, view, position)
    else:
        match = _PLAIN.match(message, position)
        assert match is not None  # the pattern also matches nothing
        token, end = match[0].strip(_SPACE), match.end()
    gap = _GAP.match(message, end)
    assert gap is not None  # the pattern also matches nothing
    end = gap.end()
    if end < len(message) and message[end] not in b",;":
        raise ScpiError(-103)
    return token, end


def _matched(
    pattern: re.Pattern[bytes], message: bytes, position: int, code: int
) -> tuple[bytes, int]:
    match = pattern.match(message, position)
    if match is None:
        raise ScpiError(code)
    return match[0], match.end()


def _block(message: bytes, view: memoryview, position: int) -> tuple[memoryview, int]:
    digits = message[position + 1] - 0x30
    start = position + 2 + digits
    if not digits:
        return view[start : len(message) - message.endswith(b"\n")], len(message)
    size = message[position + 2 : start]
    if len(size) < digits or not size.isdigit() or start + int(size) > len(message):
        raise ScpiError(-161)
    return view[start : start + int(size)], start + int(size)
