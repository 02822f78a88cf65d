"""One and two decoys with known intensities, against published and exact figures."""

import math
from dataclasses import replace

import pytest
from finite_key_blocks import decoy_counts, exact_one_decoy, exact_two_decoys
from hypothesis import given
from hypothesis import strategies as st

from protocols.bb84.finite_key import KeyCounts, analyse

VERIFIED = KeyCounts(
    "one-decoy", (0.51, 0.15), (0.7, 0.3), (8875913, 1124087), (165048, 20902),
    (185856, 26055), (3456, 484), 1776924, 1e-9, 1e-15,
)  # fmt: skip
ONE = decoy_counts("one-decoy", 4e8, (0.5, 0.15), (0.5, 0.5), 0.013)
TWO = decoy_counts("two-decoy", 1e10, (0.5, 0.1, 2e-4), (0.6, 0.25, 0.15), 0.013)


def test_a_formally_verified_program_finds_the_same() -> None:
    """The example of A. Baliuka's FormalQKD, computed there with interval arithmetic in Lean."""
    found = analyse(VERIFIED)
    published = {
        "s_z0_lower": 0.0,
        "s_z0_upper": 167020.1792587285,
        "s_z1_lower": 5.396516268816283e6,
        "s_x1_lower": 76462.2755485758,
        "v_x1_upper": 5411.812583855381,
        "phi_z": 0.07917365937798954,
    }
    for name, value in published.items():
        assert found.bounds[name] == pytest.approx(value, rel=1e-13), name
    announced = 2 * math.ceil(math.log2(10_000_000 + 1))  # charged here, not there
    assert found.length + announced == 1464719


@given(st.floats(0, 0.02), st.floats(7.7, 11), st.floats(0.3, 0.9), st.floats(1e-12, 1e-6))
def test_one_decoy_against_exact_arithmetic(
    qber: float, exponent: float, mu: float, eps: float
) -> None:
    block = decoy_counts("one-decoy", 10**exponent, (mu, 0.15), (0.5, 0.5), qber)
    block = replace(block, eps_sec=eps)
    found, exact = analyse(block), exact_one_decoy(block)
    for name, value in exact.items():
        assert found.bounds[name] == pytest.approx(float(value), rel=1e-9, abs=1e-6), name


@given(st.floats(0, 0.02), st.floats(9, 12), st.floats(0.3, 0.9), st.floats(1e-12, 1e-6))
def test_two_decoys_against_exact_arithmetic(
    qber: float, exponent: float, mu: float, eps: float
) -> None:
    block = decoy_counts("two-decoy", 10**exponent, (mu, 0.1, 2e-4), (0.6, 0.25, 0.15), qber)
    block = replace(block, eps_sec=eps)
    found, exact = analyse(block), exact_two_decoys(block)
    for name, value in exact.items():
        assert found.bounds[name] == pytest.approx(float(value), rel=1e-9, abs=1e-6), name
