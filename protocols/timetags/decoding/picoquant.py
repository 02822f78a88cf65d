"""Records of PicoQuant's time taggers, 32 bits each, in T2 and T3.

PicoHarp: channel in bits 31 to 28. T2: time in bits 27 to 0, which rolls over at 210 698 240.
T3: time since the synchronisation in bits 27 to 16, its number in bits 15 to 0, which rolls
over at 65 536. Channel 15 is special: a roll-over or markers, whose bits are the lowest four
of the time (T2; they count as 0 of it) or of bits 27 to 16.

The others: bit 31 is special, channel in bits 30 to 25. T2: time in bits 24 to 0. T3: time
since the synchronisation in bits 24 to 10, its number in bits 9 to 0. A special channel 63
is a roll-over, of 33 552 000 (T2, HydraHarp 1) or 2^25, or of 1024 synchronisations; from
HydraHarp 2 on of as many as the lower bits count, of which 0 means one. Channels 1 to 15 are
bits of markers, 0 is a synchronisation (T2). (PicoQuant, published examples of reading,
``Read_PTU``.)

Channels given: 0 the synchronisation, n the input n as on the panel (on a PicoHarp its inputs
are 0 and 1; behind a router 1 to 4), and 100 + n the marker n; a record may have several.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.errors import FormatError
from protocols.timetags.decoding.decoder import Bytes, RecordDecoder, kernel, too_long
from protocols.timetags.decoding.picoquant_header import Layout, Recording
from protocols.timetags.tags import Tags

__all__ = ["PicoQuantDecoder"]

_FINEST_S = Fraction(1, 10**12)
_WRAPS = {
    Layout.PICOHARP_T2: 210_698_240,
    Layout.PICOHARP_T3: 65_536,
    Layout.HYDRAHARP1_T2: 33_552_000,
    Layout.HYDRAHARP1_T3: 1024,
    Layout.COUNTED_T2: 1 << 25,
    Layout.COUNTED_T3: 1024,
}
_LATEST = 1 << 62
_LONGEST_PERIOD = 10**12
_MOST_DENOMINATOR = 1 << 32


@kernel
def _roll_over(
    turns: int | np.int64, wrap: npt.NDArray[np.int64], denominator: int,
    state: npt.NDArray[np.int64],
) -> bool:  # fmt: skip
    """Carry roll-overs on and tell whether the time still fits 64 bits."""
    state[1] += turns * wrap[1]
    state[0] += turns * wrap[0] + state[1] // denominator
    state[1] %= denominator
    return bool(state[0] <= _LATEST)


@kernel
def _mark(
    bits: np.int64, time: np.int64, count: int,
    ticks: npt.NDArray[np.int64], channels: npt.NDArray[np.int32],
) -> int:  # fmt: skip
    """Fill in an event for each marker and return how many there are now."""
    for line in range(4):
        if bits >> line & 1:
            ticks[count] = time
            channels[count] = 101 + line
            count += 1
    return count


@kernel
def _harp_events(
    records: npt.NDArray[np.uint32], counted: bool, wrap: npt.NDArray[np.int64],
    syncs: npt.NDArray[np.int64], unit: int, denominator: int,
    state: npt.NDArray[np.int64], ticks: npt.NDArray[np.int64], channels: npt.NDArray[np.int32],
) -> int:  # fmt: skip
    """Fill in the events of all but PicoHarp's records and return how many there are.

    `syncs` has the time of each synchronisation until the roll-over, in ticks and rest; none
    in T2. `state` is the time of the last roll-over, in ticks and rest, and the number of
    records without a meaning. -1 if times run beyond 64 bits.
    """
    t3 = syncs.size > 0
    time_bits = 1023 if t3 else 33554431
    count = 0
    for i in range(records.size):
        record = np.int64(records[i])
        low = record & time_bits
        channel = record >> 25 & 63
        special = record >> 31
        if special and channel == 63:
            if not _roll_over(low if counted and low else 1, wrap, denominator, state):
                return -1
            continue
        time = state[0]
        if t3:
            time += syncs[low, 0] + (state[1] + syncs[low, 1] >= denominator)
        else:
            time += low
        if not special:
            ticks[count] = time + (record >> 10 & 32767) * unit
            channels[count] = channel + 1
            count += 1
        elif 0 < channel < 16:
            count = _mark(channel, time, count, ticks, channels)
        elif channel == 0 and not t3:
            ticks[count] = time
            channels[count] = 0
            count += 1
        else:
            state[2] += 1
    return count


@kernel
def _picoharp_events(
    records: npt.NDArray[np.uint32], counted: bool, wrap: npt.NDArray[np.int64],
    syncs: npt.NDArray[np.int64], unit: int, denominator: int,
    state: npt.NDArray[np.int64], ticks: npt.NDArray[np.int64], channels: npt.NDArray[np.int32],
) -> int:  # fmt: skip
    """Do the same for PicoHarp's, whose roll-overs are never counted."""
    t3 = syncs.size > 0
    count = 0
    for i in range(records.size):
        record = np.int64(records[i])
        channel = record >> 28
        since = record >> 16 & 4095
        marks = since if t3 else record & 15
        if channel == 15 and marks == 0:
            if not _roll_over(1, wrap, denominator, state):
                return -1
            continue
        time = state[0]
        if t3:
            low = record & 65535
            time += syncs[low, 0] + (state[1] + syncs[low, 1] >= denominator)
        else:
            time += record & 268435455
        if channel == 15 and marks & 15:
            count = _mark(marks & 15, time if t3 else time - marks, count, ticks, channels)
        elif channel > 4 or (t3 and channel == 0):
            state[2] += 1
        else:
            ticks[count] = time + since * unit
            channels[count] = channel
            count += 1
    return count


