"""What the length of the key is decided by, once a block is reconciled and verified."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from protocols.authentication.polynomial import tag_bits
from protocols.bb84.finite_key import binary_entropy
from protocols.errors import ParameterError
from protocols.reconciliation.interface import Estimate

__all__ = ["AssumedSinglePhotons", "Bound", "Tally", "Terms", "Verdict"]

MOST_ERRORS = 0.11
"""Error rate at which 1 − 2 h(e) vanishes: no key by one-way or ideal reconciliation."""


@dataclass(frozen=True)
class Tally:
    """What both parties have counted of a block, per intensity."""

    n_z: tuple[int, ...]
    n_x: tuple[int, ...]
    m_z: tuple[int, ...]
    m_x: tuple[int, ...]


@dataclass(frozen=True)
class Verdict:
    """The decision on one block.

    Attributes
    ----------
    length : int
        Secret bits; 0 where no key can be given.
    reason : str or None
        Why there is none.
    bounds : mapping
        Every intermediate of the bound by name; empty where none was reached.
    """

    length: int
    reason: str | None
    bounds: Mapping[str, float] = field(default_factory=dict)


class Bound(Protocol):
    """A rule for the length of the key, the same on both sides.

    Attributes
    ----------
    eps_sec, eps_cor : float
        Security parameters of one block.
    protocol, proof, length_rule : str
        What results cite.
    assumptions : tuple of str
        What the proof takes for granted.
    """

    @property
    def eps_sec(self) -> float:
        """Secrecy."""

    @property
    def eps_cor(self) -> float:
        """Correctness."""

    @property
    def protocol(self) -> str:
        """What was done."""

    @property
    def proof(self) -> str:
        """Where it is shown."""

    @property
    def length_rule(self) -> str:
        """Either ``fixed-length`` or ``variable-length``."""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is taken for granted."""

    def tag_bits(self, bits: int) -> int:
        """Return the length of the verification tag for a block of `bits`."""

    def hopeless(self, estimate: Estimate) -> str | None:
        """Return why a block with such errors is not worth reconciling; None if it may be."""

    def decide(self, tally: Tally, disclosed: int, tag_bits: int) -> Verdict:
        """Decide on a verified block of which `disclosed` bits became public, tag apart."""


@dataclass(frozen=True)
class Terms:
    """What both parties agree on before they distil a block.

    Attributes
    ----------
    bound : Bound
    reconciliation : str
        A name from `protocols.reconciliation.choice.METHODS`.
    amplification : str
        A name from `protocols.privacy_amplification.choice.AMPLIFIERS`.
    """

    bound: Bound
    reconciliation: str = "auto"
    amplification: str = "toeplitz"


@dataclass(frozen=True)
class AssumedSinglePhotons:
    """Sifted bits of which nothing is known but their errors.

    Takes every bit for a single photon's and the phase error rate for the bit error rate m/n
    of the block itself, without any statistical correction. Then, by the leftover hash
    lemma as in Tomamichel, Lim, Gisin and Renner (Nat. Commun. 3, 634, 2012), with
    their sampling term left out,

    l = floor( n (1 − h(m/n)) − disclosed − ceil(log2(n + 1)) − max(tag, log2(2/eps_cor))
    − 2 log2(1/eps_sec) ),

    where the third term pays for the announced number of errors, on which the length depends.
    """

    eps_sec: float = 1e-9
    eps_cor: float = 1e-15
    source: str = "sifted key"

    def __post_init__(self) -> None:
        if not (0 < self.eps_sec < 1 and 0 < self.eps_cor < 1):
            raise ParameterError("eps_sec and eps_cor must lie between 0 and 1")

    @property
    def protocol(self) -> str:
        """What the bits are said to come from."""
        return self.source

    @property
    def proof(self) -> str:
        """The formula without its sampling term is no proof, and says so."""
        return (
            "none for a real source; the length is that of Tomamichel et al. 2012 (Nat. Commun."
            " 3, 634) without its sampling term"
        )

    @property
    def length_rule(self) -> str:
        """The length follows from what was observed."""
        return "variable-length"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What stands in for the missing counts."""
        return (
            "every detection is of a single photon",
            "the phase error rate equals the bit error rate of the block",
            "the error count of the block is announced and charged",
        )

    def tag_bits(self, bits: int) -> int:
        """Return the length of the verification tag; see `polynomial.tag_bits`."""
        return tag_bits(bits, self.eps_cor)

    def hopeless(self, estimate: Estimate) -> str | None:
        """Refuse what lies five standard deviations above 11 %."""
        if not estimate.sample:
            return None
        spread = math.sqrt(MOST_ERRORS * (1 - MOST_ERRORS) / estimate.sample)
        rate = estimate.errors / estimate.sample
        if rate <= MOST_ERRORS + 5 * spread:
            return None
        return f"the error rate is {rate:.3f}: above {MOST_ERRORS:.2f} no bit is secret"

    def decide(self, tally: Tally, disclosed: int, tag_bits: int) -> Verdict:
        """Apply the formula to the observed errors."""
        n, m = sum(tally.n_z), sum(tally.m_z)
        rate = m / n
        entropy = 1.0 if rate >= 0.5 else binary_entropy(rate)
        charges = {
            "leak_ec": float(disclosed),
            "announced_bits": float(n.bit_length()),
            "secrecy_bits": -2 * math.log2(self.eps_sec),
            "verification_bits": max(tag_bits, math.log2(2 / self.eps_cor)),
        }
        secret = n * (1 - entropy)
        length = math.floor(secret - sum(charges.values()))
        bounds = {"s_z1_lower": n, "phi_z": rate, "secret": secret, **charges, "length": length}
        if length > 0:
            return Verdict(length, None, bounds)
        reason = f"the bound leaves no secret bit ({length}): {disclosed} of {n} bits disclosed"
        return Verdict(0, reason, bounds)
