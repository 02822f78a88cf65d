"""The recipes of the family, one line a ladder."""

from __future__ import annotations

from protocols.reconciliation.ldpc.design.protograph import Recipe

__all__ = ["recipes"]

_CIRCULANTS = {16384: 64, 65536: 256, 1 << 20: 4096}
_HIGHEST = 165

# first stage; columns of degree 2, 3, middle and hubs; entries of the last two; what a later
# row joins of each
_Line = tuple[int, tuple[int, int, int, int], tuple[int, int], tuple[int, int, int, int]]
_LINES: tuple[_Line, ...] = (
    (6, (5, 145, 60, 46), (240, 207), (2, 4, 5, 20)),
    (8, (7, 143, 60, 46), (264, 276), (2, 4, 5, 20)),
    (10, (9, 141, 60, 46), (330, 345), (2, 4, 5, 20)),
    (13, (12, 138, 60, 46), (360, 448), (2, 4, 5, 20)),
    (15, (14, 136, 60, 46), (360, 518), (2, 4, 5, 20)),
    (17, (16, 134, 60, 46), (360, 586), (2, 4, 5, 20)),
    (19, (18, 132, 60, 46), (360, 656), (2, 4, 5, 20)),
    (22, (21, 132, 60, 43), (379, 704), (2, 4, 5, 20)),
    (25, (24, 133, 59, 40), (399, 729), (2, 4, 5, 19)),
    (28, (27, 135, 58, 36), (414, 715), (1, 3, 4, 19)),
    (32, (31, 135, 58, 32), (440, 697), (1, 3, 4, 18)),
    (36, (35, 135, 57, 29), (455, 682), (1, 3, 4, 18)),
    (40, (39, 133, 56, 28), (437, 661), (1, 3, 4, 16)),
    (45, (44, 129, 55, 28), (418, 665), (1, 3, 3, 14)),
    (51, (49, 127, 53, 27), (392, 645), (1, 2, 2, 12)),
    (57, (54, 124, 52, 26), (374, 624), (1, 2, 2, 10)),
    (64, (58, 120, 52, 26), (362, 624), (1, 2, 2, 9)),
    (72, (62, 117, 51, 26), (342, 624), (0, 1, 1, 7)),
    (80, (66, 113, 51, 26), (330, 623), (0, 1, 1, 6)),
    (90, (72, 108, 50, 26), (316, 615), (0, 1, 1, 5)),
)


def recipes(frame: int) -> tuple[Recipe, ...]:
    """Return the recipes for frames of `frame` bits, by ascending leak.

    Each ladder ends at 1.6 times its first stage, or 40 rows behind it; only the last goes on
    up to the leak of an error rate of 0.13.
    """
    return tuple(
        Recipe(
            name=f"{frame}-{first}",
            z=_CIRCULANTS[frame],
            first=first,
            last=_HIGHEST if first == _LINES[-1][0] else first + min(-(-first * 6 // 10), 40),
            classes=classes,
            entries=entries,
            joined=joined,
        )
        for first, classes, entries, joined in _LINES
    )
