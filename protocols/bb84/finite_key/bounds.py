"""From counts to what is secret in them, at known intensities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocols.bb84.finite_key.decoys import SinglePhotons
from protocols.bb84.finite_key.enclosure import Enclosure, Real
from protocols.bb84.finite_key.inputs import Counts
from protocols.bb84.finite_key.proofs import Proof
from protocols.bb84.finite_key.statistics import binary_entropy
from protocols.errors import InsecureError

__all__ = ["Bounds", "bound_at", "bounds_of_cell"]


@dataclass(frozen=True)
class Bounds:
    """What a proof finds in the counts of a block.

    Attributes
    ----------
    terms : mapping of str to float
        Every intermediate by its name: ``s_z0_lower`` and ``s_z1_lower``, the vacuum and
        single-photon detections that are proven in the key basis, ``s_x1_lower`` and
        ``v_x1_upper``, single-photon detections and errors in the test basis, ``v_x1_used``,
        the 1 taken for less than one error where a rate is needed, what leads from these to
        the phase error rate, and that, ``phi_z``, as far as they go.
    refusal : str or None
        Why no key can come of this.
    """

    terms: Mapping[str, float]
    refusal: str | None = None

    @property
    def s_z0_lower(self) -> float:
        """Vacuum detections in the key basis that are proven."""
        return self.terms["s_z0_lower"]

    @property
    def s_z1_lower(self) -> float:
        """Single-photon detections in the key basis that are proven."""
        return self.terms["s_z1_lower"]

    @property
    def phi_z(self) -> float:
        """Upper bound on the phase error rate of the latter."""
        return self.terms.get("phi_z", 0.5)

    @property
    def secret(self) -> float:
        """s_z0 + s_z1 (1 − h(phi_z)): secret bits before anything is charged."""
        if self.refusal is not None:
            return -math.inf
        return self.s_z0_lower + self.s_z1_lower * (1 - binary_entropy(self.phi_z))


def bound_at(
    proof: Proof, intensities: Sequence[float], probabilities: Sequence[float], counts: Counts
) -> Bounds:
    """Apply a proof to a block at known intensities.

    Raises
    ------
    InsecureError
        No single photon can be proven in either basis, or phi_z reaches 1/2.
    """
    found = bounds_of_cell(proof, proof.photons(intensities, probabilities, counts), counts)
    if found.refusal is not None:
        raise InsecureError(found.refusal)
    return found


def bounds_of_cell(
    proof: Proof, found: SinglePhotons[Real], counts: Counts, cell: int = 0
) -> Bounds:
    """Take the worse ends of what was found in one cell, and bound its phase error rate.

    Parameters
    ----------
    proof : Proof
    found : SinglePhotons
        Numbers, or enclosures of as many cells as you like.
    counts : Counts
    cell : int
        Which of the cells.
    """

    def low(x: Real, most: float) -> float:
        end = float(x.low[cell]) if isinstance(x, Enclosure) else x
        return -math.inf if math.isnan(end) else min(end, most)

    def high(x: Real) -> float:
        end = float(x.high[cell]) if isinstance(x, Enclosure) else x
        return math.inf if math.isnan(end) else end

    n_z, n_x = sum(counts.n_z), sum(counts.n_x)
    photons = SinglePhotons(
        max(0.0, low(found.s_z0_lower, n_z)),
        low(found.s_z1_lower, n_z),
        low(found.s_x1_lower, n_x),
        high(found.v_x1_upper),
    )
    terms = {
        "s_z0_lower": photons.s_z0_lower,
        "s_z1_lower": photons.s_z1_lower,
        "s_x1_lower": photons.s_x1_lower,
        "v_x1_upper": photons.v_x1_upper,
    }
    if isinstance(found.s_z0_upper, float):
        terms["s_z0_upper"] = found.s_z0_upper
        if photons.s_z0_lower > max(found.s_z0_upper, 0.0):
            return Bounds(
                terms,
                f"at least {photons.s_z0_lower:.0f} and at most {found.s_z0_upper:.0f} vacuum"
                " detections: the counts are of no such source (are they, like the intensities,"
                " strongest first?)",
            )
    if photons.v_x1_upper < 0:
        return Bounds(
            terms,
            f"at most {photons.v_x1_upper:.0f} errors of single photons: the counts are of no such"
            " source (are m_x, like the intensities, strongest first?)",
        )
    for count, basis in ((photons.s_z1_lower, "key"), (photons.s_x1_lower, "test")):
        if count <= 0:
            return Bounds(terms, f"no single-photon detection can be proven in the {basis} basis")
    terms |= proof.phase(photons)
    phi = terms["phi_z"]
    if not phi < 0.5:
        return Bounds(terms, f"the phase error rate may be {min(phi, 1):.3g}, at or above 1/2")
    return Bounds(terms)
