"""Decimal numbers in text to floats, as fast as the disk gives them, rounded as Python does.

A number of at most 19 digits is a whole number w times 10^q. Where both are small, one
product or quotient of floats is exact (Clinger, "How to read floating point numbers
accurately", 1990); elsewhere w is multiplied by the leading 128 bits of 5^q, which decides
the float in nearly every case (Lemire, "Number parsing at a gigabyte per second",
Software: Practice and Experience 51, 2021, section 5). What it leaves open, and whatever
is no plain number, is the caller's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["parse_lines"]

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

_LINE_END = 10
_LARGEST_POWER = 100  # of ten, either way
_MOST_DIGITS = 19

_ONE, _LOW, _ALL = np.uint64(1), np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFFFFFFFFFF)
_TEN, _HALF_WORD, _TOP = np.uint64(10), np.uint64(32), np.uint64(63)
_HIDDEN = np.uint64(1 << 52)


def _leading_bits(power: int) -> int:
    """Return the 128 leading bits of 5^power; of a fraction rounded up, as the proof wants."""
    if power >= 0:
        value: int = 5**power
        excess = value.bit_length() - 128
        return value >> excess if excess > 0 else value << -excess
    divisor: int = 5**-power
    return (1 << (divisor.bit_length() + 127)) // divisor + 1


def _powers_of_five() -> Words:
    table = [_leading_bits(q) for q in range(-_LARGEST_POWER, _LARGEST_POWER + 1)]
    return np.array([[bits >> 64, bits & (2**64 - 1)] for bits in table], np.uint64)


_FIVES = _powers_of_five()
_TENS = np.array([10.0**q for q in range(23)])


@njit(cache=True, nogil=True)
def _product(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the upper and lower half of a product of words."""
    a0, a1 = a & _LOW, a >> _HALF_WORD
    b0, b1 = b & _LOW, b >> _HALF_WORD
    low, mid, mid2, high = a0 * b0, a1 * b0, a0 * b1, a1 * b1
    middle = mid + (low >> _HALF_WORD)
    middle2 = mid2 + (middle & _LOW)
    return high + (middle >> _HALF_WORD) + (middle2 >> _HALF_WORD), (
        (middle2 << _HALF_WORD) | (low & _LOW)
    )


@njit(cache=True, nogil=True)
def _bits(w: np.uint64, q: int, fives: Words) -> np.uint64:
    """Return the bits of the float nearest to w 10^q, w > 0; all set where that stays open."""
    leading = 0
    while not (w >> _TOP):
        w <<= _ONE
        leading += 1
    high, low = _product(w, fives[q + _LARGEST_POWER, 0])
    if (high & np.uint64(0x1FF)) == np.uint64(0x1FF):
        more, _ = _product(w, fives[q + _LARGEST_POWER, 1])
        low += more
        if more > low:
            high += _ONE
    if low == _ALL:
        return _ALL
    upper = high >> _TOP
    shift = upper + np.uint64(9)
    mantissa = high >> shift
    exponent = ((217706 * q) >> 16) + 63 + np.int64(upper) - leading + 1023
    if exponent <= 0 or exponent >= 0x7FE:
        return _ALL
    # Exactly between two floats: to the even one.
    if (
        low <= _ONE
        and -4 <= q <= 23
        and (mantissa & np.uint64(3)) == _ONE
        and (mantissa << shift) == high
    ):
        mantissa &= ~_ONE
    mantissa = (mantissa + (mantissa & _ONE)) >> _ONE
    if mantissa >= (_HIDDEN << _ONE):
        mantissa = _HIDDEN
        exponent += 1
    return (mantissa & ~_HIDDEN) | (np.uint64(exponent) << np.uint64(52))


