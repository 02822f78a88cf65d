"""Our own family of codes: ladders, whose leak grows row by row.

A ladder is a quasi-cyclic code of constant length without punctured or filled-in bits,
whose block rows are disclosed in order. Its first rows are a code by themselves; each
further row adds as many parities as the circulant has places, and what was disclosed
before stays as it is. That is how the leak follows the error rate, and what a blind round
discloses. It is the idea of raptor-like codes (Chen, Vakilinia, Divsalar, Wesel, IEEE
Trans. Commun. 63, 1522, 2015) turned to syndromes, where an added check has no bit of its
own.

The tables beside this module are made by `protocols.reconciliation.ldpc.design`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from protocols.errors import ParameterError
from protocols.reconciliation.ldpc.code import Code

__all__ = ["FRAMES", "Ladder", "family"]

FRAMES = (16384, 65536, 1 << 20)
"""Bits of the frames for which there are codes."""


@dataclass(frozen=True, eq=False)
class Ladder:
    """A code whose block rows are disclosed in order, the later ones only when needed.

    Attributes
    ----------
    finest : Code
        All block rows, in the order of disclosure.
    first : int
        Block rows of the first stage; these are always disclosed.
    """

    finest: Code
    first: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise ParameterError(f"{self.name}: {self.last} rows cannot begin with {self.first}")

    @property
    def name(self) -> str:
        """Frame and first stage, as in ``16384-36``."""
        return self.finest.name

    @property
    def z(self) -> int:
        """Circulant size: parities of one block row."""
        return self.finest.z

    @property
    def frame(self) -> int:
        """Bits of a frame."""
        return self.finest.bits

    @property
    def last(self) -> int:
        """Block rows of the last stage."""
        return self.finest.rows

    def code(self, rows: int) -> Code:
        """Return the code of the first `rows` block rows.

        Raises
        ------
        ParameterError
            There is no such stage.
        """
        if not self.first <= rows <= self.last:
            raise ParameterError(f"{self.name} has stages {self.first} to {self.last}, not {rows}")
        entries = self.finest.starts[rows]
        return Code(
            name=f"{self.name}/{rows}",
            z=self.finest.z,
            columns=self.finest.columns,
            starts=self.finest.starts[: rows + 1],
            column=self.finest.column[:entries],
            shift=self.finest.shift[:entries],
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
    return Ladder(finest=finest, first=table["first"])
