"""Alice's half of the way from a sifted block to a key: hers is the reference."""

from __future__ import annotations

from typing import ClassVar

from protocols.authentication.polynomial import KEY_BYTES, polynomial_tag
from protocols.authentication.wegman_carter import Authenticator
from protocols.bits import packed_size
from protocols.distillation import messages as m
from protocols.distillation.block import SiftedBlock
from protocols.distillation.bound import Terms, Verdict
from protocols.distillation.codec import SEED_BYTES, Bits
from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE, Party
from protocols.distillation.sample import sample_bits, sample_places, sample_size
from protocols.entropy import Entropy
from protocols.errors import MessageError
from protocols.privacy_amplification.choice import amplifier
from protocols.reconciliation import choice
from protocols.reconciliation.interface import Estimate

__all__ = ["ReferenceParty"]


class ReferenceParty(Party):
    """Alice: answers Bob's questions, tells him her tag, draws the seed of the hash.

    Her entropy streams are ``sample-seed``, ``verification-key`` and
    ``amplification-seed``, each drawn when its turn comes and not before.

    Parameters
    ----------
    terms : Terms
    block : SiftedBlock, optional
        What to distil; a protocol that sifts first hands it over itself.
    authenticator, workers
        As `Party`.
    """

    direction: ClassVar[str] = ALICE_TO_BOB
    answers: ClassVar[str] = BOB_TO_ALICE

    def __init__(
        self,
        terms: Terms,
        block: SiftedBlock | None = None,
        authenticator: Authenticator | None = None,
        workers: int = 1,
    ) -> None:
        super().__init__(terms, authenticator, workers)
        self._given = block

    def _start(self, entropy: Entropy) -> list[bytes]:
        block, self._given = self._given, None
        if block is None:
            raise MessageError("there is no block to distil")
        return self._distil(block, entropy)

    def _distil(self, block: SiftedBlock, entropy: Entropy) -> list[bytes]:
        """Begin with a sifted block."""
        self._terms.bound.tag_bits(block.key.bit_count)  # raises where no tag is long enough
        self._bits = block.key
        self._n_z, self._n_x, self._m_x = block.n_z, block.n_x, block.m_x
        self._estimate = block.estimate
        self._await({m.ReconciliationStart: self._on_start})
        self._counting_wire = True
        if self._estimate.sample:
            return []
        seed = entropy.take("sample-seed", SEED_BYTES)
        places = sample_places(seed, self._bits.bit_count, sample_size(self._bits.bit_count))
        self._sample = Estimate(0, places.size)
        return [self._send(m.SampleDisclosure(seed, Bits.of(sample_bits(self._bits, places))))]

    def _on_start(self, message: m.ReconciliationStart, entropy: Entropy) -> list[bytes]:
        estimate = Estimate(message.errors, message.sample)
        if self._sample.sample:
            self._sample = self._estimate = estimate
            known = message.sample == sample_size(self._bits.bit_count)
        else:
            known = estimate == self._estimate
        if not known or message.size != self._bits.bit_count:
            raise MessageError("Bob reconciles another block, or counts other errors")
        hopeless = self._terms.bound.hopeless(estimate)
        if hopeless is not None:
            self._finish(Verdict(0, hopeless))
            return []
        self._method = choice.choose(self._terms.reconciliation, message.size, estimate)
        if message.method != self._method:
            raise MessageError("Bob reconciles by another method than agreed")
        self._answerer = choice.answerer(
            self._method, self._bits, estimate, message.seed, self._workers
        )
        self._await(
            {m.ReconciliationQuestion: self._on_question, m.ReconciliationEnd: self._on_end}
        )
        return []

    def _on_question(self, message: m.ReconciliationQuestion, entropy: Entropy) -> list[bytes]:
        return [self._send(m.ReconciliationAnswer(self._answerer.answer(message.data)))]

    def _on_end(self, message: m.ReconciliationEnd, entropy: Entropy) -> list[bytes]:
        self._counting_wire = False
        self._leak, self._two_way = self._answerer.leak, self._answerer.two_way
        del self._answerer
        key = entropy.take("verification-key", KEY_BYTES)
        tag = polynomial_tag(self._bits.reveal(), self._bits.bit_count, key, self._tag_bits)
        self._await({m.VerificationOutcome: self._on_outcome})
        return [self._send(m.VerificationTag(key, tag))]

    def _on_outcome(self, message: m.VerificationOutcome, entropy: Entropy) -> list[bytes]:
        self._verified = message.equal
        if not message.equal:
            self._finish(Verdict(0, "verification failed: the parties' keys differ"))
            return []
        if len(message.errors) != len(self._n_z):
            raise MessageError("error counts are due for each intensity")
        if any(m_k > n_k for m_k, n_k in zip(message.errors, self._n_z, strict=True)):
            raise MessageError("more errors than detections")
        self._m_z = message.errors
        verdict = self._decide()
        if verdict.reason is not None:
            refusal = self._send(m.Amplification(0, b""))
            self._finish(verdict)
            return [refusal]
        self._verdict = verdict
        family = amplifier(self._terms.amplification)
        count = family.seed_bits(self._bits.bit_count, verdict.length)
        seed = _uniform(entropy.take("amplification-seed", packed_size(count)), count)

        def hash_now() -> None:
            self._key = family.hash(self._bits, seed, verdict.length, self._workers)

        self._task = hash_now
        self._await({m.Confirmation: self._on_confirmation})
        return [self._send(m.Amplification(verdict.length, seed))]

    def _on_confirmation(self, message: m.Confirmation, entropy: Entropy) -> list[bytes]:
        confirmation = self._send(m.Confirmation())
        self._finish(self._verdict)
        return [confirmation]


def _uniform(drawn: bytes, count: int) -> bytes:
    """Return `count` packed bits of what was drawn, the padding cleared."""
    if not count % 8:
        return drawn
    last = drawn[-1] & (0xFF00 >> count % 8) & 0xFF
    return b"".join((memoryview(drawn)[:-1], bytes([last])))
