"""The family of codes: shapes, prefixes, independence, cycles, and where the tables are from."""

from __future__ import annotations

import hashlib
from collections import Counter
from importlib.resources import files

import numpy as np
import pytest

from protocols.errors import ParameterError
from protocols.reconciliation.ldpc import codes
from protocols.reconciliation.ldpc.code import Code
from protocols.reconciliation.ldpc.codes import FRAMES, Ladder, family
from protocols.reconciliation.ldpc.design.protograph import Recipe, protograph
from protocols.reconciliation.ldpc.design.recipes import recipes
from protocols.reconciliation.ldpc.design.table import ladder_text

TABLES = files("protocols.reconciliation.ldpc") / "tables"


def table(frame: int) -> str:
    return (TABLES / f"{frame}.toml").read_text("utf-8")


def rank(rows: list[int]) -> int:
    """Rank over GF(2) of rows given as integers."""
    found = 0
    while rows:
        pivot = rows.pop()
        if pivot:
            found += 1
            low = pivot & -pivot
            rows = [row ^ pivot if row & low else row for row in rows]
    return found


def block_rank(code: Code) -> int:
    rows = [0] * code.rows
    for row in range(code.rows):
        for column in code.column[code.starts[row] : code.starts[row + 1]]:
            rows[row] ^= 1 << int(column)
    return rank(rows)


