"""Sifted to secret: two processes on the loopback, reconciliation to the final key.

Alice listens in this process, Bob is another one. Each makes its own sifted keys before the
clock runs. All that a run does is done: questions and answers over the line, tags on every
phase, verification, error counts, the bound, privacy amplification, confirmations. One
block is distilled before, so that kernels are loaded; what that takes is printed beside.
Figures are bits over wall time of the whole, from the first packet to the last key.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time

import numpy as np

from benchmarks.rows import Row, table
from protocols.authentication.wegman_carter import Authenticator
from protocols.distillation.block import SiftedBlock
from protocols.distillation.bound import AssumedSinglePhotons, Terms
from protocols.distillation.correcting import CorrectingParty
from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE, Party
from protocols.distillation.reference import ReferenceParty
from protocols.generator import expand
from protocols.secret import SecretBits
from qlab.distillation.entropy import SystemEntropy
from qlab.link import Line, connect, listen

QBER = 0.02
CASES = (
    # method, amplification, bits of a block, blocks
    ("cascade", "toeplitz", 1 << 23, 2),
    ("ldpc-64k", "toeplitz", 1 << 24, 6),
    ("ldpc-64k", "modular", 1 << 24, 6),
)
_KEYS = {ALICE_TO_BOB: b"alice to bob key", BOB_TO_ALICE: b"bob to alice key"}


def sifted(bits: int, number: int) -> tuple[SecretBits, SecretBits]:
    """Return both parties' keys of one block; random ones, made anew from the number."""
    generator = np.random.default_rng(number)
    alice = np.frombuffer(generator.bytes(bits // 8), np.uint8)
    wrong = np.packbits(generator.random(bits, np.float32) < QBER)
    return SecretBits(alice.tobytes(), bits), SecretBits((alice ^ wrong).tobytes(), bits)


class Pads:
    """Pads of no secret, as long as they last."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._taken = {ALICE_TO_BOB: 0, BOB_TO_ALICE: 0}

    def __call__(self, direction: str, count: int) -> bytes:
        start = self._taken[direction]
        self._taken[direction] += count
        return expand(b"%d" % self._number, direction, start, count)


def party(role: str, key: SecretBits, number: int, method: str, hashed: str) -> Party:
    terms = Terms(AssumedSinglePhotons(), method, hashed)
    block = SiftedBlock(key, (key.bit_count,))
    direction = ALICE_TO_BOB if role == "alice" else BOB_TO_ALICE
    tags = Authenticator(direction, _KEYS, Pads(number))
    kind = ReferenceParty if role == "alice" else CorrectingParty
    return kind(terms, block, tags, os.cpu_count() or 1)


def converse(line: Line, speaker: Party) -> None:
    """Bring one party to its end."""
    entropy = SystemEntropy()
    packets = speaker.start(entropy)
    while True:
        for packet in packets:
            line.send(packet)
        speaker.settle()
        if speaker.finished:
            return
        packets = speaker.receive(line.receive(), entropy)


def distil_blocks(role: str, line: Line, case: tuple[str, str, int, int]) -> dict[str, float]:
    """Distil all blocks of a case; return what was measured."""
    method, hashed, bits, blocks = case
    side = 0 if role == "alice" else 1
    keys = [sifted(bits, number)[side] for number in range(blocks + 1)]
    start = time.perf_counter()
    converse(line, party(role, keys[0], 0, method, hashed))
    warm = time.perf_counter() - start
    start, cpu = time.perf_counter(), time.process_time()
    secret = leak = errors = 0
    digest = hashlib.sha256()
    for number, key in enumerate(keys[1:], 1):
        speaker = party(role, key, number, method, hashed)
        converse(line, speaker)
        account = speaker.result
        assert account.reason is None, account.reason
        secret, leak = secret + account.net_secret_bits, leak + account.leak_ec_bits
        errors += account.errors or 0
        digest.update(speaker.key.reveal())
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "cpu": time.process_time() - cpu,
        "warm": warm,
        "secret": secret,
        "leak": leak,
        "errors": errors,
        "digest": int.from_bytes(digest.digest()[:6], "big"),
    }


def measure(case: tuple[str, str, int, int]) -> tuple[dict[str, float], dict[str, float]]:
    """Run a case in two processes; return what each measured."""
    line = listen("127.0.0.1:0")
    arguments = [sys.executable, "-m", "benchmarks.distillation", "--bob", str(line.port)]
    child = subprocess.Popen([*arguments, "--case", json.dumps(case)], stdout=subprocess.PIPE)
    with line.open():
        line.trust()
        ours = distil_blocks("alice", line, case)
    out, _ = child.communicate()
    assert child.returncode == 0
    theirs = json.loads(out)
    assert ours["digest"] == theirs["digest"]
    return ours, theirs


def rows() -> list[Row]:
    found = []
    for case in CASES:
        method, hashed, bits, blocks = case
        ours, theirs = measure(case)
        sifted_bits = bits * blocks
        rate = ours["errors"] / sifted_bits
        entropy = -rate * np.log2(rate) - (1 - rate) * np.log2(1 - rate)
        efficiency = ours["leak"] / (sifted_bits * entropy)
        name = f"{method}, {hashed}, blocks of {bits >> 20} Mb"
        print(
            f"{name}: {ours['seconds']:.2f} s, CPU {ours['cpu']:.2f} s at Alice and "
            f"{theirs['cpu']:.2f} s at Bob, f {efficiency:.3f}, first block {ours['warm']:.2f} s",
            file=sys.stderr,
        )
        speed = sifted_bits / ours["seconds"] / 1e6
        secret = ours["secret"] / ours["seconds"] / 1e6
        against = "115.8 Mb/s of secret key"
        found.append(
            Row(f"sifted to secret at 2 %: {name}", speed, "Mb/s", secret / 115.8, against, 20.0)
        )
        found.append(Row(f"  secret key of it: {name}", secret, "Mb/s", secret / 115.8, against))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bob", type=int, metavar="PORT", help="be Bob and call this port")
    parser.add_argument("--case", type=json.loads, default=None)
    given = parser.parse_args()
    if given.bob is None:
        print(table(rows()))
        return
    with connect(f"127.0.0.1:{given.bob}").open() as line:
        line.trust()
        found = distil_blocks("bob", line, given.case)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
