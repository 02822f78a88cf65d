"""Files that are nothing but what a decoder takes."""

from __future__ import annotations

from pathlib import Path

from protocols.timetags.decoding.id900 import Id900Decoder
from protocols.timetags.decoding.qcrypto import HexDecoder, WordDecoder
from protocols.timetags.decoding.qutag import QutagDecoder
from protocols.timetags.decoding.tdc1 import Tdc1Decoder
from protocols.timetags.decoding.tdc1_text import Tdc1TextDecoder
from qlab.errors import UsageError
from qlab.tags.source import DecodedSource

__all__ = [
    "open_a0",
    "open_a1",
    "open_a1_legacy",
    "open_a2",
    "open_id900",
    "open_qutag",
    "open_tdc1",
    "open_tdc1_text",
]


def open_a0(path: Path) -> DecodedSource:
    """Open S-Fifteen's or qcrypto's text of 8 digits a line."""
    return DecodedSource(path, "qcrypto-a0", HexDecoder(8))


def open_a1(path: Path) -> DecodedSource:
    """Open S-Fifteen's or qcrypto's binary words."""
    return DecodedSource(path, "qcrypto-a1", WordDecoder())


def open_a1_legacy(path: Path) -> DecodedSource:
    """Open the same with the high half first."""
    return DecodedSource(path, "qcrypto-a1-legacy", WordDecoder(high_first=True))


def open_a2(path: Path) -> DecodedSource:
    """Open S-Fifteen's or qcrypto's text of 16 digits a line."""
    return DecodedSource(path, "qcrypto-a2", HexDecoder(16))


def open_qutag(path: Path) -> DecodedSource:
    """Open a quTAG's binary file."""
    return DecodedSource(path, "qutag", QutagDecoder())


def open_tdc1(path: Path) -> DecodedSource:
    """Open a TDC1's stream of words."""
    return DecodedSource(path, "tdc1", Tdc1Decoder())


def open_tdc1_text(path: Path) -> DecodedSource:
    """Open a TDC1's text export."""
    return DecodedSource(path, "tdc1-text", Tdc1TextDecoder())


def open_id900(path: Path, channel: str = "1") -> DecodedSource:
    """Open an ID900's file of one input, whose number it does not tell."""
    if not channel.isascii() or not channel.isdigit() or len(channel) > 4:
        raise UsageError(f"{channel!r} is no number of an input", remedy="give id900:N")
    source = DecodedSource(path, "id900", Id900Decoder(int(channel)))
    source.notes.append(f"the file does not tell its input: it is called channel {int(channel)}")
    return source
