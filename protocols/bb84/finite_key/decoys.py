"""Single photons among decoy states: the bounds of one and of two decoys.

The formulas take the intensities as numbers or as enclosures (`enclosure.py`).

References
----------
D. Rusca, A. Boaron, F. Grünenfelder, A. Martin, H. Zbinden, Appl. Phys. Lett. 112, 171104
(2018), "Rusca"; C. C. W. Lim, M. Curty, N. Walenta, F. Xu, H. Zbinden, Phys. Rev. A 89,
022307 (2014), "Lim", whose key basis is called X.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from protocols.bb84.finite_key.enclosure import Real, exp, positive
from protocols.bb84.finite_key.inputs import Counts
from protocols.bb84.finite_key.statistics import hoeffding

__all__ = ["SinglePhotons", "one_decoy", "photon_probability", "two_decoys"]

R = TypeVar("R")


@dataclass(frozen=True)
class SinglePhotons(Generic[R]):
    """Bounds on what vacuum and single photons contributed to a block.

    Attributes
    ----------
    s_z0_lower, s_z1_lower : number or enclosure
        Vacuum and single-photon detections in the key basis.
    s_x1_lower, v_x1_upper : number or enclosure
        Single-photon detections and errors in the test basis.
    s_z0_upper : number or enclosure, optional
        Vacuum detections in the key basis, where the proof needs that.
    """

    s_z0_lower: R
    s_z1_lower: R
    s_x1_lower: R
    v_x1_upper: R
    s_z0_upper: R | None = None


def photon_probability(
    photons: int, intensities: Sequence[Real], probabilities: Sequence[float]
) -> Real:
    """Return tau_n, the probability that a pulse has n photons: sum of p e^(−k) k^n / n!."""
    total: Real = 0.0
    for mu, p in zip(intensities, probabilities, strict=True):
        term = p / math.factorial(photons) * exp(-mu)
        for _ in range(photons):
            term = term * mu
        total = total + term
    return total


def one_decoy(
    intensities: Sequence[Real], probabilities: Sequence[float], counts: Counts, log_inverse: float
) -> SinglePhotons[Real]:
    """Bound the single photons by two intensities (Rusca, Eqs. 2 to 5 and A17 to A22).

    Parameters
    ----------
    intensities : two numbers or enclosures
        mu1 > mu2 > 0.
    probabilities : two floats
    counts : Counts
    log_inverse : float
        ln(1/eps) of each Hoeffding deviation.
    """
    mu1, mu2 = intensities
    p1, p2 = probabilities
    weight1, weight2 = exp(mu1) / p1, exp(mu2) / p2
    tau0 = photon_probability(0, intensities, probabilities)
    tau1 = photon_probability(1, intensities, probabilities)
    ratio = (mu2 / mu1) * (mu2 / mu1)

    def basis(n: Sequence[float], m: Sequence[float]) -> tuple[Real, Real, Real]:
        delta_n, delta_m = hoeffding(sum(n), log_inverse), hoeffding(sum(m), log_inverse)
        upper1, lower2 = weight1 * (n[0] + delta_n), weight2 * (n[1] - delta_n)
        zero_upper = 2 * (tau0 * weight2 * (m[1] + delta_m) + delta_n)
        zero = tau0 / (mu1 - mu2) * (mu1 * lower2 - mu2 * upper1)
        # s_0 upper over tau_0, written so that tau_0 is divided by only once
        share = 2 * (weight2 * (m[1] + delta_m) + delta_n / tau0)
        one = tau1 / mu2 * mu1 / (mu1 - mu2) * (lower2 - ratio * upper1 - (1 - ratio) * share)
        return positive(zero), zero_upper, one

    zero_z, zero_upper, one_z = basis(counts.n_z, counts.m_z)
    one_x = basis(counts.n_x, counts.m_x)[2]
    delta = hoeffding(sum(counts.m_x), log_inverse)
    errors = weight1 * (counts.m_x[0] + delta) - weight2 * (counts.m_x[1] - delta)
    return SinglePhotons(zero_z, one_z, one_x, tau1 / (mu1 - mu2) * errors, zero_upper)


def two_decoys(
    intensities: Sequence[Real], probabilities: Sequence[float], counts: Counts, log_inverse: float
) -> SinglePhotons[Real]:
    """Bound the single photons by three intensities (Lim, Eqs. 2 to 4).

    Parameters
    ----------
    intensities : three numbers or enclosures
        mu1 > mu2 + mu3, mu2 > mu3 >= 0.
    probabilities : three floats
    counts : Counts
    log_inverse : float
        ln(1/eps) of each Hoeffding deviation.
    """
    mu1, mu2, mu3 = intensities
    tau0 = photon_probability(0, intensities, probabilities)
    tau1 = photon_probability(1, intensities, probabilities)
    weights = [exp(mu) / p for mu, p in zip(intensities, probabilities, strict=True)]

    def basis(n: Sequence[float]) -> tuple[Real, Real]:
        delta = hoeffding(sum(n), log_inverse)
        upper1, lower2 = weights[0] * (n[0] + delta), weights[1] * (n[1] - delta)
        lower3, upper3 = weights[2] * (n[2] - delta), weights[2] * (n[2] + delta)
        upper2 = weights[1] * (n[1] + delta)
        # zero is s_0 over tau_0
        zero = positive((mu2 * lower3 - mu3 * upper2) / (mu2 - mu3))
        rest = (mu2 * mu2 - mu3 * mu3) / (mu1 * mu1) * (upper1 - zero)
        # mu1 (mu2 − mu3) − mu2² + mu3² = (mu2 − mu3)(mu1 − mu2 − mu3)
        scale = tau1 * mu1 / ((mu2 - mu3) * (mu1 - mu2 - mu3))
        return tau0 * zero, scale * (lower2 - upper3 - rest)

    zero_z, one_z = basis(counts.n_z)
    one_x = basis(counts.n_x)[1]
    m, delta = counts.m_x, hoeffding(sum(counts.m_x), log_inverse)
    errors = weights[1] * (m[1] + delta) - weights[2] * (m[2] - delta)
    return SinglePhotons(zero_z, one_z, one_x, tau1 / (mu2 - mu3) * errors)
