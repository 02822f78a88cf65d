"""The messages by which a sifted block becomes a key, in the order of their use."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocols.distillation.codec import SEED_BYTES, Bits, Count, Message

__all__ = [
    "DISTILLATION_MESSAGES",
    "Amplification",
    "Confirmation",
    "ReconciliationAnswer",
    "ReconciliationEnd",
    "ReconciliationQuestion",
    "ReconciliationStart",
    "SampleDisclosure",
    "VerificationOutcome",
    "VerificationTag",
]

Seed = Annotated[bytes, msgspec.Meta(min_length=SEED_BYTES, max_length=SEED_BYTES)]
Key = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Tag = Annotated[bytes, msgspec.Meta(min_length=1, max_length=16)]
Name = Annotated[str, msgspec.Meta(max_length=64)]
Counts = Annotated[tuple[Count, ...], msgspec.Meta(max_length=16)]


class SampleDisclosure(Message, frozen=True, tag="sample"):
    """Alice's bits at places that the seed chooses, where no test basis gives an error rate."""

    seed: Seed
    bits: Bits


class ReconciliationStart(Message, frozen=True, tag="reconcile"):
    """Bob's choice: the method, the seed of its shuffles, and the errors that both count on."""

    size: Count
    method: Name
    seed: Seed
    errors: Count
    sample: Count


class ReconciliationQuestion(Message, frozen=True, tag="question"):
    """Bob asks; what the bytes say is the method's own."""

    data: bytes


class ReconciliationAnswer(Message, frozen=True, tag="answer"):
    """Alice answers the last question."""

    data: bytes


class ReconciliationEnd(Message, frozen=True, tag="reconciled"):
    """Bob has no more questions."""


class VerificationTag(Message, frozen=True, tag="verify"):
    """Alice's polynomial tag of the whole block under a fresh public key."""

    phase: ClassVar[str | None] = "reconciliation"
    key: Key
    tag: Tag


class VerificationOutcome(Message, frozen=True, tag="verified"):
    """Whether Bob's tag is the same; if so, his errors per intensity of the key basis."""

    phase: ClassVar[str | None] = "reconciliation"
    equal: bool
    errors: Counts


class Amplification(Message, frozen=True, tag="amplify"):
    """The length of the key and the seed of its hash; length 0 and no seed for no key."""

    phase: ClassVar[str | None] = "amplification"
    length: Count
    seed: bytes


class Confirmation(Message, frozen=True, tag="confirm"):
    """The sender holds the key."""

    phase: ClassVar[str | None] = "confirmation"


DISTILLATION_MESSAGES: tuple[type[Message], ...] = (
    SampleDisclosure,
    ReconciliationStart,
    ReconciliationQuestion,
    ReconciliationAnswer,
    ReconciliationEnd,
    VerificationTag,
    VerificationOutcome,
    Amplification,
    Confirmation,
)
