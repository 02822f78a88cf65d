"""How fast keys are hashed: `python -m benchmarks.hashing`.

Each figure is taken in a process of its own, the best of a few, the output half as long as the
key; what loads or compiles kernels is timed apart. A rate per CPU second is that of all threads
together.
"""

import hashlib
import multiprocessing
import os
import resource
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gmpy2
import numpy as np
from scipy import fft

from benchmarks.rows import Row, table

SIZES = (1_000_000, 10_000_000, 100_000_000)
TAGGED_BITS = 1_000_000_000
WORKERS = 2
PEER_BITS = 10_000_000
"""Above this the peer is timed only once: it takes half a minute and 7 GB."""


@dataclass(frozen=True)
class Timing:
    first_s: float
    wall_s: float
    cpu_s: float
    peak_mb: float


def best(work: Callable[[], object], repeats: int) -> Timing:
    began = time.perf_counter()
    work()
    first = time.perf_counter() - began
    wall, cpu = [], []
    for _ in range(repeats):
        began, busy = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - busy)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mb = peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return Timing(first, min(wall, default=first), min(cpu, default=first), peak_mb)


def repeats(bits: int) -> int:
    return max(3, min(20, 50_000_000 // bits))


def packed(bits: int) -> bytes:
    data = bytearray(secrets.token_bytes(-(-bits // 8)))
    if bits % 8:
        data[-1] &= 0xFF << -bits % 8 & 0xFF
    return bytes(data)


def amplify(name: str, bits: int, workers: int) -> Timing:
    from protocols.privacy_amplification.choice import amplifier
    from protocols.secret import SecretBits

    family = amplifier(name)
    key, seed = SecretBits(packed(bits), bits), packed(family.seed_bits(bits, bits // 2))
    return best(lambda: family.hash(key, seed, bits // 2, workers), repeats(bits))


def float_toeplitz(bits: int) -> Timing:
    """Toeplitz by scipy's transform of doubles, as short as wrapping around allows."""
    output = bits // 2
    key, seed = packed(bits), packed(bits + output - 1)
    size = fft.next_fast_len(bits + output - 1, real=True)

    def work() -> bytes:
        ours = np.unpackbits(np.frombuffer(key, np.uint8), count=bits).astype(np.float64)
        theirs = np.unpackbits(np.frombuffer(seed, np.uint8), count=bits + output - 1)
        spectrum = fft.rfft(theirs.astype(np.float64), size)
        spectrum *= fft.rfft(ours, size)
        sums = fft.irfft(spectrum, size)[bits - 1 : bits - 1 + output]
        return np.packbits(np.rint(sums).astype(np.int64) & 1).tobytes()

    return best(work, 0 if bits > PEER_BITS else 2)


def gmp_product(bits: int) -> Timing:
    """The whole product that the modular hash takes a part of."""
    a, x = (
        gmpy2.mpz.from_bytes(secrets.token_bytes(size // 8), "big")
        for size in (3 * bits // 2, bits)
    )
    return best(lambda: a * x, repeats(bits))


def tag(bits: int) -> Timing:
    from protocols.authentication.polynomial import polynomial_tag

    data, key = secrets.token_bytes(bits // 8), secrets.token_bytes(16)
    return best(lambda: polynomial_tag(data, bits, key), repeats(bits))


def authenticate(bits: int) -> Timing:
    """One phase of a conversation, both sides in turn; each hashes for both directions."""
    from protocols.authentication.wegman_carter import Authenticator

    keys = {"there": secrets.token_bytes(16), "back": secrets.token_bytes(16)}
    pads = secrets.token_bytes(16)
    message = secrets.token_bytes(1 << 20)

    def work() -> None:
        ours, theirs = (Authenticator(way, keys, lambda *_: pads) for way in keys)
        for _ in range(bits // 8 >> 20):
            ours.absorb("there", message)
            theirs.absorb("there", message)
        theirs.verify("phase", ours.seal("phase"))

    return best(work, repeats(bits))


def sha256(bits: int) -> Timing:
    data = secrets.token_bytes(bits // 8)
    return best(lambda: hashlib.sha256(data).digest(), repeats(bits))


def copied(bits: int) -> Timing:
    data, target = np.zeros(bits // 8, np.uint8), np.zeros(bits // 8, np.uint8)
    return best(lambda: np.copyto(target, data), repeats(bits))


def child(work: Callable[..., Timing], *arguments: Any, **variables: str) -> Timing:
    """Run in a fresh process, with environment variables."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(work, arguments)
    finally:
        os.environ.clear()
        os.environ.update(before)


def tags() -> list[Row]:
    gigabit = TAGGED_BITS / 1e9
    limit, memory = child(sha256, TAGGED_BITS), child(copied, TAGGED_BITS)
    found = []
    for name, work in (("verification tag", tag), ("authentication, both sides", authenticate)):
        rate = gigabit / child(work, TAGGED_BITS).wall_s
        found.append(Row(name, rate, "Gb/s", rate * limit.wall_s / gigabit, "SHA-256", 1))
    rate = gigabit / child(tag, TAGGED_BITS).wall_s
    found.append(
        Row("verification tag", rate, "Gb/s", rate * memory.wall_s / gigabit, "a copy in memory", 1)
    )
    plain = gigabit / child(tag, TAGGED_BITS, NUMBA_CPU_NAME="generic").wall_s
    found.append(
        Row("verification tag, generic x86", plain, "Gb/s", plain / rate, "with PCLMULQDQ")
    )
    return found


def amplification(
    name: str, peer: Callable[[int], Timing], against: str, targets: dict[int, float]
) -> list[Row]:
    found = []
    for bits in SIZES:
        megabit, limit = bits / 1e6, child(peer, bits)
        for workers in (1, WORKERS):
            taken = child(amplify, name, bits, workers)
            target = targets[bits] if workers == WORKERS else None
            label = f"{name}, {bits:.0e} bits, {workers} thread(s)".replace("e+0", "e")
            rate = megabit / taken.wall_s
            found.append(Row(label, rate, "Mb/s", limit.wall_s / taken.wall_s, against, target))
        label = f"{name}, {bits:.0e} bits, per CPU second".replace("e+0", "e")
        found.append(Row(label, megabit / taken.cpu_s, "Mb", limit.cpu_s / taken.cpu_s, against))
        label = f"{name}, {bits:.0e} bits, peak memory".replace("e+0", "e")
        ratio = taken.peak_mb / limit.peak_mb
        found.append(Row(label, taken.peak_mb, "MB", ratio, against, 2000, at_most=True))
    bits = SIZES[0]
    taken = child(amplify, name, bits, 1, NUMBA_CPU_NAME="generic")
    rate = bits / 1e6 / taken.wall_s
    usual = child(amplify, name, bits, 1)
    label = f"{name}, 1e6 bits, 1 thread(s), generic x86"
    found.append(Row(label, rate, "Mb/s", usual.wall_s / taken.wall_s, "with its instructions"))
    found.append(
        Row(f"{name}: first use, compiled before", usual.first_s, "s", usual.first_s / usual.wall_s,
            "later uses")
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        cold = child(amplify, name, bits, 1, NUMBA_CACHE_DIR=folder)
    found.append(
        Row(f"{name}: first use, compiling", cold.first_s, "s", cold.first_s / usual.first_s,
            "compiled before")
    )  # fmt: skip
    return found


def rows() -> list[Row]:
    toeplitz = dict(zip(SIZES, (30.0, 20.0, 20.0), strict=True))
    modular = dict.fromkeys(SIZES, 100.0)
    return [
        *tags(),
        *amplification("toeplitz", float_toeplitz, "scipy, doubles, 1 thread", toeplitz),
        *amplification("modular", gmp_product, "GMP's product alone, 1 thread", modular),
    ]


if __name__ == "__main__":
    print(table(rows()))
