"""Clocks and counters of other makes in the packaged clock bench's experiments."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from qlab.replay import replay_run
from qlab.runfile.reader import RunFile
from qlab.runner import run_experiment
from qlab.station import parse_station

TEXT = (resources.files("qlab.stations") / "clock.toml").read_text(encoding="utf-8")
DELAY_S = 50e3 * 1.468 / 299_792_458.0
COUNTERS = {
    "pendulum-cnt91": "GPIB0::10::INSTR",
    "srs-sr620": "GPIB0::16::INSTR",
    "tapr-ticc": "ASRL5::INSTR",
}
STANDARDS = {"microchip-5071a": "5071a", "microchip-sa45s": "sa45s", "microchip-sa5x": "sa5x"}


def bench(*, counter="", standard=""):
    """Return the packaged bench with another counter or another local clock."""
    text = TEXT
    if counter:
        text = text.replace('"keysight-53230a"', f'"{counter}"', 1)
        text = text.replace("USB0::0x0957::0x1907::MY50001484::INSTR", COUNTERS[counter], 1)
        text = text.replace("interval_noise_ps = 100.0", "", 1)
    if standard:
        text = text.replace('"srs-fs725"', f'"{standard}"', 1)
        text = text.replace(
            'preset = "fs725" }\nfibre', f'preset = "{STANDARDS[standard]}" }}\nfibre'
        )
    assert text != TEXT
    return parse_station(text, "clock.toml")


@pytest.mark.parametrize("name", ["srs-sr620", "tapr-ticc"])
def test_counters_log_the_delay_of_the_fibre(name, tmp_path):
    path = tmp_path / "run.h5"
    run_experiment("counter", bench(counter=name), path, seed=1, overrides={"duration_s": 30.0})
    with RunFile.open(path) as found:
        readings = found.read("data/counter/reading")
    assert readings.size >= 28
    assert np.median(readings) == pytest.approx(DELAY_S, abs=2e-8)
    assert np.ptp(readings) < 2e-9
    assert replay_run(path).matched


@pytest.mark.parametrize("name", sorted(STANDARDS))
def test_clocks_are_steered(name, tmp_path):
    path = tmp_path / "run.h5"
    run_experiment("clock", bench(standard=name), path, seed=1, overrides={"duration_s": 120.0})
    assert replay_run(path).matched
