"""The length of a key whose detections and errors somebody else has counted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from protocols.authentication.polynomial import tag_bits
from protocols.bb84.finite_key import (
    FIXED_LENGTH,
    VARIABLE_LENGTH,
    KeyCounts,
    choose_proof,
    examine,
)
from protocols.distillation.bound import Tally, Verdict
from protocols.errors import ParameterError
from protocols.reconciliation.interface import Estimate

__all__ = ["CountedKey"]

_HOPELESS = 0.25

_AFTERWARDS = (
    "the length was computed after the counts, by a proof for a length agreed before: it holds"
    " only if exactly these sizes and thresholds had been agreed on before the detections"
)


@dataclass(frozen=True)
class CountedKey:
    """The bound of a proof at given counts, with what this distillation disclosed.

    Attributes
    ----------
    counts : KeyCounts
        Of the block; `leak_ec` and `tag_bits` do not matter. `announced_bits` must hold what
        was made public before.
    variable_length : bool
        Whether the length follows from the counts by the proof for that; without it sizes
        and thresholds are taken as agreed before the detections were made.

    Raises
    ------
    ParameterError
        No proof here covers the case.
    """

    counts: KeyCounts
    variable_length: bool = False

    def __post_init__(self) -> None:
        assert self.proof  # there is one

    @property
    def eps_sec(self) -> float:
        """Secrecy of the block."""
        return self.counts.eps_sec

    @property
    def eps_cor(self) -> float:
        """Correctness of the block."""
        return self.counts.eps_cor

    @property
    def protocol(self) -> str:
        """What results call it."""
        return self.counts.protocol

    @property
    def proof(self) -> str:
        """What results cite."""
        counts = self.counts
        chosen = choose_proof(
            counts.protocol, counts.eps_sec, self.variable_length, counts.detectors
        )
        return chosen.citation

    @property
    def length_rule(self) -> str:
        """Whether the length follows from the counts."""
        return VARIABLE_LENGTH if self.variable_length else FIXED_LENGTH

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the proof takes for granted, and what whoever counted vouches for."""
        counts = self.counts
        chosen = choose_proof(
            counts.protocol, counts.eps_sec, self.variable_length, counts.detectors
        )
        return (
            *chosen.assumptions,
            *(() if self.variable_length else (_AFTERWARDS,)),
            "the counts are those of these sifted keys, which nobody else has seen",
        )

    def tag_bits(self, bits: int) -> int:
        """Return the length of the verification tag; see `polynomial.tag_bits`."""
        return tag_bits(bits, self.eps_cor)

    def hopeless(self, estimate: Estimate) -> str | None:
        """Give up on errors with which no proof leaves a bit."""
        if estimate.errors <= _HOPELESS * estimate.sample:
            return None
        rate = estimate.errors / estimate.sample
        return f"the error rate is {rate:.3f}: above {_HOPELESS} no bit is secret"

    def decide(self, tally: Tally, disclosed: int, tag_bits: int) -> Verdict:
        """Bound the length of the block.

        Raises
        ------
        ParameterError
            The counts are those of another block.
        """
        bits, errors = sum(tally.n_z), sum(tally.m_z)
        if bits != sum(self.counts.n_z) or errors != sum(self.counts.m_z):
            raise ParameterError(
                f"{errors} errors in {bits} bits, but {sum(self.counts.m_z)} in"
                f" {sum(self.counts.n_z)} counted"
            )
        announced = self.counts.announced_bits + bits.bit_length()
        block = replace(self.counts, leak_ec=disclosed, tag_bits=tag_bits, announced_bits=announced)
        found = examine(block, self.variable_length)
        return Verdict(found.length, found.reason, {**found.bounds, "length": found.length})
