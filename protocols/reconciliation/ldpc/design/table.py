"""From a recipe of degrees to a table of ladders, as text."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.reconciliation.ldpc.design.lifting import turn
from protocols.reconciliation.ldpc.design.protograph import protograph, split

__all__ = ["ladder_text"]


def ladder_text(name: str, z: int, first: int, degrees: Mapping[int, int]) -> str:
    """Return one ladder as a TOML table.

    Parameters
    ----------
    name : str
        Names the ladder and seeds all its choices.
    z : int
        Circulant size.
    first : int
        Block rows of its coarsest stage.
    degrees : mapping of int to int
        How many block columns have each degree.
    """
    seed = name.encode()
    columns = protograph(degrees, first, seed)
    half, order = split(columns, first)
    shifts = turn(columns, first, z, seed)
    place = {row: first + at for at, row in enumerate(order)}
    rows: list[list[str]] = [[] for _ in range(2 * first)]
    entry = 0
    for at, column in enumerate(columns):
        for row, shift in zip(column, shifts[at], strict=True):
            rows[place[row] if half[entry] else row].append(f"{at}:{shift}")
            entry += 1
    lines = [
        "[[ladder]]",
        f'name = "{name}"',
        f"z = {z}",
        f"columns = {len(columns)}",
        f"first = {first}",
        f"parent = [{', '.join(map(str, order))}]",
        "rows = [",
        *(f'    "{" ".join(row)}",' for row in rows),
        "]",
    ]
    return "\n".join(lines) + "\n"
