"""Temperature compensation over all wires: the clock's own sensor, in a room that wanders."""

import numpy as np
import pytest
from clock_runs import run_clock

from qlab.replay import replay_run

LOST_S, ALONE_S = 3600.0, 1800.0
#: Twice the coefficient that is assumed of an FS725 and more; three kelvin, over half an hour.
SWAPS = [
    ('local = { preset = "fs725" }', 'local = { preset = "fs725", temperature_per_k = 5e-12 }'),
    (
        "temperature = { mean_c = 23.0, daily_k = 0.5, wander_k = 0.2, wander_s = 20000.0 }",
        "temperature = { mean_c = 23.0, wander_k = 3.0, wander_s = 1800.0 }",
    ),
]
BLIND = (', room = "sites.0.temperature" }', " }")
GONE = [{"at_s": LOST_S, "kind": "vanish", "site": 0}]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """An hour locked and half an hour alone, with a sensor that feels the room and without."""
    folder = tmp_path_factory.mktemp("temperature")
    return [
        run_clock(folder / f"{name}.h5", LOST_S + ALONE_S, seed=3, faults=GONE, swaps=swaps)
        for name, swaps in (("sensor", SWAPS), ("blind", [*SWAPS, BLIND]))
    ]


def errors_s(run):
    """Return local - reference as it would arrive, and the bound, from the loss on."""
    times_ns = run.times_ns()
    alone = times_ns > (LOST_S + 5) * 1e9
    here = run.plant.sites[0]
    arriving = run.plant.reference_pps.phase_at(times_ns) - here.fibre.change_at(times_ns)
    off = here.pps.phase_at(times_ns) - arriving
    return off[alone], run.logs[0]["bound_95"][alone]


def test_the_room_really_changes_the_clock(runs):
    with_sensor, blind = (run.logs[0]["temperature_c"] for run in runs)
    assert np.nanmax(with_sensor) - np.nanmin(with_sensor) > 5.0
    assert np.ptp(blind[np.isfinite(blind)]) == 0.0


def test_holdover_with_a_sensor_keeps_its_bound(runs):
    """Everywhere within three deviations, and several times nearer than without."""
    error_s, bound_s = errors_s(runs[0])
    blind_s, blind_bound_s = errors_s(runs[1])
    assert np.all(np.abs(error_s) < 1.6 * bound_s)
    assert np.max(np.abs(blind_s)) > 4.0 * np.max(np.abs(error_s))
    assert np.max(np.abs(blind_s) / blind_bound_s) > 1.6  # which does not know of the room


def test_it_replays(runs):
    assert replay_run(runs[0].path).matched
