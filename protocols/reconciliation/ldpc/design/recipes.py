"""The recipes of the family, one line a ladder."""

from __future__ import annotations

from protocols.reconciliation.ldpc.design.protograph import Recipe

__all__ = ["recipes"]

_COLUMNS = {16384: 256, 65536: 512, 1 << 20: 512}

# For 256 columns: first stage; columns of degree 2, 3, middle and hubs; entries of the last
# two; what a later row joins of each.
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
    (72, (62, 117, 51, 26), (342, 624), (1, 2, 1, 8)),
    (80, (66, 113, 51, 26), (330, 623), (1, 1, 1, 6)),
    (90, (72, 108, 50, 26), (316, 615), (0, 1, 1, 5)),
    (100, (78, 103, 49, 26), (302, 607), (0, 1, 1, 5)),
)
# Longer frames have room for hubs of higher degree where rows are few, and do with fewer ladders.
_LONG: tuple[_Line, ...] = (
    *(line for line in _LINES if line[0] in (8, 13, 17)),
    (22, (22, 138, 71, 25), (616, 750), (1, 4, 12, 24)),
    *(line for line in _LINES if line[0] in (28, 36, 45, 57, 72, 90, 100)),
)


def recipes(frame: int) -> tuple[Recipe, ...]:
    """Return the recipes for frames of `frame` bits, by ascending leak.

    Each ladder ends at 1.6 times its first stage. Longer frames have twice as many block
    columns and rows, since there one row of 256 would be a coarse step.
    """
    columns = _COLUMNS[frame]
    times = columns // 256
    return tuple(
        Recipe(
            name=f"{frame}-{times * first}",
            z=frame // columns,
            first=times * first,
            last=times * (first + -(-first * 6 // 10)),
            classes=(
                times * classes[0],
                times * classes[1],
                times * classes[2],
                times * classes[3],
            ),
            entries=(times * entries[0], times * entries[1]),
            joined=joined,
        )
        for first, classes, entries, joined in (_LINES if times == 1 else _LONG)
    )
