"""What goes wrong while a clock is locked: never a jump, never a false claim, always a reason."""

import numpy as np
import pytest
from clock_runs import run_clock

from qlab.replay import replay_run

AT_S = 150.5
COUNTER, RUBIDIUM, CAESIUM = "counter", "rubidium", "caesium"
UNLOCK = "[simulation.devices.rubidium]"


def plant(kind, amount=0.0, **more):
    return {"faults": [{"at_s": AT_S, "kind": kind, "amount": amount, **more}]}


def device(name, kind, **more):
    return {"devices": {name: [{"kind": kind, "at_s": AT_S, **more}]}}


#: What happens; readings that may still claim the lock while that is untrue; what is on record.
CASES = {
    "the reference steps": (plant("step", 1e-6), 2, "has left its course"),
    "it steps on one fibre": (plant("step", -1e-6, site=0), 2, "start the run again"),
    "it drifts": (plant("drift", 1e-9), 9, "has left its course"),
    "it vanishes": (plant("vanish", for_s=30.0), 2, "three readings in a row are missing"),
    "it comes back wrong": (
        plant("vanish", 2e-6, for_s=30.0), 2, "set accept_after_readings"
    ),
    "an outlier": (
        {"faults": [
            {"at_s": AT_S, "kind": "step", "amount": 50e-9, "site": 0},
            {"at_s": AT_S + 1.0, "kind": "step", "amount": -50e-9, "site": 0},
        ]}, 1, "outlier",
    ),
    "a reading is missing": (device(COUNTER, "silent", matching="READ", times=1), 0, ""),
    "a garbled reading": (device(COUNTER, "garbage", matching="READ", times=1), 0, "not text"),
    "many are": (device(COUNTER, "garbage", times=9), 0, "three readings in a row are missing"),
    "the rubidium unlocks": (
        {"swaps": [(UNLOCK, f"{UNLOCK}\nunlocks_at_s = {AT_S}\nunlocked_offset = 5e-9")]},
        9, "the local clock reports a fault",
    ),
    "its line is garbled": (device(RUBIDIUM, "garbage", times=20), 0, "steering was not confirmed"),
    "its line is dead for a while": (device(RUBIDIUM, "silent", times=20), 0, "no answer"),
    "its adapter is unplugged": (device(RUBIDIUM, "hang_up"), 0, "the session broke"),
    "the reference's line is garbled": (device(CAESIUM, "garbage", times=10), 0, "does not answer"),
    "the reference's line is dead": (device(CAESIUM, "silent"), 0, "does not answer"),
}  # fmt: skip
_SLEW = 1e-9


@pytest.fixture(scope="module", params=CASES)
def faulty(request, tmp_path_factory):
    changes, late, reason = CASES[request.param]
    run = run_clock(tmp_path_factory.mktemp("faults") / "run.h5", 230.0, **changes)
    assert run.outcome.error is None
    return request.param, run, late, reason


def test_it_was_locked_before(faulty):
    _, run, _, _ = faulty
    before = run.times_ns() < AT_S * 1e9
    assert np.all(run.locked()[before][-60:])


def test_the_claim_is_true_or_soon_withdrawn(faulty):
    """Within three readings of a step or a loss, ten of a drift."""
    name, run, late, _ = faulty
    untrue = run.locked() & ~run.truly()
    since_s = run.times_ns()[untrue] * 1e-9 - AT_S
    assert np.count_nonzero(untrue) <= late
    assert np.all(since_s > 0.0)
    if name == "it drifts":
        assert np.all(since_s < 10.0)


def test_no_step_above_the_slew_limit(faulty):
    """The truth: what the oscillator was told, less what the crystal does when it is lost."""
    name, run, _, _ = faulty
    changes = np.abs(np.diff(run.steering()))
    if name == "the rubidium unlocks":
        changes = np.minimum(changes, np.abs(changes - 5e-9))
    assert changes.size > 50
    assert np.max(changes) <= _SLEW * (1 + 1e-9)


def test_it_says_why(faulty):
    _, run, _, reason = faulty
    noticed = [flag for change in run.results["sites"][0]["changes"] for flag in change["noticed"]]
    if reason == "outlier":
        assert run.results["sites"][0]["outliers"] == 1
        return
    said = " ".join(run.notes + noticed)
    assert reason in said
    states = run.logs[0]["state"]
    changed = np.flatnonzero(np.diff(states)) + 1
    told = [note for note in run.notes if ": " in note]
    for k in changed:
        state = ("acquiring", "locked", "holdover", "checking", "recovering", "fault")[states[k]]
        assert any(note.startswith(f"site0: {state}: ") for note in told)


def test_it_replays(faulty):
    assert replay_run(faulty[1].path).matched


def test_small_faults_do_not_end_the_lock(faulty):
    name, run, _, _ = faulty
    if name in ("an outlier", "a reading is missing", "a garbled reading"):
        assert np.all(run.locked()[run.times_ns() > AT_S * 1e9])


def test_steering_is_what_the_log_says(faulty):
    """Each setting in the log that was confirmed was in force at the clock from then on."""
    name, run, _, _ = faulty
    log, times_ns = run.logs[0], run.times_ns()
    pieces = run.plant.sites[0].local._steers
    starts = np.array([piece[0] for piece in pieces])
    values = np.array([piece[1] for piece in pieces])
    if name == "the rubidium unlocks":
        return
    middle_ns = (times_ns[1:] + times_ns[:-1]) // 2
    in_force = values[np.searchsorted(starts, middle_ns, side="right") - 1]
    sure = log["confirmed"][:-1] == 1
    assert np.allclose(in_force[sure], log["setting"][:-1][sure] * 1e-12, rtol=0, atol=1e-18)


def test_a_reference_that_came_back_wrong_is_taken_when_told_to(tmp_path):
    run = run_clock(
        tmp_path / "run.h5", 400.0, **plant("vanish", 200e-9, for_s=30.0),
        swaps=[('clock = "fs725"', 'clock = "fs725"\naccept_after_readings = 60')],
    )  # fmt: skip
    changes = [(c["state"], c["reason"]) for c in run.results["sites"][0]["changes"]]
    assert any("accepted" in reason for _, reason in changes)
    assert np.max(np.abs(np.diff(run.steering()))) <= _SLEW * (1 + 1e-9)
    assert replay_run(run.path).matched