def cycles_of_four(code: Code, above: int = 0) -> int:
    """Count pairs of block columns that offer the same step between two block rows.

    Pairs where both columns have a higher degree than `above` do not count.
    """
    ends: dict[int, list[tuple[int, int]]] = {}
    for row in range(code.rows):
        for entry in range(code.starts[row], code.starts[row + 1]):
            ends.setdefault(int(code.column[entry]), []).append((row, int(code.shift[entry])))
    steps: Counter[tuple[int, int, int]] = Counter()
    high: Counter[tuple[int, int, int]] = Counter()
    for met in ends.values():
        for at, (row, shift) in enumerate(met):
            offered = [(row, other, (shift - back) % code.z) for other, back in met[:at]]
            steps.update(offered)
            if above and len(met) > above:
                high.update(offered)
    pairs = sum(count * (count - 1) // 2 for count in steps.values())
    return pairs - sum(count * (count - 1) // 2 for count in high.values())


def some_code(z: int, blocks: list[list[tuple[int, int]]], columns: int) -> Code:
    return Code(
        name="small",
        z=z,
        columns=columns,
        starts=np.cumsum([0, *map(len, blocks)], dtype=np.int32),
        column=np.array([column for row in blocks for column, _ in row], np.int32),
        shift=np.array([shift for row in blocks for _, shift in row], np.int32),
    )


@pytest.mark.parametrize("frame", FRAMES)
def test_ladders_ascend_and_cover_the_range(frame: int) -> None:
    ladders = family(frame)
    leaks = [ladder.first / ladder.finest.columns for ladder in ladders]
    assert leaks == sorted(set(leaks))
    assert all(ladder.frame == frame for ladder in ladders)
    assert all(ladder.name == f"{frame}-{ladder.first}" for ladder in ladders)
    assert len({ladder.name for ladder in ladders}) == len(ladders)
    assert leaks[0] <= 0.05
    assert ladders[-1].last / ladders[-1].finest.columns >= 0.6
    for leak, higher, ladder in zip(leaks, leaks[1:], ladders, strict=False):
        assert higher <= (1.35 if leak >= 0.05 else 1.65) * leak
        assert ladder.last >= 1.4 * ladder.first


def test_a_stage_is_a_prefix() -> None:
    ladder = family(16384)[5]
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 2**63, (4, ladder.frame // 64), np.uint64)
    whole = ladder.finest.syndromes(frames)
    for rows in (ladder.first, ladder.first + 3, ladder.last):
        code = ladder.code(rows)
        assert code.rows == rows
        assert (code.syndromes(frames) == whole[:, : rows * ladder.z // 64]).all()


def test_what_there_is_not_is_refused() -> None:
    ladder = family(16384)[0]
    for rows in (ladder.first - 1, ladder.last + 1):
        with pytest.raises(ParameterError, match="stages"):
            ladder.code(rows)
    with pytest.raises(ParameterError, match="4096"):
        family(4096)
    with pytest.raises(ParameterError, match="cannot begin"):
        Ladder(ladder.finest, ladder.last + 1)


@pytest.mark.parametrize("frame", FRAMES)
def test_all_parities_are_independent(frame: int) -> None:
    """Circulants of 2**k places are polynomials modulo (1 + x)**(2**k), a local ring.

    Rows over a local ring are independent if they are so modulo its maximal ideal: at
    x = 1, where each circulant is a one.
    """
    for ladder in family(frame):
        assert ladder.z & (ladder.z - 1) == 0
        assert block_rank(ladder.finest) == ladder.last


@pytest.mark.parametrize("first_shift", range(8))
def test_the_rank_at_one_decides_the_rank(first_shift: int) -> None:
    """The argument above against dense matrices, of full and of deficient block rank."""
    full = some_code(8, [[(0, first_shift), (1, 3)], [(1, 5), (2, 1)], [(0, 2), (3, 7)]], 4)
    lacking = some_code(8, [[(0, first_shift), (1, 3)], [(1, 5), (2, 1)], [(0, 2), (2, 7)]], 3)
    for code in (full, lacking):
        rows = [int("".join(map(str, row)), 2) for row in code.dense().tolist()]
        assert (rank(rows) == code.checks) == (block_rank(code) == code.rows)


def test_cycles_of_four_are_counted() -> None:
    assert cycles_of_four(some_code(8, [[(0, 1), (1, 3)], [(0, 2), (1, 4)]], 2)) == 1
    assert cycles_of_four(some_code(8, [[(0, 1), (1, 3)], [(0, 2), (1, 5)]], 2)) == 0


def test_no_cycles_of_four() -> None:
    for ladder in family(1 << 20):
        assert cycles_of_four(ladder.finest) == 0, ladder.name


@pytest.mark.parametrize("frame", [16384, 65536])
def test_cycles_of_four_of_short_frames_join_columns_of_high_degree_only(frame: int) -> None:
    """Small circulants leave no room for more; below a leak of a twentieth not even for that."""
    for ladder in family(frame):
        if ladder.first >= 0.05 * ladder.finest.columns:
            assert cycles_of_four(ladder.code(ladder.first), above=4) == 0, ladder.name


@pytest.mark.parametrize("frame", FRAMES)
def test_ladders_follow_their_recipes(frame: int) -> None:
    for recipe, ladder in zip(recipes(frame), family(frame), strict=True):
        first = ladder.code(ladder.first)
        degrees = np.bincount(first.column, minlength=recipe.columns)
        few = Counter(degrees.tolist())
        assert few == Counter(recipe.degrees)
        assert (few[2], few[3]) == recipe.classes[:2]
        assert few.total() == recipe.columns
        assert first.column.size == 2 * few[2] + 3 * few[3] + sum(recipe.entries)
        lengths = np.diff(first.starts)
        assert lengths.max() - lengths.min() <= 2
        assert (np.diff(ladder.finest.starts)[ladder.first :] == sum(recipe.joined)).all()


@pytest.mark.parametrize(("frame", "which"), [(16384, -1), (65536, 0), (1 << 20, 0)])
def test_a_ladder_is_made_anew_bit_for_bit(frame: int, which: int) -> None:
    text = ladder_text(recipes(frame)[which])
    assert text in table(frame)


@pytest.mark.parametrize(
    ("frame", "digest"),
    [
        (16384, "9dccc7eb0e0646b0e06ec1a97a4aeff6883bcfb98dc689829de3a213e048d054"),
        (65536, "a779346974dc75205578385331e5252280bad090269caf24b237af5cac2ceed6"),
        (1 << 20, "5922ae371d78e1f13b5cafe0cdeb0e19e21db07d8dff7d99d3e1c7f44eeb23bf"),
    ],
)
def test_tables_never_change_unnoticed(frame: int, digest: str) -> None:
    assert hashlib.sha256(table(frame).encode()).hexdigest() == digest


@pytest.mark.slow
@pytest.mark.parametrize("frame", FRAMES)
def test_all_tables_are_made_anew(frame: int) -> None:
    assert "\n".join(ladder_text(recipe) for recipe in recipes(frame)) == table(frame)


def test_degree_two_makes_no_short_ring() -> None:
    """Fewer columns of degree 2 than rows close no ring at all on the protograph."""
    recipe = Recipe("ring", 8, 12, 14, (11, 20, 0, 8), (0, 40), (0, 1, 0, 4))
    parent = list(range(recipe.first))
    for column in protograph(recipe)[: recipe.classes[0]]:
        roots = []
        for row in column[:2]:
            while parent[row] != row:
                row = parent[row]
            roots.append(row)
        assert roots[0] != roots[1]
        parent[roots[0]] = roots[1]


@pytest.mark.parametrize(
    "change",
    [
        {"first": 3},
        {"last": 11},
        {"classes": (66, 20, 0, 8)},
        {"entries": (1, 40)},
        {"entries": (0, 31)},
        {"entries": (0, 97)},
        {"joined": (12, 1, 0, 4)},
        {"joined": (0, 1, 0, -1)},
    ],
)
def test_impossible_recipes_are_refused(change: dict[str, object]) -> None:
    good: dict[str, object] = {
        "name": "good",
        "z": 8,
        "first": 12,
        "last": 14,
        "classes": (11, 20, 0, 8),
        "entries": (0, 40),
        "joined": (0, 1, 0, 4),
    }
    Recipe(**good)  # type: ignore[arg-type]  # a table of mixed types
    with pytest.raises(ParameterError):
        Recipe(**(good | change))  # type: ignore[arg-type]  # a table of mixed types


def test_tables_are_read_once() -> None:
    assert codes.family(16384) is codes.family(16384)
