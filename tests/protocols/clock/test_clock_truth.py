"""The state that a loop reports against what is really the case, at every second."""

from __future__ import annotations

import numpy as np
import pytest
from clock_cases import CASES, day, fault, spoil_readings

from protocols.clock.detection import detectable_drift, signature
from protocols.clock.rehearsal import Rehearsal, rehearse
from protocols.clock.states import Flag, State

LOCKED = int(State.LOCKED)
STEPS = 9000
KINDS = ("step", "drift", "loss", "returns wrong", "returns", "steps back")
# A CSAC read to 1 ns shows a drift of 1e-9 within 10 s in 995 of 1000 cases only
# (test_a_csac_shows_a_drift_of_1e_9_nearly_always); one of 1.1e-9 it does, as
# test_drift_as_small_as_documented_is_seen has it.
HARD = ("CSAC, 1 ns", "drift")


def one(name: str, kind: str, seed: int, outliers: float) -> tuple[Rehearsal, int, int]:
    """Rehearse a fault; return also its time and the seconds at which the state was untrue."""
    case = CASES[name]
    rng = np.random.default_rng([seed, 7])
    found = day(case, seed, STEPS)
    spoil_readings(found, rng, outliers)
    at = int(rng.integers(5400, 6600))
    grace = fault(found, kind, at, int(rng.choice([-1, 1])))
    run = rehearse(case.settings(), found.free_s, found.seen_s)
    true = found.healthy & (np.abs(run.local_s - found.delivered_s) < 5e-9)
    untrue = (run.states == LOCKED) & ~true
    untrue[at : at + grace] = False
    return run, at, int(untrue.sum())


