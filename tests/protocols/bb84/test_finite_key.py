import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.bb84.finite_key import (
    Bounds,
    Counts,
    Security,
    Source,
    _gamma,
    announcement_charge,
    binary_entropy,
    bounds,
    single_photon_bounds,
)
from protocols.errors import InsecureError, ParameterError

SOURCE = Source((0.50, 0.15), (Fraction(1, 2), Fraction(1, 2)))
SECURITY = Security(1e-9, 1e-15)
ETA = 0.2 * 10**-0.5


def counts(qber: float, n_z: float = 3.1e5, n_x: float = 5.7e4) -> Counts:
    """Return a block of the default bench: detections follow the intensities' gains."""
    gains = [1 - math.exp(-mu * ETA) for mu in SOURCE.intensities]
    shares = [gain / sum(gains) for gain in gains]
    z = round(n_z * shares[0]), round(n_z * shares[1])
    x = round(n_x * shares[0]), round(n_x * shares[1])
    return Counts(
        z, x, (round(z[0] * qber), round(z[1] * qber)), (round(x[0] * qber), round(x[1] * qber))
    )


def length_at(qber: float, **changes: float) -> Bounds:
    found = counts(qber, **changes)
    errors = sum(found.m_z) / sum(found.n_z)
    leak = round(1.1 * sum(found.n_z) * binary_entropy(errors))
    return bounds(SOURCE, SECURITY, found, leak, 64)


def test_the_default_bench_gives_the_published_lengths() -> None:
    """About 65 kbit at 1.5 % and 20 kbit at 2.5 %, for n_z 3.1e5 and n_x 5.7e4."""
    assert length_at(0.015).length == pytest.approx(65_000, abs=6_000)
    assert length_at(0.025).length == pytest.approx(20_000, abs=6_000)


@pytest.mark.parametrize("qber", [0.0, 0.01, 0.02, 0.05, 0.1])
def test_bounds_hold_and_become_tight(qber: float) -> None:
    """Against the true photon-number statistics of a channel with dark counts.

    With counts at their expectations for more and more pulses the bounds never cross
    the truth, and tend to the asymptotic one-decoy estimate of Ma et al., Phys. Rev. A 72,
    012326 (2005), Eqs. 34 and 35 with Y0 bounded by the weak intensity's errors.
    """
    dark, misalignment = 1e-5, qber

    def yields(photons: int) -> float:
        return 1 - (1 - dark) * (1 - ETA) ** photons

    def gain(mu: float) -> float:
        return 1 - (1 - dark) * math.exp(-mu * ETA)

    def errors(mu: float) -> float:
        return dark / 2 + misalignment * (1 - math.exp(-mu * ETA))

    mu, nu = SOURCE.intensities
    e0_gain = errors(nu) * math.exp(nu)
    weak = gain(nu) * math.exp(nu) - (nu / mu) ** 2 * gain(mu) * math.exp(mu)
    y1_ma = mu / (mu * nu - nu**2) * (weak - (1 - (nu / mu) ** 2) * 2 * e0_gain)
    for pulses in (1e8, 1e10, 1e16):
        n = pulses / 2 * gain(mu), pulses / 2 * gain(nu)
        m = pulses / 2 * errors(mu), pulses / 2 * errors(nu)
        found = single_photon_bounds(SOURCE, 1e-9, n, n, m, m)
        s_0 = pulses * SOURCE.tau(0) * yields(0)
        s_1 = pulses * SOURCE.tau(1) * yields(1)
        v_1 = pulses * SOURCE.tau(1) * (dark / 2 * (1 - ETA) + misalignment * ETA)
        assert found.s_z0_lower <= s_0 <= found.s_z0_upper
        assert found.s_z1_lower <= s_1
        assert found.v_x1_upper >= v_1 * 0.999
        assert found.phi_z >= v_1 / s_1
    assert found.s_z1_lower / pulses / SOURCE.tau(1) == pytest.approx(y1_ma, rel=1e-4)
    e1_ma = (errors(mu) * math.exp(mu) - errors(nu) * math.exp(nu)) / ((mu - nu) * y1_ma)
    assert found.phi_z == pytest.approx(e1_ma, rel=1e-3)


