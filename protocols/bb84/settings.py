"""The random settings of both stations, from raw entropy.

A probability is a whole number of 256ths, so that it is met exactly: a slot's number
of up to eight random bits is compared with the threshold, bit plane by bit plane, on
packed words. Planes that cannot change the outcome are not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from protocols.bits import BitArray, packed_size
from protocols.errors import ParameterError

__all__ = [
    "AliceSettings",
    "alice_entropy_bytes",
    "alice_phase",
    "alice_settings",
    "bob_entropy_bytes",
    "bob_phase",
    "bob_settings",
    "dyadic",
]


@dataclass(frozen=True)
class AliceSettings:
    """What Alice sends in each slot: ``uint8`` arrays of equal length.

    Attributes
    ----------
    bit : array of 0 or 1
    basis : array of 0 (z, the key basis) or 1 (x, the test basis)
    intensity : array of indices into the intensities, strongest first
    """

    bit: BitArray
    basis: BitArray
    intensity: BitArray

    def __repr__(self) -> str:
        return f"<settings of {self.bit.size} slots>"


def dyadic(probability: float | Fraction) -> Fraction:
    """Return the nearest multiple of 1/256 strictly between 0 and 1.

    Raises
    ------
    ParameterError
        The probability is not between 0 and 1.
    """
    if not 0 < probability < 1:
        raise ParameterError(f"a probability lies between 0 and 1, not at {probability}")
    return Fraction(min(255, max(1, round(probability * 256))), 256)


def _thresholds(probabilities: Sequence[Fraction]) -> list[int]:
    """Return the cumulative probabilities in 256ths, without the last (256)."""
    if not probabilities or sum(probabilities) != 1:
        raise ParameterError("the probabilities must sum to 1 exactly")
    total, sums = Fraction(0), []
    for probability in probabilities:
        total += probability * 256
        if probability <= 0 or total.denominator != 1:
            raise ParameterError(f"{probability} is not a positive multiple of 1/256")
        sums.append(int(total))
    return sums[:-1]


def _planes(thresholds: Sequence[int]) -> int:
    """Return how many of the eight bit planes the comparisons need."""
    return max((8 - ((k & -k).bit_length() - 1) for k in thresholds), default=0)


def _category(planes: BitArray, thresholds: Sequence[int], count: int) -> BitArray:
    """Return for each slot how many thresholds its number reaches."""
    result = np.zeros(count, np.uint8)
    for threshold in thresholds:
        below = np.zeros(planes.shape[1], np.uint8)
        equal = np.full(planes.shape[1], 0xFF, np.uint8)
        for i, plane in enumerate(planes):
            if threshold >> (7 - i) & 1:
                below |= equal & ~plane
                equal &= plane
            else:
                equal &= ~plane
        result += np.unpackbits(~below, count=count)
    return result


def _split(entropy: bytes, count: int, rows: int) -> BitArray:
    width = packed_size(count)
    if len(entropy) != rows * width:
        raise ParameterError(f"{count} slots take {rows * width} bytes, not {len(entropy)}")
    return np.frombuffer(entropy, np.uint8).reshape(rows, width)


def alice_entropy_bytes(count: int, p_z: Fraction, probabilities: Sequence[Fraction]) -> int:
    """Return how many bytes `alice_settings` needs for `count` slots."""
    planes = 1 + _planes(_thresholds([p_z, 1 - p_z])) + _planes(_thresholds(probabilities))
    return planes * packed_size(count)


def bob_entropy_bytes(count: int, p_z: Fraction) -> int:
    """Return how many bytes `bob_settings` needs for `count` slots."""
    return _planes(_thresholds([p_z, 1 - p_z])) * packed_size(count)


def alice_settings(
    entropy: bytes, count: int, p_z: Fraction, probabilities: Sequence[Fraction]
) -> AliceSettings:
    """Draw Alice's bit, basis and intensity of `count` slots.

    Parameters
    ----------
    entropy : bytes
        Exactly `alice_entropy_bytes` uniformly random bytes: the plane of the bits,
        then those of the bases, then those of the intensities.
    count : int
        Number of slots.
    p_z : Fraction
        Probability of the key basis, a multiple of 1/256 (see `dyadic`).
    probabilities : sequence of Fraction
        Those of the intensities, multiples of 1/256 with sum 1.

    Raises
    ------
    ParameterError
        A probability is not such a multiple, or the entropy has another length.
    """
    bases = _thresholds([p_z, 1 - p_z])
    intensities = _thresholds(probabilities)
    split = 1 + _planes(bases)
    planes = _split(entropy, count, split + _planes(intensities))
    return AliceSettings(
        np.unpackbits(planes[0], count=count),
        _category(planes[1:split], bases, count),
        _category(planes[split:], intensities, count),
    )


def bob_settings(entropy: bytes, count: int, p_z: Fraction) -> BitArray:
    """Draw Bob's basis of `count` slots, 0 for z and 1 for x.

    `entropy` is exactly `bob_entropy_bytes` uniformly random bytes; `p_z` as for Alice.

    Raises
    ------
    ParameterError
        `p_z` is not a multiple of 1/256, or the entropy has another length.
    """
    bases = _thresholds([p_z, 1 - p_z])
    return _category(_split(entropy, count, _planes(bases)), bases, count)


def alice_phase(bit: BitArray, basis: BitArray) -> BitArray:
    """Return Alice's phase in units of pi/2: z sends 0 or 2, x sends 1 or 3."""
    return (bit * np.uint8(2)) | basis


def bob_phase(basis: BitArray) -> BitArray:
    """Return Bob's phase in units of pi/2: 0 for z, 1 for x."""
    return basis.copy()
