"""Entropy and deviations: known points, exact tails, a published table."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom

from protocols.bb84.finite_key import binary_entropy
from protocols.bb84.finite_key.statistics import binomial, gamma, hoeffding, serfling
from protocols.errors import ParameterError


def test_entropy_at_known_points() -> None:
    assert binary_entropy(0) == binary_entropy(1) == 0
    assert binary_entropy(0.5) == 1
    assert binary_entropy(0.11) == pytest.approx(0.499915958, abs=1e-9)
    for p in (-0.1, 1.1, math.nan):
        with pytest.raises(ParameterError):
            binary_entropy(p)


@pytest.mark.parametrize(
    ("error", "sifted", "tested", "length", "excess", "total"),
    [
        (0.010, 36123, 5911, 15323, 0.06943318811415392, 9.778763272730244e-11),
        (0.025, 51114, 8484, 17009, 0.0580348064984291, 9.698272881235974e-11),
        (0.050, 128989, 20941, 27878, 0.03685663259331777, 9.872424026202253e-11),
        (0.075, 731680, 104258, 85453, 0.016324856748689963, 9.9261091464143e-11),
    ],
)
def test_the_points_of_tomamichel_and_leverrier(
    error: float, sifted: int, tested: int, length: int, excess: float, total: float
) -> None:
    """Figure 7 of Quantum 1, 14 (2017), as their program prints it.

    They spend 1e-10: a share m^(−1/2) on verification, nine tenths of the rest on sampling,
    what is left on privacy amplification; reconciliation leaks 1.1 n h(error).
    """
    kept, eps = sifted - tested, 1e-10
    share = sifted**-0.5
    sampling, verifying = (1 - share) * 0.9 * eps, share * eps
    amplifying = eps - sampling - verifying
    nu = serfling(kept, tested, 2 * math.log(2 / sampling))
    assert nu == pytest.approx(excess, rel=1e-13)
    tag = math.ceil(math.log2(1 / verifying))
    leak = math.ceil(1.1 * binary_entropy(error) * kept)
    entropy = kept * (1 - binary_entropy(error + nu)) - leak - tag
    assert math.floor(entropy - 2 * math.log2(1 / (2 * amplifying))) == length
    spent = sampling + 2.0**-tag + 0.5 * 2 ** ((length - entropy) / 2)
    assert spent == pytest.approx(total, rel=1e-11)


@pytest.mark.parametrize("eps", [1e-2, 1e-5, 1e-10])
@pytest.mark.parametrize(("kept", "tested"), [(500, 200), (200, 500), (3000, 300)])
def test_sampling_without_replacement_stays_within_serfling(
    kept: int, tested: int, eps: float
) -> None:
    """The exact tail of every population is below eps, and for the worst not idle."""
    excess = serfling(kept, tested, math.log(1 / eps))
    worst = 0.0
    total = kept + tested
    for bad in range(0, total + 1, 7):
        # bad − seen errors in what was kept, seen in the test
        seen = range(max(0, bad - kept), min(bad, tested) + 1)
        allowed = [s for s in seen if (bad - s) / kept >= s / tested + excess]
        if allowed:
            worst = max(worst, float(hypergeom.cdf(max(allowed), total, bad, tested)))
    assert worst <= eps
    assert worst >= eps**2 / 10


@pytest.mark.parametrize("eps", [1e-3, 1e-9])
@pytest.mark.parametrize("rate", [0.01, 0.3, 0.5])
def test_binomial_counts_stay_within_hoeffding(rate: float, eps: float) -> None:
    count = 10_000
    step = hoeffding(count, math.log(1 / eps))
    assert binom.sf(math.ceil(count * rate + step) - 1, count, rate) <= eps
    assert binom.cdf(math.floor(count * rate - step), count, rate) <= eps
    assert step == pytest.approx(count * binomial(count, rate, math.log(1 / eps)))
    assert binomial(count, 0.0, 100.0) == 0.0


def test_gamma_by_hand() -> None:
    """With 8 and 8 single photons, rate 1/2 and eps 19/256 the logarithm is 16."""
    assert gamma(19 / 256, 0.5, 8, 8, 19) == pytest.approx(math.sqrt(1 / math.log(2)))
    assert gamma(0.1, 0.1, 0.1, 0.1, 19) == pytest.approx(7.717529454187349, rel=1e-14)


@given(
    st.floats(-12, -0.001), st.floats(1e-9, 0.499), st.floats(1, 12), st.floats(1, 12),
    st.floats(1.0001, 100),
)  # fmt: skip
def test_gamma_grows_with_the_rate_and_falls_with_more_photons(
    log_eps: float, rate: float, log_x: float, log_z: float, factor: float
) -> None:
    eps, x, z = 10**log_eps, 10**log_x, 10**log_z
    base = gamma(eps, rate, x, z, 21)
    within = 1 + 1e-12
    assert gamma(eps, min(0.5, rate * factor), x, z, 21) * within >= base
    assert gamma(eps, rate, x * factor, z, 21) <= base * within
    assert gamma(eps, rate, x, z * factor, 21) <= base * within
    assert gamma(eps / factor, rate, x, z, 21) * within >= base
