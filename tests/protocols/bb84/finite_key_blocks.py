"""Blocks for the finite-key tests, and the formulas once more, in rational arithmetic."""

import math
from decimal import Decimal, localcontext

from protocols.bb84.finite_key import KeyCounts

ETA = 0.2 * 10**-0.5


def decoy_counts(protocol, pulses, intensities, probabilities, qber, dark=1e-6, p_z=0.7, eta=ETA):
    """Return the rounded expectation of a channel, without reconciliation leak."""

    def shares(weight):
        n, m = [], []
        for mu, p in zip(intensities, probabilities, strict=True):
            click = 1 - (1 - 2 * dark) * math.exp(-mu * eta)
            wrong = dark + qber * (1 - math.exp(-mu * eta))
            n.append(round(pulses * p * weight * click))
            m.append(round(pulses * p * weight * wrong))
        return tuple(n), tuple(m)

    n_z, m_z = shares(p_z**2)
    n_x, m_x = shares((1 - p_z) ** 2)
    return KeyCounts(protocol, tuple(intensities), tuple(probabilities), n_z, n_x, m_z, m_x, 0)


def exact_entropy(p):
    """Return h(p) in decimals."""
    log2 = Decimal(2).ln()
    return -(p * p.ln() + (1 - p) * (1 - p).ln()) / log2


def exact_one_decoy(block):
    """Return every term of the one-decoy bound in 60 decimals, written from the paper."""
    with localcontext() as context:
        context.prec = 60
        mu1, mu2 = (Decimal(repr(mu)) for mu in block.intensities)
        p1, p2 = (Decimal(repr(float(p))) for p in block.probabilities)
        eps = Decimal(repr(block.eps_sec))
        tau0 = p1 * (-mu1).exp() + p2 * (-mu2).exp()
        tau1 = p1 * (-mu1).exp() * mu1 + p2 * (-mu2).exp() * mu2

        def delta(n):
            return (Decimal(n) * (19 / eps).ln() / 2).sqrt()

        def basis(n, m):
            plus1 = mu1.exp() / p1 * (n[0] + delta(sum(n)))
            minus2 = mu2.exp() / p2 * (n[1] - delta(sum(n)))
            zero_upper = 2 * (tau0 * mu2.exp() / p2 * (m[1] + delta(sum(m))) + delta(sum(n)))
            one = (
                tau1 * mu1 / (mu2 * (mu1 - mu2))
                * (
                    minus2
                    - mu2**2 / mu1**2 * plus1
                    - (mu1**2 - mu2**2) / mu1**2 * zero_upper / tau0
                )
            )  # fmt: skip
            zero = max(Decimal(0), tau0 / (mu1 - mu2) * (mu1 * minus2 - mu2 * plus1))
            return zero, zero_upper, one

        s_z0, s_z0_upper, s_z1 = basis(block.n_z, block.m_z)
        s_x1 = basis(block.n_x, block.m_x)[2]
        delta_m = delta(sum(block.m_x))
        v_x1 = (
            tau1
            * (
                mu1.exp() / p1 * (block.m_x[0] + delta_m)
                - mu2.exp() / p2 * (block.m_x[1] - delta_m)
            )
            / (mu1 - mu2)
        )
        rate = max(Decimal(1), v_x1) / s_x1
        gamma = exact_gamma(eps, rate, s_z1, s_x1, 19)
        phi = rate + gamma
        return {
            "s_z0_lower": s_z0,
            "s_z0_upper": s_z0_upper,
            "s_z1_lower": s_z1,
            "s_x1_lower": s_x1,
            "gamma": gamma,
            "phi_z": phi,
            "secret": s_z0 + s_z1 * (1 - exact_entropy(phi)),
            "secrecy_bits": 6 * (19 / eps).ln() / Decimal(2).ln(),
        }


def exact_gamma(eps, b, c, d, events):
    """Return gamma of Lim et al. in decimals."""
    log2 = Decimal(2).ln()
    inner = (c + d) / (c * d * (1 - b) * b) * events**2 / eps**2
    return ((c + d) * (1 - b) * b / (c * d * log2) * inner.ln() / log2).sqrt()


