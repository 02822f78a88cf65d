"""One and two decoys with known intensities, against published and exact figures."""

import math
from dataclasses import replace

import numpy as np
import pytest
from finite_key_blocks import ETA, decoy_counts, exact_one_decoy, exact_two_decoys
from hypothesis import given
from hypothesis import strategies as st

from protocols.bb84.finite_key import (
    Counts,
    KeyCounts,
    analyse,
    binary_entropy,
    bound_at,
    choose_proof,
    examine,
)
from protocols.bb84.finite_key.decoys import one_decoy, photon_probability
from protocols.errors import InsecureError

VERIFIED = KeyCounts(
    "one-decoy", (0.51, 0.15), (0.7, 0.3), (8875913, 1124087), (165048, 20902),
    (185856, 26055), (3456, 484), 1776924, 1e-9, 1e-15,
)  # fmt: skip
ONE = decoy_counts("one-decoy", 4e8, (0.5, 0.15), (0.5, 0.5), 0.013)
TWO = decoy_counts("two-decoy", 1e10, (0.5, 0.1, 2e-4), (0.6, 0.25, 0.15), 0.013)


def test_a_formally_verified_program_finds_the_same() -> None:
    """The example of A. Baliuka's FormalQKD, computed there with interval arithmetic in Lean."""
    found = analyse(VERIFIED)
    published = {
        "s_z0_lower": 0.0,
        "s_z0_upper": 167020.1792587285,
        "s_z1_lower": 5.396516268816283e6,
        "s_x1_lower": 76462.2755485758,
        "v_x1_upper": 5411.812583855381,
        "phi_z": 0.07917365937798954,
    }
    for name, value in published.items():
        assert found.bounds[name] == pytest.approx(value, rel=1e-13), name
    announced = 2 * math.ceil(math.log2(10_000_000 + 1))  # charged here, not there
    assert found.length + announced == 1464719


@given(st.floats(0, 0.02), st.floats(7.7, 11), st.floats(0.3, 0.9), st.floats(1e-12, 1e-6))
def test_one_decoy_against_exact_arithmetic(
    qber: float, exponent: float, mu: float, eps: float
) -> None:
    block = decoy_counts("one-decoy", 10**exponent, (mu, 0.15), (0.5, 0.5), qber)
    block = replace(block, eps_sec=eps)
    found, exact = analyse(block), exact_one_decoy(block)
    for name, value in exact.items():
        assert found.bounds[name] == pytest.approx(float(value), rel=1e-9, abs=1e-6), name


@given(st.floats(0, 0.02), st.floats(9, 12), st.floats(0.3, 0.9), st.floats(1e-12, 1e-6))
def test_two_decoys_against_exact_arithmetic(
    qber: float, exponent: float, mu: float, eps: float
) -> None:
    block = decoy_counts("two-decoy", 10**exponent, (mu, 0.1, 2e-4), (0.6, 0.25, 0.15), qber)
    block = replace(block, eps_sec=eps)
    found, exact = analyse(block), exact_two_decoys(block)
    for name, value in exact.items():
        assert found.bounds[name] == pytest.approx(float(value), rel=1e-9, abs=1e-6), name


def test_each_one_decoy_equation_by_hand() -> None:
    """A hand calculation with one number for every term (Rusca, Eqs. 2 to 5)."""
    mu, nu = 2 * math.log(2), math.log(2)
    eps_sec = 19 * math.exp(-2)  # so that delta(n) = sqrt(n)
    counts = Counts((6400, 3600), (640_000, 360_000), (36, 64), (400, 500))
    found = one_decoy((mu, nu), (0.5, 0.5), counts, math.log(19 / eps_sec))
    tau0 = (1 / 4 + 1 / 2) / 2
    tau1 = (mu / 4 + nu / 2) / 2
    up, low = 8 * (6400 + 100), 4 * (3600 - 100)
    s0_upper = 2 * (tau0 * 4 * (64 + 10) + 100)
    assert photon_probability(0, (mu, nu), (0.5, 0.5)) == pytest.approx(tau0)
    assert photon_probability(1, (mu, nu), (0.5, 0.5)) == pytest.approx(tau1)
    assert found.s_z0_upper == pytest.approx(s0_upper)
    assert found.s_z0_lower == 0  # tau0/(mu-nu)·(mu·low - nu·up) < 0
    s1 = tau1 * mu / (nu * (mu - nu)) * (low - up / 4 - 3 / 4 * s0_upper / tau0)
    assert found.s_z1_lower == pytest.approx(s1)
    v_x1 = tau1 * (8 * (400 + 30) - 4 * (500 - 30)) / (mu - nu)
    assert found.v_x1_upper == pytest.approx(v_x1)


