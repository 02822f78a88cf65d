"""Quasi-cyclic parity-check matrices: what they are, and the syndromes of packed bits.

The matrix consists of circulants: square blocks of ``z`` rows and columns, each either zero
or an identity whose columns are rotated. Check ``i`` of block row ``r`` joins, for each
entry (block column ``c``, shift ``s``) of the row, the bit ``c·z + (i + s) mod z``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.bits import BitArray
from protocols.errors import ParameterError

__all__ = ["Code", "Words"]

Words = npt.NDArray[np.uint64]
"""Packed bits; bit ``j`` is bit ``j mod 64``, counted from the lowest, of word ``j div 64``."""


@dataclass(frozen=True, eq=False)
class Code:
    """A quasi-cyclic parity-check matrix.

    Attributes
    ----------
    name : str
    z : int
        Size of the circulants, the lifting.
    columns : int
        Block columns; a frame has ``columns·z`` bits.
    starts : int32 array, block rows + 1
        Entries ``starts[r]`` to ``starts[r + 1]`` belong to block row r.
    column, shift : int32 arrays
        Block column, ascending within a row, and rotation, 0 to z − 1, of each entry.

    Raises
    ------
    ParameterError
        The arrays contradict each other or a value is out of its range.
    """

    name: str
    z: int
    columns: int
    starts: npt.NDArray[np.int32]
    column: npt.NDArray[np.int32]
    shift: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        for array in (self.starts, self.column, self.shift):
            if array.dtype != np.int32 or array.ndim != 1:
                raise ParameterError(f"{self.name}: the tables must be vectors of int32")
        if self.z < 1 or self.columns < 1 or self.z * self.columns > 2**30:
            raise ParameterError(f"{self.name}: a frame has 1 to 2**30 bits")
        starts, column, shift = self.starts, self.column, self.shift
        if starts.size < 2 or starts[0] != 0 or starts[-1] != column.size:
            raise ParameterError(f"{self.name}: rows and entries contradict each other")
        if column.size != shift.size or (np.diff(starts) < 1).any():
            raise ParameterError(f"{self.name}: a row without entries, or entries without shift")
        if column.min() < 0 or column.max() >= self.columns:
            raise ParameterError(f"{self.name}: a block column out of range")
        if shift.min() < 0 or shift.max() >= self.z:
            raise ParameterError(f"{self.name}: a shift out of range")
        ascending = np.diff(column) > 0
        ascending[starts[1:-1] - 1] = True
        if not ascending.all():
            raise ParameterError(f"{self.name}: the block columns of a row must ascend")
        for array in (starts, column, shift):
            array.flags.writeable = False

    @property
    def rows(self) -> int:
        """Number of block rows."""
        return self.starts.size - 1

    @property
    def bits(self) -> int:
        """Number of bits of a frame."""
        return self.columns * self.z

    @property
    def checks(self) -> int:
        """Number of syndrome bits."""
        return self.rows * self.z

    def dense(self) -> BitArray:
        """Return the matrix, checks × bits: for small codes and tests."""
        matrix = np.zeros((self.checks, self.bits), np.uint8)
        i = np.arange(self.z)
        for row in range(self.rows):
            for entry in range(self.starts[row], self.starts[row + 1]):
                at = self.column[entry] * self.z + (i + self.shift[entry]) % self.z
                matrix[row * self.z + i, at] ^= 1
        return matrix

    def syndromes(self, frames: Words) -> Words:
        """Return the syndromes of packed frames.

        Parameters
        ----------
        frames : uint64 array, number of frames × bits/64
            Bit ``j`` of a frame is bit ``j mod 64``, counted from the lowest, of word
            ``j div 64``.

        Returns
        -------
        uint64 array, number of frames × checks/64
            Packed like the frames.

        Raises
        ------
        ParameterError
            The frames are of another length, or z is no multiple of 64.
        """
        return self.some_syndromes(frames, 0)

    def some_syndromes(self, frames: Words, first: int) -> Words:
        """Return the syndromes of the block rows from `first` on; else as `syndromes`."""
        if self.z % 64 or frames.ndim != 2 or frames.shape[1] * 64 != self.bits:
            raise ParameterError(f"{self.name}: not frames of {self.bits} bits in words of 64")
        out = np.zeros((len(frames), (self.rows - first) * self.z // 64), np.uint64)
        _syndromes(self.z // 64, self.starts[first:], self.column, self.shift, frames, out)
        return out


@njit(cache=True, nogil=True)
def _syndromes(
    size: int,
    starts: npt.NDArray[np.int32],
    column: npt.NDArray[np.int32],
    shift: npt.NDArray[np.int32],
    frames: Words,
    out: Words,
) -> None:
    for f in range(frames.shape[0]):
        for row in range(starts.size - 1):
            into = out[f, row * size : (row + 1) * size]
            for entry in range(starts[row], starts[row + 1]):
                bits = frames[f, column[entry] * size : (column[entry] + 1) * size]
                at = shift[entry] >> 6
                right = np.uint64(shift[entry] & 63)
                left = np.uint64(64) - right
                for i in range(size):
                    low = bits[at]
                    at = at + 1 if at + 1 < size else 0
                    if right:
                        low = (low >> right) | (bits[at] << left)
                    into[i] ^= low
