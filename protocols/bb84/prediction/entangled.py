"""Coincidences of entangled pairs from down-conversion: Ma, Fung and Lo (2007)."""

from __future__ import annotations

from protocols.bb84.prediction.link import Arm, Link
from protocols.bb84.prediction.response import pairs

__all__ = ["coincidences"]


def coincidences(
    link: Link, loss_db: float, mean: float, alice_share: float
) -> tuple[float, float]:
    """Return the probabilities of a coincidence and of a wrong one, with equal bases.

    Parameters
    ----------
    link : Link
        Whose receiver each of the two stations has; its misalignment is that of the pair.
    loss_db : float
        Between the stations, the source among it.
    mean : float
        Mean number of pairs in a pulse, 2λ in the paper.
    alice_share : float
        Share of the loss in dB on Alice's side: 0 with the source beside her, 1/2 in the
        middle.

    References
    ----------
    X. Ma, C.-H. F. Fung, H.-K. Lo, Phys. Rev. A 76, 012307 (2007): the overall gain and
    QBER of a down-conversion source.
    """
    light = pairs(mean)
    alice = link.arm(loss_db * alice_share, light)
    bob = link.arm(loss_db * (1 - alice_share), light)
    gain, wrong = _pairs_seen(alice, bob, mean / 2, link.misalignment)
    echoes = (1 + alice.echo) * (1 + bob.echo)
    alive = alice.alive * bob.alive
    return alive * gain * echoes, alive * (wrong + gain * (echoes - 1) / 2)


def _pairs_seen(alice: Arm, bob: Arm, lam: float, misalignment: float) -> tuple[float, float]:
    eta_a, eta_b = alice.transmittance, bob.transmittance
    dark_a, dark_b = 1 - alice.background, 1 - bob.background
    either = 1 + eta_a * lam + eta_b * lam - eta_a * eta_b * lam
    one_a, one_b = 1 + eta_a * lam, 1 + eta_b * lam
    gain = 1 - dark_a / one_a**2 - dark_b / one_b**2 + dark_a * dark_b / either**2
    matched = eta_a * eta_b * lam * (1 + lam) / (one_a * one_b * either)
    gain = max(0.0, gain)  # not below 0 by rounding
    return gain, min(gain, max(0.0, gain / 2 - (1 - 2 * misalignment) * matched))
