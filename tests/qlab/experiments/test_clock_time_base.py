"""The time base of the counters of a clock run: set, checked, and missed aloud."""

import numpy as np
import pytest
from clock_runs import bench_text

from drivers.core import InstrumentFaultError
from qlab.runfile.reader import RunFile
from qlab.runner import run_experiment
from qlab.station import parse_station

TERMINAL = 'delivered_pps", reference = "sites.0.delivered"'


def run(path, duration_s=60.0, **changes):
    station = parse_station(bench_text(**changes), "clock.toml")
    return run_experiment("clock", station, path, seed=3, overrides={"duration_s": duration_s})


def written(path):
    with RunFile.open(path) as found:
        return [each.data for each in found.records() if each.kind.name == "WRITE"]


@pytest.mark.parametrize(
    ("option", "sent"),
    [
        ('time_base = "external"', b"ROSC:SOUR EXT\n"),
        ('time_base = "internal"', b"ROSC:SOUR INT\n"),
        ("", None),
    ],
)
def test_sets_the_time_base_that_the_station_names(tmp_path, option, sent):
    swaps = [('time_base = "external"', option)]
    assert run(tmp_path / "run.h5", swaps=swaps).error is None
    told = [each for each in written(tmp_path / "run.h5") if each.startswith(b"ROSC:SOUR ")]
    assert told == ([] if sent is None else [sent])


def test_does_not_start_without_the_time_base(tmp_path):
    outcome = run(tmp_path / "run.h5", swaps=[(TERMINAL, 'delivered_pps"')])
    assert isinstance(outcome.error, InstrumentFaultError)
    assert "ROSC:EXT:CHEC" in str(outcome.error)


def test_says_why_readings_are_missing_while_pulses_come(tmp_path):
    swaps = [
        (TERMINAL, 'delivered_pps", reference = "sites.1.delivered"'),
        (
            "[simulation.devices.caesium]",
            "[[simulation.plant.sites]]\n[simulation.devices.caesium]",
        ),
    ]
    gone = {"at_s": 100.0, "kind": "vanish", "for_s": 20.0, "site": 1}
    assert run(tmp_path / "run.h5", 150.0, swaps=swaps, faults=[gone]).error is None
    with RunFile.open(tmp_path / "run.h5") as found:
        log = found.read("data/site0/log", 0, found.rows("data/site0/log"))
        notes = [each.data.decode() for each in found.records() if each.kind.name == "LOG"]
    assert 15 < np.count_nonzero(np.isnan(log["x"])) < 25
    [said] = [note for note in notes if "time base" in note]
    assert "ROSC:EXT:CHEC" in said
