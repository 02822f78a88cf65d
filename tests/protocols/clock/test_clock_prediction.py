"""Predictions against the loop itself, run against the plant's oscillators."""

import math
from dataclasses import replace

import numpy as np
import pytest

from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.noise import Noise
from protocols.clock.actuator import Actuator
from protocols.clock.clocks import CLOCKS, Clock
from protocols.clock.control import Gains
from protocols.clock.model import PHASE, NoiseCoefficients
from protocols.clock.prediction import (
    predicted_holdover,
    predicted_lock_s,
    predicted_stability,
)
from protocols.clock.rehearsal import rehearse
from protocols.clock.settings import LoopSettings
from protocols.clock.tuning import Design, Task
from protocols.errors import ParameterError
from protocols.stability import STATISTICS

SETTLING, COUNTING, SEEDS = 2000, 30_000, 8
STEPS = np.array([1, 2, 5, 10, 20, 40, 80, 160, 320, 640], np.int64)
FINE = Actuator(step=1e-15, lower=-(10**8), upper=10**8)


def plants(clock):
    """Return the plant's oscillator with a clock's coefficients."""
    h, quartz = clock.noise, clock.quartz
    made = OscillatorParameters.from_h(h.h_0, h.h_minus_1, h.h_minus_2)
    if quartz is None:
        return made
    slow = OscillatorParameters.from_h(0.0, quartz.h_minus_1, quartz.h_minus_2)
    return replace(
        made,
        servo_s=clock.quartz_time_s,
        quartz_flicker_fm=slow.flicker_fm,
        quartz_random_walk_fm=slow.random_walk_fm,
    )


@pytest.mark.parametrize(
    "local, reference, reading_s, design, dead",
    [
        ("fs725", "5071a-hp", 1e-10, Design("lqg", Gains(0.19, 1.06, 1.0), 0.0), 1.0),
        ("fs725", "5071a-hp", 1e-9, Design("pi", Gains(0.026, 1.9e-5, 0.5), 0.0), 0.3),
        ("ocxo-noisy", "5071a-hp", 6e-11, Design("pi", Gains(0.054, 8e-5, 0.7), 0.0), 1.0),
    ],
)
def test_stability_is_as_predicted(local, reference, reading_s, design, dead):
    # Mean squares over 8 runs. The time variance at n of N steps has at least (N/n - 3)/2
    # degrees of freedom per run (Greenhall and Riley 2003 give more), so the deviation's
    # standard error is below 1/sqrt(2 f); five of them: false alarm below 1e-6 each.
    task = Task(local=CLOCKS[local], reference=CLOCKS[reference], reading_s=reading_s, dead=dead)
    settings = LoopSettings(
        model=task.model(), actuator=FINE, gains=design.gains, controller=design.controller,
        dead_steps=dead,
    )  # fmt: skip
    times = np.arange(SETTLING + COUNTING) * 1_000_000_000
    sums = np.zeros((3, STEPS.size))
    for seed in range(SEEDS):
        free = Noise(plants(task.local), (seed, 11)).at(times)
        draws = np.random.default_rng((seed, 12)).standard_normal(times.size)
        seen = Noise(plants(task.reference), (seed, 13)).at(times) + reading_s * draws
        run = rehearse(settings, free, seen)
        for kind, phase in enumerate((run.local_s, seen, free)):
            total, count = STATISTICS["tdev"].kernel(phase[SETTLING:], STEPS)
            sums[kind] += total / count
    found = np.sqrt(sums / SEEDS)
    curves = predicted_stability(task, design, STEPS)
    freedom = SEEDS * (COUNTING / STEPS - 3.0) / 2.0
    allowed = 0.005 + 5.0 / np.sqrt(2.0 * freedom)
    for measured, predicted in zip(
        found, (curves.steered_tdev, curves.reference_tdev, curves.free_tdev), strict=True
    ):
        assert np.all(np.abs(measured / predicted - 1.0) < allowed)
    assert np.all(curves.ratio == curves.steered_tdev / np.minimum(
        curves.reference_tdev, curves.free_tdev))  # fmt: skip


