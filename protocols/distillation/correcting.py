"""Bob's half of the way from a sifted block to a key: he corrects his to Alice's."""

from __future__ import annotations

import hmac
from typing import ClassVar

from protocols.authentication.polynomial import polynomial_tag
from protocols.authentication.wegman_carter import Authenticator
from protocols.distillation import messages as m
from protocols.distillation.block import SiftedBlock, count_errors
from protocols.distillation.bound import Terms, Verdict
from protocols.distillation.codec import SEED_BYTES
from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE, Party
from protocols.distillation.sample import sample_bits, sample_places, sample_size
from protocols.entropy import Entropy
from protocols.errors import MessageError
from protocols.privacy_amplification.choice import amplifier
from protocols.reconciliation import choice
from protocols.reconciliation.interface import Estimate
from protocols.secret import SecretBits

__all__ = ["CorrectingParty"]


class CorrectingParty(Party):
    """Bob: asks until his key is Alice's, compares her tag, counts his errors.

    His entropy stream is ``reconciliation-seed``.

    Parameters
    ----------
    terms : Terms
    block : SiftedBlock, optional
        What to distil; a protocol that sifts first hands it over itself.
    authenticator, workers
        As `Party`.
    """

    direction: ClassVar[str] = BOB_TO_ALICE
    answers: ClassVar[str] = ALICE_TO_BOB

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
        self._bits, self._marks = block.key, block.marks
        self._n_z, self._n_x, self._m_x = block.n_z, block.n_x, block.m_x
        self._counting_wire = True
        if block.estimate.sample:
            return self._begin(block.estimate, entropy)
        self._await({m.SampleDisclosure: self._on_sample})
        return []

    def _on_sample(self, message: m.SampleDisclosure, entropy: Entropy) -> list[bytes]:
        size = sample_size(self._bits.bit_count)
        if message.bits.count != size:
            raise MessageError(f"{message.bits.count} bits disclosed where {size} are due")
        places = sample_places(message.seed, self._bits.bit_count, size)
        wrong = message.bits.array() ^ sample_bits(self._bits, places)
        self._sample = Estimate(int(wrong.sum()), size)
        return self._begin(self._sample, entropy)

    def _begin(self, estimate: Estimate, entropy: Entropy) -> list[bytes]:
        size, seed = self._bits.bit_count, entropy.take("reconciliation-seed", SEED_BYTES)
        hopeless = self._terms.bound.hopeless(estimate)
        if hopeless is None:
            self._method = choice.choose(self._terms.reconciliation, size, estimate)
        start = self._send(
            m.ReconciliationStart(size, self._method, seed, estimate.errors, estimate.sample)
        )
        if hopeless is not None:
            self._finish(Verdict(0, hopeless))
            return [start]
        self._corrector = choice.corrector(self._method, self._bits, estimate, seed, self._workers)
        return [start, self._ask()]

    def _ask(self) -> bytes:
        question = self._corrector.question()
        if question is not None:
            self._await({m.ReconciliationAnswer: self._on_answer})
            return self._send(m.ReconciliationQuestion(question))
        self._await({m.VerificationTag: self._on_tag})
        end = self._send(m.ReconciliationEnd())
        self._counting_wire = False
        return end

    def _on_answer(self, message: m.ReconciliationAnswer, entropy: Entropy) -> list[bytes]:
        self._corrector.answer(message.data)
        return [self._ask()]

    def _on_tag(self, message: m.VerificationTag, entropy: Entropy) -> list[bytes]:
        if 8 * len(message.tag) != self._tag_bits:
            raise MessageError("the verification tag has another length than agreed")
        self._leak, self._two_way = self._corrector.leak, self._corrector.two_way
        corrected = self._corrector.key()
        del self._corrector
        self._verified = self._is_equal(corrected, message.key, message.tag)
        if not self._verified:
            outcome = self._send(m.VerificationOutcome(False, ()))
            self._finish(Verdict(0, "verification failed: the parties' keys differ"))
            return [outcome]
        self._m_z = count_errors(self._bits, corrected, self._marks)
        self._bits = corrected
        self._verdict = self._decide()
        self._await({m.Amplification: self._on_amplification})
        return [self._send(m.VerificationOutcome(True, self._m_z))]

    def _is_equal(self, corrected: SecretBits, key: bytes, tag: bytes) -> bool:
        """Compare Alice's tag with that of the corrected key."""
        own = polynomial_tag(corrected.reveal(), corrected.bit_count, key, self._tag_bits)
        return hmac.compare_digest(own, tag)

    def _on_amplification(self, message: m.Amplification, entropy: Entropy) -> list[bytes]:
        verdict = self._verdict
        if message.length == 0:
            reason = verdict.reason or "Alice gives no key"
            self._finish(Verdict(0, reason, verdict.bounds))
            return []
        family = amplifier(self._terms.amplification)
        if verdict.reason is not None or message.length != verdict.length:
            raise MessageError("Alice hashes to another length than the bound allows")
        self._key = family.hash(self._bits, message.seed, verdict.length, self._workers)
        self._await({m.Confirmation: self._on_confirmation})
        return [self._send(m.Confirmation())]

    def _on_confirmation(self, message: m.Confirmation, entropy: Entropy) -> list[bytes]:
        self._finish(self._verdict)
        return []
