"""The estimator against the textbook's matrices and against simulated clocks."""

import math

import numpy as np
import pytest

from protocols.clock import kalman
from protocols.clock.model import DRIFT, PHASE, WARMTH, NoiseCoefficients, state_space

NOISE = NoiseCoefficients.from_adev(white=2e-11, flicker=5e-13, walk=3e-15)


def model_of(noise=NOISE, **figures):
    return state_space(noise, reading_s=1e-10, drift_per_s=1e-15, per_kelvin=1e-11, **figures)


def advance(model, state, covariance, steered_s=0.0, warmth=0.0):
    kalman.predict(
        state, covariance, model.advance, model.decay, model.noise, model.step_s, steered_s, warmth
    )


def test_it_is_the_textbooks_filter():
    # Joseph's form with full matrices, gaps and steering, for three thousand steps.
    model = model_of()
    draws = np.random.default_rng(1)
    state, covariance = kalman.initial(model)
    x, p, f = state.copy(), covariance.copy(), model.transition()
    for k in range(3000):
        steered, reading, warmth = draws.normal(size=3) * (1e-10, 1e-9, 1.0)
        f[PHASE, WARMTH] = warmth * model.step_s
        advance(model, state, covariance, steered, warmth)
        x = f @ x
        x[PHASE] += steered
        p = f @ p @ f.T + model.noise
        innovation, sigma = kalman.innovation(state, covariance, model.reading_variance, reading)
        assert innovation == pytest.approx(reading - x[PHASE], rel=1e-9, abs=1e-20)
        assert sigma == pytest.approx(math.sqrt(p[PHASE, PHASE] + model.reading_variance))
        if k % 7 == 3 or 1000 < k < 1100:
            continue
        kalman.update(state, covariance, model.reading_variance, innovation)
        gain = p[:, PHASE] / (p[PHASE, PHASE] + model.reading_variance)
        x = x + gain * (reading - x[PHASE])
        kept = np.eye(model.size)
        kept[:, PHASE] -= gain
        p = kept @ p @ kept.T + np.outer(gain, gain) * model.reading_variance
    sigmas = np.sqrt(np.diag(p))
    assert np.all(np.abs(state - x) <= 1e-9 * sigmas)
    assert np.all(np.abs(covariance - p) <= 1e-9 * np.outer(sigmas, sigmas))
    assert np.array_equal(covariance, covariance.T)


def test_its_doubt_is_that_of_simulated_clocks():
    # 400 clocks of the model itself, 300 readings each: the errors' mean square in units of
    # the covariance is chi-squared with 400 degrees of freedom for each state. False alarm:
    # below 16 x 6e-7.
    model = model_of(frequency=1e-11, phase_s=1e-9)
    draws = np.random.default_rng(2)
    driven = np.flatnonzero(np.diag(model.noise))
    root = np.zeros((model.size, driven.size))
    root[driven] = np.linalg.cholesky(model.noise[np.ix_(driven, driven)])
    f = model.transition()
    count, squares, normalised = 400, np.zeros(model.size), 0.0
    for _ in range(count):
        truth = np.sqrt(model.prior) * draws.standard_normal(model.size)
        state, covariance = kalman.initial(model)
        for _ in range(300):
            truth = f @ truth + root @ draws.standard_normal(driven.size)
            advance(model, state, covariance)
            reading = truth[PHASE] + 1e-10 * draws.standard_normal()
            innovation, sigma = kalman.innovation(
                state, covariance, model.reading_variance, reading
            )
            kalman.update(state, covariance, model.reading_variance, innovation)
        normalised += (innovation / sigma) ** 2
        squares += (truth - state) ** 2 / np.diag(covariance)
    for value in (*squares, normalised):
        assert 270.0 < value < 550.0


def test_prediction_over_a_gap_is_that_of_many_steps():
    model = model_of()
    state, covariance = kalman.initial(model)
    state[:] = np.linspace(1.0, 2.0, model.size) * 1e-12
    x, p, f = state.copy(), covariance.copy(), model.transition()
    for _ in range(50):
        advance(model, state, covariance)
        x, p = f @ x, f @ p @ f.T + model.noise
    assert np.allclose(state, x, rtol=1e-12, atol=0.0)
    assert np.allclose(covariance, p, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_what_a_command_will_meet(fraction):
    model = model_of(NoiseCoefficients(h_0=1e-22))
    state = np.zeros(model.size)
    y, drift, per_kelvin, warmth = 3e-11, 1e-13, 2e-12, 4.0
    state[:4] = 5e-9, y, drift, per_kelvin
    phase, mean = kalman.ahead(state, model.advance, model.decay, 1.0, fraction, warmth)
    # Within a step the prediction is linear: it ignores drift^2-sized parts of a step.
    flow = y + per_kelvin * warmth
    assert phase == pytest.approx(5e-9 + fraction * (flow + 0.5 * drift), rel=1e-12)
    assert mean == pytest.approx(flow + drift * (0.5 + fraction), rel=1e-9)


def test_the_frequency_and_its_deviation_are_projections():
    model = model_of()
    state, covariance = kalman.initial(model)
    draws = np.random.default_rng(3)
    for reading in 1e-10 * draws.standard_normal(200):
        advance(model, state, covariance)
        innovation, _ = kalman.innovation(state, covariance, model.reading_variance, reading)
        kalman.update(state, covariance, model.reading_variance, innovation)
    row = model.advance.copy()
    row[PHASE], row[WARMTH] = 0.0, 2.5
    mean, sigma = kalman.frequency(state, covariance, model.advance, 1.0, 2.5)
    assert mean == pytest.approx(row @ state, rel=1e-12)
    assert sigma == pytest.approx(math.sqrt(row @ covariance @ row), rel=1e-9)


def test_a_drift_that_is_not_asked_for_stays_zero():
    model = state_space(NOISE, reading_s=1e-10)
    state, covariance = kalman.initial(model)
    for k in range(500):
        advance(model, state, covariance)
        innovation, _ = kalman.innovation(state, covariance, model.reading_variance, 1e-13 * k * k)
        kalman.update(state, covariance, model.reading_variance, innovation)
    assert state[DRIFT] == 0.0
    assert state[WARMTH] == 0.0
