"""Intensities known as intervals: the worst of the box, wherever it lies."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from finite_key_blocks import decoy_counts
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from protocols.bb84.finite_key import (
    KeyCounts,
    analyse,
    bound_at,
    choose_proof,
    examine,
    least_bounds,
)
from protocols.bb84.finite_key.enclosure import Enclosure, Real, exp, positive
from protocols.errors import InsecureError

ONE = decoy_counts("one-decoy", 4e9, (0.5, 0.15), (0.5, 0.5), 0.013)
TWO = decoy_counts("two-decoy", 1e11, (0.5, 0.1, 0.01), (0.6, 0.25, 0.15), 0.013)
#: Over the weakest intensity from 0.07 to 0.16 the least is neither at an end nor in the middle.
INNER = decoy_counts(
    "two-decoy", 1e9, (1.3824, 0.468, 0.1162), (0.414, 0.321, 0.265), 0.013, dark=1e-4, eta=0.9
)

#: A search takes up to a second: failures are reported as they were found.
few = settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
shares = st.lists(st.floats(0, 1), min_size=3, max_size=3)


def boxed(block: KeyCounts, widths: list[float]) -> KeyCounts:
    """Return a block whose intensities are known to relative widths."""
    box = tuple(
        (float(mu) * (1 - width), float(mu) * (1 + width))
        for mu, width in zip(block.intensities, widths, strict=False)
    )
    return replace(block, intensities=box)


def inside(block: KeyCounts, places: list[float]) -> KeyCounts:
    """Return a block whose intensities lie at these places of its intervals."""
    box = block.source.box
    point = tuple(low + t * (high - low) for (low, high), t in zip(box, places, strict=False))
    return replace(block, intensities=point)


@few
@given(
    st.sampled_from([ONE, TWO]),
    st.lists(st.floats(0.0, 0.05), min_size=3, max_size=3),
    st.lists(shares, min_size=20, max_size=20),
)
def test_no_point_of_the_box_gives_less(
    block: KeyCounts, widths: list[float], places: list[list[float]]
) -> None:
    wide = boxed(block, widths)
    length = analyse(wide).length
    corners = itertools.product((0.0, 1.0), repeat=3)
    at_corners = min(analyse(inside(wide, list(corner))).length for corner in corners)
    assert length <= at_corners
    assert length >= at_corners - 2 - 1e-6 * at_corners  # here the least is at a corner
    for place in places:
        assert length <= analyse(inside(wide, place)).length


def test_the_least_is_found_away_from_the_corners() -> None:
    wide = replace(INNER, intensities=(1.3824, 0.468, (0.07, 0.16)))
    found = analyse(wide)
    lengths = [
        analyse(replace(wide, intensities=(1.3824, 0.468, mu))).length
        for mu in np.linspace(0.07, 0.16, 2001).tolist()
    ]
    assert min(lengths) < 0.98 * min(lengths[0], lengths[-1], lengths[1000])
    assert min(lengths) * (1 - 1e-4) <= found.length <= min(lengths)


@pytest.mark.parametrize("variable_length", [False, True])
@pytest.mark.parametrize("weakest", [0.0, 2e-4])
def test_a_vacuum_decoy_may_be_known_exactly_or_not(weakest: float, variable_length: bool) -> None:
    block = decoy_counts("two-decoy", 1e10, (0.5, 0.1, weakest), (0.6, 0.25, 0.15), 0.013)
    wide = replace(block, intensities=((0.49, 0.51), (0.099, 0.101), (weakest, weakest * 1.1)))
    corners = [
        analyse(replace(block, intensities=corner), variable_length).length
        for corner in itertools.product(*wide.source.box)
    ]
    found = analyse(wide, variable_length).length
    assert min(corners) * (1 - 1e-6) <= found <= min(corners)


@few
@given(
    st.sampled_from([ONE, TWO]),
    st.lists(st.floats(0.001, 0.03), min_size=3, max_size=3),
    st.floats(0, 1),
)
def test_a_wider_interval_never_lengthens_the_key(
    block: KeyCounts, widths: list[float], factor: float
) -> None:
    narrow = analyse(boxed(block, [width * factor for width in widths])).length
    assert analyse(boxed(block, widths)).length <= narrow


@few
@given(st.sampled_from([ONE, TWO]), shares)
def test_thresholds_take_the_worst_of_each_bound(block: KeyCounts, place: list[float]) -> None:
    wide = boxed(block, [0.02] * 3)
    proof = choose_proof(wide.protocol, wide.eps_sec, False)
    s_z0, s_z1, phi = least_bounds(proof, wide.source, wide.counts)
    point = inside(wide, place)
    there = bound_at(proof, point.source.nominal, point.probabilities, point.counts)
    assert s_z0 <= there.s_z0_lower and s_z1 <= there.s_z1_lower and phi >= there.phi_z
    found = analyse(wide)
    assert (found.s_z0_lower, found.s_z1_lower, found.phi_z) == (s_z0, s_z1, phi)


def test_one_bad_point_of_the_box_means_no_key() -> None:
    wide = replace(ONE, intensities=((0.25, 0.5), 0.15))
    assert analyse(replace(ONE, intensities=(0.5, 0.15))).length > 0
    with pytest.raises(InsecureError):
        analyse(wide)
    assert examine(wide).length == 0


def test_a_point_is_a_box_without_width() -> None:
    assert analyse(replace(ONE, intensities=((0.5, 0.5), (0.15, 0.15)))) == analyse(ONE)


numbers = st.floats(-100, 100, allow_nan=False)


@given(
    st.lists(st.tuples(numbers, numbers, st.floats(0, 1)), min_size=1, max_size=5),
    st.lists(st.tuples(numbers, numbers, st.floats(0, 1)), min_size=1, max_size=5),
)
def test_an_enclosure_holds_every_result(
    first: list[tuple[float, float, float]], second: list[tuple[float, float, float]]
) -> None:
    """Against exact results, for a point of every interval; two of a kind are paired."""
    size = min(len(first), len(second))

    def make(ends: list[tuple[float, float, float]]) -> tuple[Enclosure, list[float]]:
        low = np.array([min(a, b) for a, b, _ in ends[:size]])
        high = np.array([max(a, b) for a, b, _ in ends[:size]])
        at = [min(a, b) + t * abs(a - b) for a, b, t in ends[:size]]
        held = [float(np.clip(x, a, b)) for x, a, b in zip(at, low, high, strict=True)]
        return Enclosure(low, high), held

    (x, at_x), (y, at_y) = make(first), make(second)

    def holds(result: Real, exact: list[float]) -> None:
        assert isinstance(result, Enclosure)
        assert all(result.low <= np.array(exact)) and all(np.array(exact) <= result.high)

    pairs = list(zip(at_x, at_y, strict=True))
    holds(x + y, [a + b for a, b in pairs])
    holds(x - y, [a - b for a, b in pairs])
    holds(x * y, [a * b for a, b in pairs])
    holds(2.5 - x, [2.5 - a for a in at_x])
    holds(2.5 * x + 1.0, [2.5 * a + 1.0 for a in at_x])
    holds(exp(x), [math.exp(a) for a in at_x])
    holds(positive(x), [max(0.0, a) for a in at_x])
    quotients = [(a / b, i) for i, (a, b) in enumerate(pairs) if abs(b) > 1e-3]
    result, inverse = x / y, 1.0 / y
    for exact, i in quotients:
        assert result.low[i] <= exact <= result.high[i]
        assert inverse.low[i] <= 1 / at_y[i] <= inverse.high[i]
