"""The one-decoy finite-key bound of Rusca et al. (2018).

Two intensities mu1 > mu2, key basis z, test basis x. The error counts of the key basis per
intensity are public, and charged, because the vacuum bound needs them.

References
----------
D. Rusca, A. Boaron, F. Grünenfelder, A. Martin, H. Zbinden, Appl. Phys. Lett. 112, 171104
(2018), "Rusca" below; C. C. W. Lim et al., Phys. Rev. A 89, 022307 (2014), for gamma.
J. Wiesemann et al., arXiv 2405.16578, for the proof with acceptance tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from protocols.errors import InsecureError, ParameterError

__all__ = [
    "Bounds",
    "Counts",
    "Security",
    "Source",
    "announcement_charge",
    "binary_entropy",
    "bounds",
    "constant_charge",
    "key_length",
    "single_photon_bounds",
]

PROOF = "Rusca et al. 2018 (Appl. Phys. Lett. 112, 171104); Wiesemann et al. arXiv 2405.16578"
"""The proof that results cite."""


@dataclass(frozen=True)
class Source:
    """The two intensities of Alice's source and how often she sends them.

    Attributes
    ----------
    intensities : two floats
        Mean photon numbers at Alice's output, strictly descending, positive.
    probabilities : two Fractions
        In the same order, with sum 1.
    """

    intensities: tuple[float, float]
    probabilities: tuple[Fraction, Fraction]

    def __post_init__(self) -> None:
        mu1, mu2 = self.intensities
        if not (math.isfinite(mu1) and mu1 > mu2 > 0):
            raise ParameterError("one decoy needs two intensities, descending and positive")
        if min(self.probabilities) <= 0 or sum(self.probabilities) != 1:
            raise ParameterError("the intensities' probabilities must be positive with sum 1")

    def tau(self, photons: int) -> float:
        """Return the probability that a pulse has `photons` photons (Rusca, tau_n)."""
        return sum(
            float(p) * math.exp(-mu) * mu**photons / math.factorial(photons)
            for mu, p in zip(self.intensities, self.probabilities, strict=True)
        )


@dataclass(frozen=True)
class Security:
    """The security parameters of one block: secrecy and correctness, each below 1."""

    eps_sec: float = 1e-9
    eps_cor: float = 1e-15

    def __post_init__(self) -> None:
        if not (0 < self.eps_sec < 1 and 0 < self.eps_cor < 1):
            raise ParameterError("eps_sec and eps_cor must lie between 0 and 1")


@dataclass(frozen=True)
class Counts:
    """What was counted in one block, per intensity in the source's order.

    Attributes
    ----------
    n_z, n_x : two ints
        Detections with both parties in z, and in x.
    m_z, m_x : two ints
        Errors among them.
    """

    n_z: tuple[int, int]
    n_x: tuple[int, int]
    m_z: tuple[int, int]
    m_x: tuple[int, int]

    def __post_init__(self) -> None:
        for name, all_, wrong in (("z", self.n_z, self.m_z), ("x", self.n_x, self.m_x)):
            if len(all_) != 2 or len(wrong) != 2:
                raise ParameterError("counts have one entry for each of two intensities")
            for n, m in zip(all_, wrong, strict=True):
                if not 0 <= m <= n:
                    raise ParameterError(f"{m} errors in {n} detections in {name}: impossible")


@dataclass(frozen=True)
class Bounds:
    """Every intermediate of the bound, and the length.

    Attributes
    ----------
    s_z0_lower, s_z0_upper, s_z1_lower : float
        Vacuum and single-photon detections in the key basis.
    s_x1_lower, v_x1_upper : float
        Single-photon detections and errors in the test basis.
    gamma, phi_z : float
        The sampling correction and the upper bound on the phase error rate.
    lambda_ec : int
        Bits disclosed by reconciliation.
    charges : int
        Bits of the verification tag (or log2(2/eps_cor) where larger) and of the
        announced error counts.
    length : int
        Secret bits, at least 1.
    """

    s_z0_lower: float
    s_z0_upper: float
    s_z1_lower: float
    s_x1_lower: float
    v_x1_upper: float
    gamma: float
    phi_z: float
    lambda_ec: int
    charges: int
    length: int


@dataclass(frozen=True)
class SinglePhotonBounds:
    """The part of `Bounds` that detections and errors alone determine."""

    s_z0_lower: float
    s_z0_upper: float
    s_z1_lower: float
    s_x1_lower: float
    v_x1_upper: float
    gamma: float
    phi_z: float


def binary_entropy(p: float) -> float:
    """Return h(p) in bits, for p from 0 to 1."""
    if not 0 <= p <= 1:
        raise ParameterError(f"a probability lies from 0 to 1, not at {p}")
    if p in (0, 1):
        return 0.0
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def _delta(count: float, eps: float) -> float:
    """Return Hoeffding's deviation sqrt(n ln(1/eps) / 2)."""
    return math.sqrt(count * math.log(1 / eps) / 2)


