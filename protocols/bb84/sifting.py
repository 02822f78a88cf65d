"""From clicks to detections, and from detections and both parties' bases to sifted bits.

A detection is dropped when any click, of either detector, inside a window or not, itself
dropped or not, came less than the longest dead time before the slot's first click: only
then were both detectors alive, and bits of neighbouring detections are independent. The
clicks of one slot are one detection; if both detectors clicked, its bit is random.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.bb84.agreement import Agreement
from protocols.bb84.slots import Clicks
from protocols.bits import BitArray, packed_size
from protocols.errors import MessageError, ParameterError
from protocols.generator import permutation

__all__ = [
    "DOUBLE",
    "Detections",
    "Sifted",
    "count_test",
    "detections",
    "double_click_bytes",
    "intensity_counts",
    "resolve_double_clicks",
    "select_block",
    "sift",
]

DOUBLE = 2
"""Outcome of a detection in which both detectors clicked."""


@dataclass(frozen=True)
class Detections:
    """One pattern's detections, in ascending order of slots, and what was dropped.

    Attributes
    ----------
    slot_count : int
        Slots of the pattern.
    slot : int64 array
        From 0 to below `slot_count`, strictly ascending.
    outcome : uint8 array
        The detector that clicked, 0 or 1, or `DOUBLE`.
    dropped_outside : int
        Clicks outside the windows or outside the pattern.
    dropped_dead_time : int
        Detections dropped because a click came too shortly before.
    """

    slot_count: int
    slot: npt.NDArray[np.int64]
    outcome: npt.NDArray[np.uint8]
    dropped_outside: int = 0
    dropped_dead_time: int = 0

    def __repr__(self) -> str:
        return f"<{self.slot.size} detections in {self.slot_count} slots>"

    @property
    def double_clicks(self) -> int:
        """Number of detections in which both detectors clicked."""
        return int(np.count_nonzero(self.outcome == DOUBLE))


def detections(clicks: Clicks, slot_count: int, dead_time: Fraction) -> Detections:
    """Apply the window, the dead-time rule and the double-click rule.

    Parameters
    ----------
    clicks : Clicks
        All clicks of the pattern, also those outside the windows and before slot 0.
    slot_count : int
        Slots of the pattern.
    dead_time : Fraction
        The longest dead time of either detector, in seconds; a click exactly that long
        after another is kept.

    Raises
    ------
    ParameterError
        `slot_count` or `dead_time` is negative.
    """
    if slot_count < 0 or dead_time < 0:
        raise ParameterError("slot count and dead time must not be negative")
    valid = clicks.inside & (clicks.slot >= 0) & (clicks.slot < slot_count)
    index = np.flatnonzero(valid)
    slot, detector = clicks.slot[index], clicks.detector[index]
    begins = np.ones(index.size, np.bool_)
    begins[1:] = slot[1:] != slot[:-1]
    starts = np.flatnonzero(begins)
    fired = np.left_shift(1, detector)
    masks = np.bitwise_or.reduceat(fired, starts) if starts.size else fired
    first = index[starts]
    alive = np.ones(first.size, np.bool_)
    later = first > 0
    elapsed = clicks.time[first[later]] - clicks.time[first[later] - 1]
    ratio = dead_time / clicks.unit
    alive[later] = elapsed >= -(-ratio.numerator // ratio.denominator)
    return Detections(
        slot_count,
        slot[starts][alive],
        (masks[alive] - 1).astype(np.uint8),
        dropped_outside=int(valid.size - index.size),
        dropped_dead_time=int(alive.size - np.count_nonzero(alive)),
    )


def double_click_bytes(found: Detections) -> int:
    """Return how many random bytes `resolve_double_clicks` needs."""
    return packed_size(found.double_clicks)


def resolve_double_clicks(found: Detections, entropy: bytes) -> BitArray:
    """Return the detections' bits, with a random bit for every double click.

    Raises
    ------
    ParameterError
        `entropy` is not exactly `double_click_bytes` long.
    """
    double = found.outcome == DOUBLE
    count = int(np.count_nonzero(double))
    if len(entropy) != packed_size(count):
        raise ParameterError(f"{count} double clicks take {packed_size(count)} random bytes")
    bits = found.outcome.copy()
    bits[double] = np.unpackbits(np.frombuffer(entropy, np.uint8), count=count)
    return bits


@dataclass(frozen=True)
class Sifted:
    """Which of the announced detections make the key block and the test.

    Attributes
    ----------
    key, test : int64 arrays
        Places in the announced list: both parties in z, in the order of the block's
        permutation; both in x, ascending.
    discarded_key, discarded_test : int
        Detections with equal bases beyond the agreed sizes.
    n_z, n_x : tuples of int
        Detections per intensity of the key block and of the test.
    """

    key: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
    discarded_key: int
    discarded_test: int
    n_z: tuple[int, ...]
    n_x: tuple[int, ...]


def sift(
    alice_basis: BitArray,
    bob_basis: BitArray,
    key_order: npt.NDArray[np.integer],
    test_order: npt.NDArray[np.integer],
    key_size: int,
    test_size: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Keep equal bases, and of these a random selection of the agreed size.

    Parameters
    ----------
    alice_basis, bob_basis : uint8 arrays
        Bases of the announced detections.
    key_order, test_order : integer arrays
        Permutations of the detections with both in z, and with both in x; what they put
        first is selected. The key stays in that order, which spreads bursts of errors.
    key_size, test_size : int
        How many to keep; all if there are fewer.

    Returns
    -------
    key, test : int64 arrays
        As in `Sifted`.

    Raises
    ------
    ParameterError
        The arrays do not belong together.
    """
    if alice_basis.shape != bob_basis.shape:
        raise ParameterError("the parties' bases must be equally many")
    both_z = np.flatnonzero((alice_basis | bob_basis) == 0)
    both_x = np.flatnonzero((alice_basis & bob_basis) == 1)
    if key_order.size != both_z.size or test_order.size != both_x.size:
        raise ParameterError("a permutation must have as many places as bases agree")
    return both_z[key_order[:key_size]], np.sort(both_x[test_order[:test_size]])


