"""From time tags to slots where no clock and no marker joins the two stations.

Alice puts a public string, in the key basis and at her strongest intensity, before and
another one behind the slots of each pattern. Bob's modulator plays his bases on his own
clock, that of his tagger. From his clicks alone he finds the period of the pulses, follows
it (`protocols.timetags.repetition`), and finds the first string; that the second one is where
it must be shows that no pulse was lost or counted twice between them. Slots of the strings
are no part of the pattern: they are neither announced nor counted.

A pulse that passes near a step of Bob's modulator meets no certain basis. Which pulses these
are follows from the course of the two clocks alone, not from bases or outcomes, and they are
left out like clicks outside the window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.bb84.settings import AliceSettings
from protocols.bb84.slots import Clicks, estimate_delay
from protocols.bits import BitArray
from protocols.errors import ParameterError
from protocols.timetags.repetition.errors import NoRepetitionError, NoStringError
from protocols.timetags.repetition.pulse import FINE
from protocols.timetags.repetition.spectrum import find_line
from protocols.timetags.repetition.strings import Found, find_string, public_string
from protocols.timetags.repetition.tracking import Track, follow

__all__ = ["BasisRecord", "Frame", "Unclocked", "place_clicks"]

_UNKNOWN = 2
#: Of a period, in the search for the detectors' skew.
_BINS = 64


@dataclass(frozen=True)
class Frame:
    """A pattern with its two public strings.

    Attributes
    ----------
    index : int
        Number of the pattern; each has strings of its own.
    string : int
        Bits of each of the two strings.
    slots : int
        Slots between them.
    """

    index: int
    string: int
    slots: int

    @property
    def head(self) -> BitArray:
        """The string before the pattern."""
        return public_string(f"head {self.index}", self.string)

    @property
    def tail(self) -> BitArray:
        """The string behind the pattern."""
        return public_string(f"tail {self.index}", self.string)

    def around(self, settings: AliceSettings) -> AliceSettings:
        """Return what Alice sends: her settings of the pattern between the strings.

        Raises
        ------
        ParameterError
            The settings are not those of `slots` slots.
        """
        if settings.bit.size != self.slots:
            raise ParameterError("the settings are not those of the pattern")
        same = np.zeros(self.string, np.uint8)  # the key basis, and the strongest intensity
        return AliceSettings(
            np.concatenate((self.head, settings.bit, self.tail)),
            np.concatenate((same, settings.basis, same)),
            np.concatenate((same, settings.intensity, same)),
        )


@dataclass(frozen=True, eq=False)
class BasisRecord:
    """The bases that Bob's modulator plays, on the clock of his tagger; times in ticks.

    Attributes
    ----------
    start : Fraction
        When light that passes the modulator at its first step reaches the tagger, by
        detector 0.
    period : Fraction
        From step to step.
    guard : Fraction
        How near to a step the basis counts as unknown.
    basis : uint8 array of 0 or 1
    """

    start: Fraction
    period: Fraction
    guard: Fraction
    basis: BitArray

    def at(self, time: npt.NDArray[np.float64], origin: int) -> BitArray:
        """Return the basis of pulses that arrive at times since `origin`; 2 if not known."""
        steps = self._steps(time, origin)
        number = np.floor(steps)
        near = float(self.guard / self.period)
        part = steps - number
        known = (part >= near) & (part <= 1.0 - near)
        known &= self.plays(time, origin)
        found = np.full(time.shape, _UNKNOWN, np.uint8)
        found[known] = self.basis[number[known].astype(np.int64)]
        return found

    def plays(self, time: npt.NDArray[np.float64], origin: int) -> npt.NDArray[np.bool_]:
        """Return whether the modulator plays when pulses meet it that arrive at such times."""
        steps = self._steps(time, origin)
        return (steps >= 0.0) & (steps < self.basis.size)

    def _steps(self, time: npt.NDArray[np.float64], origin: int) -> npt.NDArray[np.float64]:
        steps: npt.NDArray[np.float64] = time - float(self.start - origin)
        return steps / float(self.period)


@dataclass(frozen=True, eq=False)
class Unclocked:
    """Clicks in slots, and how they were placed.

    Attributes
    ----------
    clicks : Clicks
        With slot 0 the first one behind the first string; inside are those within the window
        and with a known basis.
    track : Track
        Of both detectors' tags together.
    first_slot : int
        Slot of `track` that is slot 0 here.
    head, tail : Found
        The strings, with offsets in slots of `track`.
    offset : float
        By how many ticks detector 0 clicks later than `track` has it.
    skew : float
        By how many ticks detector 1 clicks later than detector 0.
    guarded : float
        Share of the pattern's clicks within the window whose basis is not known.
    """

    clicks: Clicks
    track: Track
    first_slot: int
    head: Found
    tail: Found
    offset: float
    skew: float
    guarded: float

    def basis(self, slot: npt.NDArray[np.int64], record: BasisRecord) -> BitArray:
        """Return Bob's basis in slots; 2 if it is not known."""
        arrival = self.track.centre(slot + self.first_slot) + self.offset
        return record.at(arrival, self.track.origin)


