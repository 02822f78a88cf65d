"""Where the entries go: which block columns meet in which block rows, before any shifts.

A ladder's first block rows join all columns, most of degree 3 and some of high degree, the
hubs. Each row of a later stage joins many hubs and a few others, so that the degrees of the
others, which decide the threshold, change slowly while the leak grows. All choices are made
by integers and ties are broken by a specified generator, so the same seed gives the same
graph on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.generator import expand

__all__ = ["Recipe", "protograph"]


@dataclass(frozen=True)
class Recipe:
    """What a ladder is made from.

    Attributes
    ----------
    name : str
        Names the ladder and seeds every choice.
    z : int
        Circulant size.
    first, last : int
        Block rows of the first and of the last stage.
    twos, threes, fours, hubs : int
        Block columns of degree 2, 3 and 4, and hubs. Those of degree 2 are fewer than the
        first rows.
    entries : int
        Entries of all hubs in the first rows.
    joined : tuple of int
        How many columns of degree 2, 3 and 4 and how many hubs each later row joins.
    """

    name: str
    z: int
    first: int
    last: int
    twos: int
    threes: int
    fours: int
    hubs: int
    entries: int
    joined: tuple[int, int, int, int]

    def __post_init__(self) -> None:
        if not 0 <= self.twos < self.first <= self.last:
            raise ParameterError(f"{self.name}: degree 2 must stay below the first rows")
        if not 4 * self.hubs < self.entries <= self.first * self.hubs:
            raise ParameterError(f"{self.name}: hubs meet more than 4 rows, no row twice")
        if any(not 0 <= few <= all_ for few, all_ in zip(self.joined, self.classes, strict=True)):
            raise ParameterError(f"{self.name}: later rows cannot join {self.joined} columns")

    @property
    def classes(self) -> tuple[int, int, int, int]:
        """Block columns of degree 2, 3 and 4, and hubs."""
        return self.twos, self.threes, self.fours, self.hubs

    @property
    def columns(self) -> int:
        """Block columns."""
        return sum(self.classes)


def protograph(recipe: Recipe) -> tuple[tuple[int, ...], ...]:
    """Return the block rows that each block column meets, columns by ascending degree.

    In the first rows, columns of degree 2 join row after row in a chain, so that they close
    no cycle among themselves. Every further entry of a column goes to the row which is
    shortest, then to the one which shares the fewest columns with the rows that the column
    has already (progressive edge growth, on the protograph). Each later row joins, in every
    class, the columns which have gained least so far, then those which share the fewest
    rows with what the row has joined already.
    """
    rows, columns = recipe.first, recipe.columns
    least, more = divmod(recipe.entries, recipe.hubs)
    degrees = [2] * recipe.twos + [3] * recipe.threes + [4] * recipe.fours
    degrees += [least] * (recipe.hubs - more) + [least + 1] * more
    ties = _Ties(recipe.name, max(rows, columns))
    matrix = np.zeros((recipe.last, columns), np.int64)
    base = matrix[:rows]
    for place, degree in enumerate(degrees):
        chosen = [place, place + 1] if degree == 2 else []
        while len(chosen) < degree:
            shared = (base[chosen] @ base.T).sum(axis=0)
            chosen.append(ties.least(base.sum(axis=1), shared, barred=chosen))
        base[chosen, place] = 1
    starts = np.cumsum((0, *recipe.classes))
    for row in range(rows, recipe.last):
        joined: list[int] = []
        for lowest, highest, few in zip(starts, starts[1:], recipe.joined, strict=False):
            gained = matrix[rows:row].sum(axis=0)
            gained[:lowest] = gained[highest:] = recipe.last
            for _ in range(few):
                shared = (matrix[:row, joined].T @ matrix[:row]).sum(axis=0)
                joined.append(ties.least(gained, shared, barred=joined))
        matrix[row, joined] = 1
    return tuple(tuple(np.flatnonzero(column).tolist()) for column in matrix.T)


class _Ties:
    """Choices of the least, by a specified generator where several are."""

    def __init__(self, name: str, width: int) -> None:
        self._seed, self._width, self._drawn = name.encode(), width, 0

    def least(
        self, first: npt.NDArray[np.int64], then: npt.NDArray[np.int64], barred: list[int]
    ) -> int:
        """Return where `first` is least, then `then`, among the places not barred."""
        drawn = expand(self._seed, "ties", 4 * self._width * self._drawn, 4 * first.size)
        self._drawn += 1
        order = np.lexsort((np.frombuffer(drawn, ">u4"), then, first))
        return next(int(place) for place in order if place not in barred)
