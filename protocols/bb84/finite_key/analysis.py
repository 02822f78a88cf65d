"""The secret length of a block, with every number that it follows from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from protocols.bb84.finite_key.box import least_bounds, worst_bounds
from protocols.bb84.finite_key.inputs import KeyCounts, Security
from protocols.bb84.finite_key.proofs import Proof, choose_proof
from protocols.errors import InsecureError

__all__ = [
    "FIXED_LENGTH",
    "VARIABLE_LENGTH",
    "Analysis",
    "analyse",
    "announcement_charge",
    "examine",
    "verification_charge",
]

FIXED_LENGTH = "fixed-length"
VARIABLE_LENGTH = "variable-length"


@dataclass(frozen=True)
class Analysis:
    """What the counts of a block allow.

    Attributes
    ----------
    protocol : str
    length : int
        Secret bits; 0 where no key can be given.
    reason : str or None
        Why none can.
    bounds : mapping of str to float
        Every intermediate of the bound and every charge in bits, by name, as far as they
        go; where intensities are intervals, at the worst of them.
    proof : str
        The proof's citation.
    assumptions : tuple of str
        What it takes for granted.
    length_rule : {'fixed-length', 'variable-length'}
    s_z0_lower, s_z1_lower, phi_z : float
        The worst of each, wherever the intensities may be.
    leak_ec : int
        Bits that reconciliation disclosed.
    """

    protocol: str
    length: int
    reason: str | None
    bounds: Mapping[str, float]
    proof: str
    assumptions: tuple[str, ...]
    length_rule: str
    s_z0_lower: float
    s_z1_lower: float
    phi_z: float
    leak_ec: int


def examine(block: KeyCounts, variable_length: bool = False) -> Analysis:
    """Bound the secret length of one block from what was counted, be there a key or none.

    l = floor( s_z0 + s_z1 (1 − h(phi_z)) − leak_ec − announced − secrecy − verification )

    With the fixed-length rule this is the length for a block whose agreed sizes and
    thresholds are exactly what was counted; a run agrees on them before (`agreement.py`).

    Parameters
    ----------
    block : KeyCounts
    variable_length : bool
        Choose the length after the counts, by the proof for that.

    Raises
    ------
    ParameterError
        No proof here covers the case.
    """
    proof = choose_proof(block.protocol, block.eps_sec, variable_length, block.detectors)
    found, secret = worst_bounds(proof, block.source, block.counts)
    s_z0, s_z1, phi = least_bounds(proof, block.source, block.counts)
    announced = announcement_charge(proof, len(block.n_z), sum(block.n_z))
    charges = {
        "leak_ec": float(block.leak_ec),
        "announced_bits": float(block.announced_bits + announced),
        "secrecy_bits": proof.secrecy_bits,
        "verification_bits": verification_charge(block.security, block.tag_bits),
    }
    terms, reason, length = dict(found.terms), found.refusal, 0
    if reason is None and secret == -math.inf:
        reason = "no key can be proven for all of the stated intensities"
    if reason is None:
        terms["secret"] = min(secret, sum(block.n_z))
        length = math.floor(terms["secret"] - sum(charges.values()))
    if reason is None and length <= 0:
        reason = (
            f"the bound leaves no secret bit ({length}): phase error rate up to"
            f" {found.phi_z:.3g}, {block.leak_ec} bits disclosed"
        )
    return Analysis(
        protocol=block.protocol,
        length=max(0, length),
        reason=reason,
        bounds=terms | charges,
        proof=proof.citation,
        assumptions=proof.assumptions,
        length_rule=VARIABLE_LENGTH if variable_length else FIXED_LENGTH,
        s_z0_lower=s_z0,
        s_z1_lower=s_z1,
        phi_z=phi,
        leak_ec=block.leak_ec,
    )


def analyse(block: KeyCounts, variable_length: bool = False) -> Analysis:
    """Do as `examine`, but raise where no key can be given.

    Raises
    ------
    InsecureError
        No key can be given; the message says why.
    ParameterError
        No proof here covers the case.
    """
    found = examine(block, variable_length)
    if found.reason is not None:
        raise InsecureError(found.reason)
    return found


def announcement_charge(proof: Proof, intensities: int, n_z: int) -> int:
    """Return ceil(log2(n_z + 1)) bits for every intensity whose errors a proof makes public."""
    return intensities * int(n_z).bit_length() if proof.announces else 0


def verification_charge(security: Security, tag_bits: int) -> float:
    """Return the larger of the tag's length and log2(2/eps_cor), in bits."""
    return max(tag_bits, math.log2(2 / security.eps_cor))
