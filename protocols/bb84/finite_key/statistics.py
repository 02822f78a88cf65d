"""Entropy and the deviations of counts that the proofs allow for."""

from __future__ import annotations

import math

from protocols.errors import ParameterError

__all__ = ["binary_entropy", "binomial", "gamma", "hoeffding", "serfling"]


def binary_entropy(p: float) -> float:
    """Return h(p) in bits, for p from 0 to 1."""
    if not 0 <= p <= 1:
        raise ParameterError(f"a probability lies from 0 to 1, not at {p}")
    if p in (0, 1):
        return 0.0
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def hoeffding(count: float, log_inverse: float) -> float:
    """Return sqrt(count · ln(1/eps) / 2).

    The sum of `count` independent yes-or-no events exceeds its mean by more with
    probability at most eps (Hoeffding, J. Am. Stat. Assoc. 58, 13, 1963).

    Parameters
    ----------
    count : float
    log_inverse : float
        ln(1/eps), which does not underflow as eps may.
    """
    return math.sqrt(count * log_inverse / 2)


def serfling(kept: float, tested: float, log_inverse: float) -> float:
    """Return the excess of the rate in what was kept over the rate in a random test.

    sqrt((n + k)(k + 1) / (n k²) · ln(1/eps) / 2): of n + k events, k drawn without
    replacement show a rate that the others' exceeds by more with probability at most eps
    (Serfling, Ann. Stat. 2, 39, 1974; as in Tomamichel and Leverrier, Quantum 1, 14, 2017,
    Lemma 6).

    Parameters
    ----------
    kept, tested : float
        n and k, positive.
    log_inverse : float
        ln(1/eps).
    """
    return math.sqrt((1 / kept + 1 / tested) * (1 + 1 / tested) * log_inverse / 2)


def binomial(count: float, rate: float, log_inverse: float) -> float:
    """Return the excess of a rate among `count` independent events over its mean `rate`.

    Hoeffding's sqrt(ln(1/eps) / (2 count)); nothing where the rate is 0.
    """
    return 0.0 if rate == 0 else math.sqrt(log_inverse / (2 * count))


def gamma(eps_sec: float, rate: float, x: float, z: float, events: int) -> float:
    """Return the correction of a rate seen on x single photons for z others.

    sqrt( (x+z)(1−b)b / (x z ln 2) · log2[ (x+z) events² / (x z (1−b) b eps_sec²) ] )
    (Lim et al., Phys. Rev. A 89, 022307, 2014, after Fung et al., Phys. Rev. A 81, 012318,
    2010). The formula is meant for a large logarithm; below log2(e) it would fall with
    growing rates, and log2(e) is taken. So the correction never falls with the rate and
    never grows with x or z.

    Parameters
    ----------
    eps_sec : float
    rate : float
        Between 0 and 1, exclusive.
    x, z : float
        Positive.
    events : int
        By which eps_sec is divided: 19 for one decoy, 21 for two.
    """
    scale = 1 / x + 1 / z
    spread = (1 - rate) * rate
    bits = math.log2(scale / spread) + 2 * math.log2(events / eps_sec)
    return math.sqrt(scale * spread / math.log(2) * max(bits, math.log2(math.e)))
