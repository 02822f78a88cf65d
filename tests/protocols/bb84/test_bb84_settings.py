import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.bb84.settings import (
    alice_entropy_bytes,
    alice_phase,
    alice_settings,
    bob_entropy_bytes,
    bob_phase,
    bob_settings,
    dyadic,
)
from protocols.errors import ParameterError

HALF = (Fraction(1, 2), Fraction(1, 2))


@st.composite
def distributions(draw: st.DrawFn) -> tuple[Fraction, ...]:
    cuts = sorted(draw(st.sets(st.integers(1, 255), max_size=5)))
    edges = [0, *cuts, 256]
    return tuple(Fraction(b - a, 256) for a, b in pairwise(edges))


@given(distributions(), st.integers(1, 255))
def test_every_number_of_eight_bits_falls_where_it_should(
    probabilities: tuple[Fraction, ...], k: int
) -> None:
    """All 256 values of the eight random bits once: the frequencies are the probabilities."""
    count = 256
    values = np.arange(count, dtype=np.uint8)
    planes = [np.packbits(values >> (7 - i) & 1).tobytes() for i in range(8)]
    size = alice_entropy_bytes(count, Fraction(k, 256), probabilities)
    rows = size // 32
    basis_planes = bob_entropy_bytes(count, Fraction(k, 256)) // 32
    drawn = (
        bytes(32) + b"".join(planes[:basis_planes]) + b"".join(planes[: rows - 1 - basis_planes])
    )
    settings = alice_settings(drawn, count, Fraction(k, 256), probabilities)
    assert int((settings.basis == 0).sum()) == k
    counts = np.bincount(settings.intensity, minlength=len(probabilities))
    assert [Fraction(int(n), 256) for n in counts] == list(probabilities)
    assert not settings.bit.any()


def test_bits_that_do_not_matter_are_not_drawn() -> None:
    assert bob_entropy_bytes(800, Fraction(1, 2)) == 100
    assert bob_entropy_bytes(800, Fraction(3, 4)) == 200
    assert bob_entropy_bytes(801, dyadic(0.7)) == 8 * 101
    assert alice_entropy_bytes(800, dyadic(0.7), HALF) == 10 * 100


def test_settings_are_independent() -> None:
    count, p_z = 400_000, dyadic(0.7)
    rng = np.random.default_rng(5)
    settings = alice_settings(rng.bytes(alice_entropy_bytes(count, p_z, HALF)), count, p_z, HALF)
    basis = bob_settings(rng.bytes(bob_entropy_bytes(count, p_z)), count, p_z)
    for bit in (0, 1):
        for alice in (0, 1):
            for intensity in (0, 1):
                for bob in (0, 1):
                    p = 0.25 * float((1 - p_z) if alice else p_z) * float((1 - p_z) if bob else p_z)
                    seen = np.count_nonzero(
                        (settings.bit == bit)
                        & (settings.basis == alice)
                        & (settings.intensity == intensity)
                        & (basis == bob)
                    )
                    # 16 tests at 5 standard deviations: false alarm 1e-5, seed fixed
                    assert abs(seen - count * p) < 5 * math.sqrt(count * p * (1 - p))


def test_phases_follow_the_convention() -> None:
    bit, basis = np.array([0, 1, 0, 1], np.uint8), np.array([0, 0, 1, 1], np.uint8)
    assert alice_phase(bit, basis).tolist() == [0, 2, 1, 3]
    assert bob_phase(np.array([0, 1], np.uint8)).tolist() == [0, 1]
    # Equal bases interfere to 0 or pi by the bit, others to a quarter turn.
    difference = (alice_phase(bit, basis).astype(int) - bob_phase(basis)) % 4
    assert difference.tolist() == [0, 2, 0, 2]


def test_probabilities_are_rounded_to_256ths() -> None:
    assert dyadic(0.7) == Fraction(179, 256)
    assert dyadic(1e-9) == Fraction(1, 256)
    assert dyadic(Fraction(999, 1000)) == Fraction(255, 256)


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, math.nan])
def test_a_probability_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(ParameterError):
        dyadic(value)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ParameterError, match="bytes"):
        bob_settings(bytes(3), 8, Fraction(1, 2))
    with pytest.raises(ParameterError, match="1/256"):
        bob_entropy_bytes(8, Fraction(7, 10))
    with pytest.raises(ParameterError, match="sum"):
        alice_entropy_bytes(8, Fraction(1, 2), (Fraction(1, 2), Fraction(1, 4)))
