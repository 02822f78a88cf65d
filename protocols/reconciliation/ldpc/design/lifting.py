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
_FOUR = 1 << 40


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


def turn(
    columns: Sequence[Sequence[int]], rows: int, z: int, seed: bytes
) -> tuple[tuple[int, ...], ...]:
    """Return the shift of every entry, in the order of `columns`.

    Columns are turned by descending degree, since these have least choice, and edge by
    edge, each edge to the shift that closes the least harmful cycles; one of four is worse
    than any of six. Only the lowest leaks cannot do without cycles of four. Ties are broken
    by the generator. A column's first shift is 0, which loses nothing: it only names the
    column's bits.
    """
    shared = max(1, max(_meetings(columns, rows)))
    count = np.zeros((rows, rows), np.int64)
    step = np.zeros((rows, rows, shared), np.int64)
    weight = np.zeros((rows, rows, shared), np.int64)
    shifts: dict[int, tuple[int, ...]] = {}
    for place in sorted(range(len(columns)), key=lambda place: (-len(columns[place]), place)):
        column = columns[place]
        tie = np.frombuffer(expand(seed, f"shifts {place}", 0, 4 * z * len(column)), ">u4")
        tie = tie.reshape(len(column), z)
        turned = [0]
        for edge in range(1, len(column)):
            cost = np.zeros(z, np.int64)
            for before in range(edge):
                _harm(column[edge], column[before], count, step, weight, z, turned[before], cost)
            least = np.flatnonzero(cost == cost.min())
            best = int(least[np.argmin(tie[edge][least])])
            turned.append(best)
        heft = 4 ** (_HEAVY - min(len(column), _HEAVY))
        for row, a in zip(column, turned, strict=True):
            for other, b in zip(column, turned, strict=True):
                if row != other:
                    at = count[row, other]
                    step[row, other, at] = (a - b) % z
                    weight[row, other, at] = heft
                    count[row, other] = at + 1
        shifts[place] = tuple(turned)
    return tuple(shifts[place] for place in range(len(columns)))


def _meetings(columns: Sequence[Sequence[int]], rows: int) -> list[int]:
    pairs = [0] * (rows * rows)
    for column in columns:
        for row in column:
            for other in column:
                pairs[row * rows + other] += row != other
    return pairs