def check(name: str, kind: str, seed: int, outliers: float) -> float:
    """Assert what holds of every seed; return the share of the time that was locked."""
    run, at, untrue = one(name, kind, seed, outliers)
    locked = run.states == LOCKED
    assert untrue == 0, (name, kind, seed)
    assert np.argmax(locked) < 600  # and so within ten minutes
    changes = np.abs(np.diff(run.steering, prepend=0.0))
    assert changes.max() <= 1e-10 * (1.0 + 1e-12)
    if kind in ("returns", "steps back"):
        assert run.states[-1] == LOCKED
    else:
        assert run.states[-1] == State.HOLDOVER
    return float(locked[600:at].mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_state_is_true(name: str, kind: str) -> None:
    if (name, kind) != HARD:
        # A claim never made would be true too.
        assert check(name, kind, 1, 0.005) > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_state_is_true_of_many(name: str, kind: str) -> None:
    """A false alarm costs up to some 300 s where a lock is not an hour old.

    There were 6 in 480 days of these clocks; in the 6.3 days of a hundred seeds there are more
    than two with a probability of 1e-4.
    """
    if (name, kind) != HARD:
        shares = [check(name, kind, seed, 0.005) for seed in range(2, 102)]
        assert min(shares) > 0.93
        assert sum(share <= 0.97 for share in shares) <= 2
        assert np.mean(shares) > 0.995


@pytest.mark.slow
def test_a_csac_shows_a_drift_of_1e_9_nearly_always() -> None:
    """The residuals of ten seconds stand 7.80 deviations out, in the run of eight: 98.9 % of
    drifts are beyond the limit of 5.5 by then, and the runs of four and before add some. No
    test whatever could reach 99.9 % with as few false alarms: weighted as they should be, all ten
    stand 8.07 out, which is 99.5 %. Of 1000 seeds 992 is 2.2 sigma below 99.6 %.
    """
    case = CASES["CSAC, 1 ns"]
    settings, onset = case.settings(), 3000
    marks = 1e-9 * np.abs(signature(settings.model, 10, settled_steps=onset))
    assert np.sum(marks[-8:]) / np.sqrt(8.0) == pytest.approx(7.80, abs=0.02)
    assert np.sqrt(np.sum(marks**2)) == pytest.approx(8.07, abs=0.02)
    seen = 0
    for seed in range(1000):
        found = day(case, seed, onset + 20)
        found.delivered_s += 1e-9 * np.maximum(np.arange(onset + 20) - onset, 0)
        states = rehearse(settings, found.free_s, found.seen_s).states[onset:]
        assert states[0] == LOCKED
        assert not np.all(states == LOCKED)
        seen += bool(np.argmax(states != LOCKED) <= 10)
    assert seen >= 992


@pytest.mark.parametrize("name", CASES)
def test_a_day_without_faults_stays_locked(name: str) -> None:
    # Thresholds of 5.5 deviations let a false alarm pass in about a month; it costs
    # 90 s of 86 400.
    case = CASES[name]
    found = day(case, 3, 86_400)
    run = rehearse(case.settings(), found.free_s, found.seen_s)
    locked = run.states == LOCKED
    assert locked[600:].mean() > 0.995
    error = np.abs(run.local_s - found.delivered_s)
    assert np.all(error[locked] < 5e-9)
    inside = error[600:] < run.bounds_95_s[600:]
    assert 0.9 < inside.mean() <= 1.0


@pytest.mark.parametrize("noisier", [2.0, 4.0])
def test_wrong_model_does_not_cry_wolf(noisier: float) -> None:
    """A clock with more noise than assumed is not mistaken for a bad reference every hour."""
    case = CASES["FS725, 100 ps"]
    found = day(case, 4, 86_400)
    found.free_s *= noisier**0.5
    run = rehearse(case.settings(), found.free_s, found.seen_s)
    assert (run.states == LOCKED)[3600:].mean() > 0.98


@pytest.mark.parametrize("name", CASES)
def test_drift_as_small_as_documented_is_seen(name: str) -> None:
    """Each of 20 drifts of the size that is said to be seen in 99.9 % of cases, in 10 s."""
    case = CASES[name]
    drift = detectable_drift(case.settings(), 10, settled_steps=6000)
    for seed in range(20):
        found = day(case, seed, 6100)
        found.delivered_s += np.maximum(np.arange(6100) - 6000, 0) * drift
        run = rehearse(case.settings(), found.free_s, found.seen_s)
        assert run.states[5999] == LOCKED
        assert run.states[6010] != LOCKED


def test_smaller_drift_is_taken_for_the_clocks_own() -> None:
    """Far below what can be seen, the loop follows the reference and cannot know."""
    case = CASES["FS725, 100 ps"]
    drift = 0.2 * detectable_drift(case.settings(), 20_000)
    found = day(case, 5, 20_000)
    found.delivered_s += np.maximum(np.arange(20_000) - 6000, 0) * drift
    run = rehearse(case.settings(), found.free_s, found.seen_s)
    assert np.all(run.states[6000:] == LOCKED)
    assert np.all(np.abs(run.local_s - found.delivered_s)[6000:] < 5e-9)


@pytest.mark.parametrize(("name", "drift"), [("FS725, 100 ps", 2e-11), ("FS725, 1 ns", 2.5e-11)])
def test_rollback_forgets_what_a_drifting_reference_taught(name: str, drift: float) -> None:
    """A drift that is seen late has been followed by then; the loop knows better afterwards."""
    case = CASES[name]
    steps, onset = 20_000, 14_000
    within = np.arange(2000)
    for seed in range(4):
        found = day(case, seed, steps)
        true_s = found.delivered_s.copy()
        found.delivered_s += np.maximum(np.arange(steps) - onset, 0) * drift
        run = rehearse(case.settings(), found.free_s, found.seen_s)
        lost = onset + int(np.argmax(run.states[onset:] != LOCKED))
        assert onset + 20 < lost < onset + 1000
        assert run.states[lost] == State.HOLDOVER
        assert run.flags[lost] & Flag.ROLLED_BACK
        error = np.abs(run.local_s - true_s)[lost + within]
        bound = run.bounds_95_s[lost + within]
        assert np.all(error < 1.6 * bound)  # three deviations
        # Had it kept what it learnt, it would be off by far more than that.
        assert drift * (lost - onset) > 1.6 * bound[0] or error[-1] < 0.2 * drift * 2000
        assert np.all(np.diff(bound[200:]) > -1e-12)
