"""The recipes of the family, one line a ladder."""

from __future__ import annotations

from protocols.reconciliation.ldpc.design.protograph import Recipe

__all__ = ["recipes"]

_CIRCULANTS = {16384: 64, 65536: 256, 1 << 20: 4096}

# first, columns of degree 2, 3, 4 and hubs, entries of the hubs, what a later row joins
_Line = tuple[int, tuple[int, int, int, int], int, tuple[int, int, int, int]]
_ALL: tuple[_Line, ...] = (
    (6, (5, 187, 0, 64), 320, (1, 3, 0, 10)),
    (8, (7, 185, 0, 64), 400, (1, 3, 0, 10)),
    (11, (10, 180, 2, 64), 540, (1, 3, 0, 10)),
    (15, (14, 174, 4, 64), 640, (1, 3, 0, 10)),
    (20, (19, 165, 8, 64), 672, (1, 3, 0, 10)),
    (27, (25, 153, 14, 64), 704, (1, 3, 0, 10)),
    (36, (32, 141, 20, 63), 704, (1, 3, 0, 10)),
    (48, (42, 131, 20, 63), 680, (1, 3, 0, 10)),
    (64, (56, 118, 20, 62), 640, (1, 3, 0, 10)),
    (86, (74, 104, 18, 60), 600, (1, 3, 0, 10)),
    (115, (90, 96, 14, 56), 540, (1, 3, 0, 10)),
)
_LINES: dict[int, tuple[_Line, ...]] = {16384: _ALL, 65536: _ALL, 1 << 20: _ALL}


def recipes(frame: int) -> tuple[Recipe, ...]:
    """Return the recipes for frames of `frame` bits, by ascending leak.

    Each ladder ends at twice its first stage, or a quarter of the frame behind it.
    """
    return tuple(
        Recipe(
            name=f"{frame}-{first}",
            z=_CIRCULANTS[frame],
            first=first,
            last=min(2 * first, first + 64),
            twos=twos,
            threes=threes,
            fours=fours,
            hubs=hubs,
            entries=entries,
            joined=joined,
        )
        for first, (twos, threes, fours, hubs), entries, joined in _LINES[frame]
    )
