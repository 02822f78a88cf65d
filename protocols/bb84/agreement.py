"""What both parties agree on before a run, and whether its block is accepted.

Fixed length: block sizes, acceptance thresholds and the length of the key are set before
the run. A block with more detections is cut, by a public random choice, to the agreed
sizes; one that misses any threshold gives no key; one that meets all gives exactly the
agreed length, which is the proof's formula at the thresholds (the worst accepted values).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocols.bb84.finite_key import (
    Analysis,
    Detectors,
    Proof,
    Security,
    announcement_charge,
    binary_entropy,
    choose_proof,
    intensities_of,
    verification_charge,
)
from protocols.errors import InsecureError, ParameterError

__all__ = ["Agreement", "check_acceptance", "check_sizes"]


@dataclass(frozen=True)
class Agreement:
    """Block sizes, thresholds and security, fixed before a run.

    Attributes
    ----------
    n_z, n_x : int
        Detections of the key block and of the test.
    s_z0_min, s_z1_min : float
        The lower bounds on vacuum and single-photon detections must reach these.
    phi_z_max : float
        The upper bound on the phase error rate must not exceed this.
    leak_max : int
        Nor may the bits that reconciliation discloses exceed this.
    tag_bits : int
        Length of the verification tag.
    security : Security
    protocol : str
        One of `protocols.bb84.finite_key.PROTOCOLS`.
    detectors : Detectors, optional
        How far Bob's detectors may differ; without it they are assumed to be alike.

    Raises
    ------
    ParameterError
        A value is out of its range.
    """

    n_z: int
    n_x: int
    s_z0_min: float
    s_z1_min: float
    phi_z_max: float
    leak_max: int
    tag_bits: int
    security: Security
    protocol: str = "one-decoy"
    detectors: Detectors | None = None

    def __post_init__(self) -> None:
        if self.n_z < 1 or self.n_x < 1 or self.leak_max < 0:
            raise ParameterError("the agreed block sizes must be positive")
        if not (self.s_z0_min >= 0 and self.s_z1_min > 0 and 0 < self.phi_z_max < 0.5):
            raise ParameterError("the agreed thresholds admit no key")
        if self.tag_bits % 8 or not 8 <= self.tag_bits <= 128:
            raise ParameterError("a tag has 8 to 128 bits in whole bytes")
        self._choose_proof()  # raises where there is none

    def _choose_proof(self) -> Proof:
        return choose_proof(self.protocol, self.security.eps_sec, False, self.detectors)

    @property
    def proof(self) -> Proof:
        """The proof that the length rests on."""
        return self._choose_proof()

    @property
    def length(self) -> int:
        """Secret bits of an accepted block; not positive where the thresholds allow none."""
        proof = self.proof
        secret = self.s_z0_min + self.s_z1_min * (1 - binary_entropy(self.phi_z_max))
        charges = (
            self.leak_max,
            announcement_charge(proof, intensities_of(self.protocol), self.n_z),
            proof.secrecy_bits,
            verification_charge(self.security, self.tag_bits),
        )
        return math.floor(min(secret, self.n_z) - sum(charges))


def check_sizes(agreement: Agreement, n_z: int, n_x: int) -> None:
    """Raise InsecureError if fewer detections came than were agreed."""
    if n_z < agreement.n_z:
        raise InsecureError(f"{n_z} bits in the key basis, fewer than the {agreement.n_z} agreed")
    if n_x < agreement.n_x:
        raise InsecureError(f"{n_x} bits in the test basis, fewer than the {agreement.n_x} agreed")


def check_acceptance(agreement: Agreement, found: Analysis) -> None:
    """Raise InsecureError if a block's bounds miss an agreed threshold.

    Meeting all of them implies that the length bound at the observed values is at least the
    agreed length.
    """
    if agreement.length <= 0:
        raise InsecureError("the agreed thresholds leave no secret bit")
    if found.phi_z > agreement.phi_z_max:
        raise InsecureError(
            f"phase error rate up to {found.phi_z:.4f}, above the agreed {agreement.phi_z_max:.4f}"
        )
    if found.s_z1_lower < agreement.s_z1_min:
        raise InsecureError(
            f"{found.s_z1_lower:.0f} single-photon detections proven,"
            f" fewer than the {agreement.s_z1_min:.0f} agreed"
        )
    if found.s_z0_lower < agreement.s_z0_min:
        raise InsecureError(
            f"{found.s_z0_lower:.0f} vacuum detections proven,"
            f" fewer than the {agreement.s_z0_min:.0f} agreed"
        )
    if found.leak_ec > agreement.leak_max:
        raise InsecureError(
            f"reconciliation disclosed {found.leak_ec} bits,"
            f" more than the {agreement.leak_max} agreed"
        )
    if found.length < agreement.length:
        raise InsecureError(
            f"the bound gives {found.length} bits, fewer than the {agreement.length} agreed"
        )
