"""Drift, outliers, jumps, and oscillators told apart."""

from __future__ import annotations

import numpy as np
import pytest
from allantools import gcodev as peer_gcodev
from allantools import oadev as peer_oadev
from allantools import three_cornered_hat_phase
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ParameterError
from protocols.stability import stability
from protocols.stability.covariance import gcodev, three_cornered_hat
from protocols.stability.drift import MODELS, remove_drift
from protocols.stability.jumps import find_jumps
from protocols.stability.outliers import flag_outliers

_RNG = np.random.default_rng(77)
_WALKS = np.cumsum(_RNG.normal(size=(3, 2000)) * np.array([[1.0], [2.0], [0.7]]), axis=1)


# --- drift ------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["quadratic", "three-point", "second-difference"])
@given(
    frequency=st.floats(-1e-6, 1e-6),
    drift=st.floats(-1e-12, 1e-12),
    missing=st.sets(st.integers(0, 99), max_size=20),
)
def test_a_drift_of_phase_is_found_whole(
    model: str, frequency: float, drift: float, missing: set[int]
) -> None:
    t = 10.0 * np.arange(100)
    x = 3e-6 + frequency * t + drift / 2.0 * t**2
    mask = np.isin(np.arange(100), list(missing))
    found = remove_drift(x, 10.0, model, mask=mask)
    first = t[~mask][0]
    assert found.drift_per_s == pytest.approx(drift, abs=1e-16)
    assert found.frequency == pytest.approx(frequency + drift * first, abs=1e-13)
    assert np.isnan(found.residual[mask]).all()
    assert np.abs(found.residual[~mask]).max() < 1e-12


@pytest.mark.parametrize("model", ["endpoints", "linear"])
def test_an_offset_of_phase_is_found_whole(model: str) -> None:
    found = remove_drift(5.0 + 1e-3 * np.arange(50), 0.1, model)
    assert found.frequency == pytest.approx(1e-2)
    assert found.drift_per_s == 0.0
    assert np.abs(found.residual).max() < 1e-12


@pytest.mark.parametrize("model", ["linear", "bisection"])
def test_a_drift_of_frequency_is_found_whole(model: str) -> None:
    t = np.arange(100.0)
    y = 1e-9 + 1e-12 * t
    y[40] = np.nan
    found = remove_drift(y, 1.0, model, input="frequency")
    assert found.frequency == pytest.approx(1e-9)
    assert found.drift_per_s == pytest.approx(1e-12)
    assert np.nanmax(np.abs(found.residual)) < 1e-20


def test_a_mean_frequency_is_taken_off() -> None:
    found = remove_drift([1.0, 2.0, 3.0, 6.0], 1.0, "mean", input="frequency")
    assert found.residual.tolist() == [-2.0, -1.0, 0.0, 3.0]
    assert (found.frequency, found.drift_per_s) == (3.0, 0.0)


@pytest.mark.parametrize("rate", [0.02, 0.5, 3.0])
def test_a_crystal_that_stabilises_is_fitted(rate: float) -> None:
    t = np.arange(500.0)
    y = 4e-9 + 2e-9 * np.log1p(rate * t) + 1e-12 * np.random.default_rng(1).normal(size=500)
    found = remove_drift(y, 1.0, "logarithmic", input="frequency")
    assert found.residual.std() < 1.1e-12
    assert found.frequency == pytest.approx(4e-9, abs=5e-12)


