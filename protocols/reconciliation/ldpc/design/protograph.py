"""Where the entries go: which block columns meet in which block rows, before any shifts.

A ladder's first block rows join all columns: most of degree 2 or 3, some of a middle degree
and a few hubs of high degree. Each row of a later stage joins many hubs and a few others, so
that the low degrees, which decide the threshold, change slowly while the leak grows. All
choices are made by integers and ties are broken by a specified generator, so the same seed
gives the same graph on every machine.
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
    classes : tuple of int
        Block columns of degree 2, of degree 3, of middle degree, and hubs.
    entries : tuple of int
        Entries of those of middle degree, together, and of the hubs, in the first rows. Each
        has as many as the others of its class, or one more.
    joined : tuple of int
        How many columns of each class each later row joins.
    """

    name: str
    z: int
    first: int
    last: int
    classes: tuple[int, int, int, int]
    entries: tuple[int, int]
    joined: tuple[int, int, int, int]

    def __post_init__(self) -> None:
        if not 4 <= self.first <= self.last:
            raise ParameterError(f"{self.name}: stages from {self.first} to {self.last}")
        if not 0 <= 2 * self.classes[0] < self.first * (self.first - 1):
            raise ParameterError(f"{self.name}: too many columns of degree 2")
        for columns, entries in zip(self.classes[2:], self.entries, strict=True):
            if not 4 * columns <= entries <= self.first * columns:
                raise ParameterError(f"{self.name}: the higher degrees are 4 to {self.first}")
        if any(not 0 <= few <= all_ for few, all_ in zip(self.joined, self.classes, strict=True)):
            raise ParameterError(f"{self.name}: later rows cannot join {self.joined} columns")

    @property
    def columns(self) -> int:
        """Block columns."""
        return sum(self.classes)

    @property
    def degrees(self) -> tuple[int, ...]:
        """Degree of each block column in the first rows, class by class, ascending."""
        twos, threes, *higher = self.classes
        degrees = [2] * twos + [3] * threes
        for columns, entries in zip(higher, self.entries, strict=True):
            degrees += [(entries + place) // columns for place in range(columns)]
        return tuple(degrees)


def protograph(recipe: Recipe) -> tuple[tuple[int, ...], ...]:
    """Return the block rows that each block column meets, columns in the order of degrees.

    This is progressive edge growth (Hu, Eleftheriou, Arnold, IEEE Trans. Inf. Theory 51,
    386, 2005) on the protograph. In the first rows, an entry goes to the row which is
    shortest, then to the one which shares the fewest columns with the rows that the column
    has already; but a column of degree 2 ends in the row which is farthest from where it
    began, since cycles of such columns alone are words of the code. Each later row joins, in
    every class, the columns which have gained least so far, then those which share the
    fewest rows with what the row has joined already.
    """
    rows, columns = recipe.first, recipe.columns
    ties = _Ties(recipe.name, max(rows, columns))
    matrix = np.zeros((recipe.last, columns), np.int64)
    base = matrix[:rows]
    for place, degree in enumerate(recipe.degrees):
        chosen: list[int] = []
        while len(chosen) < degree:
            keys = base.sum(axis=1), base @ base[chosen].sum(axis=0)
            if degree == 2 and chosen:
                keys = _nearness(base[:, : recipe.classes[0]], chosen[0]), keys[0]
            chosen.append(ties.least(*keys, barred=chosen))
        base[chosen, place] = 1
    starts = np.cumsum((0, *recipe.classes))
    for row in range(rows, recipe.last):
        joined: list[int] = []
        for lowest, highest, few in zip(starts, starts[1:], recipe.joined, strict=False):
            gained = matrix[rows:row].sum(axis=0)
            gained[:lowest] = gained[highest:] = recipe.last
            for _ in range(few):
                shared = matrix[:row, joined].sum(axis=1) @ matrix[:row]
                joined.append(ties.least(gained, shared, barred=joined))
        matrix[row, joined] = 1
    return tuple(tuple(np.flatnonzero(column).tolist()) for column in matrix.T)


def _nearness(twos: npt.NDArray[np.int64], row: int) -> npt.NDArray[np.int64]:
    """Return how near each row is to `row` by columns of degree 2: 0 if out of reach."""
    near = np.zeros(len(twos), np.int64)
    reached = np.zeros(len(twos), np.bool_)
    reached[row] = True
    for nearness in range(len(twos), 0, -1):
        near[reached & (near == 0)] = nearness
        reached = (twos @ (reached @ twos)) > 0
    return near


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
