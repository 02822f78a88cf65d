"""Key rates of decoy BB84 without statistics: Ma, Qi, Zhao and Lo (2005).

"Ma" below is Phys. Rev. A 72, 012326 (2005). Rates are secret bits per signal pulse; the
decoys take a vanishing share of the pulses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocols.bb84.finite_key import binary_entropy
from protocols.bb84.prediction.leak import LeakModel
from protocols.bb84.prediction.link import Link
from protocols.bb84.prediction.response import Response, coherent
from protocols.errors import ParameterError

__all__ = ["Asymptotic", "infinite_decoys", "largest", "vacuum_weak"]


@dataclass(frozen=True)
class Asymptotic:
    """An asymptotic rate and what it is made of.

    Attributes
    ----------
    mu : float
        Mean photon number of the signal.
    gain, qber : float
        Q and E of the signal, per pulse with equal bases.
    y_1, e_1 : float
        Yield and error rate of single photons, or their bounds.
    rate : float
        Secret bits per signal pulse; negative where there is no key.
    """

    mu: float
    gain: float
    qber: float
    y_1: float
    e_1: float
    rate: float


def infinite_decoys(
    link: Link, loss_db: float, mu: float, leak: LeakModel, sifting: float = 1.0
) -> Asymptotic:
    """Return the rate when decoys tell the yields of all photon numbers (Ma, Eq. 1).

    Parameters
    ----------
    link : Link
    loss_db : float
        Between the stations.
    mu : float
        Mean photon number of the signal, positive.
    leak : LeakModel
    sifting : float
        Share q of the pulses with equal bases: 1/2 for unbiased ones, up to 1.
    """
    response = link.response(loss_db, coherent(_positive(mu)))
    y_1, wrong = response.to_photons(1)
    return _rate(response, mu, y_1, wrong / y_1 if y_1 > 0 else 0.5, leak, sifting)


def vacuum_weak(
    link: Link, loss_db: float, mu: float, nu: float, leak: LeakModel, sifting: float = 1.0
) -> Asymptotic:
    """Return the rate with vacuum and one weak decoy of mean `nu` (Ma, Eqs. 34, 35, 37).

    Other parameters as for `infinite_decoys`.

    Raises
    ------
    ParameterError
        The decoy is not weaker than the signal.
    """
    if not 0 < nu < mu:
        raise ParameterError("the weak decoy lies between vacuum and the signal")
    response = link.response(loss_db, coherent(mu))
    (y_0, wrong_0), (signal, _), (weak, wrong) = (
        response.to(coherent(mean)) for mean in (0.0, mu, nu)
    )
    ratio = (nu / mu) ** 2
    boost_mu, boost_nu = 1 / coherent(mu)(0.0), 1 / coherent(nu)(0.0)
    y_1 = mu / (mu * nu - nu**2) * (weak * boost_nu - signal * boost_mu * ratio - (1 - ratio) * y_0)
    e_1 = (wrong * boost_nu - wrong_0) / (y_1 * nu) if y_1 > 0 else 0.5
    return _rate(response, mu, max(0.0, y_1), e_1, leak, sifting)


def largest(value: Callable[[float], float], low: float, high: float, step: float) -> float | None:
    """Return the largest argument with a positive value, None if there is none.

    Walks from `low` in steps to the last positive value before `high`, then halves the
    interval down to a ten-thousandth of a step. `value` has one sign change.
    """
    if value(low) <= 0:
        return None
    good = low
    while (ahead := min(good + step, high)) > good and value(ahead) > 0:
        good = ahead
    bad = ahead
    while bad - good > step * 1e-4:
        middle = (good + bad) / 2
        good, bad = (middle, bad) if value(middle) > 0 else (good, middle)
    return good


def _rate(
    response: Response, mu: float, y_1: float, e_1: float, leak: LeakModel, sifting: float
) -> Asymptotic:
    if not 0 < sifting <= 1:
        raise ParameterError("the sifted share lies above 0, up to 1")
    gain, wrong = response.to(coherent(mu))
    error = min(0.5, wrong / gain) if gain > 0 else 0.5
    e_1 = min(0.5, max(0.0, e_1))
    single = y_1 * mu * coherent(mu)(0.0)
    spent = gain * leak.efficiency(error) * binary_entropy(error)
    rate = sifting * (single * (1 - binary_entropy(e_1)) - spent)
    return Asymptotic(mu, gain, error, y_1, e_1, rate)


def _positive(mu: float) -> float:
    if not mu > 0:
        raise ParameterError("a mean photon number is positive")
    return mu