def test_least_squares_are_numpy_s() -> None:
    x = _WALKS[0]
    t = np.arange(x.size, dtype=float)
    for model, degree in (("linear", 1), ("quadratic", 2)):
        wanted = x - np.polynomial.Polynomial.fit(t, x, degree)(t)
        assert remove_drift(x, 1.0, model).residual == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0] * 9, 1.0, "cubic"), "models of phase"),
        (([1.0] * 9, 1.0, "bisection"), "models of phase"),
        (([1.0] * 3, 1.0, "linear"), "too few"),
        (([1.0] * 9, -1.0, "linear"), "above 0 s"),
        (([1.0] * 9, 1.0, "linear", "period"), "phase or frequency"),
        (([0.0, np.nan] * 5, 1.0, "second-difference"), "three samples in a row"),
    ],
)
def test_drift_refusals(arguments: tuple, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        remove_drift(*arguments)
    assert set(MODELS) == {"phase", "frequency"}


# --- outliers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("quantity", ["phase", "frequency"])
def test_outliers_are_flagged_and_nothing_else(quantity: str) -> None:
    x = np.random.default_rng(5).normal(size=5000)
    if quantity == "phase":  # on a slope far steeper than the noise, with drift and a step
        t = np.arange(5000)
        x += 1e4 * t + 1e-3 * t**2
        x[2500:] += 1e3
    x[700] += 30.0
    x[1800:1804] -= 40.0
    x[3000] = np.nan
    # 2 of 1e6 are flagged by chance: a false alarm of 1 %, and the seed is fixed.
    flagged = flag_outliers(x, input=quantity)
    assert np.flatnonzero(flagged).tolist() == [700, 1800, 1801, 1802, 1803]
    masked = flag_outliers(x, input=quantity, mask=flagged)
    assert not masked.any()


@pytest.mark.parametrize("alpha", [0, -2])
def test_noise_that_walks_is_left_alone(alpha: int) -> None:
    y = np.random.default_rng(6).normal(size=20_000)
    x = np.cumsum(y) if alpha == 0 else np.cumsum(np.cumsum(y))
    share = flag_outliers(x).mean()
    assert share < (1e-4 if alpha == 0 else 4e-3)


def test_masking_outliers_restores_the_statistic() -> None:
    y = np.random.default_rng(8).normal(size=4000)
    clean = stability(y, 1.0, "oadev", input="phase")
    spoilt = y.copy()
    spoilt[[100, 2000, 3100]] += 1e3
    found = stability(spoilt, 1.0, "oadev", mask=flag_outliers(spoilt))
    assert found.dev == pytest.approx(clean.dev, rel=0.03)


def test_outlier_refusals() -> None:
    for arguments in ({"threshold": 0.0}, {"half_width": 0}, {"mask": [True]}):
        with pytest.raises(ParameterError):
            flag_outliers(np.zeros(10), **arguments)
    assert flag_outliers([]).size == 0
    assert flag_outliers([1.0]).tolist() == [False]


# --- jumps ------------------------------------------------------------------------------------


def test_a_frequency_jump_is_found() -> None:
    y = np.random.default_rng(12).normal(size=5000)
    y[3000:] += 2.0  # ten deviations of the means of 50
    x = np.concatenate([[0.0], np.cumsum(y)]) * 0.1
    for found in (find_jumps(y, 0.1, 50, input="frequency"), find_jumps(x, 0.1, 50)):
        assert [jump.kind for jump in found] == ["frequency"]
        assert abs(found[0].index - 3000) < 20
        assert found[0].size == pytest.approx(2.0, abs=0.8)
        assert found[0].sigmas > 6.0


def test_a_phase_step_is_found_and_not_taken_for_a_frequency_jump() -> None:
    x = np.random.default_rng(13).normal(size=5000) + 40.0 * np.arange(5000)
    x[2000:] -= 5.0
    found = find_jumps(x, 1.0, 20)
    assert [(jump.kind, jump.index) for jump in found] == [("phase", 2000)]
    assert found[0].size == pytest.approx(-5.0, abs=1.5)
    found = find_jumps(np.diff(x), 1.0, 20, input="frequency")
    assert [(jump.kind, jump.index) for jump in found] == [("phase", 1999)]


def test_jumps_far_above_the_noise_are_told_to_the_sample() -> None:
    noise = np.random.default_rng(14).normal(size=1000)
    x = 1e-13 * noise
    x[600:] += 1e-9
    (step,) = find_jumps(x, 1.0, 10)
    assert (step.kind, step.index) == ("phase", 600)
    assert step.size == pytest.approx(1e-9, rel=1e-3)
    y = 1e-16 * noise
    y[400:] += 3e-12
    (jump,) = find_jumps(y, 2.0, 10, input="frequency")
    assert (jump.kind, jump.index) == ("frequency", 400)
    assert jump.size == pytest.approx(3e-12, rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_a_kink_in_white_phase_noise_is_one_frequency_jump(seed: int) -> None:
    # The third difference of mean phases shows it too, on either side, and more clearly.
    noise = 1e-10 * np.random.default_rng(seed).normal(size=6000)
    (jump,) = find_jumps(1e-9 * np.abs(np.arange(6000) - 3000) + noise, 1.0, 50)
    assert (jump.kind, abs(jump.index - 3000) < 3) == ("frequency", True)
    assert jump.size == pytest.approx(2e-9, rel=0.02)


def test_coarse_readings_still_have_a_scale() -> None:
    x = np.zeros(1000)  # the median deviation is 0
    x[600:] += 1e-9
    (step,) = find_jumps(x, 1.0, 10)
    assert (step.kind, step.index) == ("phase", 600)
    assert np.isfinite(step.sigmas)
    assert find_jumps(np.zeros(1000), 1.0, 10) == ()


def test_noise_has_no_jumps_and_a_gap_is_none() -> None:
    # 60 records of 100 windows: by the threshold less than 1e-4 in all.
    for seed in range(20):
        y = np.random.default_rng(seed).normal(size=5000)
        for x in (np.cumsum(y), np.cumsum(np.cumsum(y))):
            assert find_jumps(x, 1.0, 50) == ()
        y[2000:2100] = np.nan
        y[2100:] += 100.0  # across a gap of frequency nothing is compared
        assert find_jumps(y, 1.0, 50, input="frequency") == ()
    assert find_jumps([1.0, 2.0], 1.0, 5) == ()
    for window, threshold in ((0, 5.0), (5, 0.0)):
        with pytest.raises(ParameterError):
            find_jumps(np.zeros(100), 1.0, window, threshold)


# --- oscillators told apart -------------------------------------------------------------------


def test_gcodev_is_that_of_allantools() -> None:
    a, b, c = _WALKS
    for one, two, sign in ((a - c, b - c, 1.0), (a - b, b - c, -1.0)):
        tau, dev, _, n = peer_gcodev(one, two, taus="octave")
        found = gcodev(one, two, 1.0)
        assert found.tau[: tau.size].tolist() == tau.tolist()
        assert np.abs(found.dev[: tau.size]) == pytest.approx(dev, rel=1e-9)
        assert found.n[: tau.size].tolist() == n.tolist()
        # Where there are many terms, the sign tells how the common one entered.
        assert np.sign(found.dev[:4]).tolist() == [sign] * 4


def test_gcodev_of_a_series_with_itself_is_oadev() -> None:
    x = _WALKS[0].copy()
    x[100:130] = np.nan
    whole = stability(x, 0.5, "oadev")
    assert gcodev(x, x, 0.5).dev == pytest.approx(whole.dev, rel=1e-12)
    y = np.diff(_WALKS[0])
    y[500] = np.nan
    found = gcodev(y, y, 0.5, [2.0, 8.0], input="frequency")
    whole = stability(y, 0.5, "oadev", [2.0, 8.0], input="frequency")
    assert found.dev == pytest.approx(whole.dev, rel=1e-9)


def test_oscillators_come_apart() -> None:
    a, b, c = _WALKS
    hat = three_cornered_hat(a - b, b - c, c - a, 1.0, taus=[1.0, 4.0, 16.0])
    for found, own in ((hat.a, a), (hat.b, b), (hat.c, c)):
        assert found == pytest.approx(stability(own, 1.0, taus=[1.0, 4.0, 16.0]).dev, rel=0.25)
    common = gcodev(a - c, b - c, 1.0, [1.0, 4.0])
    assert common.dev == pytest.approx(stability(c, 1.0, taus=[1.0, 4.0]).dev, rel=0.25)
    _, peer, _, _ = three_cornered_hat_phase(a - b, b - c, c - a, 1.0, [1.0, 4.0, 16.0], peer_oadev)
    assert hat.a == pytest.approx(peer, rel=1e-9)


def test_a_negative_variance_is_no_number() -> None:
    a, b, _ = _WALKS
    # C is correlated with both: the estimate of its variance is far below nothing.
    hat = three_cornered_hat(a - b, b - (a + b) / 2, (a + b) / 2 - a, 1.0, taus=[1.0])
    assert np.isnan(hat.c[0])
    assert hat.a[0] > 0.0


def test_a_sample_missing_in_one_is_used_in_none() -> None:
    a, b, c = (walk.copy() for walk in _WALKS)
    spoilt = (a - b).copy()
    spoilt[1000] = np.nan
    hat = three_cornered_hat(spoilt, b - c, c - a, 1.0, taus=[1.0])
    mask = np.arange(a.size) == 1000
    other = three_cornered_hat(a - b, b - c, c - a, 1.0, taus=[1.0], mask=mask)
    assert (hat.a[0], hat.n[0]) == (other.a[0], other.n[0])
    assert hat.n[0] == a.size - 2 - 3
    with pytest.raises(ParameterError, match="differ in length"):
        gcodev(a, b[:-1], 1.0)
    with pytest.raises(ParameterError, match="no variance"):
        three_cornered_hat(a, b, c, 1.0, "mtie")
    with pytest.raises(ParameterError, match="too few"):
        gcodev([1.0, 2.0], [1.0, 2.0], 1.0)
