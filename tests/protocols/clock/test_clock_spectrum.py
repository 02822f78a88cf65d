"""Stability from spectra against the closed forms of each kind of noise."""

import math

import numpy as np
import pytest

from protocols.clock.model import NoiseCoefficients
from protocols.clock.spectrum import adev_weights, frequency_grid, phase_density, tdev_weights
from protocols.errors import ParameterError

STEPS = np.array([1, 2, 10, 100, 1000, 10_240], np.int64)


def deviations(weights, step_s, noise=None, white_s=0.0):
    grid = frequency_grid(step_s)
    density = phase_density(noise or NoiseCoefficients(), grid, white_s)
    return np.sqrt(weights(grid, STEPS) @ density)


@pytest.mark.parametrize("step_s", [0.1, 1.0, 30.0])
def test_allan_deviations_are_the_closed_forms(step_s):
    # Of a sampled clock they hold at every averaging time (NIST SP 1065, table 5).
    tau = STEPS * step_s
    make = NoiseCoefficients.from_adev
    for noise, expected in (
        (make(white=2e-11), 2e-11 / np.sqrt(tau)),
        (make(flicker=5e-13), np.full(tau.size, 5e-13)),
        (make(walk=3e-15), 3e-15 * np.sqrt(tau)),
    ):
        assert deviations(adev_weights, step_s, noise) == pytest.approx(expected, rel=1e-3)


def test_white_phase_noise():
    assert deviations(adev_weights, 1.0, white_s=1e-10) == pytest.approx(
        math.sqrt(3.0) * 1e-10 / STEPS, rel=1e-3
    )
    assert deviations(tdev_weights, 1.0, white_s=1e-10) == pytest.approx(
        1e-10 / np.sqrt(STEPS), rel=1e-3
    )


def test_time_deviations_of_white_frequency_noise():
    # MVAR = h_0/2/tau (n^2 + 1)/(2 n^2) (Allan and Barnes 1981), TVAR = tau^2/3 MVAR.
    n = STEPS.astype(float)
    mvar = 4e-22 / n * (n**2 + 1.0) / (2.0 * n**2)
    found = deviations(tdev_weights, 1.0, NoiseCoefficients(h_0=8e-22))
    assert found == pytest.approx(np.sqrt(n**2 / 3.0 * mvar), rel=1e-3)


def test_time_deviations_of_the_red_noises_at_long_times():
    # MVAR/AVAR tends to 27/16 log2 3 - 2 = 0.675 for flicker, to 33/40 for the walk.
    tau = float(STEPS[-1])
    walk = deviations(tdev_weights, 1.0, NoiseCoefficients.from_adev(walk=3e-15))[-1]
    assert walk == pytest.approx(tau / math.sqrt(3.0) * 3e-15 * math.sqrt(tau * 33 / 40), rel=1e-3)
    flicker = deviations(tdev_weights, 1.0, NoiseCoefficients.from_adev(flicker=5e-13))[-1]
    ratio = 27.0 / 16.0 * math.log2(3.0) - 2.0
    assert flicker == pytest.approx(tau / math.sqrt(3.0) * 5e-13 * math.sqrt(ratio), rel=1e-3)


@pytest.mark.parametrize("wrong", [(0.0, 900), (math.nan, 900), (1.0, 10)])
def test_a_grid_that_cannot_be_is_refused(wrong):
    with pytest.raises(ParameterError):
        frequency_grid(*wrong)
