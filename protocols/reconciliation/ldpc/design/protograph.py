"""Where the entries go: which block columns meet in which block row, before any shifts.

A ladder is drawn at its coarsest stage, where rows are longest and cycles most frequent;
finer stages take rows apart and can only lose cycles. All choices are made by integers
and ties are broken by a specified generator, so the same seed gives the same graph on
every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from protocols.errors import ParameterError
from protocols.generator import expand

__all__ = ["protograph", "split"]


def protograph(degrees: Mapping[int, int], rows: int, seed: bytes) -> tuple[tuple[int, ...], ...]:
    """Return the block rows that each block column meets, columns by ascending degree.

    Columns of degree 2 join row after row in a chain, so that they close no cycle among
    themselves as long as there are fewer of them than rows. Every further entry goes to
    the row which is shortest, then to the one which shares the fewest columns with the
    rows that the column has already (progressive edge growth, on the protograph).

    Parameters
    ----------
    degrees : mapping of int to int
        How many block columns (value) have each degree (key, 2 or more).
    rows : int
        Block rows of the coarsest stage, not fewer than the highest degree.
    seed : bytes
        Breaks ties.

    Raises
    ------
    ParameterError
        A degree is below 2 or above the number of rows.
    """
    if not degrees or min(degrees) < 2 or max(degrees) > rows:
        raise ParameterError(f"degrees must lie between 2 and the number of rows, {rows}")
    sizes = [degree for degree in sorted(degrees) for _ in range(degrees[degree])]
    ties = np.frombuffer(expand(seed, "protograph", 0, 4 * sum(sizes) * rows), ">u4")
    ties = ties.reshape(-1, rows)
    filled = [0] * rows
    shared = [[0] * rows for _ in range(rows)]
    columns = []
    drawn = 0
    for place, degree in enumerate(sizes):
        chosen: list[int] = []
        if degree == 2:
            lap, at = divmod(place, rows)
            chosen = [at, (at + lap + 1) % rows]
        while len(chosen) < degree:
            tie = ties[drawn]
            drawn += 1
            chosen.append(
                min(
                    (row for row in range(rows) if row not in chosen),
                    key=lambda row, chosen=chosen, tie=tie: (  # type: ignore[misc]
                        filled[row],
                        sum(shared[row][other] for other in chosen),
                        int(tie[row]),
                    ),
                )
            )
        for row in chosen:
            filled[row] += 1
            for other in chosen:
                shared[row][other] += row != other
        columns.append(tuple(sorted(chosen)))
    return tuple(columns)


def split(columns: Sequence[Sequence[int]], rows: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Take every row apart into two, and say in which order that is disclosed.

    Parameters
    ----------
    columns : sequence of sequence of int
        As `protograph` returns them, columns by ascending degree.
    rows : int
        Block rows of the coarsest stage.

    Returns
    -------
    half : tuple of int
        For each entry in the order of `columns`, 0 if it stays in its row or 1 if it
        leaves with the row's second half. Halves are of equal length and take alternate
        columns, hence equal shares of every degree.
    order : tuple of int
        The rows in the order in which they are taken apart: first where the columns
        have so far gained least.
    """
    seen = [0] * rows
    half = []
    leaving: list[list[int]] = [[] for _ in range(rows)]
    for place, column in enumerate(columns):
        for row in column:
            which = (seen[row] + row) % 2
            seen[row] += 1
            half.append(which)
            if which:
                leaving[row].append(place)
    gained = [0] * len(columns)
    order: list[int] = []
    while len(order) < rows:
        row = min(
            (row for row in range(rows) if row not in order),
            key=lambda row: (sum(gained[place] for place in leaving[row]), row),
        )
        order.append(row)
        for place, column in enumerate(columns):
            gained[place] += row in column
    return tuple(half), tuple(order)
