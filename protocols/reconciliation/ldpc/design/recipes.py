"""The recipes of the family, one line a ladder."""

from __future__ import annotations

from protocols.reconciliation.ldpc.design.protograph import Recipe

__all__ = ["recipes"]

# First stage; columns of degree 2, 3, middle and hubs; entries of the last two; what a later
# row joins of each.
_Line = tuple[int, tuple[int, int, int, int], tuple[int, int], tuple[int, int, int, int]]
# For 256 columns, each ladder to 1.6 times its first stage.
_SHORT: tuple[_Line, ...] = (
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
# Longer frames have hubs of higher degree, which need more iterations and come nearer to the
# limit: the degrees come from a random search for the best thresholds within 200 to 300
# iterations, at leaks of 0.09, 0.16, 0.22, 0.3 and 0.45, and lie between these elsewhere. The
# ladders are closer, each to 1.4 times its first stage, since such degrees are right for one
# leak; closest where each further row costs most, at high leaks. They have 512 columns, or
# 1024 where a row would be a coarse step.
_LOW: tuple[_Line, ...] = (
    (32, (31, 619, 287, 87), (2587, 2227), (1, 4, 12, 24)),
    (40, (39, 611, 287, 87), (2609, 2784), (1, 4, 12, 24)),
    (50, (49, 601, 287, 87), (2637, 3480), (1, 4, 12, 24)),
    (62, (61, 589, 287, 87), (2640, 3423), (1, 4, 12, 24)),
    (70, (69, 580, 287, 88), (2640, 3419), (1, 4, 12, 24)),
    (78, (77, 572, 287, 88), (2640, 3376), (1, 4, 12, 24)),
    (87, (86, 563, 287, 88), (2640, 3328), (1, 4, 12, 24)),
    (97, (96, 555, 285, 88), (2609, 3273), (1, 4, 12, 24)),
    (108, (107, 549, 280, 88), (2533, 3212), (1, 4, 12, 24)),
)
_LONG: tuple[_Line, ...] = (
    (60, (59, 272, 137, 44), (1223, 1573), (1, 4, 12, 24)),
    (67, (66, 268, 134, 44), (1178, 1534), (1, 3, 5, 18)),
    (75, (74, 263, 131, 44), (1131, 1490), (1, 3, 5, 18)),
    (84, (83, 258, 127, 44), (1073, 1439), (1, 3, 5, 18)),
    (94, (93, 252, 122, 45), (1003, 1405), (1, 3, 4, 14)),
    (105, (104, 246, 116, 46), (925, 1362), (1, 3, 4, 14)),
    (118, (117, 237, 111, 47), (857, 1315), (1, 3, 4, 14)),
    (125, (124, 232, 108, 48), (827, 1296), (1, 3, 3, 12)),
    (132, (130, 228, 106, 48), (797, 1277), (1, 2, 2, 10)),
    (140, (137, 223, 104, 48), (766, 1252), (1, 2, 2, 10)),
    (148, (144, 218, 101, 49), (735, 1227), (1, 2, 2, 10)),
    (157, (151, 214, 99, 48), (718, 1197), (1, 1, 2, 8)),
    (166, (158, 209, 98, 47), (702, 1167), (1, 1, 1, 7)),
    (176, (165, 204, 97, 46), (696, 1141), (1, 1, 1, 7)),
    (186, (172, 199, 97, 44), (690, 1115), (1, 1, 1, 7)),
    (197, (179, 194, 96, 43), (680, 1089), (0, 1, 1, 6)),
    (208, (186, 190, 95, 41), (671, 1063), (0, 1, 1, 5)),
    (220, (194, 184, 95, 39), (664, 1035), (0, 1, 1, 5)),
    (232, (201, 179, 94, 38), (658, 1007), (0, 1, 1, 5)),
)


def recipes(frame: int) -> tuple[Recipe, ...]:
    """Return the recipes for frames of `frame` bits, by ascending leak."""
    if frame == 16384:
        return _made(frame, 256, _SHORT, 6)
    return _made(frame, 1024, _LOW, 4) + _made(frame, 512, _LONG, 4)


def _made(frame: int, columns: int, lines: tuple[_Line, ...], tenths: int) -> tuple[Recipe, ...]:
    """Return the recipes of some lines, with so many tenths of the first rows after these."""
    return tuple(
        Recipe(
            name=f"{frame}-{first}",
            z=frame // columns,
            first=first,
            last=first + -(-first * tenths // 10),
            classes=classes,
            entries=entries,
            joined=joined,
        )
        for first, classes, entries, joined in lines
    )