def select_block(
    agreement: Agreement,
    alice_basis: BitArray,
    bob_basis: BitArray,
    marks: list[BitArray],
    seed: bytes,
) -> Sifted:
    """Choose the block by the public seed, and count it.

    Parameters
    ----------
    agreement : Agreement
        Gives the sizes.
    alice_basis, bob_basis : uint8 arrays
        Bases of the announced detections.
    marks : list of uint8 arrays
        For each intensity but the first, which of the detections were sent at it.
    seed : bytes

    Raises
    ------
    ParameterError
        The arrays do not belong together.
    """
    if alice_basis.shape != bob_basis.shape:
        raise ParameterError("the parties' bases must be equally many")
    both_z = int(np.count_nonzero((alice_basis | bob_basis) == 0))
    both_x = int(np.count_nonzero((alice_basis & bob_basis) == 1))
    key, test = sift(
        alice_basis,
        bob_basis,
        permutation(seed, "key block", both_z),
        permutation(seed, "test block", both_x),
        agreement.n_z,
        agreement.n_x,
    )
    return Sifted(
        key,
        test,
        both_z - key.size,
        both_x - test.size,
        intensity_counts([mark[key] for mark in marks], key.size),
        intensity_counts([mark[test] for mark in marks], test.size),
    )


def count_test(marks: list[BitArray], ours: BitArray, theirs: BitArray) -> tuple[int, ...]:
    """Count the errors of the test per intensity.

    Raises
    ------
    MessageError
        The other party sent another number of bits.
    """
    if ours.shape != theirs.shape:
        raise MessageError(f"{theirs.size} test bits came where {ours.size} are due")
    wrong = ours ^ theirs
    return intensity_counts([mark & wrong for mark in marks], int(np.count_nonzero(wrong)))


def intensity_counts(marks: list[BitArray], total: int) -> tuple[int, ...]:
    """Return how many of `total` are at each intensity, from the marks of all but the first."""
    rest = [int(np.count_nonzero(mark)) for mark in marks]
    return total - sum(rest), *rest
