"""The messages of sifting, in the order of their use; those of the distillation follow."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocols.distillation.codec import Bits, Codec, Count, Message
from protocols.distillation.messages import DISTILLATION_MESSAGES, Seed
from protocols.errors import ParameterError
from protocols.varints import Numbers, decode_ascending, encode_ascending

__all__ = ["CODEC", "Announcement", "Disclosure", "Pattern", "TestReply"]

_MOST_PATTERNS = 1 << 20


class Pattern(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Which of a pattern's slots were detected.

    Attributes
    ----------
    slot_count : int
        Slots of the pattern.
    size : int
        Slots detected.
    slots : bytes
        Their numbers; see `protocols.varints`.
    """

    slot_count: Count
    size: Count
    slots: bytes

    def __post_init__(self) -> None:
        if self.size > min(self.slot_count, len(self.slots)):
            raise ParameterError("more slots announced than there are")

    def __repr__(self) -> str:
        return f"<{self.size} of {self.slot_count} slots>"

    @classmethod
    def of(cls, slot_count: int, slots: Numbers) -> Pattern:
        """Encode ascending slot numbers."""
        return cls(slot_count, slots.size, encode_ascending(slots))

    def numbers(self) -> Numbers:
        """Return the slot numbers.

        Raises
        ------
        MessageError
            The bytes are not such a list.
        """
        return decode_ascending(self.slots, self.size, self.slot_count)


class Announcement(Message, frozen=True, tag="announcement"):
    """Bob's complete list: per pattern the slots detected, and his bases of all of them."""

    patterns: Annotated[tuple[Pattern, ...], msgspec.Meta(max_length=_MOST_PATTERNS)]
    basis: Bits

    def __post_init__(self) -> None:
        if self.basis.count != sum(pattern.size for pattern in self.patterns):
            raise ParameterError("an announcement needs one basis for each slot")


class Disclosure(Message, frozen=True, tag="disclosure"):
    """Alice's bases and intensities of the announced slots, her test bits, the block's seed.

    `intensity` has, for each intensity but the first, one bit for each slot.
    """

    phase: ClassVar[str | None] = "sifting"
    basis: Bits
    intensity: Annotated[tuple[Bits, ...], msgspec.Meta(max_length=15)]
    test_bits: Bits
    seed: Seed


class TestReply(Message, frozen=True, tag="test"):
    """Bob's bits of the test basis."""

    __test__: ClassVar[bool] = False  # not for pytest to collect
    phase: ClassVar[str | None] = "sifting"
    test_bits: Bits


CODEC = Codec((Announcement, Disclosure, TestReply, *DISTILLATION_MESSAGES))
"""Writes and reads the messages of a BB84 conversation."""
