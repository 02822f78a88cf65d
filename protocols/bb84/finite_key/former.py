"""The one-decoy bound under its former names, until the parties call `analyse`."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.bb84.finite_key.analysis import analyse
from protocols.bb84.finite_key.inputs import Counts, KeyCounts, Security, Source
from protocols.bb84.finite_key.proofs import RUSCA as PROOF

__all__ = ["PROOF", "ObservedBounds", "bounds"]


@dataclass(frozen=True)
class ObservedBounds:
    """Every intermediate of the bound, and the length."""

    s_z0_lower: float
    s_z0_upper: float
    s_z1_lower: float
    s_x1_lower: float
    v_x1_upper: float
    gamma: float
    phi_z: float
    lambda_ec: int
    length: int

    @property
    def leak_ec(self) -> int:
        """Bits that reconciliation disclosed."""
        return self.lambda_ec


def bounds(
    source: Source, security: Security, counts: Counts, lambda_ec: int, tag_bits: int
) -> ObservedBounds:
    """Bound the secret length of a one-decoy block."""
    n_z, n_x, m_z, m_x = (
        tuple(map(int, tally)) for tally in (counts.n_z, counts.n_x, counts.m_z, counts.m_x)
    )
    eps_sec, eps_cor = security.eps_sec, security.eps_cor
    k, p = source.intensities, source.probabilities
    found = analyse(
        KeyCounts("one-decoy", k, p, n_z, n_x, m_z, m_x, lambda_ec, eps_sec, eps_cor, tag_bits)
    )
    return ObservedBounds(
        found.bounds["s_z0_lower"],
        found.bounds["s_z0_upper"],
        found.bounds["s_z1_lower"],
        found.bounds["s_x1_lower"],
        found.bounds["v_x1_upper"],
        found.bounds["gamma"],
        found.bounds["phi_z"],
        lambda_ec,
        found.length,
    )
