"""Binary time stamps of one input of an ID Quantique ID900, as its data link saves them.

Each is 64 bits, little-endian, in picoseconds; with a reference index, a second number of
64 bits follows each (Time Controller Series User Manual, section 6, table 10; the data link's
``start-save --format bin``). A time then counts from its reference, whose times the file does
not tell, so that such files are not read. There is no header, and the input's number is not in
the file.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.errors import FormatError
from protocols.timetags.decoding.decoder import RecordDecoder
from protocols.timetags.tags import Tags

__all__ = ["Id900Decoder"]


class Id900Decoder(RecordDecoder):
    """Decodes one input's file without reference indices; see `decoder.Decoder`.

    Parameters
    ----------
    channel : int
        Number of the input.
    """

    tick_s = Fraction(1, 10**12)

    def __init__(self, channel: int = 1) -> None:
        super().__init__(8)
        self._channel = channel

    def _tags(self, whole: npt.NDArray[np.uint8]) -> Tags:
        ticks = whole.view("<u8").astype(np.uint64)
        if ticks.max() >= 1 << 63:
            raise FormatError("a time is beyond 2^63 ps: it is of another format, or damaged")
        return Tags(ticks.view(np.int64), np.full(ticks.size, self._channel, np.int32))
