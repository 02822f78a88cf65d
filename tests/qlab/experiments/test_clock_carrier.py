"""The phase of the 10 MHz is followed, in the cycle that the seconds pulses tell."""

import numpy as np
import pytest
from clock_runs import bench_text, run_text

from qlab.errors import StationError
from qlab.replay import replay_run
from qlab.runner import run_experiment
from qlab.station import parse_station

SINES = """[instruments.phase]
driver = "keysight-53230a"
address = "USB0::0x0957::0x1907::MY50001487::INSTR"

# ---- What each is for"""
DEVICE = """[simulation.devices.phase]
serial_number = "MY50001487"
interval_noise_ps = 30.0
terminals.input1 = "sites.0.local"
terminals.input2 = "sites.0.delivered"
terminals.reference = "sites.0.delivered"

[simulation.devices.counter]"""
LEDGER = """[[clock.sites.delays]]
item = "fibre of the 10 MHz"
way = "reference"
signal = "sine"
value_s = 244.836046e-6
uncertainty_s = 1e-9
date = "2033-01-01"
connector = "5071A 10 MHz out to phase counter input 2"

[[clock.sites.delays]]"""
SITE = 'clock = "fs725"\npulse_reading_s = 3e-9'


def station(**more):
    swaps = [
        ("# ---- What each is for", SINES),
        ('counter = ["counter"]', 'counter = ["counter"]\nphase_counter = ["phase"]'),
        ('reference_clock = "5071a-hp"', 'carrier = true\nreference_clock = "5071a-hp"'),
        ('clock = "fs725"', SITE),
        ("reading_s = 100e-12", "reading_s = 30e-12"),
        ("interval_noise_ps = 100.0", "interval_noise_ps = 3000.0"),
        ("[simulation.devices.counter]", DEVICE),
        ("[[clock.sites.delays]]", LEDGER),
    ]
    return bench_text(swaps=swaps, **more)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_text(tmp_path_factory.mktemp("carrier") / "run.h5", station(), 400.0, seed=4)


def test_the_phase_is_that_of_the_sines_in_the_right_cycle(run):
    """Pulses of 3 ns tell the cycle; what is left is the 30 ps of the sines."""
    log = run.logs[0]
    error_s = log["x"] - run.phase_s(run.times_ns())
    assert np.all(np.abs(error_s) < 1e-9)  # a wrong cycle is off by 100 ns
    assert np.std(error_s) == pytest.approx(30e-12, rel=0.2)
    pulses_s = log["interval"] - 244.836e-6 - run.phase_s(run.times_ns())
    assert np.std(pulses_s) == pytest.approx(3e-9, rel=0.2)


def test_the_cycle_is_on_record(run):
    log = run.logs[0]
    assert np.all((log["carrier"] >= -1e-9) & (log["carrier"] < 101e-9))
    left_s = log["x"] - (log["carrier"] - 244.836046e-6 + log["cycle"] * 100e-9)
    assert np.max(np.abs(left_s)) < 1e-15
    assert set(np.unique(log["cycle"])) <= {2447, 2448, 2449}


def test_it_locks_and_replays(run):
    locked = run.locked()
    assert (run.outcome.error, run.results["sites"][0]["state"]) == (None, "locked")
    assert np.all(run.truly()[locked])
    assert np.count_nonzero(locked) > 200
    assert replay_run(run.path).matched


def test_a_step_by_a_whole_cycle_is_noticed(tmp_path):
    """The sines look the same afterwards; the pulses do not."""
    step = {"at_s": 150.5, "kind": "step", "amount": 100e-9}
    run = run_text(tmp_path / "run.h5", station(faults=[step]), 200.0, seed=4)
    after = run.times_ns() > 153.5e9
    assert not np.any(run.locked()[after])
    assert run.locked()[run.times_ns() < 150e9][-1]


def test_without_the_sines_there_is_no_reading(tmp_path):
    silent = {"phase": [{"kind": "garbage", "matching": "READ", "at_s": 100.5, "times": 4}]}
    run = run_text(tmp_path / "run.h5", station(devices=silent), 130.0)
    assert run.outcome.error is None
    assert run.results["sites"][0]["missing"] == 4
    assert any("phase counter" in note for note in run.notes)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pulse_reading_s = 3e-9", "pulse_reading_s = 16e-9", "cannot choose between cycles"),
        ('phase_counter = ["phase"]', "", "nothing plays the role 'phase_counter'"),
        ("carrier = true", "carrier = true\ntwo_way = true", "exclude"),
        ('signal = "sine"', 'signal = "square"', "signal"),
    ],
)
def test_stations_that_cannot(tmp_path, old, new, said):
    text = station()
    assert old in text
    with pytest.raises(StationError, match=said):
        run_experiment("clock", parse_station(text.replace(old, new, 1), "x"), tmp_path / "run.h5")