@pytest.mark.parametrize("qber", [0.0, 0.01, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("protocol", ["one-decoy", "two-decoy"])
def test_bounds_hold_and_become_tight(protocol: str, qber: float) -> None:
    """Against the true photon-number statistics of a channel with dark counts.

    With counts at their expectations for more and more pulses the bounds never cross the
    truth, and tend to the asymptotic estimates of Ma et al., Phys. Rev. A 72, 012326 (2005):
    Eqs. 18 and 25 for two decoys; Eqs. 34 and 35 with Y0 bounded by the weak intensity's
    errors for one.
    """
    dark = 1e-5
    one = protocol == "one-decoy"
    mus = (0.5, 0.15) if one else (0.5, 0.1, 1e-3)
    ps = (0.5, 0.5) if one else (0.5, 0.3, 0.2)

    def yields(photons: int) -> float:
        return 1 - (1 - dark) * (1 - ETA) ** photons

    def gain(mu: float) -> float:
        return 1 - (1 - dark) * math.exp(-mu * ETA)

    def errors(mu: float) -> float:
        return dark / 2 + qber * (1 - math.exp(-mu * ETA))

    for pulses in (1e8, 1e10, 1e15):
        n = tuple(pulses * p * gain(mu) for mu, p in zip(mus, ps, strict=True))
        m = tuple(pulses * p * errors(mu) for mu, p in zip(mus, ps, strict=True))
        counts = Counts(n, n, m, m)
        found = bound_at(choose_proof(protocol, 1e-9, False), mus, ps, counts)
        s_0 = pulses * photon_probability(0, mus, ps) * yields(0)
        s_1 = pulses * photon_probability(1, mus, ps) * yields(1)
        v_1 = pulses * photon_probability(1, mus, ps) * (dark / 2 * (1 - ETA) + qber * ETA)
        assert found.s_z0_lower <= s_0
        assert found.s_z1_lower <= s_1
        assert found.terms["v_x1_upper"] >= v_1 * 0.999
        assert found.phi_z >= v_1 / s_1
    mu, nu, rest = mus[0], mus[1], 0.0 if one else mus[2]
    if one:
        y0 = 2 * errors(nu) * math.exp(nu)
        weak = gain(nu) * math.exp(nu)
        e_0, e_1 = errors(nu) * math.exp(nu), errors(mu) * math.exp(mu)
        difference = (e_1 - e_0) / (mu - nu)
    else:
        low, high = gain(rest) * math.exp(rest), gain(nu) * math.exp(nu)
        y0 = max(0.0, (nu * low - rest * high) / (nu - rest))
        weak = high - low
        difference = (errors(nu) * math.exp(nu) - errors(rest) * math.exp(rest)) / (nu - rest)
    share = (nu**2 - rest**2) / mu**2
    strong = gain(mu) * math.exp(mu) - y0
    if one:
        weak -= y0
    y1 = mu / (mu * (nu - rest) - nu**2 + rest**2) * (weak - share * strong)
    assert found.s_z1_lower / pulses / photon_probability(1, mus, ps) == pytest.approx(y1, rel=2e-4)
    assert found.phi_z == pytest.approx(difference / y1, rel=3e-3, abs=2e-5)


def test_sampled_counts_stay_within_the_bounds() -> None:
    """Of 2000 sampled blocks none may cross the truth: each bound fails with eps 5e-11."""
    rng = np.random.default_rng(9)
    pulses, misalignment, dark = 4e6, 0.02, 1e-5
    mus, ps = (0.50, 0.15), (0.5, 0.5)
    yields = [1 - (1 - dark) * (1 - ETA) ** n for n in range(30)]
    for _ in range(2000):
        n, m = np.zeros(2, int), np.zeros(2, int)
        true0 = true1 = wrong1 = 0
        for i, mu in enumerate(mus):
            for photons in range(12):
                p = math.exp(-mu) * mu**photons / math.factorial(photons)
                seen = rng.poisson(pulses / 2 * p * yields[photons])
                rate = (dark / 2 + misalignment * (yields[photons] - dark)) / yields[photons]
                bad = rng.binomial(seen, min(0.5, rate))
                n[i] += seen
                m[i] += bad
                true0 += seen if photons == 0 else 0
                true1 += seen if photons == 1 else 0
                wrong1 += bad if photons == 1 else 0
        pair, errors = (int(n[0]), int(n[1])), (int(m[0]), int(m[1]))
        found = one_decoy(mus, ps, Counts(pair, pair, errors, errors), math.log(19e9))
        assert found.s_z0_lower <= true0 <= found.s_z0_upper
        assert found.s_z1_lower <= true1
        assert found.v_x1_upper >= wrong1


def test_every_charge_is_subtracted() -> None:
    block = replace(VERIFIED, tag_bits=64)
    base = analyse(block)
    bounds = base.bounds
    secret = bounds["s_z0_lower"] + bounds["s_z1_lower"] * (1 - binary_entropy(bounds["phi_z"]))
    announced = 2 * math.ceil(math.log2(sum(block.n_z) + 1))
    left = secret - block.leak_ec - announced - 64 - 6 * math.log2(19 / 1e-9)
    assert base.length == math.floor(left)
    assert bounds["announced_bits"] == announced and bounds["verification_bits"] == 64
    for changes, cost in (
        ({"leak_ec": block.leak_ec + 1}, 1),
        ({"tag_bits": 128}, 64),
        ({"announced_bits": 100}, 100),
    ):
        assert analyse(replace(block, **changes)).length == base.length - cost
    # A tag shorter than log2(2/eps_cor) = 50.8 bits does not save bits.
    short = analyse(replace(block, tag_bits=8)).length
    assert short == math.floor(left + 64 - math.log2(2 / 1e-15))
    assert analyse(replace(TWO, leak_ec=1000)).bounds["announced_bits"] == 0


def test_no_proven_error_is_one_event() -> None:
    bounds = analyse(replace(ONE, m_x=(0, 0))).bounds
    assert bounds["v_x1_upper"] == 0 and bounds["v_x1_used"] == 1
    assert bounds["x_error_rate"] == 1 / bounds["s_x1_lower"]
    assert "v_x1_used" not in analyse(ONE).bounds


@pytest.mark.parametrize("block", [ONE, TWO])
def test_errors_that_no_such_source_makes_give_no_key(block: KeyCounts) -> None:
    """Weaker pulses cannot have so many more errors: each deviation is beyond its bound."""
    swapped = replace(block, m_x=(0,) * (len(block.m_x) - 1) + (block.n_x[-1] // 2,))
    with pytest.raises(InsecureError, match="errors of single photons: the counts are of no such"):
        analyse(swapped)
    assert examine(swapped).bounds["v_x1_upper"] < 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"leak_ec": 10**7}, "leaves no secret bit"),
        ({"m_x": (200_000, 100)}, "at or above 1/2"),
        ({"n_z": (100, 30), "m_z": (1, 0)}, "key basis"),
        ({"n_x": (100, 30), "m_x": (1, 0)}, "test basis"),
        (dict.fromkeys(("n_z", "n_x", "m_z", "m_x"), (0, 0)), "key basis"),
    ],
)
def test_no_key_has_a_reason(changes: dict[str, object], reason: str) -> None:
    block = replace(ONE, **changes)
    with pytest.raises(InsecureError, match=reason) as caught:
        analyse(block)
    assert "\n" not in str(caught.value)
    found = examine(block)
    assert found.length == 0 and found.reason == str(caught.value)
    assert found.bounds["leak_ec"] == block.leak_ec


def test_counts_in_the_wrong_order_give_no_key():
    """The weaker pulses cannot be seen more often than the stronger ones."""
    block = KeyCounts(
        "one-decoy",
        (0.5, 0.15),
        (0.5, 0.5),
        (70108, 233000),
        (13410, 42000),
        (1300, 3300),
        (250, 620),
        38000,
        1e-9,
        1e-15,
    )
    with pytest.raises(InsecureError, match="vacuum detections: the counts are of no such source"):
        analyse(block)