def place_clicks(
    tags: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    tick: Fraction,
    period: Fraction,
    window: Fraction,
    frame: Frame,
    record: BasisRecord,
    max_ppm: float,
    false_alarm: float = 1e-9,
) -> Unclocked:
    """Find the pattern in the tags of both detectors, and give every click its slot.

    Parameters
    ----------
    tags : two int64 arrays
        Ticks of detector 0 and of detector 1, each ascending.
    tick, period, window : Fraction
        Seconds: of a tick, of a slot on Alice's clock, and the width of the window.
    frame : Frame
        What Alice sent around the pattern.
    record : BasisRecord
        What Bob's modulator played.
    max_ppm : float
        How far the two clocks may be apart, in parts per million.
    false_alarm : float
        Probability with which light without pulses, or another pattern, may pass: of each
        of the steps, so three times in all.

    Raises
    ------
    NoRepetitionError
        The clicks do not follow pulses of about this period, or the phase jumps.
    NoStringError
        A string is missing, inverted, or not as far from the other as it must be; or most
        pulses pass Bob's modulator near its steps.
    """
    nominal = period / tick
    busy = 0 if tags[0].size >= tags[1].size else 1
    track = _followed(tags[busy], nominal, max_ppm, false_alarm)
    skew = _skew(track, tags[1 - busy]) * (1 if busy == 0 else -1)
    moved = tags[1] - math.floor(skew + 0.5)
    times = np.concatenate((tags[0], moved))
    detector = np.repeat(np.array([0, 1], np.uint8), (tags[0].size, tags[1].size))
    order = np.argsort(times, kind="stable")
    times, detector = times[order], detector[order]
    track = _followed(times, nominal, max_ppm, false_alarm)
    slot, late = track.place(times)
    offsets = [_middle(late[detector == n], track.pulse.gate) for n in (0, 1)]
    late -= np.array(offsets)[detector]
    centre = track.centre(slot) + offsets[0]
    basis = record.at(centre, track.origin)
    lost = basis[record.plays(centre, track.origin)] == _UNKNOWN
    if lost.size and 2 * int(np.count_nonzero(lost)) > lost.size:
        raise NoStringError(
            f"{np.count_nonzero(lost) / lost.size:.0%} of the clicks pass Bob's modulator near its "
            "steps, since the two clocks hardly slide against each other"
        )
    near = 2 * np.abs(late) <= float(window / tick)
    told = near & (basis == 0)
    head, tail = _strings(slot[told], detector[told], frame, false_alarm)
    first = head.offset + frame.string
    inside = near & (basis != _UNKNOWN)
    fine = (times - track.origin) * FINE
    fine -= np.rint(np.array(offsets) * FINE).astype(np.int64)[detector]
    ordered = np.argsort(fine, kind="stable")
    clicks = Clicks(
        fine[ordered],
        tick / FINE,
        (slot - first)[ordered],
        detector[ordered],
        inside[ordered],
    )
    pattern = near & (slot >= first) & (slot < first + frame.slots)
    total = int(np.count_nonzero(pattern))
    guarded = 1.0 - int(np.count_nonzero(pattern & inside)) / total if total else 1.0
    difference = math.floor(skew + 0.5) + offsets[1] - offsets[0]
    return Unclocked(clicks, track, first, head, tail, offsets[0], difference, guarded)


def _followed(
    ticks: npt.NDArray[np.int64], nominal: Fraction, max_ppm: float, false_alarm: float
) -> Track:
    line = find_line(ticks, nominal, max_ppm, false_alarm)
    return follow(ticks, float(nominal), line)


def _middle(late: npt.NDArray[np.float64], gate: float) -> float:
    """Return the middle of what lies within a gate, as multiples of 1/1024 tick."""
    near = np.rint(late[np.abs(late) <= gate] * FINE).astype(np.int64)
    return float(np.floor(int(near.sum()) / max(near.size, 1) + 0.5)) / FINE


def _skew(track: Track, ticks: npt.NDArray[np.int64]) -> float:
    """Return how much later than the track the pulses of other tags are, within half a period.

    Raises
    ------
    NoRepetitionError
        They do not follow the pulses.
    """
    if not ticks.size:
        raise NoRepetitionError("one of the detectors gives no click")
    _, late = track.place(ticks)
    bins = _BINS
    histogram = np.bincount(
        np.floor((late / track.period + 0.5) * bins).astype(np.int64) % bins, minlength=bins
    )
    try:
        delay, _ = estimate_delay(histogram, track.period)
    except ParameterError as error:
        raise NoRepetitionError(f"of one of the detectors {error}") from None
    return delay - 0.5 * track.period


def _strings(
    slots: npt.NDArray[np.int64], bits: BitArray, frame: Frame, false_alarm: float
) -> tuple[Found, Found]:
    """Find the string before the pattern, and see that the other one is where it must be.

    Slots and bits are those of clicks in the key basis.
    """
    if not slots.size:
        raise NoStringError("no click comes while the modulator plays the key basis")
    first, last = int(slots[0]), int(slots[-1])
    if last - first < frame.string:
        raise NoStringError("the clicks span less than the public string")
    head = find_string(slots, bits, frame.head, (first, last - frame.string + 1), false_alarm)
    due = head.offset + frame.string + frame.slots
    try:
        return head, find_string(slots, bits, frame.tail, (due, due + 1), false_alarm)
    except NoStringError:
        pass
    begin = head.offset + frame.string
    try:
        tail = find_string(slots, bits, frame.tail, (begin, max(last, begin) + 1), false_alarm)
    except NoStringError as error:
        raise NoStringError(f"behind the pattern {error}") from None
    raise NoStringError(
        f"the pattern has {tail.offset - due:+d} slots more than were sent: a clock jumped"
    )
