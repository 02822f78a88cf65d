"""From a recipe to the table of a ladder, as text."""

from __future__ import annotations

from protocols.reconciliation.ldpc.design.lifting import turn
from protocols.reconciliation.ldpc.design.protograph import Recipe, protograph

__all__ = ["ladder_text"]


def ladder_text(recipe: Recipe) -> str:
    """Return one ladder as a TOML table: for each block row its ``column:shift`` pairs."""
    columns = protograph(recipe)
    shifts = turn(columns, recipe.first, recipe.last, recipe.z, recipe.name.encode())
    rows: list[list[str]] = [[] for _ in range(recipe.last)]
    for at, column in enumerate(columns):
        for row, shift in zip(column, shifts[at], strict=True):
            rows[row].append(f"{at}:{shift}")
    lines = [
        "[[ladder]]",
        f'name = "{recipe.name}"',
        f"z = {recipe.z}",
        f"columns = {recipe.columns}",
        f"first = {recipe.first}",
        "rows = [",
        *(f'    "{" ".join(row)}",' for row in rows),
        "]",
    ]
    return "\n".join(lines) + "\n"
