"""Temperature compensation over all wires: the clock's own sensor, in a room that wanders."""

import numpy as np
import pytest
from clock_runs import run_clock

from qlab.replay import replay_run

LOST_S, ALONE_S = 2400.0, 1200.0
PER_K = 5e-12
#: More than twice the coefficient that is assumed of an FS725; three kelvin, in half an hour.
SWAPS = [
    (
        'local = { preset = "fs725" }',
        f'local = {{ preset = "fs725", temperature_per_k = {PER_K} }}',
    ),
    (
        "temperature = { mean_c = 23.0, daily_k = 0.5, wander_k = 0.2, wander_s = 20000.0 }",
        "temperature = { mean_c = 23.0, wander_k = 3.0, wander_s = 1800.0 }",
    ),
]
GONE = [{"at_s": LOST_S, "kind": "vanish", "site": 0}]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Forty minutes locked and twenty alone."""
    path = tmp_path_factory.mktemp("temperature") / "run.h5"
    return run_clock(path, LOST_S + ALONE_S, seed=3, faults=GONE, swaps=SWAPS)


def test_the_lock_is_kept_while_the_room_wanders(run):
    times_s = run.times_ns() * 1e-9
    assert np.ptp(run.logs[0]["temperature_c"][times_s > 60.0]) > 3.0
    assert np.mean(run.locked()[(times_s > 300.0) & (times_s < LOST_S)]) > 0.99


def test_holdover_with_a_sensor_keeps_its_bound(run):
    """Within three deviations everywhere, and far nearer than the room alone would leave it.

    That is the integral of coefficient times temperature since the loss, both as in the plant.
    """
    times_ns = run.times_ns()
    alone = times_ns > (LOST_S + 5.0) * 1e9
    here = run.plant.sites[0]
    arriving = run.plant.reference_pps.phase_at(times_ns) - here.fibre.change_at(times_ns)
    error_s = np.abs(here.pps.phase_at(times_ns) - arriving)[alone]
    assert np.all(error_s < 1.6 * run.logs[0]["bound_95"][alone])
    seconds = np.arange(int(LOST_S), int(LOST_S + ALONE_S))
    celsius = here.temperature.celsius_at(seconds * 10**9)
    uncompensated_s = np.abs(PER_K * np.cumsum(celsius - celsius[0]))
    assert np.max(uncompensated_s) > 5.0 * np.max(error_s)


def test_it_replays(run):
    assert replay_run(run.path).matched
