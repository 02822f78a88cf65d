"""What Alice's and Bob's state machines have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from protocols.authentication.polynomial import polynomial_tag
from protocols.bb84.agreement import check_acceptance, check_sizes
from protocols.bb84.distillation import Distillation, Setup, require_phase_randomisation
from protocols.bb84.finite_key import Bounds, Counts, bounds
from protocols.bb84.messages import Message, encode
from protocols.bb84.sifting import Sifted, intensity_counts, sift
from protocols.bits import BitArray, pack
from protocols.entropy import Entropy
from protocols.errors import AbortedError, InsecureError, MessageError, ParameterError
from protocols.generator import permutation
from protocols.privacy_amplification.toeplitz import toeplitz_hash
from protocols.reconciliation.layout import Schedule
from protocols.secret import SecretBits

__all__ = ["Party"]

FRAME_TAG_BITS = 32
"""Length of the check of one frame; its bits count as disclosed."""

M = TypeVar("M", bound=Message)


class Party(ABC):
    """One side of a distillation: messages and entropy in, messages out.

    Call `start` once, give every message of the other side to `receive` in its order, and
    send on what they return, until `finished`. Then `result` is the account and `key`
    the key. A message that is malformed, repeated, out of order or not meant for this
    party raises MessageError and ends the party for good.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._handlers: dict[Any, Callable[[Any, Entropy], list[Message]]] = {}
        self._started = False
        self._aborted = False
        self._sent = 0
        self._received = 0
        self._key: SecretBits | None = None
        self._result: Distillation | None = None
        self._bits: BitArray = np.empty(0, np.uint8)
        self._n_z: tuple[int, ...] = (0, 0)
        self._n_x: tuple[int, ...] = (0, 0)
        self._m_x: tuple[int, ...] | None = None
        self._m_z: tuple[int, ...] | None = None
        self._discarded = (0, 0)
        self._verified: bool | None = None
        self._leak = 0
        self._counting_wire = False
        self._wire_ours = 0
        self._wire_theirs = 0

    @property
    def finished(self) -> bool:
        """Whether the party needs no more messages."""
        return self._result is not None

    @property
    def result(self) -> Distillation:
        """The public account.

        Raises
        ------
        MessageError
            The distillation is not finished.
        """
        if self._result is None:
            raise MessageError("the distillation is not finished")
        return self._result

    @property
    def key(self) -> SecretBits:
        """The secret key.

        Raises
        ------
        InsecureError
            There is none; the message says why.
        MessageError
            The distillation is not finished.
        """
        if self.result.reason is not None or self._key is None:
            raise InsecureError(self.result.reason or "no key was made")
        return self._key

    def start(self, entropy: Entropy) -> list[Message]:
        """Begin; no pattern can be added any more.

        Raises
        ------
        MessageError
            The party was started before.
        ParameterError
            Of its own patterns no message can be made; the party is aborted.
        """
        if self._started:
            raise MessageError("a party starts only once")
        self._started = True
        return self._guard(lambda: self._start(entropy))

    def receive(self, message: Message, entropy: Entropy) -> list[Message]:
        """Take one message of the other party, return the answers.

        Raises
        ------
        MessageError
            The message is not what is due; the party is aborted.
        AbortedError
            The party was aborted before.
        """
        try:
            return self._guard(lambda: self._receive(message, entropy))
        except ParameterError as error:
            raise MessageError(f"the other party's message contradicts ours: {error}") from None

    def _receive(self, message: Message, entropy: Entropy) -> list[Message]:
        handler = self._handlers.get(type(message))
        if not self._started or handler is None:
            raise MessageError(f"{type(message).__name__} is not what is due")
        if message.sequence != self._received:
            raise MessageError(f"message {message.sequence} came where {self._received} is due")
        self._received += 1
        if self._counting_wire:
            self._wire_theirs += 8 * len(encode(message))
        return handler(message, entropy)

    def _guard(self, action: Callable[[], list[Message]]) -> list[Message]:
        """Abort the party on any error."""
        if self._aborted:
            raise AbortedError("the party was aborted and takes no more messages")
        self._aborted = True
        messages = action()
        self._aborted = False
        return messages

    @abstractmethod
    def _start(self, entropy: Entropy) -> list[Message]:
        """Return the first messages and await the other party's."""

    def _await(self, handlers: dict[Any, Callable[[Any, Entropy], list[Message]]]) -> None:
        """Name the messages that may come next."""
        self._handlers = handlers

    def _send(self, kind: Callable[..., M], *fields: Any) -> M:
        message = kind(self._sent, *fields)
        self._sent += 1
        if self._counting_wire:
            self._wire_ours += 8 * len(encode(message))
        return message

    def _sift(
        self, alice_basis: BitArray, bob_basis: BitArray, intensity: BitArray, seed: bytes
    ) -> Sifted:
        """Choose the block by the public seed and count it."""
        agreement = self._setup.agreement
        both_z = int(np.count_nonzero((alice_basis | bob_basis) == 0))
        both_x = int(np.count_nonzero((alice_basis & bob_basis) == 1))
        sifted = sift(
            alice_basis,
            bob_basis,
            permutation(seed, "key block", both_z),
            permutation(seed, "test block", both_x),
            agreement.n_z,
            agreement.n_x,
        )
        kinds = len(self._setup.source.intensities)
        self._n_z = intensity_counts(intensity[sifted.key], kinds)
        self._n_x = intensity_counts(intensity[sifted.test], kinds)
        self._discarded = (sifted.discarded_key, sifted.discarded_test)
        return sifted

    def _count_test(self, intensity: BitArray, ours: BitArray, theirs: BitArray) -> None:
        if ours.shape != theirs.shape:
            raise MessageError(f"{theirs.size} test bits came where {ours.size} are due")
        self._m_x = intensity_counts(intensity, len(self._n_x), where=ours ^ theirs)

    def _frame_tag(self, plan: Schedule, index: int, key: bytes) -> bytes:
        frame = self._bits[plan.frame(index)]
        return polynomial_tag(pack(frame), frame.size, key, FRAME_TAG_BITS)

    def _block_tag(self, key: bytes) -> bytes:
        return polynomial_tag(pack(self._bits), self._bits.size, key, self._tag_bits)

    @property
    def _tag_bits(self) -> int:
        return self._setup.agreement.tag_bits

    def _bound(self) -> tuple[Bounds | None, str | None]:
        """Return the observed bounds, and why there is no key."""
        setup = self._setup
        agreement = setup.agreement
        assert self._m_z is not None and self._m_x is not None
        counts = Counts(_pair(self._n_z), _pair(self._n_x), _pair(self._m_z), _pair(self._m_x))
        found, unbounded = None, None
        try:
            found = bounds(setup.source, agreement.security, counts, self._leak, self._tag_bits)
        except InsecureError as error:
            unbounded = str(error)
        try:
            require_phase_randomisation(setup)
            check_sizes(agreement, sum(self._n_z), sum(self._n_x))
            if found is not None:
                check_acceptance(agreement, found)
        except InsecureError as error:
            return found, str(error)
        return found, unbounded

    def _amplify(self, seed: BitArray) -> None:
        length = self._setup.agreement.length
        block = SecretBits(pack(self._bits), self._bits.size)
        self._key = toeplitz_hash(block, pack(seed), length)

    def _finish(self, found: Bounds | None, reason: str | None) -> None:
        security = self._setup.agreement.security
        mine, theirs = self._wire_ours, self._wire_theirs
        alice, bob = (mine, theirs) if self._sends_reference() else (theirs, mine)
        double_clicks, dropped_dead_time, dropped_outside = self._detector_counts()
        self._handlers = {}
        self._bits = np.empty(0, np.uint8)
        self._result = Distillation(
            sifted_bits=sum(self._n_z) + sum(self._n_x),
            n_z=self._n_z,
            n_x=self._n_x,
            m_z=self._m_z,
            m_x=self._m_x,
            discarded_z=self._discarded[0],
            discarded_x=self._discarded[1],
            leak_ec_bits=self._leak,
            wire_bits_alice=alice,
            wire_bits_bob=bob,
            verified=self._verified,
            tag_bits=self._tag_bits,
            bounds=found,
            agreed_length=self._setup.agreement.length,
            secret_bits=0 if reason is not None else self._setup.agreement.length,
            reason=reason,
            eps_sec=security.eps_sec,
            eps_cor=security.eps_cor,
            double_clicks=double_clicks,
            dropped_dead_time=dropped_dead_time,
            dropped_outside=dropped_outside,
            assumptions=self._setup.assumptions,
        )

    def _sends_reference(self) -> bool:
        """Return whether this is Alice, whose key is the reference."""
        return False

    def _detector_counts(self) -> tuple[int | None, int | None, int | None]:
        """Return double clicks, detections dropped for dead time, clicks outside."""
        return None, None, None


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    first, second = values
    return first, second
