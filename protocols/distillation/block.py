"""One sifted block as a party holds it, in packed bits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from protocols.bits import packed_size
from protocols.errors import ParameterError
from protocols.reconciliation.interface import Estimate
from protocols.secret import SecretBits

__all__ = ["SiftedBlock", "count_errors", "is_constant"]


@dataclass(frozen=True)
class SiftedBlock:
    """A party's key of one block and what both parties counted.

    Attributes
    ----------
    key : SecretBits
        The bits of the key basis.
    n_z, n_x, m_x : tuples of int
        Detections per intensity of the key and of the test, and errors of the test; one
        entry where intensities are not told apart, none of the test where there is none.
    marks : tuple of bytes
        For each intensity but the first, one packed bit for each bit of the key: whether it
        was sent at that intensity. Bob needs them to tell his errors apart.
    expected : Estimate, optional
        What both parties know of the errors from elsewhere; the test tells them otherwise.
    """

    key: SecretBits
    n_z: tuple[int, ...]
    n_x: tuple[int, ...] = ()
    m_x: tuple[int, ...] = ()
    marks: tuple[bytes, ...] = field(default=(), repr=False)
    expected: Estimate | None = None

    def __post_init__(self) -> None:
        if sum(self.n_z) != self.key.bit_count or min(self.n_z, default=-1) < 0:
            raise ParameterError("the detections of the key are not as many as its bits")
        if any(len(mark) != packed_size(self.key.bit_count) for mark in self.marks):
            raise ParameterError("each bit of the key is marked with its intensity")
        Estimate(sum(self.m_x), sum(self.n_x))

    @property
    def estimate(self) -> Estimate:
        """The errors to expect; of no sample where there was no test."""
        return self.expected or Estimate(sum(self.m_x), sum(self.n_x))


def count_errors(
    before: SecretBits, after: SecretBits, marks: tuple[bytes, ...]
) -> tuple[int, ...]:
    """Count the bits in which two keys differ, for each intensity."""
    wrong = np.frombuffer(before.reveal(), np.uint8) ^ np.frombuffer(after.reveal(), np.uint8)
    rest = [_ones(wrong & np.frombuffer(mark, np.uint8)) for mark in marks]
    return _ones(wrong) - sum(rest), *rest


def _ones(packed: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> int:
    return int.from_bytes(packed.tobytes(), "big").bit_count()


def is_constant(key: SecretBits) -> bool:
    """Whether all bits are equal: what a dead detector or an empty file gives, and no key."""
    return _ones(np.frombuffer(key.reveal(), np.uint8)) in (0, key.bit_count)
