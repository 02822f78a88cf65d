"""Counting the parities disclosed of a short key by their rank.

Parities of different passes can depend on each other. In a frame of thousands of bits that
is rare: those asked for exceed their rank by less than two in a thousand. A key of at most
`SHORT` bits is one frame, and for it both sides count the rank itself.
"""

from __future__ import annotations

from itertools import pairwise

from protocols.reconciliation.cascade.kernels import Forest

__all__ = ["SHORT", "Rank"]

SHORT = 1024


class Rank:
    """The rank over GF(2) of the parities of one frame.

    Attributes
    ----------
    value : int
    """

    def __init__(self) -> None:
        self._basis: dict[int, int] = {}
        self.value = 0

    def add_blocks(self, forest: Forest, whole: int) -> None:
        """Add the blocks of all passes; the last of each pass from `whole` on was not told."""
        for p in range(forest.scale.size):
            starts = forest.starts[forest.first[p] : forest.first[p + 1]]
            for a, b in pairwise(starts[: starts.size - (p >= whole)]):
                self._add(forest, p, int(a), int(b))

    def add_cuts(self, forest: Forest, section: bytes) -> None:
        """Add what a well-formed section of a question asks for."""
        p = section[1]
        numbers = _numbers(section[2:])[1:]
        cut = 0
        for number in numbers:
            cut += number + 1
            block = int(forest.first[p]) + (cut * int(forest.scale[p]) >> 32)
            self._add(forest, p, int(forest.starts[block]), cut)

    def _add(self, forest: Forest, p: int, a: int, b: int) -> None:
        row = sum(1 << int(place) for place in forest.order[p, a:b])
        while row:
            top = row.bit_length()
            if top not in self._basis:
                self._basis[top] = row
                self.value += 1
                return
            row ^= self._basis[top]


def _numbers(data: bytes) -> list[int]:
    numbers = []
    value = shift = 0
    for octet in data:
        value |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            numbers.append(value)
            value = shift = 0
    return numbers
