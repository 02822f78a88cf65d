"""How many phase errors the key's single photons may have, by three proofs.

Each takes bounds on the single photons of both bases, of which there are some, and gives
every term of its bound on the phase error rate as far as they go; the last, ``phi_z``, is that
bound, and no key comes of 1/2 or more. In all three phi_z never falls with v_x1, and never
grows with s_z1 and s_x1.

References
----------
C. C. W. Lim et al., Phys. Rev. A 89, 022307 (2014), "Lim".
M. Tomamichel, C. C. W. Lim, N. Gisin, R. Renner, Nat. Commun. 3, 634 (2012), "Tomamichel".
D. Tupkary, S. Nahar, P. Sinha, N. Lütkenhaus, Quantum 9, 1937 (2025), arXiv 2408.17349,
"Tupkary", with the authors' program for the paper's figures (Optical-Quantum-Communication-
Theory/Phase-error-rate-estimation-in-QKD-with-imperfect-detectors, commit 196394c).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocols.bb84.finite_key.decoys import SinglePhotons
from protocols.bb84.finite_key.inputs import Detectors
from protocols.bb84.finite_key.statistics import binomial, gamma, serfling

__all__ = ["Budget", "by_gamma", "by_imperfect_detectors", "by_sampling", "mismatch"]


def by_gamma(photons: SinglePhotons[float], eps_sec: float, events: int) -> dict[str, float]:
    """Bound by the correction gamma (Lim, Eq. 5).

    Less than one error proven is taken as one, since gamma needs a rate.
    """
    terms = _at_least_one(photons)
    rate = terms["x_error_rate"]
    if rate >= 0.5:
        return {**terms, "phi_z": rate}
    excess = gamma(eps_sec, rate, photons.s_x1_lower, photons.s_z1_lower, events)
    return {**terms, "gamma": excess, "phi_z": rate + excess}


def _at_least_one(photons: SinglePhotons[float]) -> dict[str, float]:
    """Return the error rate of single photons, with one error where less is proven."""
    if photons.v_x1_upper >= 1:
        return {"x_error_rate": photons.v_x1_upper / photons.s_x1_lower}
    return {"v_x1_used": 1.0, "x_error_rate": 1 / photons.s_x1_lower}


def by_sampling(photons: SinglePhotons[float], eps_sec: float) -> dict[str, float]:
    """Bound by Q + mu (Tomamichel, Eq. 2): all n_z and n_x detections are single photons.

    mu = sqrt( (n + k)(k + 1)/(n k²) · ln(4/eps_sec) ). Two smoothings of eps_sec/4 and
    privacy amplification of eps_sec/2 make up eps_sec.
    """
    rate = photons.v_x1_upper / photons.s_x1_lower
    excess = serfling(photons.s_z1_lower, photons.s_x1_lower, 2 * math.log(4 / eps_sec))
    return {"x_error_rate": rate, "mu": excess, "phi_z": rate + excess}


@dataclass(frozen=True)
class Budget:
    """How eps_sec = 2 eps_AT + eps_PA is spent (Tupkary).

    A third goes to privacy amplification; the square of eps_AT is the probability that any
    bound fails, shared evenly by all of them.

    Attributes
    ----------
    eps_sec : float
    decoy_events : int
        Two-sided Hoeffding deviations: 9 with three intensities.
    sampling_events : int
        1, and 2 more where detectors differ.
    """

    eps_sec: float
    decoy_events: int
    sampling_events: int

    @property
    def log_inverse(self) -> float:
        """ln(1/p), with p the probability that each event may fail with."""
        events = self.decoy_events + self.sampling_events
        return math.log(events) + 2 * math.log(3 / self.eps_sec)

    @property
    def log_inverse_two_sided(self) -> float:
        """ln(2/p): of each side of an event with two."""
        return self.log_inverse + math.log(2)

    @property
    def secrecy_bits(self) -> float:
        """2 log2(1/(2 eps_PA))."""
        return 2 * math.log2(3 / (2 * self.eps_sec))


def mismatch(detectors: Detectors | None) -> tuple[float, float]:
    """Return delta_1 and delta_2, how far detectors may be from loss alike in both bases.

    With r the lowest over the highest efficiency, d and D the lowest and highest dark count
    probability, and A = 1 − (1−d)², B = 1 − (1−D)², for detectors known to lie in a range
    and not swapped at random (Tupkary; computeDeltaOne and computeDeltaTwo of the program)::

        delta_1 = max( (1 − A/B) D (2 − d) / A,  4 (1 − sqrt(1 − (1−d)² (1−r))) )
        delta_2 = max( 1 − A/B,  (1−d)² (1−r) )

    The factors (1−d)², which only lower both, are taken as 1.
    """
    if detectors is None or detectors.alike:
        return 0.0, 0.0
    r = detectors.efficiency[0] / detectors.efficiency[1]
    d, most = detectors.dark_probability
    vacuum_1 = vacuum_2 = 0.0
    if d != most:
        some, all_ = d * (2 - d), most * (2 - most)
        vacuum_2 = 1 - some / all_
        vacuum_1 = vacuum_2 * most * (2 - d) / some if some else math.inf
    return max(vacuum_1, 4 * (1 - math.sqrt(r))), max(vacuum_2, 1 - r)


def by_imperfect_detectors(
    photons: SinglePhotons[float], budget: Budget, detectors: Detectors | None
) -> dict[str, float]:
    """Bound by (e + gamma_0 + delta_1 + gamma_1) / (1 − delta_2 − gamma_2) (Tupkary).

    gamma_0 is Serfling's, gamma_1 and gamma_2 are binomial; the latter and the deltas are 0
    for detectors that are alike. Less than one error proven is taken as one, as in `by_gamma`.
    """
    used = _at_least_one(photons)
    kept, tested = photons.s_z1_lower, photons.s_x1_lower
    delta_1, delta_2 = mismatch(detectors)
    terms = {
        **used,
        "gamma_serfling": serfling(kept, tested, budget.log_inverse),
        "delta_1": delta_1,
        "delta_2": delta_2,
        "gamma_1": binomial(kept, delta_1, budget.log_inverse),
        "gamma_2": binomial(kept, delta_2, budget.log_inverse),
    }
    above = used["x_error_rate"] + terms["gamma_serfling"] + terms["delta_1"] + terms["gamma_1"]
    below = 1 - terms["delta_2"] - terms["gamma_2"]
    return {**terms, "phi_z": above / below if below > 0 else math.inf}
