"""Density evolution against published thresholds, and what it says of the recipes."""

from __future__ import annotations

import math

import pytest

from protocols.reconciliation.ldpc.design.evolution import (
    Ensemble,
    converges,
    ensemble,
    threshold,
)
from protocols.reconciliation.ldpc.design.recipes import recipes


@pytest.mark.parametrize(
    ("bit", "check", "published"),
    [(3, 6, 0.084), (4, 8, 0.076), (5, 10, 0.068), (3, 5, 0.113), (4, 6, 0.116), (3, 4, 0.167)],
)
def test_regular_codes_have_their_published_thresholds(
    bit: int, check: int, published: float
) -> None:
    """Richardson and Urbanke, IEEE Trans. Inf. Theory 47, 599 (2001), belief propagation."""
    found = threshold(Ensemble(((1.0, bit, 0),), ((bit / check, check),)), 500)
    assert found == pytest.approx(published, abs=0.001)


def test_kinds_of_rows_alike_are_one_kind() -> None:
    """Three entries of which some go to later rows of equal make: still (3, 6)-regular."""
    parted = Ensemble(((1 / 3, 1, 2), (1 / 3, 2, 1), (1 / 3, 3, 0)), ((2 / 6, 6),), ((1 / 6, 6),))
    whole = Ensemble(((1.0, 3, 0),), ((0.5, 6),))
    for rate in (0.082, 0.086):
        assert converges(parted, rate, 400) == converges(whole, rate, 400) == (rate < 0.084)


def test_an_ensemble_has_the_entries_of_its_recipe() -> None:
    recipe = recipes(16384)[9]
    rows = recipe.first + 4
    made = ensemble(recipe, rows)
    edges = sum(fraction * first for fraction, first, _ in made.bits)
    assert edges == pytest.approx(sum(recipe.degrees) / recipe.columns)
    assert edges == pytest.approx(sum(fraction * degree for fraction, degree in made.first))
    later = sum(fraction * later for fraction, _, later in made.bits)
    assert later == pytest.approx(4 * sum(recipe.joined) / recipe.columns)
    assert later == pytest.approx(sum(fraction * degree for fraction, degree in made.later))


@pytest.mark.parametrize(
    ("frame", "first", "rows", "most"), [(16384, 36, 47, 1.10), (1 << 20, 75, 78, 1.07)]
)
def test_stages_come_near_the_limit(frame: int, first: int, rows: int, most: float) -> None:
    """The leak is at most so many times the entropy of the error rate that is decoded."""
    recipe = next(recipe for recipe in recipes(frame) if recipe.first == first)
    leak = rows / recipe.columns
    rate = threshold(ensemble(recipe, rows))
    entropy = -rate * math.log2(rate) - (1 - rate) * math.log2(1 - rate)
    assert 1 < leak / entropy < most


def test_no_rate_is_decoded_by_checks_of_all_bits() -> None:
    assert threshold(Ensemble(((1.0, 2, 0),), ((0.002, 1000),)), 20) < 1e-4