@njit(cache=True, nogil=True)
def _number(
    text: Bytes, i: int, values: Floats, words: Words, at: int, fives: Words, tens: Floats
) -> int:
    """Read the number that starts at a place; return where it ends, −1 if it is not plain."""
    c = text[i]
    if c | 32 == 110 and text[i + 1] | 32 == 97 and text[i + 2] | 32 == 110:  # nan
        values[at] = np.nan
        return i + 3
    negative = c == 45
    if negative or c == 43:
        i += 1
        c = text[i]
    start, w, zeros = i, np.uint64(0), 0
    while c == 48:
        i += 1
        c = text[i]
    zeros = i - start
    while 48 <= c <= 57:
        w = w * _TEN + np.uint64(c - 48)
        i += 1
        c = text[i]
    digits = i - start - zeros
    q = 0
    if c == 46:
        i += 1
        c = text[i]
        start = i
        if digits == 0:
            while c == 48:
                i += 1
                c = text[i]
            zeros += i - start
        fraction = i
        while 48 <= c <= 57:
            w = w * _TEN + np.uint64(c - 48)
            i += 1
            c = text[i]
        digits += i - fraction
        q = start - i
    if digits + zeros == 0 or digits > _MOST_DIGITS:
        return -1
    if c | 32 == 101 or c | 32 == 100:  # e, and the d of Fortran
        i += 1
        c = text[i]
        down = c == 45
        if down or c == 43:
            i += 1
            c = text[i]
        start, power = i, np.int64(0)
        while 48 <= c <= 57 and i - start < 5:
            power = power * 10 + np.int64(c) - 48
            i += 1
            c = text[i]
        if i == start or i - start == 5:
            return -1
        q += int(-power if down else power)
    if w == np.uint64(0):
        values[at] = -0.0 if negative else 0.0
    elif w <= (_HIDDEN << _ONE) and -22 <= q <= 22:
        value = np.float64(w)
        value = value / tens[-q] if q < 0 else value * tens[q]
        values[at] = -value if negative else value
    elif -_LARGEST_POWER <= q <= _LARGEST_POWER:
        bits = _bits(w, q, fives)
        if bits == _ALL:
            return -1
        words[at] = bits | (np.uint64(negative) << _TOP)
    else:
        return -1
    return i


@njit(cache=True, nogil=True)
def _lines(
    text: Bytes, at: int, limit: int, separator: int, first: int, second: int,
    values: Floats, words: Words, others: Floats, other_words: Words,
    fives: Words, tens: Floats,
) -> tuple[int, int]:  # fmt: skip
    """Read lines up to a limit before which there is a line's end."""
    count = 0
    while at < limit and count < values.size:
        i, field, missing = at, 1, 1 if second == 0 else 2
        while True:
            while text[i] == 32 or text[i] == 9:
                i += 1
            if field in (first, second):
                if field == first:
                    i = _number(text, i, values, words, count, fives, tens)
                else:
                    i = _number(text, i, others, other_words, count, fives, tens)
                if i < 0:
                    return count, at
                end = i
                while text[i] == 32 or text[i] == 9 or text[i] == 13:
                    i += 1
                if text[i] != 10 and text[i] != separator and (separator != 32 or i == end):
                    return count, at
                missing -= 1
                if missing == 0:
                    break
            elif separator == 32:
                while text[i] != 32 and text[i] != 9 and text[i] != 10:
                    i += 1
            else:
                while text[i] != separator and text[i] != 10:
                    i += 1
            if text[i] == 10:
                return count, at
            if separator != 32:
                i += 1
            field += 1
        while text[i] != 10:
            i += 1
        at = i + 1
        count += 1
    return count, at


def parse_lines(
    text: Bytes, start: int, separator: int, columns: tuple[int, int], most: int
) -> tuple[Floats, Floats, int]:
    """Read one or two columns of lines of text, as far as they are plain numbers.

    Parameters
    ----------
    text : numpy.ndarray of uint8
        Text, of which only lines with an end are read.
    start : int
        Where the first line starts.
    separator : int
        Character between the fields; 32 stands for any number of blanks and tabs. Blanks
        around a field are not part of it.
    columns : tuple of int
        The columns wanted, from 1; the second is 0 if there is none.
    most : int
        Lines at most.

    Returns
    -------
    values, others : numpy.ndarray
        The columns, as many as there are lines before one that is something else.
    stop : int
        Where that line starts, or what is left.
    """
    values, others = np.empty(most), np.empty(most if columns[1] else 0)
    limit = text.size
    while limit > start and text[limit - 1] != _LINE_END:
        limit -= 1
    count, stop = _lines(
        text, start, limit, separator, columns[0], columns[1],
        values, values.view(np.uint64), others, others.view(np.uint64), _FIVES, _TENS,
    )  # fmt: skip
    return values[:count], others[: count if columns[1] else 0], stop
