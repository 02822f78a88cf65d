r"""Which pulse is which, from a public string that the source sends among the pulses.

The sender plays a string of L public bits in known states; the receiver has, for some
slots, a bit that agrees with what was sent more often than not. As in Qubit4Sync (arXiv
1909.12050) ``C(s) = sum over slots of the received sign times the string's sign s slots
before`` peaks at the offset s of the string. All offsets are correlated, by fast Fourier
transforms of pieces (overlap and save), and the first that stands out ends the search.
iQSync (arXiv 2404.04081) does with fewer operations and little memory, for programmable
logic; here this search takes less time than any other step of a pattern.

At an offset at which nothing was sent that depends on the string, C is a sum of
``n`` random signs, n the clicks within L slots from s on. By Hoeffding's inequality
it reaches ``c`` with probability ``exp(-c^2 / 2 n)`` at most: `find_string` multiplies this
by the number of all offsets. C and n are whole numbers, so that the outcome is the same on
every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.bits import BitArray
from protocols.errors import ParameterError
from protocols.generator import expand
from protocols.timetags.repetition.errors import NoStringError

__all__ = ["Found", "find_string", "public_string"]

_SEED = b"qlab public string 1"
#: The transforms are so many times as long as the string, and not shorter than this.
_LONGER, _SHORTEST = 4, 1 << 14


def public_string(label: str, count: int) -> BitArray:
    """Return the `count` public bits of a label, by `protocols.generator.expand`.

    Raises
    ------
    ParameterError
        `count` is negative, or the label too long.
    """
    packed = np.frombuffer(expand(_SEED, label, 0, -(-count // 8)), np.uint8)
    return np.unpackbits(packed, count=count)


@dataclass(frozen=True)
class Found:
    """A string that was found.

    Attributes
    ----------
    offset : int
        Slot of its first bit.
    clicks, errors : int
        Bits that were received of it, and those that are wrong.
    false_alarm_probability : float
        Upper bound of the probability that one of all offsets looks so by chance.
    """

    offset: int
    clicks: int
    errors: int
    false_alarm_probability: float


def find_string(
    slots: npt.NDArray[np.int64],
    bits: BitArray,
    string: BitArray,
    within: tuple[int, int],
    false_alarm: float = 1e-9,
) -> Found:
    """Find where a public string begins.

    Parameters
    ----------
    slots : int64 array
        Slots of the bits that were received, ascending; only those that tell of the string.
    bits : uint8 array of 0 or 1
        What was received.
    string : uint8 array of 0 or 1
    within : two ints
        The first offset to try, and the one behind the last.
    false_alarm : float
        Probability, below 1, with which data without the string may pass.

    Raises
    ------
    NoStringError
        No offset stands out, or one where most bits are wrong.
    ParameterError
        Arrays that do not belong together, no string, or no offset to try.
    """
    offsets = within[1] - within[0]
    if slots.shape != bits.shape or slots.ndim != 1 or not string.size or offsets < 1:
        raise ParameterError("slots and bits are equally many; there are a string and offsets")
    if not 0 < false_alarm < 1:
        raise ParameterError("the false alarm is between 0 and 1")
    length = max(_SHORTEST, 1 << (_LONGER * string.size - 1).bit_length())
    length = min(length, max(_SHORTEST, 1 << (offsets + string.size - 1).bit_length()))
    step = length - string.size + 1
    wanted = np.fft.rfft(1.0 - 2.0 * string, length).conj()
    needed = math.log(2 * offsets / false_alarm)
    best, chance, sign = None, 1.0, 1
    for first in range(within[0], within[1], step):
        tried = min(step, within[1] - first)
        ends = np.searchsorted(slots, (first, first + tried + string.size - 1))
        near = slice(int(ends[0]), int(ends[1]))
        if near.stop - near.start < 2.0 * needed:  # even all right it would not do
            continue
        place = slots[near] - first
        signs = np.bincount(place, 1.0 - 2.0 * bits[near], length)
        sums = np.rint(np.fft.irfft(np.fft.rfft(signs) * wanted, length)[:tried])
        clicks = np.concatenate(([0], np.cumsum(np.bincount(place, minlength=length))))
        count = clicks[string.size : string.size + tried] - clicks[:tried]
        merit = sums * sums / np.maximum(2 * count, 1)
        peak = int(np.argmax(merit))
        log_chance = math.log(2 * offsets) - float(merit[peak])
        if best is None or log_chance < math.log(chance):
            total, right = int(count[peak]), int(count[peak] + sums[peak]) // 2
            chance = min(1.0, math.exp(max(log_chance, -700.0)))
            best = Found(first + peak, total, total - right, chance)
            sign = 1 if sums[peak] > 0 else -1
        if chance <= false_alarm:
            break
    if best is None or chance > false_alarm:
        raise NoStringError(
            f"the public string of {string.size} bits is at none of {offsets} offsets: the "
            f"best looks so by chance with probability {chance:.1g}"
        )
    if sign < 0:
        raise NoStringError(
            f"the public string is found inverted, {best.errors} of its {best.clicks} bits wrong"
        )
    return best
