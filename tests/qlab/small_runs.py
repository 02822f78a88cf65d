"""Whole runs of BB84 on the default bench, with few slots and other settings."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from qlab.keystore import KeyStore
from qlab.runner import Outcome, run_experiment
from qlab.station import StationFile, parse_station

#: Two small blocks, over in a fifth of a second.
SMALL = {"slots": 8_000, "block_slots": 4_000}


def _with(text: str, table: str, values: Mapping[str, Any]) -> str:
    """Return a station file with other values in one of its tables."""
    lines = text.split("\n")
    start = lines.index(f"[{table}]") + 1
    length = next((i for i, line in enumerate(lines[start:]) if line.startswith("[")), len(lines))
    kept = [
        line
        for line in lines[start : start + length]
        if line.partition("=")[0].strip() not in values
    ]
    added = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([*lines[:start], *added, *kept, *lines[start + length :]])


def bench_text(
    *, packaged: str = "bench", plant: Mapping[str, Any] | None = None, **options: Any
) -> str:
    """Return a packaged bench with other options of BB84 and figures of the plant."""
    text = (resources.files("qlab.stations") / f"{packaged}.toml").read_text(encoding="utf-8")
    text = _with(text, "bb84", SMALL | options)
    return _with(text, "simulation.plant", plant) if plant else text


def faulty_bench(device: str, fault: str, **options: Any) -> StationFile:
    """Return the bench with a fault of one simulated device, in TOML without its braces."""
    head = f"[simulation.devices.{device}]\n"
    text = bench_text(**options)
    assert text.count(head) == 1
    return parse_station(text.replace(head, f"{head}faults = [{{ {fault} }}]\n"), "bench.toml")


def small_run(
    path: Path,
    *,
    seed: int = 1,
    station: StationFile | None = None,
    plant: Mapping[str, Any] | None = None,
    **options: Any,
) -> Outcome:
    """Run BB84 with few slots into the file `path`; a key goes nowhere."""
    station = station or parse_station(bench_text(plant=plant, **options), "bench.toml")
    with tempfile.TemporaryDirectory() as keys:
        return run_experiment(
            "bb84", station, path, seed=seed, key_store=KeyStore(Path(keys)), apart=False
        )


#: A short, clear link with good detectors, and security that is for tests only: a key
#: of some thousand bits from 200 000 slots.
KEYED_PLANT = {
    "fibre_length_km": 0.1,
    "receiver_loss_db": 0.0,
    "visibility": 0.99,
    "detector_efficiency": [0.9, 0.9],
    "dead_time_ns": [0.0, 0.0],
    "afterpulse_probability": 0.0,
}
KEYED = {
    "slots": 200_000,
    "block_slots": 100_000,
    "link_loss_db": 0.4,
    "receiver_loss_db": 0.1,
    "detector_efficiency": 0.9,
    "dead_time_s": 0.0,
    "afterpulse_probability": 0.0,
    "expected_qber": 0.007,
    "p_z_alice": 0.6,
    "p_z_bob": 0.6,
    "intensities": [0.6, 0.2],
    "eps_sec": 0.1,
    "eps_cor": 0.1,
}
