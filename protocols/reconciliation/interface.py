"""What every way of reconciliation offers: Bob asks, Alice answers, both count.

Alice's key is the reference. Bob's `Corrector` makes a question, Alice's `Answerer` turns
it into an answer, until there is no further question; then Bob's key is Alice's, save for
what verification of the whole block will find. Both are state machines without I/O, made
from the same public facts: the length of the key, an `Estimate` of its errors, and a seed.
Questions and answers are bytes whose format is the method's own, and both sides refuse
what does not fit with `MessageError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocols.errors import ParameterError
from protocols.secret import SecretBits

__all__ = ["Answerer", "Corrector", "Estimate", "Leak"]


@dataclass(frozen=True)
class Estimate:
    """Errors found among disclosed bits, as in the test basis: what both parties know.

    Attributes
    ----------
    errors, sample : int
        Errors, and how many bits they were found among; a sample of 0 says nothing.
    """

    errors: int
    sample: int

    def __post_init__(self) -> None:
        if not 0 <= self.errors <= self.sample:
            raise ParameterError(f"{self.errors} errors among {self.sample} bits: impossible")

    @property
    def rate(self) -> float:
        """The rule of succession, (errors + 1) / (sample + 2): never 0."""
        return (self.errors + 1) / (self.sample + 2)


@dataclass(frozen=True)
class Leak:
    """Bits of Alice's key that reconciliation has disclosed, by kind.

    Attributes
    ----------
    parities : int
        Independent parities or syndrome bits, and bits disclosed one by one.
    flags : int
        One for each frame and blind round whose outcome became public.
    checks : int
        Bits of the frames' checks.
    frames : int
        Bits of frames disclosed whole.
    """

    parities: int = 0
    flags: int = 0
    checks: int = 0
    frames: int = 0

    @property
    def total(self) -> int:
        """All of them: what the length of the key loses."""
        return self.parities + self.flags + self.checks + self.frames


class Corrector(Protocol):
    """Bob's side."""

    @property
    def leak(self) -> Leak:
        """What has been disclosed so far; the same on both sides after each answer."""

    @property
    def two_way(self) -> bool:
        """Whether questions have told where the keys differ, beyond what `leak` counts."""

    def question(self) -> bytes | None:
        """Return the next question, or None when there is nothing left to ask."""

    def answer(self, data: bytes) -> None:
        """Take Alice's answer to the last question; raises MessageError."""

    def key(self) -> SecretBits:
        """Return the corrected key once there is no further question."""


class Answerer(Protocol):
    """Alice's side."""

    @property
    def leak(self) -> Leak:
        """What has been disclosed so far; the same on both sides after each answer."""

    @property
    def two_way(self) -> bool:
        """Whether questions have told where the keys differ, beyond what `leak` counts."""

    def answer(self, question: bytes) -> bytes:
        """Return the answer to a question; raises MessageError."""
