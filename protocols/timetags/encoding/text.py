"""Time tags as text in columns; see `decoding.text`."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from protocols.timetags.tags import Tags

__all__ = ["encode_text", "text_head"]


def text_head(tick_s: Fraction) -> bytes:
    """Return the first lines: what a tick is, and the names of the columns."""
    return f"# tick_s = {tick_s.numerator}/{tick_s.denominator}\nticks,channel\n".encode("ascii")


def encode_text(tags: Tags) -> bytes:
    """Return a line for each tag."""
    if not len(tags):
        return b""
    lines = np.char.add(np.char.add(tags.ticks.astype("U20"), ","), tags.channels.astype("U11"))
    return ("\n".join(lines.tolist()) + "\n").encode("ascii")
