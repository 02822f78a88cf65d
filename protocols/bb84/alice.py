"""Alice's state machine."""

from __future__ import annotations

import numpy as np

from protocols.authentication.polynomial import KEY_BYTES
from protocols.bb84 import messages as m
from protocols.bb84.distillation import Setup
from protocols.bb84.party import FRAME_TAG_BITS, Party
from protocols.bb84.settings import AliceSettings
from protocols.bits import BitArray, packed_size
from protocols.entropy import Entropy
from protocols.errors import MessageError, ParameterError
from protocols.privacy_amplification.toeplitz import seed_bits
from protocols.reconciliation.cascade import Answerer
from protocols.reconciliation.layout import Layout, Schedule

__all__ = ["Alice"]


class Alice(Party):
    """Alice: knows what she sent, and her key is the reference.

    Her entropy streams are ``block-seed``, ``frame-key``, ``verification-key`` and
    ``toeplitz-seed``, each drawn when its turn comes and not before.

    Parameters
    ----------
    setup : Setup
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._blocks: list[tuple[int, bytes, bytes, list[bytes]]] = []
        self._intensity: BitArray = np.empty(0, np.uint8)
        self._test_bits: BitArray = np.empty(0, np.uint8)

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

    def _start(self, entropy: Entropy) -> list[m.Message]:
        self._await({m.Announcement: self._on_announcement})
        return []

    def _on_announcement(self, message: m.Announcement, entropy: Entropy) -> list[m.Message]:
        if message.slot_counts != tuple(block[0] for block in self._blocks):
            raise MessageError("Bob's patterns are not those that were sent")
        bits, bases, intensities = [], [], []
        for (_, bit, basis, planes), slots in zip(self._blocks, message.slots, strict=True):
            bits.append(_pick(bit, slots))
            bases.append(_pick(basis, slots))
            intensity = np.zeros(slots.size, np.uint8)
            for kind, plane in enumerate(planes, 1):
                intensity += np.uint8(kind) * _pick(plane, slots)
            intensities.append(intensity)
        self._blocks = []
        bit_list, basis_list = _join(bits), _join(bases)
        intensity_list = _join(intensities)
        seed = entropy.take("block-seed", m.SEED_BYTES)
        sifted = self._sift(basis_list, message.basis, intensity_list, seed)
        self._bits = bit_list[sifted.key]
        self._intensity = intensity_list[sifted.test]
        self._test_bits = bit_list[sifted.test]
        self._await({m.TestReply: self._on_test_reply})
        return [self._send(m.Disclosure, basis_list, intensity_list, self._test_bits, seed)]

    def _on_test_reply(self, message: m.TestReply, entropy: Entropy) -> list[m.Message]:
        self._count_test(self._intensity, self._test_bits, message.test_bits)
        if not self._bits.size or not self._test_bits.size:
            self._finish(None, "no detections with equal bases in both bases")
            return []
        self._counting_wire = True
        self._await({m.ReconciliationStart: self._on_start})
        return []

    def _on_start(self, message: m.ReconciliationStart, entropy: Entropy) -> list[m.Message]:
        if message.size != self._bits.size:
            raise MessageError("Bob reconciles a block of another size")
        self._plan = Schedule(message.size, message.frame_level, message.levels)
        self._answerer = Answerer(self._bits, Layout(self._plan, message.seed))
        self._await({m.ParityQuestion: self._on_question, m.ReconciliationEnd: self._on_end})
        return []

    def _on_question(self, message: m.ParityQuestion, entropy: Entropy) -> list[m.Message]:
        return [self._send(m.ParityAnswer, self._answerer.answer(message.question))]

    def _on_end(self, message: m.ReconciliationEnd, entropy: Entropy) -> list[m.Message]:
        frames = self._plan.frames
        self._leak = self._answerer.disclosed + frames * FRAME_TAG_BITS
        del self._answerer
        key = entropy.take("frame-key", KEY_BYTES)
        tags = tuple(self._frame_tag(self._plan, index, key) for index in range(frames))
        self._await({m.FrameOutcome: self._on_frame_outcome})
        return [self._send(m.FrameTags, key, tags)]

    def _on_frame_outcome(self, message: m.FrameOutcome, entropy: Entropy) -> list[m.Message]:
        if message.failed.size != self._plan.frames:
            raise MessageError("an outcome is due for each frame")
        failed = [self._bits[self._plan.frame(int(i))] for i in np.flatnonzero(message.failed)]
        disclosed = self._send(m.FrameDisclosure, _join(failed))
        self._counting_wire = False
        self._leak += disclosed.bits.size + self._plan.frames
        key = entropy.take("verification-key", KEY_BYTES)
        self._await({m.VerificationOutcome: self._on_verification})
        return [disclosed, self._send(m.VerificationTag, key, self._block_tag(key))]

    def _on_verification(self, message: m.VerificationOutcome, entropy: Entropy) -> list[m.Message]:
        self._verified = message.equal
        if not message.equal:
            self._finish(None, "verification failed: the parties' keys differ")
        else:
            self._await({m.ErrorCounts: self._on_error_counts})
        return []

    def _on_error_counts(self, message: m.ErrorCounts, entropy: Entropy) -> list[m.Message]:
        if len(message.counts) != len(self._n_z):
            raise MessageError("error counts are due for each intensity")
        self._m_z = message.counts
        found, reason = self._bound()
        if reason is not None:
            answer = self._send(m.Amplification, 0, np.empty(0, np.uint8))
        else:
            length = self._setup.agreement.length
            count = seed_bits(self._bits.size, length)
            drawn = entropy.take("toeplitz-seed", packed_size(count))
            seed = np.unpackbits(np.frombuffer(drawn, np.uint8), count=count)
            self._amplify(seed)
            answer = self._send(m.Amplification, length, seed)
        self._finish(found, reason)
        return [answer]

    def _sends_reference(self) -> bool:
        return True


def _pick(packed: bytes, slots: np.ndarray[tuple[int], np.dtype[np.int64]]) -> BitArray:
    """Return the bits of a packed string at `slots`."""
    octets = np.frombuffer(packed, np.uint8)[slots >> 3]
    bits: BitArray = (octets >> (7 - (slots & 7)).astype(np.uint8)) & np.uint8(1)
    return bits


def _join(parts: list[BitArray]) -> BitArray:
    return np.concatenate(parts) if parts else np.empty(0, np.uint8)
