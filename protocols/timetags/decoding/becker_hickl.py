"""Files of Becker & Hickl's TCSPC cards in FIFO mode: SPC-130, 140, 150, 160 and 830.

Words of 32 bits, little-endian. The first has the macro-time clock in bits 23 to 0, in
0.1 ns, says in bit 26 that the rest is as the hardware gave it, for diagnosis, and has bit 31
set. Each further one: macro time in bits 11 to 0, routing in 15 to 12, ADC in 27 to 16, then
MARK, GAP, MTOV and INVALID. MTOV: the macro time rolled over once before; with INVALID and
without MARK as often as bits 27 to 0 count, and there is no photon. MARK: the routing bits
are markers. GAP: events before this one are lost. INVALID alone: no photon (W. Becker, "The bh
TCSPC Handbook", structure of FIFO files; the record interpretations of libtcspc agree).

Photons get the channel routing + 1, marker Mn, n from 0, the channel 100 + n; a record may
have several. The ADC counts back from the next pulse of the reference, in steps that the file
does not tell.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.errors import FormatError, ParameterError
from protocols.timetags.decoding.decoder import RecordDecoder, kernel, too_long
from protocols.timetags.tags import Tags

__all__ = ["HEADER_BYTES", "SpcDecoder"]

#: So much tells the clock.
HEADER_BYTES = 4

_CLOCK_UNIT_S = Fraction(1, 10**10)
_DPC, _RAW, _VALID = 1 << 24, 1 << 26, 1 << 31
_LATEST = 1 << 62


@kernel
def _spc_events(
    words: npt.NDArray[np.uint32], clock: int, step: int, state: npt.NDArray[np.int64],
    ticks: npt.NDArray[np.int64], channels: npt.NDArray[np.int32],
) -> int:  # fmt: skip
    """Fill in events and return how many there are, or -1 if times run beyond 64 bits.

    `clock` and `step` are the ticks of the macro-time clock and of the ADC; `state` the clocks
    until the last roll-over, the invalid photons and the gaps.
    """
    latest = _LATEST // clock
    count = 0
    for i in range(words.size):
        word = np.int64(words[i])
        flags = word >> 28
        state[2] += flags >> 1 & 1
        marked, rolled, invalid = flags & 1, flags & 4, flags & 8
        if rolled and invalid and not marked:
            state[0] += (word & 268435455) << 12
            if state[0] > latest:
                return -1
            continue
        if rolled:
            state[0] += 4096
            if state[0] > latest:
                return -1
        routing = word >> 12 & 15
        time = (state[0] + (word & 4095)) * clock
        if marked:
            for line in range(4):
                if routing >> line & 1:
                    ticks[count] = time
                    channels[count] = 100 + line
                    count += 1
        elif invalid:
            state[1] += 1
        else:
            ticks[count] = time + (4095 - (word >> 16 & 4095)) * step
            channels[count] = routing + 1
            count += 1
    return count


class SpcDecoder(RecordDecoder):
    """Decodes a file from its first byte; see `decoder.Decoder`.

    The tick is the macro-time clock. With the TAC's range it is the largest that both the
    clock and a step of the ADC, 1/4096 of the range, are whole numbers of, and a photon's time
    is that of its clock and of the ADC, counted forward. That is right where the reference
    drives the macro-time clock.

    Parameters
    ----------
    header : bytes
        The first four bytes.
    tac_range_s : Fraction, optional
        Full range of the TAC in seconds, gain included.

    Raises
    ------
    FormatError
        It is no such file.
    ParameterError
        The range is not between 1 ns and 1 ms.
    """

    def __init__(self, header: bytes, tac_range_s: Fraction | None = None) -> None:
        super().__init__(4, HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            raise FormatError("the file ends within its header")
        word = int.from_bytes(header[:HEADER_BYTES], "little")
        clock_s = (word & 0xFFFFFF) * _CLOCK_UNIT_S
        if not word & _VALID or not clock_s:
            raise FormatError("its first word is no macro-time clock")
        if word & _DPC:
            raise FormatError("it is of a DPC-230, whose words are others")
        if word & _RAW:
            raise FormatError("it has the hardware's words as they are, for diagnosis only")
        if tac_range_s is None:
            self.tick_s, self._clock, self._step = clock_s, 1, 0
        else:
            if not Fraction(1, 10**9) <= tac_range_s <= Fraction(1, 1000):
                raise ParameterError("the TAC's range is between 1 ns and 1 ms")
            step_s = tac_range_s / 4096
            self.tick_s = _common(clock_s, step_s)
            self._clock, self._step = int(clock_s / self.tick_s), int(step_s / self.tick_s)
        if max(self._clock, self._step) > 1 << 40:
            raise ParameterError("the TAC's range and the clock have no common tick that serves")
        self._state = np.zeros(3, np.int64)

    @property
    def invalid(self) -> int:
        """Photons so far that the card marked invalid; they are left out."""
        return int(self._state[1])

    @property
    def gaps(self) -> int:
        """Records so far before which events are lost."""
        return int(self._state[2])

    def _tags(self, whole: npt.NDArray[np.uint8]) -> Tags:
        words = whole.view("<u4").astype(np.uint32, copy=False).view()
        words.flags.writeable = False  # one type of argument, one compilation
        most = words.size + 3 * int(np.count_nonzero(words & np.uint32(1 << 28)))
        ticks, channels = np.empty(most, np.int64), np.empty(most, np.int32)
        count = _spc_events(words, self._clock, self._step, self._state, ticks, channels)
        if count < 0:
            raise too_long()
        return Tags(ticks[:count], channels[:count])


def _common(one: Fraction, other: Fraction) -> Fraction:
    """Return the largest number that both are whole multiples of."""
    return Fraction(
        math.gcd(one.numerator * other.denominator, other.numerator * one.denominator),
        one.denominator * other.denominator,
    )
