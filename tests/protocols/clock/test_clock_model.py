"""The state space against numerical integration, and its flicker noise against 1/f."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.linalg import expm

from protocols.clock.model import (
    DRIFT,
    FLICKER,
    FLICKER_TIMES_S,
    PHASE,
    WALK,
    WARMTH,
    NoiseCoefficients,
    state_space,
)
from protocols.errors import ParameterError

RUBIDIUM = NoiseCoefficients.from_adev(white=2e-11, flicker=5e-13, walk=3e-15)


def continuous(noise):
    """Return the system's matrix and the intensity of what drives it (van Loan, 1978)."""
    size = FLICKER + len(FLICKER_TIMES_S)
    a, drive = np.zeros((size, size)), np.zeros((size, size))
    a[PHASE, WALK] = a[WALK, DRIFT] = 1.0
    drive[PHASE, PHASE] = noise.h_0 / 2.0
    drive[WALK, WALK] = 2.0 * math.pi**2 * noise.h_minus_2
    for place, tau in enumerate(FLICKER_TIMES_S, start=FLICKER):
        a[PHASE, place], a[place, place] = 1.0, -1.0 / tau
        drive[place, place] = 2.0 * noise.h_minus_1 * math.log(math.sqrt(10.0)) / tau
    return a, drive


def assert_alike(found, expected):
    """Compare covariances, each entry in units of its standard deviations."""
    driven = np.flatnonzero(np.diag(found))
    found, expected = found[np.ix_(driven, driven)], expected[np.ix_(driven, driven)]
    sigmas = np.sqrt(np.diag(expected))
    assert np.all(np.abs(found - expected) <= 1e-9 * np.outer(sigmas, sigmas))


@settings(deadline=None, max_examples=10)
@given(step_s=st.floats(0.01, 30.0))
def test_the_steps_are_exact(step_s):
    model = state_space(RUBIDIUM, step_s=step_s, reading_s=1e-10)
    a, drive = continuous(RUBIDIUM)
    size = model.size
    assert np.allclose(model.transition(), expm(a * step_s), rtol=1e-11, atol=1e-15 * step_s**2)
    # Gauss's rule is exact for what is nearly a polynomial of low degree.
    nodes, weights = np.polynomial.legendre.leggauss(14)
    q = np.zeros((size, size))
    for node, weight in zip(nodes, weights, strict=True):
        path = expm(a * 0.5 * step_s * (node + 1.0))
        q += 0.5 * step_s * weight * path @ drive @ path.T
    assert not model.noise[DRIFT : WARMTH + 1].any()
    assert_alike(model.noise, q)


@settings(deadline=None)
@given(step_s=st.floats(1.0, 1e6))
def test_half_a_step_twice_is_a_step(step_s):
    one = state_space(RUBIDIUM, step_s=step_s, reading_s=1e-10)
    half = state_space(RUBIDIUM, step_s=step_s / 2.0, reading_s=1e-10)
    f, q = half.transition(), half.noise
    assert np.allclose(one.transition(), f @ f, rtol=1e-9, atol=1e-300)
    assert_alike(one.noise, f @ q @ f.T + q)


def test_the_flicker_states_add_up_to_one_over_f():
    taus = np.array(FLICKER_TIMES_S)
    variance = math.log(math.sqrt(10.0))
    f = np.geomspace(10.0 / (2 * math.pi * taus[-1]), 0.1 / (2 * math.pi * taus[0]), 200)
    density = (4.0 * variance * taus / (1.0 + (2 * math.pi * np.outer(f, taus)) ** 2)).sum(axis=1)
    # Towards either end the states are missing that would come next.
    assert np.all(np.abs(density * f - 1.0) < 0.12)
    inner = (f > 5e-6) & (f < 3e-4)
    assert np.all(np.abs(density * f - 1.0)[inner] < 0.015)


def test_a_flicker_floor_is_what_it_was_given_as():
    # AVAR(tau) = int 2 S_y sin^4(pi f tau) / (pi f tau)^2 df (NIST SP 1065, eq. 65).
    h = NoiseCoefficients.from_adev(flicker=5e-13).h_minus_1
    value = quad(lambda u: 2.0 * math.sin(u) ** 4 / u**3, 0.0, 200.0, limit=2000)[0]
    assert math.sqrt(h * value) == pytest.approx(5e-13, rel=1e-4)


@pytest.mark.parametrize("white, walk, tau", [(2e-11, 0.0, 7.0), (0.0, 3e-15, 50.0)])
def test_allan_deviations_follow_from_the_steps(white, walk, tau):
    # Of x(2 tau) - 2 x(tau) + x(0), for the model's own noise.
    noise = NoiseCoefficients.from_adev(white=white, walk=walk)
    model = state_space(noise, step_s=tau, reading_s=1e-10)
    f, q = model.transition(), model.noise
    covariance = q
    after = f @ covariance
    both = f @ covariance @ f.T + q
    variance = both[PHASE, PHASE] - 4.0 * after[PHASE, PHASE] + 4.0 * covariance[PHASE, PHASE]
    # The random walk starts anywhere: only its change in the first step counts.
    expected = white**2 / tau + walk**2 * tau
    assert variance / (2.0 * tau**2) == pytest.approx(expected, rel=1e-9)


def test_both_clocks_add_and_what_is_not_there_stays_away():
    both = RUBIDIUM + NoiseCoefficients.from_adev(white=8.5e-12)
    assert both.h_0 == pytest.approx(2.0 * (2e-11**2 + 8.5e-12**2))
    plain = state_space(NoiseCoefficients(h_0=1e-22), reading_s=1e-10, drift_per_s=1e-17)
    assert plain.size == FLICKER
    assert math.isclose(plain.prior[DRIFT], 1e-34)
    assert plain.prior[WARMTH] == 0.0


@pytest.mark.parametrize(
    "wrong",
    [{"reading_s": 0.0}, {"reading_s": math.nan}, {"reading_s": 1e-10, "step_s": -1.0},
     {"reading_s": 1e-10, "drift_per_s": -1.0}, {"reading_s": 1e-10, "frequency": math.inf}],
)  # fmt: skip
def test_wrong_figures_are_refused(wrong):
    with pytest.raises(ParameterError):
        state_space(RUBIDIUM, **wrong)


@pytest.mark.parametrize("h", [-1e-30, math.nan, math.inf, 2.0])
def test_wrong_coefficients_are_refused(h):
    with pytest.raises(ParameterError):
        NoiseCoefficients(h_minus_1=h)
