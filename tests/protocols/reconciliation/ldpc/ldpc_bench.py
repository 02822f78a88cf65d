"""Small codes and keys for the tests of reconciliation by LDPC codes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.reconciliation.interface import Answerer, Corrector, Leak
from protocols.reconciliation.ldpc.code import Code
from protocols.secret import SecretBits

Bits = npt.NDArray[np.uint8]


def small_code(z: int, columns: int, rows: int, degree: int, seed: int = 1) -> Code:
    """A random code without cycles of four: every column in `degree` rows, equally filled."""
    rng = np.random.default_rng(seed)
    entries: list[dict[int, int]] = [{} for _ in range(rows)]
    taken: set[tuple[int, int, int]] = set()
    for column in range(columns):
        order = sorted(range(rows), key=lambda row: (len(entries[row]), rng.random()))
        chosen = sorted(order[:degree])
        while True:
            shifts = rng.integers(0, z, degree)
            pairs = {
                (chosen[i], chosen[j], int(shifts[i] - shifts[j]) % z)
                for i in range(degree)
                for j in range(i)
            }
            if not pairs & taken:
                break
        taken |= pairs
        for row, shift in zip(chosen, shifts, strict=True):
            entries[row][column] = int(shift)
    return code_of("small", z, columns, entries)


def code_of(name: str, z: int, columns: int, entries: list[dict[int, int]]) -> Code:
    """The code whose block rows are given as shift by column."""
    starts = np.cumsum([0, *map(len, entries)]).astype(np.int32)
    column = np.array([c for row in entries for c in sorted(row)], np.int32)
    shift = np.array([row[c] for row in entries for c in sorted(row)], np.int32)
    return Code(name, z, columns, starts, column, shift)


def packed(bits: Bits) -> npt.NDArray[np.uint64]:
    """Frames of zeros and ones as words, the first bit lowest."""
    return np.packbits(bits, axis=-1, bitorder="little").view("<u8").astype(np.uint64)


def unpacked(words: npt.NDArray[np.uint64]) -> Bits:
    return np.unpackbits(words.astype("<u8").view(np.uint8), axis=-1, bitorder="little")


def secret(bits: Bits) -> SecretBits:
    return SecretBits(np.packbits(bits).tobytes(), bits.size)


def rank(rows: Bits) -> int:
    """Rank over GF(2)."""
    numbers = [int.from_bytes(np.packbits(row).tobytes(), "big") for row in rows]
    found = 0
    while numbers:
        pivot = numbers.pop()
        if pivot:
            found += 1
            low = pivot & -pivot
            numbers = [number ^ pivot if number & low else number for number in numbers]
    return found


def run(alice: Answerer, bob: Corrector) -> tuple[SecretBits, Leak, list[tuple[bytes, bytes]]]:
    """Run an exchange to its end; return Bob's key, the leak and what crossed the wire."""
    crossed = []
    while (question := bob.question()) is not None:
        answer = alice.answer(question)
        bob.answer(answer)
        assert alice.leak == bob.leak
        crossed.append((question, answer))
    return bob.key(), bob.leak, crossed
