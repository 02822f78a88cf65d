"""Time tags as text in columns; see `decoding.text`."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.timetags.decoding.decoder import kernel
from protocols.timetags.tags import Tags

__all__ = ["encode_text", "text_head"]

#: Bytes of the longest line: two numbers with their signs, a comma and the end.
_LONGEST = 20 + 1 + 11 + 1


def text_head(tick_s: Fraction) -> bytes:
    """Return the first lines: what a tick is, and the names of the columns."""
    return f"# tick_s = {tick_s.numerator}/{tick_s.denominator}\nticks,channel\n".encode("ascii")


def encode_text(tags: Tags) -> bytes:
    """Return a line for each tag."""
    text = np.empty(_LONGEST * len(tags), np.uint8)
    return text[: _write(tags.ticks, tags.channels, text)].tobytes()


@kernel
def _write(
    ticks: npt.NDArray[np.int64], channels: npt.NDArray[np.int32], text: npt.NDArray[np.uint8]
) -> int:
    """Write all lines and return how many bytes they are."""
    at = 0
    for i in range(ticks.size):
        at = _write_number(ticks[i], text, at)
        text[at] = 44
        at = _write_number(np.int64(channels[i]), text, at + 1)
        text[at] = 10
        at += 1
    return at


@kernel
def _write_number(number: np.int64, text: npt.NDArray[np.uint8], at: int) -> int:
    """Write a number and return where it ends."""
    rest = np.uint64(number)
    if number < 0:
        text[at] = 45
        at += 1
        rest = np.uint64(0) - rest
    end, left = at, rest
    while end == at or left > 0:
        left //= np.uint64(10)
        end += 1
    for place in range(end - 1, at - 1, -1):
        text[place] = 48 + rest % np.uint64(10)
        rest //= np.uint64(10)
    return end
