"""Alice's state machine: sifting, then the distillation of what is left."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from protocols.authentication.wegman_carter import Authenticator
from protocols.bb84.distillation import Distillation, Setup
from protocols.bb84.lengths import terms
from protocols.bb84.messages import CODEC, Announcement, Disclosure, TestReply
from protocols.bb84.settings import AliceSettings
from protocols.bb84.sifting import Sifted, count_test, select_block
from protocols.bits import BitArray, bits_at, pack
from protocols.distillation.block import SiftedBlock
from protocols.distillation.codec import SEED_BYTES, Bits, Codec
from protocols.distillation.reference import ReferenceParty
from protocols.entropy import Entropy
from protocols.errors import MessageError, ParameterError
from protocols.secret import SecretBits

__all__ = ["Alice"]


class Alice(ReferenceParty):
    """Alice: knows what she sent, and her key is the reference.

    Her entropy streams are ``block-seed`` and those of `ReferenceParty`, each drawn when its
    turn comes and not before.

    Parameters
    ----------
    setup : Setup
    authenticator, workers
        As `protocols.distillation.party.Party`.
    """

    _codec: ClassVar[Codec] = CODEC
    tags: ClassVar[int] = 7

    def __init__(
        self, setup: Setup, authenticator: Authenticator | None = None, workers: int = 1
    ) -> None:
        super().__init__(terms(setup), None, authenticator, workers)
        self._setup = setup
        kinds = len(setup.source.intensities)
        self._n_z = self._n_x = (0,) * kinds
        self._blocks: list[tuple[int, bytes, bytes, list[bytes]]] = []
        self._sifted: Sifted | None = None

    @property
    def result(self) -> Distillation:
        """The public account; as `Party.result`."""
        found = super().result
        assert isinstance(found, Distillation)
        return found

    def add_block(self, settings: AliceSettings) -> None:
        """Add one pattern's settings; patterns keep the order in which they are added.

        Raises
        ------
        ParameterError
            The arrays differ in length, hold an unknown setting, or the party has started.
        """
        if self._started:
            raise ParameterError("patterns are added before the start")
        bit, basis, intensity = settings.bit, settings.basis, settings.intensity
        if not bit.shape == basis.shape == intensity.shape or bit.ndim != 1:
            raise ParameterError("bits, bases and intensities must be equally many")
        kinds = len(self._setup.source.intensities)
        if bit.size and (bit.max() > 1 or basis.max() > 1 or intensity.max() >= kinds):
            raise ParameterError("a setting is out of range")
        planes = [np.packbits(intensity == kind).tobytes() for kind in range(1, kinds)]
        packed = np.packbits(bit).tobytes(), np.packbits(basis).tobytes()
        self._blocks.append((bit.size, *packed, planes))

    def _start(self, entropy: Entropy) -> list[bytes]:
        self._await({Announcement: self._on_announcement})
        return []

    def _on_announcement(self, message: Announcement, entropy: Entropy) -> list[bytes]:
        sent = [block[0] for block in self._blocks]
        if [pattern.slot_count for pattern in message.patterns] != sent:
            raise MessageError("Bob's patterns are not those that were sent")
        bits, bases = [], []
        planes: list[list[BitArray]] = [[] for _ in self._setup.source.intensities[1:]]
        for block, pattern in zip(self._blocks, message.patterns, strict=True):
            slots = pattern.numbers()
            bits.append(bits_at(block[1], slots))
            bases.append(bits_at(block[2], slots))
            for joined, plane in zip(planes, block[3], strict=True):
                joined.append(bits_at(plane, slots))
        self._blocks = []
        bit, basis = _join(bits), _join(bases)
        marks = [_join(plane) for plane in planes]
        seed = entropy.take("block-seed", SEED_BYTES)
        sifted = select_block(self._setup.agreement, basis, message.basis.array(), marks, seed)
        self._sifted = sifted
        self._n_z, self._n_x = sifted.n_z, sifted.n_x
        self._key_bits = bit[sifted.key]
        self._test_bits = bit[sifted.test]
        self._test_marks = [mark[sifted.test] for mark in marks]
        self._await({TestReply: self._on_test_reply})
        packed = tuple(Bits.of(mark) for mark in marks)
        return [self._send(Disclosure(Bits.of(basis), packed, Bits.of(self._test_bits), seed))]

    def _on_test_reply(self, message: TestReply, entropy: Entropy) -> list[bytes]:
        self._m_x = count_test(self._test_marks, self._test_bits, message.test_bits.array())
        if not self._key_bits.size or not self._test_bits.size:
            return self._nothing_sifted()
        key = SecretBits(pack(self._key_bits), self._key_bits.size)
        del self._key_bits
        return self._distil(SiftedBlock(key, self._n_z, self._n_x, self._m_x), entropy)

    def _make_account(self, **facts: Any) -> Distillation:
        return Distillation.of(self._setup, self._sifted, **facts)


def _join(parts: list[BitArray]) -> BitArray:
    return np.concatenate(parts) if parts else np.empty(0, np.uint8)
