"""Binary files of the qutools quTAG: a header of 40 bytes, then records of ten.

A record is a time in picoseconds (64 bits, little-endian) and a channel (16 bits,
little-endian). The header is for qutools' own programs, others pass over it. Channels are
given as the file has them, where 0 is the start input; 100 to 103 and 200 to 203 are edges of
the marker inputs, 104 a tick each millisecond (quTAG control library, ``tdcbase.h`` 1.15,
``TDC_writeTimestamps`` and ``TDC_enableMarkers``).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.errors import FormatError
from protocols.timetags.decoding.decoder import RecordDecoder
from protocols.timetags.tags import Tags

__all__ = ["HEADER_BYTES", "QUTAG_RECORD", "QutagDecoder"]

HEADER_BYTES = 40
QUTAG_RECORD = np.dtype([("ticks", "<u8"), ("channel", "<u2")])


class QutagDecoder(RecordDecoder):
    """Decodes a whole file, header included; see `decoder.Decoder`."""

    tick_s = Fraction(1, 10**12)

    def __init__(self) -> None:
        super().__init__(QUTAG_RECORD.itemsize, HEADER_BYTES)

    def _tags(self, whole: npt.NDArray[np.uint8]) -> Tags:
        records = whole.view(QUTAG_RECORD)
        ticks = records["ticks"].astype(np.uint64)
        if ticks.max() >= 1 << 63:
            raise FormatError("a time is beyond 2^63 ps: it is of another format, or damaged")
        return Tags(ticks.view(np.int64), records["channel"].astype(np.int32))
