"""Bit strings, packed and unpacked.

Packed: the first bit is bit 7 of byte 0, the rest of the last byte is zero, and
the number of bits goes beside the bytes. Unpacked: one ``uint8`` of 0 or 1 a bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError

__all__ = ["BitArray", "bits_at", "check_packed", "pack", "packed_size", "unpack"]

BitArray = npt.NDArray[np.uint8]
"""One 0 or 1 an element."""


def packed_size(count: int) -> int:
    """Return the number of bytes that hold `count` bits."""
    if count < 0:
        raise ParameterError(f"a number of bits cannot be negative: {count}")
    return (count + 7) // 8


def check_packed(data: bytes, count: int) -> None:
    """Raise unless `data` is exactly `count` packed bits with zero padding.

    Raises
    ------
    ParameterError
        The length does not belong to `count`, or padding bits are set.
    """
    if len(data) != packed_size(count):
        raise ParameterError(f"{count} bits take {packed_size(count)} bytes, not {len(data)}")
    if count % 8 and data[-1] & (0xFF >> count % 8):
        raise ParameterError("the padding of a packed bit string must be zero")


def pack(bits: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]) -> bytes:
    """Pack an array of zeros and ones.

    Raises
    ------
    ParameterError
        The array is not one-dimensional or holds something besides 0 and 1.
    """
    if bits.ndim != 1 or bits.dtype not in (np.uint8, np.bool_):
        raise ParameterError("bits must be a one-dimensional array of uint8 or bool")
    if bits.size and int(bits.max()) > 1:
        raise ParameterError("bits must be 0 or 1")
    return np.packbits(bits).tobytes()


def unpack(data: bytes, count: int) -> BitArray:
    """Unpack `count` bits; the opposite of `pack`.

    Raises
    ------
    ParameterError
        As `check_packed`.
    """
    check_packed(data, count)
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count)


def bits_at(packed: bytes, places: npt.NDArray[np.int64]) -> BitArray:
    """Return the bits of a packed string at `places`, which lie within it."""
    octets = np.frombuffer(packed, np.uint8)[places >> 3]
    bits: BitArray = (octets >> (7 - (places & 7)).astype(np.uint8)) & np.uint8(1)
    return bits
