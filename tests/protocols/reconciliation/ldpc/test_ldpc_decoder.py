"""The decoder against brute force, against its rule written plainly, and on hopeless frames."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ldpc_bench import code_of, packed, small_code, unpacked

from protocols.errors import ParameterError
from protocols.reconciliation.ldpc.code import Code
from protocols.reconciliation.ldpc.decoder import Decoder, Effort, reliability

NOTHING = np.array([], np.int64)


def errors_of(code: Code, rate: float, frames: int, seed: int) -> npt.NDArray[np.uint64]:
    rng = np.random.default_rng(seed)
    return packed((rng.random((frames, code.bits)) < rate).astype(np.uint8))


def test_the_likeliest_errors_are_found_where_they_are_few() -> None:
    """All patterns of one error and 3000 of two, against a search through all of up to two."""
    code = small_code(64, 8, 6, 3)
    columns = [int.from_bytes(np.packbits(column).tobytes(), "big") for column in code.dense().T]
    lightest: dict[int, tuple[int, ...] | None] = {0: ()}
    for weight in (1, 2):
        found: dict[int, tuple[int, ...] | None] = {}
        for at in itertools.combinations(range(code.bits), weight):
            syndrome = 0
            for bit in at:
                syndrome ^= columns[bit]
            found[syndrome] = None if syndrome in found else at
        for syndrome, at in found.items():
            lightest.setdefault(syndrome, at)
    pairs = np.random.default_rng(2).integers(0, code.bits, (3000, 2))
    patterns = [(i,) for i in range(code.bits)] + [(int(a), int(b)) for a, b in pairs if a != b]
    bits = np.zeros((len(patterns), code.bits), np.uint8)
    for row, at in zip(bits, patterns, strict=True):
        row[list(at)] = 1
    syndromes = code.syndromes(packed(bits))
    errors, iterations = Decoder(code, NOTHING).decode(syndromes, Effort(50, reliability(0.01), 50))
    assert (iterations > 0).all()
    for found, syndrome in zip(unpacked(errors), unpacked(syndromes), strict=True):
        best = lightest[int.from_bytes(np.packbits(syndrome).tobytes(), "big")]
        if best is not None:
            assert tuple(np.flatnonzero(found)) == best


def phi(x: float) -> float:
    return -math.log(math.tanh(x / 2))


def doubt(size: int) -> int:
    """In quarters."""
    return round(4 * min(255, 112 * phi(min(size, 31) / 3.5))) if size else 4 * 255


def trust(total: int) -> int:
    """Sums of up to 30 one by one, up to 126 by fours, others by eights, 248 and more none."""
    if total >= 248:
        return 0
    step = 1 if total < 31 else 4 if total < 127 else 8
    middle = total // step * step + (step - 1) / 2
    return round(3.5 * phi(max(0.5, middle) / 112))


def plainly(
    code: Code, syndrome: npt.NDArray[np.uint8], known: set[int], effort: Effort
) -> tuple[npt.NDArray[np.bool_], int]:
    """Decode one frame bit by bit, as the module says it is done."""
    values = [
        127 if bit // 64 in known else math.floor(effort.prior + bit % 16 / 16 + 1 / 32)
        for bit in range(code.bits)
    ]
    unmet = before = code.checks
    told: dict[tuple[int, int], int] = {}
    matrix = code.dense()
    for iteration in range(effort.iterations):
        bold, unmet = unmet <= code.checks // effort.bold, 0
        for check in range(code.checks):
            bits = np.flatnonzero(matrix[check])
            seen = [
                values[b]
                if abs(values[b]) >= 127
                else max(-128, min(127, values[b] - told.get((check, b), 0)))
                for b in bits
            ]
            reliabilities = sorted(min(127, abs(x)) for x in seen)
            least = reliabilities[0]
            doubts = sorted(doubt(abs(x)) for x in seen)
            rests = min(255, sum(x % 4 for x in doubts))
            others = min(255, min(255, sum(x // 4 for x in doubts[:-1])) + rests // 4)
            total = min(255, others + doubts[-1] // 4)
            unmet += (sum(y < 0 for y in seen) + int(syndrome[check])) % 2
            for bit, x in zip(bits, seen, strict=True):
                odd = (sum(y < 0 for y in seen) - (x < 0) + int(syndrome[check])) % 2
                size = trust(others) if abs(x) == least else trust(total)
                if bold:
                    bound = reliabilities[1] if abs(x) == least else least
                    size = max(size, min(60, bound - 8))
                told[check, int(bit)] = -size if odd else size
                values[bit] = max(-128, min(127, x + told[check, int(bit)]))
        found = np.array([value < 0 for value in values])
        if (matrix @ found % 2 == syndrome).all():
            return found, iteration + 1
        if (iteration + 1) % effort.patience == 0:
            if unmet > code.checks // 64 and unmet > before - before // 32:
                break
            before = unmet
    return np.zeros(code.bits, np.bool_), -1


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    z=st.sampled_from([64, 128]),
    rate=st.floats(0.01, 0.12),
    shortened=st.booleans(),
    patience=st.integers(1, 7),
    bold=st.sampled_from([64, 8, 1]),
)
def test_every_byte_is_that_of_the_rule(
    seed: int, z: int, rate: float, shortened: bool, patience: int, bold: int
) -> None:
    code = small_code(z, 8, 4, 3, seed)
    errors = errors_of(code, rate, 2, seed)
    known = [2, 5] if shortened else []
    errors[:, known] = 0
    syndromes = code.syndromes(errors)
    effort = Effort(12, reliability(rate), patience, bold)
    found, iterations = Decoder(code, np.array(known, np.int64)).decode(syndromes, effort)
    for frame in range(2):
        expected = plainly(code, unpacked(syndromes)[frame], set(known), effort)
        assert iterations[frame] == expected[1]
        assert (unpacked(found)[frame] == expected[0]).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rate=st.floats(0.0, 0.5), z=st.sampled_from([64, 256]))
def test_what_is_found_has_the_syndrome_and_else_nothing_is(seed: int, rate: float, z: int) -> None:
    code = small_code(z, 12, 5, 3, seed)
    syndromes = code.syndromes(errors_of(code, rate, 8, seed))
    found, iterations = Decoder(code, NOTHING).decode(syndromes, Effort(20, 8, 8))
    good = iterations > 0
    assert (code.syndromes(found)[good] == syndromes[good]).all()
    assert not found[~good].any()


def test_a_syndrome_that_no_errors_have_is_given_up() -> None:
    code = code_of("twice", 64, 2, [{0: 0, 1: 3}, {0: 0, 1: 3}])
    syndromes = np.array([[1, 0]], np.uint64)
    found, iterations = Decoder(code, NOTHING).decode(syndromes, Effort(30, 8, 30))
    assert iterations[0] == -1
    assert not found.any()


def test_frames_do_not_depend_on_each_other() -> None:
    code = small_code(64, 16, 6, 3)
    syndromes = code.syndromes(errors_of(code, 0.04, 20, 3))
    decoder = Decoder(code, NOTHING)
    together = decoder.decode(syndromes, Effort(20, 9, 8))
    for frame in range(20):
        alone = decoder.decode(syndromes[frame : frame + 1], Effort(20, 9, 8))
        assert (alone[0][0] == together[0][frame]).all()
        assert alone[1][0] == together[1][frame]


def test_reliability_falls_with_the_rate() -> None:
    values = [reliability(rate) for rate in (1e-9, 0.001, 0.01, 0.02, 0.05, 0.11, 0.4)]
    assert values == pytest.approx([50, 24.2, 16.1, 13.6, 10.3, 7.3, 1.4], abs=0.05)


def test_circulants_must_fill_words() -> None:
    with pytest.raises(ParameterError):
        Decoder(small_code(32, 4, 3, 3), NOTHING)