def test_each_equation_by_hand() -> None:
    """A hand calculation with one number for every term (Rusca, Eqs. 1 to 5)."""
    source = Source((math.log(4), math.log(2)), (Fraction(1, 2), Fraction(1, 2)))
    mu, nu = 2 * math.log(2), math.log(2)
    eps_sec = 19 * math.exp(-2)  # so that delta(n) = sqrt(n)
    found = single_photon_bounds(
        source, eps_sec, (6400, 3600), (640_000, 360_000), (36, 64), (400, 500)
    )
    tau0 = (1 / 4 + 1 / 2) / 2
    tau1 = (mu / 4 + nu / 2) / 2
    up, low = 8 * (6400 + 100), 4 * (3600 - 100)
    s0_upper = 2 * (tau0 * 4 * (64 + 10) + 100)
    assert source.tau(0) == pytest.approx(tau0)
    assert source.tau(1) == pytest.approx(tau1)
    assert found.s_z0_upper == pytest.approx(s0_upper)
    assert found.s_z0_lower == 0  # tau0/(mu-nu)·(mu·low - nu·up) < 0
    s1 = tau1 * mu / (nu * (mu - nu)) * (low - up / 4 - 3 / 4 * s0_upper / tau0)
    assert found.s_z1_lower == pytest.approx(s1)
    v_x1 = tau1 * (8 * (400 + 30) - 4 * (500 - 30)) / (mu - nu)
    assert found.v_x1_upper == pytest.approx(v_x1)


def test_gamma_by_hand() -> None:
    """With 8 and 8 single photons, rate 1/2 and eps 19/256 the logarithm is 16."""
    assert _gamma(19 / 256, 0.5, 8, 8) == pytest.approx(math.sqrt(1 / math.log(2)))
    found = single_photon_bounds(SOURCE, 1e-9, *(counts(0.01).n_z,) * 2, *(counts(0.01).m_z,) * 2)
    rate = found.v_x1_upper / found.s_x1_lower
    assert found.gamma == _gamma(1e-9, rate, found.s_x1_lower, found.s_z1_lower)
    assert found.phi_z == rate + found.gamma


def test_every_charge_is_subtracted() -> None:
    found = counts(0.015)
    base = bounds(SOURCE, SECURITY, found, 30_000, 64)
    secret = base.s_z0_lower + base.s_z1_lower * (1 - binary_entropy(base.phi_z))
    announced = 2 * math.ceil(math.log2(sum(found.n_z) + 1))
    assert announcement_charge(sum(found.n_z)) == announced
    left = secret - 30_000 - announced - 64 - 6 * math.log2(19 / 1e-9)
    assert base.length == math.floor(left)
    assert bounds(SOURCE, SECURITY, found, 30_001, 64).length == base.length - 1
    assert bounds(SOURCE, SECURITY, found, 30_000, 128).length == base.length - 64
    # A tag shorter than log2(2/eps_cor) = 50.8 bits does not save bits.
    short = bounds(SOURCE, SECURITY, found, 30_000, 8).length
    assert short == math.floor(left + 64 - math.log2(2 / 1e-15))
    assert base.charges == announced + 64
    assert bounds(SOURCE, SECURITY, found, 30_000, 8).charges == announced + 51


@given(st.floats(0.001, 0.03), st.sampled_from(["m_z", "m_x"]), st.integers(0, 1))
def test_more_errors_never_lengthen_the_key_in_the_weak_or_test_counts(
    qber: float, name: str, which: int
) -> None:
    if name == "m_x" and which == 1:
        return  # weak test errors lower the bound on single-photon errors
    found = counts(qber)
    errors = list(getattr(found, name))
    errors[which] += 50
    worse = replace(found, **{name: tuple(errors)})
    first = bounds(SOURCE, SECURITY, found, 10_000, 64)
    assert bounds(SOURCE, SECURITY, worse, 10_000, 64).length <= first.length


