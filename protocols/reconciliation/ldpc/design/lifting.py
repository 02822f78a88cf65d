"""How far each entry's circulant is turned: no cycle of four if possible, few of six.

Two entries of one block column in rows i and j, turned by a and b, lead from check x of row
i to check x + a − b of row j. A walk of such steps that comes back to its check is a cycle;
its length is twice the steps. A column enters as a whole, so a cycle's harm is known when
its last edge is turned. The harm of a cycle is the product of its columns' weights,
4 ** −(degree − 2): extrinsic degree counts (Tian, Jones, Villasenor, Wesel, IEEE Trans.
Commun. 52, 1242, 2004).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.generator import expand

__all__ = ["turn"]

_HEAVY = 8
_FOUR = 1 << 42
_RING = 10


@njit(cache=True)
def _harm(
    i: int,
    j: int,
    count: npt.NDArray[np.int64],
    step: npt.NDArray[np.int64],
    weight: npt.NDArray[np.int64],
    z: int,
    turned: int,
    cost: npt.NDArray[np.int64],
) -> None:
    """Add the harm of closing row i, for each of its turns, to row j turned by `turned`."""
    for a in range(count[i, j]):
        cost[(turned + step[i, j, a]) % z] += _FOUR * weight[i, j, a]
    for k in range(count.shape[0]):
        if k in (i, j):
            continue
        for a in range(count[i, k]):
            for b in range(count[k, j]):
                walk = step[i, k, a] + step[k, j, b]
                cost[(turned + walk) % z] += weight[i, k, a] * weight[k, j, b]


@njit(cache=True)
def _rings(
    i: int,
    j: int,
    count: npt.NDArray[np.int64],
    step: npt.NDArray[np.int64],
    z: int,
    cost: npt.NDArray[np.int64],
) -> None:
    """Add, for each turn of row i, the harm of the ring of columns of degree 2 it closes.

    Row j is not turned. `count` and `step` have columns of degree 2 alone.
    """
    rows = count.shape[0]
    steps = np.zeros(rows * z, np.int64)
    queue = np.empty(rows * z, np.int64)
    queue[0] = j * z
    steps[j * z] = 1
    head, tail = 0, 1
    while head < tail and steps[queue[head]] < _RING:
        at = queue[head]
        head += 1
        row, check = at // z, at % z
        for other in range(rows):
            for a in range(count[row, other]):
                to = other * z + (check + step[row, other, a]) % z
                if steps[to] == 0:
                    steps[to] = steps[at] + 1
                    queue[tail] = to
                    tail += 1
    for check in range(z):
        length = steps[i * z + check]
        if length:
            cost[-check % z] += _FOUR << (2 * (_RING - length))


def turn(
    columns: Sequence[Sequence[int]], first: int, rows: int, z: int, seed: bytes
) -> tuple[tuple[int, ...], ...]:
    """Return the shift of every entry, in the order of `columns`.

    Columns are turned by descending degree, since these have least choice, and edge by
    edge, each edge to the shift that closes the least harmful cycles. One of four is worse
    than any of six; only the lowest leaks cannot do without. Rings of columns of degree 2
    are made long. Ties are broken by the generator. A column's first shift is 0, which loses
    nothing: it only names the column's bits.

    Parameters
    ----------
    columns : sequence of sequence of int
        Block rows of each block column, ascending.
    first : int
        Block rows of the first stage, in which degrees are counted.
    rows : int
        All block rows.
    z : int
        Circulant size.
    seed : bytes
    """
    steps = _Steps(columns, rows)
    rings = _Steps(columns, rows)
    shifts: dict[int, tuple[int, ...]] = {}
    for place in sorted(range(len(columns)), key=lambda place: (-len(columns[place]), place)):
        column = columns[place]
        degree = sum(row < first for row in column)
        tie = np.frombuffer(expand(seed, f"shifts {place}", 0, 4 * z * len(column)), ">u4")
        tie = tie.reshape(len(column), z)
        turned = [0]
        for edge in range(1, len(column)):
            cost = np.zeros(z, np.int64)
            for before in range(edge):
                ends = column[edge], column[before]
                _harm(*ends, steps.count, steps.step, steps.weight, z, turned[before], cost)
            if degree == 2 and edge == 1:
                _rings(column[1], column[0], rings.count, rings.step, z, cost)
            least = np.flatnonzero(cost == cost.min())
            turned.append(int(least[np.argmin(tie[edge][least])]))
        steps.add(column, turned, z, 4 ** (_HEAVY - min(degree, _HEAVY)))
        if degree == 2:
            rings.add(column[:2], turned[:2], z, 1)
        shifts[place] = tuple(turned)
    return tuple(shifts[place] for place in range(len(columns)))


class _Steps:
    """The steps between rows that columns offer: how many, how far, how harmful."""

    def __init__(self, columns: Sequence[Sequence[int]], rows: int) -> None:
        meetings = np.zeros((rows, rows), np.int64)
        for column in columns:
            meetings[np.ix_(column, column)] += 1
        np.fill_diagonal(meetings, 1)
        self.count = np.zeros((rows, rows), np.int64)
        self.step = np.zeros((rows, rows, meetings.max()), np.int64)
        self.weight = np.zeros_like(self.step)

    def add(self, column: Sequence[int], turned: Sequence[int], z: int, weight: int) -> None:
        for row, a in zip(column, turned, strict=True):
            for other, b in zip(column, turned, strict=True):
                if row != other:
                    at = self.count[row, other]
                    self.step[row, other, at] = (a - b) % z
                    self.weight[row, other, at] = weight
                    self.count[row, other] = at + 1