def test_allan_deviations_are_those_of_the_sheets():
    task = Task(local=CLOCKS["fs725"], reference=CLOCKS["5071a-hp"], reading_s=1e-12)
    design = Design("lqg", Gains(0.1, 1.0, 0.0), 0.0)
    curves = predicted_stability(task, design, np.array([1, 100, 10_000]))
    # The rubidium's 2e-11/sqrt(tau) and floor; the caesium's 8.5e-12/sqrt(tau), and 5e-12 at 1 s.
    assert curves.free_adev[:2] == pytest.approx([2e-11, 2.07e-12], rel=0.01)
    assert curves.reference_adev[1:] == pytest.approx([8.5e-13, 8.5e-14], rel=0.03)
    assert curves.reference_adev[0] < 5e-12


def test_holdover_grows_as_the_matrices_say():
    task = Task(
        local=Clock(noise=NoiseCoefficients.from_adev(white=2e-11, walk=1e-13)),
        reference=Clock(noise=NoiseCoefficients()),
        reading_s=1e-10,
    )
    model = task.model()
    f, q, p = model.transition(), model.noise, np.diag(model.prior)
    for _ in range(5000):
        p = f @ p @ f.T + q
        gain = p[:, PHASE] / (p[PHASE, PHASE] + model.reading_variance)
        p = p - np.outer(gain, p[PHASE])
    t = np.array([1, 10, 100, 1000, 20_000])
    white, walk = 2e-11**2, 3.0 * 1e-13**2
    expected = p[0, 0] + 2 * t * p[0, 1] + t**2 * p[1, 1] + white * t + walk * t**3 / 3.0
    found = predicted_holdover(task, t, learnt_s=5000.0)
    assert found.rms_s == pytest.approx(np.sqrt(expected), rel=1e-6)
    assert found.bound_95_s == pytest.approx(1.96 * found.rms_s, rel=1e-4)
    assert found.times_s.tolist() == t.tolist()


def test_the_rubidiums_holdover_is_what_the_best_filter_reaches():
    # Known from simulation: 0.25, 0.97, 7.7 and 127 ns after a day of readings.
    task = Task(local=CLOCKS["fs725"], reference=CLOCKS["5071a-hp"], reading_s=1e-10)
    found = predicted_holdover(task, np.array([100, 1000, 10_000, 86_400]))
    known = np.array([0.25e-9, 0.97e-9, 7.7e-9, 127e-9])
    assert np.all(np.abs(found.rms_s / known - 1.0) < 0.1)


@pytest.mark.parametrize(
    "local, reference, reading_s, design",
    [
        ("fs725", "5071a", 1e-10, Design("pi", Gains(0.0028, 2.2e-7, 1.0), 0.0)),
        ("sa45s", "5071a-hp", 1e-9, Design("pi", Gains(0.58, 0.36, 0.6), 0.0)),
    ],
)
def test_the_lock_comes_within_ten_minutes(local, reference, reading_s, design):
    task = Task(local=CLOCKS[local], reference=CLOCKS[reference], reading_s=reading_s)
    lock_s = predicted_lock_s(task, design)
    assert lock_s is not None
    assert 30.0 <= lock_s < 600.0
    # From nearer it is not later, and what cannot be slewed away in time never comes.
    assert predicted_lock_s(task, design, phase_s=1e-9, frequency=0.0) <= lock_s
    assert predicted_lock_s(task, design, slew=1e-15, longest_s=600.0) is None


def test_what_cannot_be_predicted_is_refused():
    task = Task(local=CLOCKS["fs725"], reference=CLOCKS["maser"], reading_s=1e-10)
    design = Design("lqg", Gains(0.1, 1.0, 0.0), 0.0)
    for wrong in ([], [0], [-5], [10**7]):
        with pytest.raises(ParameterError):
            predicted_stability(task, design, np.array(wrong, np.int64))
    for wrong in ([], [0], [5, 5], [10**9]):
        with pytest.raises(ParameterError):
            predicted_holdover(task, np.array(wrong, np.int64))
    with pytest.raises(ParameterError):
        predicted_holdover(task, np.array([1]), learnt_s=math.nan)
    for wrong in ({"phase_s": math.nan}, {"frequency": 1.0}):
        with pytest.raises(ParameterError):
            predicted_lock_s(task, design, **wrong)
