import itertools

import numpy as np
import pytest

from protocols.authentication.polynomial import multiply
from protocols.errors import ParameterError
from protocols.privacy_amplification import cantor, transform
from protocols.privacy_amplification.novel_basis import divisions


def product(a: int, b: int) -> int:
    """Multiply in GF(2**64)."""
    return multiply(a, b, 64, 0b11011)


def test_cantors_basis() -> None:
    basis = cantor.basis().tolist()
    assert basis[0] == 1
    for small, large in itertools.pairwise(basis):
        assert product(large, large) ^ large == small


def test_the_counter_steps_through_the_span() -> None:
    basis, value = cantor.basis().tolist(), 0
    for counter in range(1, 200):
        value ^= int(cantor.steps()[(counter & -counter).bit_length() - 1])
        expected = 0
        for bit in range(8):
            expected ^= basis[1 + bit] * (counter >> bit & 1)
        assert value == expected


def test_the_matrices_are_inverse() -> None:
    def rows(nibbles: np.ndarray) -> np.ndarray:
        return (nibbles[:, :, None] >> np.arange(4) & 1).reshape(64, 64)

    found = rows(cantor.evaluation()) @ rows(cantor.interpolation()) % 2
    assert (found == np.eye(64, dtype=np.int64)).all()


def at_point(coefficients: int, point: int) -> int:
    """Evaluate a polynomial over GF(2) in GF(2**64), by Horner's rule."""
    value = 0
    for bit in f"{coefficients:b}":
        value = product(value, point) ^ int(bit)
    return value


def taken(value: int, degree: int, steps: list[tuple[int, int]]) -> int:
    """Take division steps on a polynomial by their definition."""
    for c, h in steps:
        block = 2 << h
        parts = 0
        for start in range(0, degree, block):
            rest = value >> start & (1 << block) - 1
            quotient = 0
            for bit in range(block - 1, (1 << h) - 1, -1):
                if rest >> bit & 1:
                    quotient |= 1 << (bit - (1 << h))
                    rest ^= 1 << bit | 1 << (bit - (1 << h) + (1 << c))
            parts |= (quotient << (1 << h) | rest) << start
        value = parts
    return value


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6])
def test_the_steps_give_coefficients_of_products_of_s(bits: int) -> None:
    """Rebuild x**d from its coefficients and the s_k, by their definition."""
    s = [0b10]
    while len(s) < bits:
        s.append(multiply(s[-1], s[-1], degree=1000) ^ s[-1])
    for d in range(1 << bits):
        found = taken(1 << d, 1 << bits, divisions(bits))
        total = 0
        for i in range(1 << bits):
            if found >> i & 1:
                term = 1
                for k in range(bits):
                    term = multiply(term, s[k], degree=1000) if i >> k & 1 else term
                total ^= term
        assert total == 1 << d


def test_the_values_are_those_at_the_points() -> None:
    """Each value is the polynomial's at one point of v_(m+32) + V_m, and no point is missed."""
    m = transform.LEAST
    rng = np.random.default_rng(1)
    words = np.zeros(1 << m, np.uint64)
    words[0] = 0b10  # x itself: the values are the points
    points = transform.values(words.copy(), m).tolist()
    basis = cantor.basis().tolist()
    span = {0}
    for element in basis[:m]:
        span |= {element ^ other for other in span}
    assert {point ^ basis[m + cantor.OFFSET] for point in points} == span
    ends = rng.integers(0, 2**64, 2, dtype=np.uint64)
    words[0], words[-1] = ends
    values = transform.values(words, m).tolist()
    low, high = (int(word) for word in ends)
    for point, value in list(zip(points, values, strict=True))[::9]:
        squares = [point]
        while len(squares) <= m + 6:
            squares.append(product(squares[-1], squares[-1]))
        # the polynomial is low + high·x**(2**(m+6) − 64)
        left = product(value ^ at_point(low, squares[0]), squares[6])
        assert left == product(at_point(high, squares[0]), squares[m + 6])
    assert len(values) == 1 << m


@pytest.mark.parametrize("m", range(9, 20))
def test_interpolation_undoes_evaluation(m: int) -> None:
    words = np.random.default_rng(m).integers(0, 2**64, 1 << m, dtype=np.uint64)
    for workers in (1, 2):
        values = transform.values(words.copy(), m, workers)
        assert (transform.coefficients(values, m, workers) == words).all()


def test_other_sizes_are_refused() -> None:
    for m, size in ((8, 256), (9, 511), (32, 512)):
        with pytest.raises(ParameterError):
            transform.values(np.zeros(size, np.uint64), m)
        with pytest.raises(ParameterError):
            transform.coefficients(np.zeros(size, np.uint64), m)
