"""Two parties with sifted keys, a line that a test can tamper with, and pads that are counted."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from protocols.authentication.wegman_carter import Authenticator
from protocols.distillation.block import SiftedBlock
from protocols.distillation.bound import AssumedSinglePhotons, Terms
from protocols.distillation.codec import Codec, Message
from protocols.distillation.correcting import CorrectingParty
from protocols.distillation.messages import DISTILLATION_MESSAGES
from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE, Party
from protocols.distillation.reference import ReferenceParty
from protocols.generator import expand
from protocols.secret import SecretBits

CODEC = Codec(DISTILLATION_MESSAGES)
TERMS = Terms(AssumedSinglePhotons(1e-9, 1e-15))
HASH_KEYS = {ALICE_TO_BOB: bytes(range(16)), BOB_TO_ALICE: bytes(range(16, 32))}


class SeededEntropy:
    """Streams expanded from a seed; remembers what was drawn."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self.drawn: dict[str, int] = {}

    def take(self, stream: str, count: int) -> bytes:
        start = self.drawn.get(stream, 0)
        self.drawn[stream] = start + count
        return expand(self._seed, stream, start, count)


class Pads:
    """One side's pads, the same on both sides, each given once."""

    def __init__(self) -> None:
        self.taken = {ALICE_TO_BOB: 0, BOB_TO_ALICE: 0}

    def __call__(self, direction: str, count: int) -> bytes:
        start = self.taken[direction]
        self.taken[direction] += count
        return expand(b"pads", direction, start, count)


def opened(packet: bytes) -> Message:
    return CODEC.decode(CODEC.unwrap(packet).body)


def changed(packet: bytes, **fields: object) -> bytes:
    """Return the packet with other fields of its message."""
    found = CODEC.unwrap(packet)
    message = msgspec.structs.replace(CODEC.decode(found.body), **fields)
    return CODEC.wrap(found.sequence, CODEC.encode(message), found.tag)


def noisy(bits: int, rate: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return two random keys that differ with probability `rate` in every bit."""
    rng = np.random.default_rng(seed)
    alice = rng.integers(0, 2, bits, np.uint8)
    return alice, alice ^ (rng.random(bits) < rate).astype(np.uint8)


def block(bits: np.ndarray, *test: int) -> SiftedBlock:
    """Return the block of a key; `test` is the test's size and errors."""
    n_x, m_x = ((test[0],), (test[1],)) if test else ((), ())
    return SiftedBlock(SecretBits(np.packbits(bits).tobytes(), bits.size), (bits.size,), n_x, m_x)


class Line:
    """Two parties and what waits between them."""

    def __init__(
        self,
        alice: np.ndarray,
        bob: np.ndarray,
        *test: int,
        terms: Terms = TERMS,
        authenticated: bool = False,
        seed: bytes = b"",
    ) -> None:
        self.pads = {ALICE_TO_BOB: Pads(), BOB_TO_ALICE: Pads()}
        tags = (
            Authenticator(ALICE_TO_BOB, HASH_KEYS, self.pads[ALICE_TO_BOB]),
            Authenticator(BOB_TO_ALICE, HASH_KEYS, self.pads[BOB_TO_ALICE]),
        ) if authenticated else (None, None)  # fmt: skip
        self.alice = ReferenceParty(terms, block(alice, *test), tags[0])
        self.bob = CorrectingParty(terms, block(bob, *test), tags[1])
        self.entropy = {
            ALICE_TO_BOB: SeededEntropy(b"alice" + seed), BOB_TO_ALICE: SeededEntropy(b"bob" + seed)
        }  # fmt: skip
        self.sent: list[tuple[str, bytes]] = []
        self.waiting: list[tuple[str, bytes]] = []

    def post(self, direction: str, packets: list[bytes]) -> None:
        self.waiting += [(direction, packet) for packet in packets]

    def start(self) -> None:
        self.post(ALICE_TO_BOB, self.alice.start(self.entropy[ALICE_TO_BOB]))
        self.post(BOB_TO_ALICE, self.bob.start(self.entropy[BOB_TO_ALICE]))

    def deliver(self, direction: str, packet: bytes) -> None:
        to: Party = self.bob if direction == ALICE_TO_BOB else self.alice
        self.post(to.direction, to.receive(packet, self.entropy[to.direction]))
        to.settle()

    def run(self, attack: Callable[[int, list[tuple[str, bytes]]], None] | None = None) -> None:
        """Deliver everything; `attack` may change what waits before each delivery."""
        self.start()
        count = 0
        while self.waiting:
            if attack is not None:
                attack(count, self.waiting)
                if not self.waiting:
                    return
            count += 1
            direction, packet = self.waiting.pop(0)
            self.sent.append((direction, packet))
            self.deliver(direction, packet)