@given(st.floats(0.001, 0.02), st.floats(1.05, 3))
def test_longer_blocks_give_more_per_bit(qber: float, factor: float) -> None:
    small = length_at(qber).length / 3.1e5
    large = length_at(qber, n_z=3.1e5 * factor, n_x=5.7e4 * factor).length / (3.1e5 * factor)
    assert large > small


@given(st.floats(1e-12, 1e-3), st.floats(1.5, 1e6))
def test_a_smaller_epsilon_costs_bits(eps: float, factor: float) -> None:
    found = counts(0.01)
    loose = bounds(SOURCE, Security(eps, 1e-15), found, 20_000, 64).length
    assert bounds(SOURCE, Security(eps / factor, 1e-15), found, 20_000, 64).length < loose


def test_no_proven_error_is_one_event() -> None:
    found = replace(counts(0.01), m_x=(0, 800))
    assert bounds(SOURCE, SECURITY, found, 10_000, 64).v_x1_upper == 1.0


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (counts(0.09), "leaves no secret bit"),
        (replace(counts(0.01), m_x=(20_000, 100)), "at or above 1/2"),
        (Counts((100, 30), (50_000, 15_000), (1, 0), (5, 1)), "key basis"),
        (Counts((50_000, 15_000), (100, 30), (5, 1), (1, 0)), "test basis"),
        (Counts((0, 0), (0, 0), (0, 0), (0, 0)), "key basis"),
        (replace(counts(0.01, n_x=3000), m_x=(800, 0)), "at or above 1/2|test basis"),
    ],
)
def test_no_key_has_a_reason(found: Counts, reason: str) -> None:
    with pytest.raises(InsecureError, match=reason) as caught:
        bounds(SOURCE, SECURITY, found, 100_000, 64)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("n", "m"), [((10, 10), (11, 0)), ((10, 10), (-1, 0)), ((-1, 10), (0, 0))])
def test_contradictory_counts_are_refused(n: tuple[int, int], m: tuple[int, int]) -> None:
    with pytest.raises(ParameterError, match="in z"):
        Counts(n, (10, 10), m, (0, 0))
    with pytest.raises(ParameterError, match="in x"):
        Counts((10, 10), n, (0, 0), m)


def test_other_impossible_arguments_are_refused() -> None:
    half = (Fraction(1, 2), Fraction(1, 2))
    for intensities in ((0.1, 0.5), (0.5, 0.5), (0.5, 0.0), (math.inf, 0.1), (math.nan, 0.1)):
        with pytest.raises(ParameterError):
            Source(intensities, half)
    with pytest.raises(ParameterError):
        Source((0.5, 0.1), (Fraction(1, 2), Fraction(1, 3)))
    for eps in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(ParameterError):
            Security(eps, 1e-15)
    with pytest.raises(ParameterError):
        Counts((1, 2, 3), (1, 2), (0, 0), (0, 0))  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ParameterError):
        bounds(SOURCE, SECURITY, counts(0.01), -1, 64)
    for p in (-0.1, 1.1):
        with pytest.raises(ParameterError):
            binary_entropy(p)


def test_entropy_at_known_points() -> None:
    assert binary_entropy(0) == binary_entropy(1) == 0
    assert binary_entropy(0.5) == 1
    assert binary_entropy(0.11) == pytest.approx(0.499916, abs=1e-6)


def test_sampled_counts_stay_within_the_bounds() -> None:
    """Of 2000 sampled blocks none may cross the truth: each bound fails with eps 5e-11."""
    rng = np.random.default_rng(9)
    pulses, misalignment, dark = 4e6, 0.02, 1e-5
    yields = [1 - (1 - dark) * (1 - ETA) ** n for n in range(30)]
    for _ in range(2000):
        n, m = np.zeros(2, int), np.zeros(2, int)
        true0 = true1 = wrong1 = 0
        for i, mu in enumerate(SOURCE.intensities):
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
        found = single_photon_bounds(SOURCE, 1e-9, pair, pair, errors, errors)
        assert found.s_z0_lower <= true0 <= found.s_z0_upper
        assert found.s_z1_lower <= true1
        assert found.v_x1_upper >= wrong1