def _single_photons(
    source: Source, n: tuple[float, float], m: tuple[float, float], eps: float
) -> tuple[float, float, float]:
    """Return s_0 lower and upper and s_1 lower of one basis (Rusca, Eqs. 2 to 5)."""
    mu1, mu2 = source.intensities
    p1, p2 = map(float, source.probabilities)
    tau0, tau1 = source.tau(0), source.tau(1)
    delta_n, delta_m = _delta(sum(n), eps), _delta(sum(m), eps)
    upper1 = math.exp(mu1) / p1 * (n[0] + delta_n)
    lower2 = math.exp(mu2) / p2 * (n[1] - delta_n)
    s0_upper = 2 * (tau0 * math.exp(mu2) / p2 * (m[1] + delta_m) + delta_n)
    s0_lower = max(0.0, tau0 / (mu1 - mu2) * (mu1 * lower2 - mu2 * upper1))
    ratio = (mu2 / mu1) ** 2
    s1_lower = (
        tau1 * mu1 / (mu2 * (mu1 - mu2)) * (lower2 - ratio * upper1 - (1 - ratio) * s0_upper / tau0)
    )
    return s0_lower, s0_upper, s1_lower


def _gamma(eps_sec: float, rate: float, x: float, z: float) -> float:
    """Return the correction of a rate sampled on x single photons for z others (Lim, 2014)."""
    spread = (x + z) * (1 - rate) * rate / (x * z * math.log(2))
    inner = (x + z) / (x * z * (1 - rate) * rate) * 19**2 / eps_sec**2
    return math.sqrt(spread * max(0.0, math.log2(inner)))


def single_photon_bounds(
    source: Source,
    eps_sec: float,
    n_z: tuple[float, float],
    n_x: tuple[float, float],
    m_z: tuple[float, float],
    m_x: tuple[float, float],
) -> SinglePhotonBounds:
    """Bound the single-photon detections and their phase error rate.

    Counts may be fractional, so that expected values can be planned with.

    Raises
    ------
    InsecureError
        No single photon can be proven in either basis, or phi_z reaches 1/2.
    """
    eps = eps_sec / 19
    s_z0_lower, s_z0_upper, s_z1 = _single_photons(source, n_z, m_z, eps)
    s_x1 = _single_photons(source, n_x, m_x, eps)[2]
    if s_z1 <= 0:
        raise InsecureError("no single-photon detection can be proven in the key basis")
    if s_x1 <= 0:
        raise InsecureError("no single-photon detection can be proven in the test basis")
    mu1, mu2 = source.intensities
    p1, p2 = map(float, source.probabilities)
    delta = _delta(sum(m_x), eps)
    v_x1 = (
        source.tau(1)
        / (mu1 - mu2)
        * (math.exp(mu1) / p1 * (m_x[0] + delta) - math.exp(mu2) / p2 * (m_x[1] - delta))
    )
    v_x1 = max(1.0, v_x1)  # less than one error proven is taken as one: gamma needs a rate
    rate = v_x1 / s_x1
    if rate >= 0.5:
        raise InsecureError(f"the phase error rate may be {min(rate, 1):.3g}, at or above 1/2")
    gamma = _gamma(eps_sec, rate, s_x1, s_z1)
    phi = rate + gamma
    if phi >= 0.5:
        raise InsecureError(f"the phase error rate may be {min(phi, 1):.3g}, at or above 1/2")
    return SinglePhotonBounds(s_z0_lower, s_z0_upper, s_z1, s_x1, v_x1, gamma, phi)


def announcement_charge(n_z: int) -> int:
    """Return the bits charged for announcing both intensities' error counts of the key basis."""
    return 2 * n_z.bit_length()  # bit_length(n) = ceil(log2(n + 1))


def constant_charge(security: Security, tag_bits: int) -> float:
    """Return 6 log2(19/eps_sec) and the larger of the tag and log2(2/eps_cor), in bits."""
    return 6 * math.log2(19 / security.eps_sec) + max(tag_bits, math.log2(2 / security.eps_cor))


def key_length(
    s_z0: float, s_z1: float, phi_z: float, lambda_ec: int, announced: int, constant: float
) -> int:
    """Return l = floor(s_z0 + s_z1 (1 − h(phi_z)) − lambda_ec − charges) (Rusca, Eq. 1)."""
    secret = s_z0 + s_z1 * (1 - binary_entropy(phi_z))
    return math.floor(secret - lambda_ec - announced - constant)


def bounds(
    source: Source, security: Security, counts: Counts, lambda_ec: int, tag_bits: int
) -> Bounds:
    """Bound the secret length of one block from what was counted.

    Parameters
    ----------
    source : Source
    security : Security
    counts : Counts
    lambda_ec : int
        Bits that reconciliation disclosed about Alice's key.
    tag_bits : int
        Length of the verification tag.

    Returns
    -------
    Bounds

    Raises
    ------
    InsecureError
        No key can be given; the message says why.
    ParameterError
        A number of bits is negative.
    """
    if lambda_ec < 0 or tag_bits < 0:
        raise ParameterError("a number of bits cannot be negative")
    found = single_photon_bounds(
        source, security.eps_sec, counts.n_z, counts.n_x, counts.m_z, counts.m_x
    )
    announced = announcement_charge(sum(counts.n_z))
    constant = constant_charge(security, tag_bits)
    length = key_length(
        found.s_z0_lower, found.s_z1_lower, found.phi_z, lambda_ec, announced, constant
    )
    if length <= 0:
        raise InsecureError(
            f"the bound leaves no secret bit ({length}): phase error rate up to {found.phi_z:.3g},"
            f" {lambda_ec} bits disclosed"
        )
    tag = math.ceil(max(tag_bits, math.log2(2 / security.eps_cor)))
    return Bounds(
        found.s_z0_lower,
        found.s_z0_upper,
        found.s_z1_lower,
        found.s_x1_lower,
        found.v_x1_upper,
        found.gamma,
        found.phi_z,
        lambda_ec,
        announced + tag,
        length,
    )