class PicoQuantDecoder(RecordDecoder):
    """Decodes a file from its first byte; see `decoder.Decoder`.

    In T2 the tick is the header's resolution. In T3 it is the resolution of the time since
    the synchronisation, divided by the least whole number that makes it 1 ps or less; the
    time of a synchronisation is rounded to the nearest tick, and nothing accumulates. Markers
    in T3 are given at their synchronisation.

    Parameters
    ----------
    recording : Recording
        What the header says.

    Attributes
    ----------
    surplus : int
        Bytes so far beyond as many records as the header counts; they are left out.

    Raises
    ------
    FormatError
        The header's period of synchronisation does not fit its resolution.
    """

    def __init__(self, recording: Recording) -> None:
        super().__init__(4, recording.header_bytes)
        self.surplus = 0
        layout = recording.layout
        self._left = recording.header_bytes + 4 * recording.records if recording.records else None
        self._counted = layout in (Layout.COUNTED_T2, Layout.COUNTED_T3)
        picoharp = layout in (Layout.PICOHARP_T2, Layout.PICOHARP_T3)
        self._events = _picoharp_events if picoharp else _harp_events
        self._special = 15 << 28 if picoharp else 1 << 31
        parts = math.ceil(recording.resolution_s / _FINEST_S) if layout.is_t3 else 1
        self.tick_s = recording.resolution_s / parts
        self._unit = parts if layout.is_t3 else 0
        period = Fraction(1)
        if layout.is_t3:
            # What this rounds is below 2^-32 ticks in each synchronisation.
            period = (recording.sync_period_s / self.tick_s).limit_denominator(_MOST_DENOMINATOR)
            if not 0 < period <= _LONGEST_PERIOD:
                raise FormatError("its period of synchronisation does not fit its resolution")
        self._denominator = period.denominator
        self._wrap = np.array(
            divmod(_WRAPS[layout] * period.numerator, period.denominator), np.int64
        )
        numbers = np.arange(_WRAPS[layout] if layout.is_t3 else 0)
        whole, rest = divmod(period.numerator, period.denominator)
        carry, rests = np.divmod(numbers * rest, period.denominator)
        self._syncs = np.column_stack([numbers * whole + carry, rests])
        self._state = np.array([0, period.denominator // 2, 0], np.int64)

    @property
    def unknown(self) -> int:
        """Records so far that have no meaning."""
        return int(self._state[2])

    def decode(self, data: Bytes) -> Tags:
        """Return the tags in the records that these bytes complete; see `decoder.Decoder`."""
        fresh = np.frombuffer(data, np.uint8)
        if self._left is not None:
            self.surplus += max(0, fresh.size - self._left)
            fresh = fresh[: self._left]
            self._left -= fresh.size
        return super().decode(fresh)

    def _tags(self, whole: npt.NDArray[np.uint8]) -> Tags:
        records = whole.view("<u4").astype(np.uint32, copy=False).view()
        records.flags.writeable = False  # one type of argument, one compilation
        most = records.size + 3 * int(np.count_nonzero(records >= self._special))
        ticks, channels = np.empty(most, np.int64), np.empty(most, np.int32)
        count = self._events(
            records, self._counted, self._wrap, self._syncs, self._unit, self._denominator,
            self._state, ticks, channels,
        )  # fmt: skip
        if count < 0:
            raise too_long()
        return Tags(ticks[:count], channels[:count])
