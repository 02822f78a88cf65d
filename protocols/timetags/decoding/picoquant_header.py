"""What the headers of PicoQuant's files of time tags say, and the unified one of PTU files.

A PTU file begins with ``PQTTTR``, a version, and tags of 48 bytes: a name of 32, an index, a
type and a value of eight bytes; texts, arrays and blocks follow their tag, whose value is then
their size. ``Header_End`` is the last (PicoQuant, "PicoQuant Unified TTTR (PTU) file format",
and its published examples of reading).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from protocols.errors import FormatError

__all__ = ["Layout", "Recording", "nominal_s", "period_s", "read_unified_header"]

_FIRST_TAG = 16
_TAG = struct.Struct("<32siI8s")
_FLOAT = (0x20000008, 0x21000008)
_INTEGER = (0x00000008, 0x10000008, 0x11000008, 0x12000008)
_EMPTY = 0xFFFF0008
_FOLLOWED = (0x2001FFFF, 0x4001FFFF, 0x4002FFFF, 0xFFFFFFFF)
_MOST_BYTES = 1 << 26


class Layout(Enum):
    """How records are laid out: by the family, and by what their times count from.

    In T2 a record has a time from the start. In T3 it has the number of the last
    synchronisation and the time since.
    """

    PICOHARP_T2 = "PicoHarp T2"
    PICOHARP_T3 = "PicoHarp T3"
    HYDRAHARP1_T2 = "HydraHarp 1 T2"
    HYDRAHARP1_T3 = "HydraHarp 1 T3"
    COUNTED_T2 = "HydraHarp 2, TimeHarp 260 or generic T2"
    COUNTED_T3 = "HydraHarp 2, TimeHarp 260 or generic T3"

    @property
    def is_t3(self) -> bool:
        """Whether times count from a synchronisation."""
        return self.name.endswith("T3")


_LAYOUTS = {
    0x00010203: Layout.PICOHARP_T2,
    0x00010303: Layout.PICOHARP_T3,
    0x00010204: Layout.HYDRAHARP1_T2,
    0x00010304: Layout.HYDRAHARP1_T3,
    0x01010204: Layout.COUNTED_T2,
    0x01010304: Layout.COUNTED_T3,
    0x00010205: Layout.COUNTED_T2,  # TimeHarp 260 N
    0x00010305: Layout.COUNTED_T3,
    0x00010206: Layout.COUNTED_T2,  # TimeHarp 260 P
    0x00010306: Layout.COUNTED_T3,
    0x00010207: Layout.COUNTED_T2,  # MultiHarp, PicoHarp 330
    0x00010307: Layout.COUNTED_T3,
}


@dataclass(frozen=True)
class Recording:
    """What a header says of the records behind it.

    Attributes
    ----------
    layout : Layout
    resolution_s : Fraction
        Unit of the times in T2, of the times since a synchronisation in T3.
    sync_period_s : Fraction
        From one synchronisation to the next, in T3; 0 in T2.
    header_bytes : int
        Where the records begin.
    records : int
        How many there should be; 0 if the header does not tell.
    """

    layout: Layout
    resolution_s: Fraction
    sync_period_s: Fraction
    header_bytes: int
    records: int


def nominal_s(value: float) -> Fraction:
    """Return the resolution that a number of a header means, in seconds.

    Resolutions are whole femtoseconds, but some have gone through 32-bit numbers: what is
    within 1e-7 of a whole one means it. Any other is taken by its decimal digits.

    Raises
    ------
    FormatError
        It is not between 10 fs and 1 ms.
    """
    if not 1e-14 <= value <= 1e-3:
        raise FormatError(f"a resolution of {value:g} s cannot be")
    whole = Fraction(round(value * 1e15), 10**15)
    return whole if abs(float(whole) / value - 1) < 1e-7 else Fraction(repr(value))


def period_s(value: float, rate_hz: int) -> Fraction:
    """Return the period of synchronisation, exactly from the rate if they are the same.

    Parameters
    ----------
    value : float
        Period in the header, in seconds.
    rate_hz : int
        Rate in the header; 0 if there is none.

    Raises
    ------
    FormatError
        It is not between 10 ps and 1 s.
    """
    if not 1e-11 <= value <= 1:
        raise FormatError(f"a period of synchronisation of {value:g} s cannot be")
    if rate_hz > 0 and abs(value * rate_hz - 1) < 1e-12:
        return Fraction(1, rate_hz)
    return Fraction(repr(value))


def read_unified_header(data: bytes) -> Recording | None:
    """Take the header of a PTU file apart.

    Parameters
    ----------
    data : bytes
        The file's beginning.

    Returns
    -------
    Recording or None
        None if the header is longer than the data.

    Raises
    ------
    FormatError
        It is no such header, is damaged, or lacks what is needed.
    """
    if data[:6] != b"PQTTTR":
        raise FormatError("it does not begin as a PTU file does")
    tags: dict[str, int | float] = {}
    at = _FIRST_TAG
    while at + _TAG.size <= len(data):
        name_bytes, index, kind, value = _TAG.unpack_from(data, at)
        at += _TAG.size
        name = name_bytes.split(b"\0")[0].decode("ascii", "replace")
        if name == "Header_End":
            return _recording(tags, at)
        if kind in _FOLLOWED:
            size = int.from_bytes(value, "little", signed=True)
            if not 0 <= size <= _MOST_BYTES:
                raise FormatError(f"the tag {name!r} of the header claims {size} bytes")
            at += size
        elif kind in _INTEGER or kind in _FLOAT:
            if index <= 0:  # further entries of a list say nothing of the records
                tags[name] = struct.unpack("<q" if kind in _INTEGER else "<d", value)[0]
        elif kind != _EMPTY:
            raise FormatError(f"the tag {name!r} of the header is of no type that is known")
    if at > _MOST_BYTES:
        raise FormatError("its header does not end")
    return None


def _recording(tags: dict[str, int | float], header_bytes: int) -> Recording:
    kind = _integer(tags, "TTResultFormat_TTTRRecType")
    layout = _LAYOUTS.get(kind & 0xFFFFFFFF)
    if layout is None:
        raise FormatError(f"its records are of type {kind:#x}, which is not known")
    bits = _integer(tags, "TTResultFormat_BitsPerRecord", 32)
    if bits not in (0, 32):
        raise FormatError(f"its records have {bits} bits instead of 32")
    records = _integer(tags, "TTResult_NumberOfRecords", 0)
    if records < 0:
        raise FormatError(f"its header counts {records} records")
    whole = _number(tags, "MeasDesc_GlobalResolution")
    if not layout.is_t3:
        return Recording(layout, nominal_s(whole), Fraction(0), header_bytes, records)
    period = period_s(whole, _integer(tags, "TTResult_SyncRate", 0))
    resolution = nominal_s(_number(tags, "MeasDesc_Resolution"))
    return Recording(layout, resolution, period, header_bytes, records)


def _integer(tags: dict[str, int | float], name: str, default: int | None = None) -> int:
    value = tags.get(name, default)
    if not isinstance(value, int):
        raise FormatError(f"the tag {name} of the header is missing or no whole number")
    return value


def _number(tags: dict[str, int | float], name: str) -> float:
    value = tags.get(name)
    if not isinstance(value, float) or not math.isfinite(value):
        raise FormatError(f"the tag {name} of the header is missing or no number")
    return value
