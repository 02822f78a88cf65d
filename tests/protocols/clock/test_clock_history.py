"""Snapshots, rolling back, and the tests on residuals."""

from __future__ import annotations

import numpy as np
import pytest
from clock_cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy.stats import norm

from protocols.clock.history import anchor, pass_step, roll_back, snapshot
from protocols.clock.kalman import update
from protocols.clock.memory import HISTORY, designed, new_memory
from protocols.clock.outliers import cumulate, forget_residuals, misjudgement, run_beyond

DESIGN = designed(CASES["FS725, 100 ps"].settings())


def _follow(memory, readings_s, seed: int) -> None:
    """Go through readings (nan: none), with some steering, doubt about it, and warmth."""
    rng = np.random.default_rng(seed)
    for reading_s in readings_s:
        steered, shaken, warmth = rng.normal(size=3)
        pass_step(memory, DESIGN, 1e-11 * steered, 1e-24 * shaken**2, warmth)
        if np.isfinite(reading_s):
            residual_s = reading_s - memory.state[0]
            update(memory.state, memory.covariance, DESIGN.reading_variance, residual_s)
            snapshot(memory)


@njit
def _alarms(memory, residuals, limit):
    found = 0
    for residual in residuals:
        cumulate(memory, residual)
        found += run_beyond(memory, limit) > 0
    return found


@pytest.mark.parametrize("age", [1, 16, 64, 1024])
def test_rolling_back_is_as_if_the_readings_had_never_come(age: int) -> None:
    memory = new_memory(DESIGN)
    # At 2048 steps every level has just kept a snapshot.
    _follow(memory, 1e-10 * np.random.default_rng(1).standard_normal(2048), 2)
    twin = memory.copy()
    _follow(memory, np.full(age, 1e-6), 3)
    _follow(twin, np.full(age, np.nan), 3)
    assert abs(memory.state[0] - twin.state[0]) > 1e-7
    roll_back(memory, DESIGN, age)
    np.testing.assert_array_equal(memory.state, twin.state)
    np.testing.assert_array_equal(memory.covariance, twin.covariance)


@given(steps=st.integers(1, 9000), age=st.integers(1, 2048))
@settings(max_examples=60, deadline=None)
def test_snapshot_is_old_enough_but_not_much_older(steps: int, age: int) -> None:
    memory = new_memory(DESIGN)
    anchor(memory)
    for _ in range(steps):
        memory.step += 1
        memory.state[0] = memory.step
        snapshot(memory)
    kept = memory.old_steps[memory.old_steps >= 0]
    ages = memory.step - kept
    assert np.all(ages[kept > 0] < HISTORY)
    enough = ages[(ages >= age) & (ages < HISTORY)]
    # Less than twice the next power of two.
    if steps >= HISTORY or enough.size:
        assert enough.min() < 2 << (age - 1).bit_length()
    else:
        assert steps < age


def test_without_a_snapshot_nothing_changes() -> None:
    memory = new_memory(DESIGN)
    before = memory.covariance.copy()
    roll_back(memory, DESIGN, 5)
    np.testing.assert_array_equal(memory.covariance, before)


@given(st.lists(st.floats(-10, 10), max_size=300))
@settings(max_examples=60, deadline=None)
def test_runs_are_those_of_a_plain_sum(residuals: list[float]) -> None:
    memory = new_memory(DESIGN)
    forget_residuals(memory)
    for residual in residuals:
        cumulate(memory, residual)
    memory.square = 1.0
    cut = np.clip(residuals, -4.0, 4.0)
    sums = {m: abs(cut[-m:].sum()) / m**0.5 for m in (4, 8, 16, 32, 64, 128, 256) if m <= cut.size}
    for limit in (1.0, 3.0, 5.5):
        beyond = [m for m, value in sums.items() if value > limit + 1e-9]
        near = [m for m, value in sums.items() if value > limit - 1e-9]
        assert max(beyond, default=0) <= run_beyond(memory, limit) <= max(near, default=0)


def test_false_alarms_are_as_rare_as_said() -> None:
    """4 deviations on 9 lengths of runs: no more than as many Gaussian tests a step give."""
    rng = np.random.default_rng(4)
    memory = new_memory(DESIGN)
    forget_residuals(memory)
    alarms = _alarms(memory, rng.standard_normal(100_000), 4.0)
    expected = 9 * 2.0 * norm.sf(4.0) * 100_000
    assert 0 < alarms < expected + 5.0 * (40 * expected) ** 0.5  # alarms come in clusters


@pytest.mark.parametrize("true", [0.5, 1.0, 1.4, 2.0, 10.0])
def test_misjudgement_is_learnt(true: float) -> None:
    rng = np.random.default_rng(5)
    memory = new_memory(DESIGN)
    forget_residuals(memory)
    assert misjudgement(memory) == 1.0
    residuals = np.clip(true * rng.standard_normal(86_400), -4.0, 4.0)
    _alarms(memory, residuals, 5.5)
    expected = min(max(float(np.std(residuals)), 1.0), 3.0)
    # From 64 blocks on, the mean square is good to 18 % (one deviation).
    assert misjudgement(memory) == pytest.approx(expected, rel=0.3)
    assert 1.0 <= misjudgement(memory) <= 3.0