def exact_two_decoys(block):
    """Return every term of the two-decoy bound in 60 decimals, written from the paper."""
    with localcontext() as context:
        context.prec = 60
        mu1, mu2, mu3 = mus = [Decimal(repr(mu)) for mu in block.intensities]
        ps = [Decimal(repr(float(p))) for p in block.probabilities]
        eps = Decimal(repr(block.eps_sec))
        tau0 = sum(p * (-mu).exp() for mu, p in zip(mus, ps, strict=True))
        tau1 = sum(p * (-mu).exp() * mu for mu, p in zip(mus, ps, strict=True))

        def ends(n, k):
            deviation = (Decimal(sum(n)) / 2 * (21 / eps).ln()).sqrt()
            scale = mus[k].exp() / ps[k]
            return scale * (n[k] - deviation), scale * (n[k] + deviation)

        def basis(n):
            s0 = tau0 * (mu2 * ends(n, 2)[0] - mu3 * ends(n, 1)[1]) / (mu2 - mu3)
            s0 = max(Decimal(0), s0)
            inner = (
                ends(n, 1)[0]
                - ends(n, 2)[1]
                - (mu2**2 - mu3**2) / mu1**2 * (ends(n, 0)[1] - s0 / tau0)
            )
            return s0, tau1 * mu1 * inner / (mu1 * (mu2 - mu3) - mu2**2 + mu3**2)

        s_z0, s_z1 = basis(block.n_z)
        s_x1 = basis(block.n_x)[1]
        v_x1 = tau1 * (ends(block.m_x, 1)[1] - ends(block.m_x, 2)[0]) / (mu2 - mu3)
        rate = max(Decimal(1), v_x1) / s_x1
        gamma = exact_gamma(eps, rate, s_z1, s_x1, 21)
        phi = rate + gamma
        return {
            "s_z0_lower": s_z0,
            "s_z1_lower": s_z1,
            "s_x1_lower": s_x1,
            "gamma": gamma,
            "phi_z": phi,
            "secret": s_z0 + s_z1 * (1 - exact_entropy(phi)),
            "secrecy_bits": 6 * (21 / eps).ln() / Decimal(2).ln(),
        }


def exact_sampling(block):
    """Return the single-photon bound of Tomamichel et al. (2012) in decimals."""
    with localcontext() as context:
        context.prec = 60
        n, k, m = block.n_z[0], block.n_x[0], block.m_x[0]
        eps = Decimal(repr(block.eps_sec))
        mu = (Decimal((n + k) * (k + 1)) / (n * k * k) * (4 / eps).ln()).sqrt()
        phi = Decimal(m) / k + mu
        return {
            "mu": mu,
            "phi_z": phi,
            "secret": n * (1 - exact_entropy(phi)),
            "secrecy_bits": 2 * (1 / eps).ln() / Decimal(2).ln(),
        }


def exact_variable(block, delta_1=0, delta_2=0):
    """Return the bound of Tupkary et al. (2025) with eps_AT = eps_PA = eps_sec/3."""
    with localcontext() as context:
        context.prec = 60
        eps = Decimal(repr(block.eps_sec)) / 3
        events = (9 if block.intensities else 0) + (3 if delta_1 or delta_2 else 1)
        each = eps**2 / events  # the probability that an event fails
        delta_1, delta_2 = Decimal(repr(delta_1)), Decimal(repr(delta_2))
        if block.intensities:
            mu1, mu2, mu3 = mus = [Decimal(repr(mu)) for mu in block.intensities]
            ps = [Decimal(repr(float(p))) for p in block.probabilities]
            tau0 = sum(p * (-mu).exp() for mu, p in zip(mus, ps, strict=True))
            tau1 = sum(p * (-mu).exp() * mu for mu, p in zip(mus, ps, strict=True))

            def ends(n, i):
                deviation = (Decimal(sum(n)) / 2 * (2 / each).ln()).sqrt()
                scale = mus[i].exp() / ps[i]
                return scale * (n[i] - deviation), scale * (n[i] + deviation)

            def ones(n):
                zero = tau0 * (mu2 * ends(n, 2)[0] - mu3 * ends(n, 1)[1]) / (mu2 - mu3)
                inner = (
                    ends(n, 1)[0]
                    - ends(n, 2)[1]
                    - (mu2**2 - mu3**2) / mu1**2 * (ends(n, 0)[1] - max(Decimal(0), zero) / tau0)
                )
                return tau1 * mu1 * inner / (mu1 * (mu2 - mu3) - mu2**2 + mu3**2)

            kept, tested = ones(block.n_z), ones(block.n_x)
            wrong = tau1 * (ends(block.m_x, 1)[1] - ends(block.m_x, 2)[0]) / (mu2 - mu3)
        else:
            kept, tested = Decimal(block.n_z[0]), Decimal(block.n_x[0])
            wrong = Decimal(block.m_x[0])
        f = kept * tested**2 / ((kept + tested) * (tested + 1))
        serfling = ((1 / each).ln() / (2 * f)).sqrt()
        spread = ((1 / each).ln() / (2 * kept)).sqrt()
        gamma_1 = spread if delta_1 else 0
        gamma_2 = spread if delta_2 else 0
        phi = (max(Decimal(1), wrong) / tested + serfling + delta_1 + gamma_1) / (
            1 - delta_2 - gamma_2
        )
        return {
            "s_z1_lower": kept,
            "gamma_serfling": serfling,
            "phi_z": phi,
            "secret": kept * (1 - exact_entropy(phi)),
            "secrecy_bits": 2 * (1 / (2 * eps)).ln() / Decimal(2).ln(),
        }
