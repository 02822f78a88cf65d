"""Bob's state machine: sifting, then the distillation of what is left."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from protocols.authentication.wegman_carter import Authenticator
from protocols.bb84.distillation import Distillation, Setup
from protocols.bb84.lengths import terms
from protocols.bb84.messages import CODEC, Announcement, Disclosure, Pattern, TestReply
from protocols.bb84.sifting import (
    Detections,
    Sifted,
    count_test,
    double_click_bytes,
    resolve_double_clicks,
    select_block,
)
from protocols.bits import BitArray, pack
from protocols.distillation.block import SiftedBlock
from protocols.distillation.codec import Bits, Codec
from protocols.distillation.correcting import CorrectingParty
from protocols.entropy import Entropy
from protocols.errors import MessageError, ParameterError
from protocols.secret import SecretBits

__all__ = ["Bob"]


class Bob(CorrectingParty):
    """Bob: knows what he detected, and corrects his key to Alice's.

    His entropy streams are ``double-clicks`` and those of `CorrectingParty`.

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
        self._patterns: list[Pattern] = []
        self._bases: list[BitArray] = []
        self._outcomes: list[BitArray] = []
        self._sifted: Sifted | None = None
        self._double_clicks = 0
        self._dropped_dead_time = 0
        self._dropped_outside = 0

    @property
    def result(self) -> Distillation:
        """The public account; as `Party.result`."""
        found = super().result
        assert isinstance(found, Distillation)
        return found

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
        self._patterns.append(Pattern.of(found.slot_count, found.slot))
        self._bases.append(basis[found.slot])
        self._outcomes.append(resolve_double_clicks(found, random))
        self._double_clicks += found.double_clicks
        self._dropped_dead_time += found.dropped_dead_time
        self._dropped_outside += found.dropped_outside

    def _start(self, entropy: Entropy) -> list[bytes]:
        none: BitArray = np.empty(0, np.uint8)
        self._basis = np.concatenate([none, *self._bases])
        self._detected = np.concatenate([none, *self._outcomes])
        self._bases, self._outcomes = [], []
        self._await({Disclosure: self._on_disclosure})
        return [self._send(Announcement(tuple(self._patterns), Bits.of(self._basis)))]

    def _on_disclosure(self, message: Disclosure, entropy: Entropy) -> list[bytes]:
        marks = [plane.array() for plane in message.intensity]
        if any(bits.shape != self._basis.shape for bits in (message.basis.array(), *marks)):
            raise MessageError("bases and intensities are due for all announced slots")
        if len(marks) != len(self._setup.source.intensities) - 1:
            raise MessageError("intensities that the source does not have")
        if (np.sum(marks, axis=0, dtype=np.int64) > 1).any():
            raise MessageError("a pulse has one intensity")
        sifted = select_block(
            self._setup.agreement, message.basis.array(), self._basis, marks, message.seed
        )
        self._sifted = sifted
        self._n_z, self._n_x = sifted.n_z, sifted.n_x
        test_bits, bits = self._detected[sifted.test], self._detected[sifted.key]
        self._m_x = count_test(
            [mark[sifted.test] for mark in marks], test_bits, message.test_bits.array()
        )
        del self._detected
        self._patterns = []
        reply = self._send(TestReply(Bits.of(test_bits)))
        if not bits.size or not test_bits.size:
            return [reply, *self._nothing_sifted()]
        packed = tuple(_packed(mark[sifted.key]) for mark in marks)
        key = SecretBits(pack(bits), bits.size)
        block = SiftedBlock(key, self._n_z, self._n_x, self._m_x, packed)
        return [reply, *self._distil(block, entropy)]

    def _make_account(self, **facts: Any) -> Distillation:
        return Distillation.of(
            self._setup,
            self._sifted,
            **facts,
            double_clicks=self._double_clicks,
            dropped_dead_time=self._dropped_dead_time,
            dropped_outside=self._dropped_outside,
        )


def _packed(bits: npt.NDArray[np.uint8]) -> bytes:
    return np.packbits(bits).tobytes()
