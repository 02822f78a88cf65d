"""How well and how fast LDPC codes reconcile: `python -m benchmarks.ldpc`.

Both parties run in turn in this process, each with two threads, and the clock runs from the
making of both sides to the corrected key: permuting, syndromes, decoding, blind rounds,
tags and fallbacks. f counts all that the keys lose, over the entropy of the errors that
there are. A frame error is a frame given over to Cascade; residual errors are the bits in
which the keys differ in the end. Compilation is timed apart. The estimate of the errors is
that of 100 000 disclosed bits. The one-way limit is that of a frame error of 1e-3 at this
length, by the normal approximation.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from benchmarks.rows import Row, table
from protocols.reconciliation import ldpc
from protocols.reconciliation.interface import Estimate
from protocols.reconciliation.ldpc.progress import CASCADE
from protocols.secret import SecretBits

WORKERS = 2
SAMPLE = 100_000


@dataclass(frozen=True)
class Case:
    frame: int
    rate: float
    frames: int
    most: float
    least_mbps: float | None = None

    @property
    def name(self) -> str:
        size = {16384: "16 kb", 65536: "64 kb", 1 << 20: "1 Mb"}[self.frame]
        return f"LDPC, {size} frames, {100 * self.rate:g} %"


CASES = (
    Case(16384, 0.01, 10_000, 1.27),
    Case(16384, 0.02, 10_000, 1.20, 30),
    Case(16384, 0.03, 10_000, 1.17),
    Case(16384, 0.08, 10_000, 1.12),
    Case(65536, 0.01, 2_000, 1.15),
    Case(65536, 0.02, 2_000, 1.15, 30),
    Case(65536, 0.03, 2_000, 1.15),
    Case(65536, 0.05, 2_000, 1.15),
    Case(65536, 0.08, 2_000, 1.15),
    Case(1 << 20, 0.01, 64, 1.08, 2),
    Case(1 << 20, 0.02, 64, 1.08, 2),
    Case(1 << 20, 0.03, 64, 1.08, 2),
    Case(1 << 20, 0.05, 64, 1.08, 2),
    Case(1 << 20, 0.08, 64, 1.08, 2),
)


@dataclass(frozen=True)
class Outcome:
    bits: int
    errors: int
    leak: int
    round_trips: int
    failed: int
    residual: int
    wall_s: float
    cpu_s: float

    @property
    def efficiency(self) -> float:
        return self.leak / (self.bits * entropy(self.errors / self.bits))

    @property
    def mbps(self) -> float:
        return self.bits / self.wall_s / 1e6


def entropy(rate: float) -> float:
    return -rate * math.log2(rate) - (1 - rate) * math.log2(1 - rate)


def limit(frame: int, rate: float) -> float:
    """f of the best one-way code of this length that fails once in a thousand."""
    deviation = math.sqrt(rate * (1 - rate) / frame) * math.log2((1 - rate) / rate)
    return 1 + NormalDist().inv_cdf(0.999) * deviation / entropy(rate)


def keys(bits: int, rate: float, number: int) -> tuple[SecretBits, SecretBits, int]:
    generator = np.random.default_rng(number)
    alice = np.frombuffer(generator.bytes(bits // 8), np.uint8)
    wrong = np.concatenate(
        [
            np.packbits(generator.random(min(1 << 22, bits - at), np.float32) < rate)
            for at in range(0, bits, 1 << 22)
        ]
    )
    errors = int.from_bytes(wrong.tobytes(), "big").bit_count()
    return SecretBits(alice.tobytes(), bits), SecretBits((alice ^ wrong).tobytes(), bits), errors


def reconcile(frame: int, rate: float, frames: int, workers: int) -> Outcome:
    bits = frame * frames
    theirs, ours, errors = keys(bits, rate, frames)
    estimate = Estimate(round(SAMPLE * rate), SAMPLE)
    began, busy = time.perf_counter(), time.process_time()
    alice = ldpc.answerer(theirs, estimate, b"benchmark", frame, workers)
    bob = ldpc.corrector(ours, estimate, b"benchmark", frame, workers)
    round_trips = failed = 0
    while (question := bob.question()) is not None:
        bob.answer(alice.answer(question))
        round_trips += 1
        if question[0] == CASCADE:
            given_over = question[1 : 1 + -(-frames // 8)]
            failed = int.from_bytes(given_over, "big").bit_count()
    key = bob.key()
    wall, cpu = time.perf_counter() - began, time.process_time() - busy
    a, b = (int.from_bytes(side.reveal(), "big") for side in (theirs, key))
    residual = (a ^ b).bit_count()
    return Outcome(bits, errors, bob.leak.total, round_trips, failed, residual, wall, cpu)


def case_rows(case: Case) -> list[Row]:
    alone = reconcile(case.frame, case.rate, max(8, case.frames // 8), 1)
    found = reconcile(case.frame, case.rate, case.frames, WORKERS)
    print(
        f"{case.name}: {found.bits / found.cpu_s / 1e6:.1f} Mb per CPU second, "
        f"{found.round_trips} round trips",
        flush=True,
    )
    best = limit(case.frame, case.rate)
    failure = found.failed / case.frames
    return [
        Row(
            f"{case.name}: f", found.efficiency, "", found.efficiency / best,
            f"one-way limit {best:.3f}", case.most, at_most=True,
        ),
        Row(
            f"{case.name}: rate", found.mbps, "Mb/s", found.mbps / alone.mbps,
            "one thread", case.least_mbps,
        ),
        Row(
            f"{case.name}: frame error", failure, "", failure / 1e-3,
            "one in a thousand", 1e-3, at_most=True,
        ),
        Row(
            f"{case.name}: residual", found.residual, "bits", found.residual / found.errors,
            "errors at first", 0, at_most=True,
        ),
    ]  # fmt: skip


def rows() -> list[Row]:
    began = time.perf_counter()
    reconcile(16384, 0.02, 8, 1)
    print(f"loading or compiling: {time.perf_counter() - began:.2f} s", flush=True)
    return [row for case in CASES for row in case_rows(case)]


if __name__ == "__main__":
    print(table(rows()))
