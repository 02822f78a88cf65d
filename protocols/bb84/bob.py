"""Bob's state machine."""

from __future__ import annotations

import hmac

import numpy as np
import numpy.typing as npt

from protocols.authentication.polynomial import KEY_BYTES
from protocols.bb84 import messages as m
from protocols.bb84.distillation import Setup
from protocols.bb84.party import FRAME_TAG_BITS, Party
from protocols.bb84.sifting import (
    Detections,
    double_click_bytes,
    intensity_counts,
    resolve_double_clicks,
)
from protocols.bits import BitArray
from protocols.entropy import Entropy
from protocols.errors import MessageError, ParameterError
from protocols.privacy_amplification.toeplitz import seed_bits
from protocols.reconciliation.cascade import Corrector
from protocols.reconciliation.layout import Layout, Schedule, schedule

__all__ = ["Bob"]


class Bob(Party):
    """Bob: knows what he detected, and corrects his key to Alice's.

    His entropy streams are ``double-clicks`` and ``cascade-seed``.

    Parameters
    ----------
    setup : Setup
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._slot_counts: list[int] = []
        self._slots: list[npt.NDArray[np.int64]] = []
        self._basis_parts: list[BitArray] = []
        self._bit_parts: list[BitArray] = []
        self._basis: BitArray = np.empty(0, np.uint8)
        self._detected: BitArray = np.empty(0, np.uint8)
        self._double_clicks = 0
        self._dropped_dead_time = 0
        self._dropped_outside = 0

    def add_block(self, found: Detections, basis: BitArray, entropy: Entropy) -> None:
        """Add one pattern's detections; patterns keep the order in which they are added.

        Parameters
        ----------
        found : Detections
        basis : uint8 array
            Bob's basis of every slot of the pattern.
        entropy : Entropy
            Gives the bits of double clicks.

        Raises
        ------
        ParameterError
            The bases are not those of the pattern, or the party has started.
        """
        if self._started:
            raise ParameterError("patterns are added before the start")
        if basis.shape != (found.slot_count,):
            raise ParameterError("a basis is needed for every slot of the pattern")
        random = entropy.take("double-clicks", double_click_bytes(found))
        self._slot_counts.append(found.slot_count)
        self._slots.append(found.slot)
        self._basis_parts.append(basis[found.slot])
        self._bit_parts.append(resolve_double_clicks(found, random))
        self._double_clicks += found.double_clicks
        self._dropped_dead_time += found.dropped_dead_time
        self._dropped_outside += found.dropped_outside

    def _start(self, entropy: Entropy) -> list[m.Message]:
        if self._slots:
            self._basis = np.concatenate(self._basis_parts)
            self._detected = np.concatenate(self._bit_parts)
        self._await({m.Disclosure: self._on_disclosure})
        return [
            self._send(m.Announcement, tuple(self._slot_counts), tuple(self._slots), self._basis)
        ]

    def _on_disclosure(self, message: m.Disclosure, entropy: Entropy) -> list[m.Message]:
        kinds = len(self._setup.source.intensities)
        if not message.basis.shape == message.intensity.shape == self._basis.shape:
            raise MessageError("bases and intensities are due for all announced slots")
        if message.intensity.size and message.intensity.max() >= kinds:
            raise MessageError("an intensity that the source does not have")
        sifted = self._sift(message.basis, self._basis, message.intensity, message.seed)
        self._bits = self._detected[sifted.key]
        self._intensity = message.intensity[sifted.key]
        test_bits = self._detected[sifted.test]
        self._count_test(message.intensity[sifted.test], test_bits, message.test_bits)
        self._slots, self._basis_parts, self._bit_parts = [], [], []
        self._detected = np.empty(0, np.uint8)
        reply = self._send(m.TestReply, test_bits)
        if not self._bits.size or not test_bits.size:
            self._finish(None, "no detections with equal bases in both bases")
            return [reply]
        return [reply, *self._begin(entropy)]

    def _begin(self, entropy: Entropy) -> list[m.Message]:
        assert self._m_x is not None
        self._plan: Schedule = schedule(self._bits.size, sum(self._m_x), sum(self._n_x))
        seed = entropy.take("cascade-seed", m.SEED_BYTES)
        self._corrector = Corrector(self._bits, Layout(self._plan, seed))
        self._counting_wire = True
        plan = self._plan
        start = self._send(m.ReconciliationStart, plan.size, plan.frame_level, plan.levels, seed)
        return [start, *self._ask()]

    def _ask(self) -> list[m.Message]:
        question = self._corrector.question()
        if question is not None:
            self._await({m.ParityAnswer: self._on_answer})
            return [self._send(m.ParityQuestion, question)]
        self._await({m.FrameTags: self._on_frame_tags})
        return [self._send(m.ReconciliationEnd)]

    def _on_answer(self, message: m.ParityAnswer, entropy: Entropy) -> list[m.Message]:
        self._corrector.answer(message.parities)
        return self._ask()

    def _on_frame_tags(self, message: m.FrameTags, entropy: Entropy) -> list[m.Message]:
        plan = self._plan
        if len(message.key) != KEY_BYTES or len(message.tags) != plan.frames:
            raise MessageError("a check is due for each frame")
        self._leak = self._corrector.asked + plan.frames * (FRAME_TAG_BITS + 1)
        original = self._bits
        self._bits = self._corrector.bits.copy()
        del self._corrector
        self._errors_in = original
        self._failed = np.array(
            [
                not hmac.compare_digest(self._frame_tag(plan, index, message.key), tag)
                for index, tag in enumerate(message.tags)
            ],
            np.uint8,
        )
        self._await({m.FrameDisclosure: self._on_frame_disclosure})
        return [self._send(m.FrameOutcome, self._failed)]

    def _on_frame_disclosure(self, message: m.FrameDisclosure, entropy: Entropy) -> list[m.Message]:
        self._counting_wire = False
        at = 0
        for index in np.flatnonzero(self._failed):
            frame = self._plan.frame(int(index))
            part = message.bits[at : at + frame.stop - frame.start]
            if part.size != frame.stop - frame.start:
                raise MessageError("the failed frames are not disclosed whole")
            self._bits[frame] = part
            at += part.size
        if at != message.bits.size:
            raise MessageError("more bits disclosed than the failed frames have")
        self._leak += at
        self._await({m.VerificationTag: self._on_verification_tag})
        return []

    def _on_verification_tag(self, message: m.VerificationTag, entropy: Entropy) -> list[m.Message]:
        if len(message.key) != KEY_BYTES or 8 * len(message.tag) != self._tag_bits:
            raise MessageError("the verification tag has another length than agreed")
        equal = hmac.compare_digest(self._block_tag(message.key), message.tag)
        self._verified = equal
        outcome = self._send(m.VerificationOutcome, equal)
        if not equal:
            self._finish(None, "verification failed: the parties' keys differ")
            return [outcome]
        errors = self._errors_in ^ self._bits
        self._m_z = intensity_counts(self._intensity, len(self._n_z), where=errors)
        self._found = self._bound()
        self._await({m.Amplification: self._on_amplification})
        return [outcome, self._send(m.ErrorCounts, self._m_z)]

    def _on_amplification(self, message: m.Amplification, entropy: Entropy) -> list[m.Message]:
        found, reason = self._found
        if reason is None and message.length == 0:
            reason = "Alice gives no key"
        if reason is None:
            length = self._setup.agreement.length
            if message.length != length or message.seed.size != seed_bits(self._bits.size, length):
                raise MessageError("the key's length or its seed is not what was agreed")
            self._amplify(message.seed)
        elif message.length:
            raise MessageError("Alice hashes a block that gives no key")
        self._finish(found, reason)
        return []

    def _detector_counts(self) -> tuple[int, int, int]:
        return self._double_clicks, self._dropped_dead_time, self._dropped_outside
