"""Ascending lists of integers in few bytes.

Each number is written as its distance from the one before, less one (from −1 at the
start), in groups of seven bits, the lowest first, bit 7 set on all but the last (unsigned
LEB128). There is exactly one encoding of each list.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.errors import MessageError, ParameterError

__all__ = ["Numbers", "decode_ascending", "encode_ascending"]

Numbers = npt.NDArray[np.int64]
"""A list of integers."""

_LIMIT = 1 << 48


@njit(cache=True)
def _encode(numbers: npt.NDArray[np.int64], out: npt.NDArray[np.uint8]) -> int:
    size = 0
    last = np.int64(-1)
    for number in numbers:
        gap = number - last - 1
        last = number
        while gap >= 128:
            out[size] = np.uint8(gap & 127 | 128)
            gap >>= 7
            size += 1
        out[size] = np.uint8(gap)
        size += 1
    return size


@njit(cache=True)
def _decode(data: npt.NDArray[np.uint8], out: npt.NDArray[np.int64], limit: int) -> int:
    """Fill `out`; return the bytes used, or −1 if `data` does not encode such a list."""
    at = 0
    last = np.int64(-1)
    for i in range(out.size):
        gap = np.int64(0)
        shift = 0
        while True:
            if at == data.size or shift > 42:
                return -1
            byte = np.int64(data[at])
            at += 1
            gap |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
        if byte == 0 and shift > 0:
            return -1
        last += gap + 1
        if last >= limit:
            return -1
        out[i] = last
    return at


def encode_ascending(numbers: npt.NDArray[np.int64]) -> bytes:
    """Encode strictly ascending integers from 0 to below 2**48.

    Raises
    ------
    ParameterError
        The numbers do not ascend or are out of range.
    """
    if numbers.size and (numbers[0] < 0 or numbers[-1] >= _LIMIT or (np.diff(numbers) <= 0).any()):
        raise ParameterError("numbers must ascend strictly from 0 to below 2**48")
    out = np.empty(7 * numbers.size, np.uint8)
    return out[: _encode(numbers, out)].tobytes()


def decode_ascending(data: bytes, count: int, limit: int) -> npt.NDArray[np.int64]:
    """Decode `count` integers below `limit` that fill `data` exactly.

    Raises
    ------
    MessageError
        The bytes are not the encoding of such a list.
    """
    if count > len(data):
        raise MessageError("a list of numbers is too short")
    out = np.empty(count, np.int64)
    if _decode(np.frombuffer(data, np.uint8), out, min(limit, _LIMIT)) != len(data):
        raise MessageError("a list of numbers is malformed")
    return out
