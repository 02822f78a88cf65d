"""Our own family of codes: ladders, whose leak grows as their rows fall apart.

A ladder is a quasi-cyclic code of constant length without punctured or filled-in bits. At
its coarsest stage it has few long block rows. Each further stage takes one block row apart
into two, which costs as many parities as the circulant has places: that is how the leak
follows the error rate, and what a blind round discloses. The construction is known as row
combining (Casado, Weng, Valle, Wesel, IEEE Trans. Commun. 57, 75, 2009) and, for
syndromes, as LDPC accumulate codes (Varodayan, Aaron, Girod, Signal Process. 86, 3123, 2006).

The tables beside this module are made by `protocols.reconciliation.ldpc.design`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.reconciliation.ldpc.code import Code

__all__ = ["FRAMES", "Ladder", "family"]

FRAMES = (16384, 65536, 1 << 20)
"""Bits of the frames for which there are codes."""


@dataclass(frozen=True, eq=False)
class Ladder:
    """A code whose rows are disclosed in order, the later ones only when needed.

    Attributes
    ----------
    finest : Code
        All block rows disclosed, in the order of disclosure.
    first : int
        Block rows of the coarsest stage; these are always disclosed.
    parent : tuple of int
        For each row from `first` on, the earlier row that holds its entries, too, until
        the row itself is disclosed.
    """

    finest: Code
    first: int
    parent: tuple[int, ...]

    def __post_init__(self) -> None:
        rows = len(self.finest.starts) - 1
        if self.first < 1 or self.first + len(self.parent) != rows:
            raise ParameterError(f"{self.name}: {self.first} + {len(self.parent)} != {rows} rows")
        if any(not 0 <= row < self.first + at for at, row in enumerate(self.parent)):
            raise ParameterError(f"{self.name}: a row must fall out of an earlier one")

    @property
    def name(self) -> str:
        """Frame and coarsest leak, as in ``16384-23``."""
        return self.finest.name

    @property
    def z(self) -> int:
        """Circulant size: parities of one block row."""
        return self.finest.z

    @property
    def frame(self) -> int:
        """Bits of a frame."""
        return self.finest.z * self.finest.columns

    @property
    def last(self) -> int:
        """Block rows of the finest stage."""
        return self.first + len(self.parent)

    def fold(self, rows: int) -> npt.NDArray[np.int32]:
        """Return, for each row of the finest stage, the row that holds it at stage `rows`.

        The syndrome of a stage is the sum of the finest block syndromes over equal
        entries.

        Raises
        ------
        ParameterError
            There is no such stage.
        """
        if not self.first <= rows <= self.last:
            raise ParameterError(f"{self.name} has stages {self.first} to {self.last}, not {rows}")
        holder = np.arange(self.last, dtype=np.int32)
        for row in range(rows, self.last):
            holder[row] = holder[self.parent[row - self.first]]
        return holder

    def code(self, rows: int) -> Code:
        """Return the code of the stage with `rows` block rows.

        Raises
        ------
        ParameterError
            There is no such stage.
        """
        holder = np.repeat(self.fold(rows), np.diff(self.finest.starts))
        order = np.lexsort((self.finest.column, holder))
        starts = np.zeros(rows + 1, np.int32)
        np.cumsum(np.bincount(holder, minlength=rows), out=starts[1:])
        return Code(
            name=f"{self.name}/{rows}",
            z=self.finest.z,
            columns=self.finest.columns,
            starts=starts,
            column=self.finest.column[order],
            shift=self.finest.shift[order],
        )


@cache
def family(frame: int) -> tuple[Ladder, ...]:
    """Return the ladders for frames of `frame` bits, by ascending leak.

    Raises
    ------
    ParameterError
        There are no codes for such frames.
    """
    if frame not in FRAMES:
        raise ParameterError(f"codes are for frames of {FRAMES} bits, not {frame}")
    text = files(__package__).joinpath("tables", f"{frame}.toml").read_text("utf-8")
    return tuple(_ladder(table) for table in tomllib.loads(text)["ladder"])


def _ladder(table: dict[str, Any]) -> Ladder:
    rows = [row.split() for row in table["rows"]]
    entries = np.array([entry.split(":") for row in rows for entry in row], dtype=np.int32)
    starts = np.zeros(len(rows) + 1, np.int32)
    np.cumsum([len(row) for row in rows], out=starts[1:])
    finest = Code(
        name=table["name"],
        z=table["z"],
        columns=table["columns"],
        starts=starts,
        column=np.ascontiguousarray(entries[:, 0]),
        shift=np.ascontiguousarray(entries[:, 1]),
    )
    return Ladder(finest=finest, first=table["first"], parent=tuple(table["parent"]))
