import math
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qlab.errors import UsageError
from qlab.runfile.errors import DamagedFileError, ForeignFileError
from qlab.runfile.schema import DatasetSpec, RunStatus
from qlab.runfile.writer import RunWriter
from qlab.stability.opening import open_readings
from qlab.stability.readings import Wanted

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PHASE = {"unit": "s", "interval_s": 0.5, "estimator": "pi"}


def start(
    path: Path, ticks: Iterator[int], datasets: dict[str, dict[str, Any]], stamps: str = ""
) -> RunWriter:
    specs = [DatasetSpec(f"data/{name}", "<f8", facts) for name, facts in datasets.items()]
    if stamps:
        specs.append(DatasetSpec(f"data/{stamps}", "<i8", {"unit": "ns"}))
    return RunWriter.create(
        path,
        experiment="counter",
        run_id="run-1",
        start_utc=START,
        config="",
        provenance={},
        datasets=tuple(specs),
        operational=False,
        clock=lambda: next(ticks),
    )


def run(path: Path, **datasets: tuple[dict[str, Any], Any]) -> Path:
    facts = {name: attributes for name, (attributes, _) in datasets.items()}
    writer = start(path, count(), facts)
    for name, (_, values) in datasets.items():
        writer.append(f"data/{name}", np.asarray(values, float))
    writer.close(RunStatus.COMPLETE)
    return path


def read(path: Path, **wanted: Any) -> tuple[np.ndarray, Any]:
    readings = open_readings(path, Wanted(**wanted))
    return np.concatenate([*readings.parts, np.empty(0)]), readings


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=50))
@settings(max_examples=10, deadline=None)
def test_readings_of_a_run(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = run(tmp_path_factory.mktemp("run") / "c.h5", phase=(PHASE, values))
    found, readings = read(path)
    expected = [value if math.isfinite(value) else math.nan for value in values]
    assert np.array_equal(found, expected, equal_nan=True)
    assert (readings.quantity, readings.interval_s, readings.estimator) == ("phase", 0.5, "pi")
    assert readings.kind == "run file, data/phase"


def test_which_of_several(tmp_path: Path) -> None:
    frequency = {"unit": "1", "interval_s": (1, 3), "estimator": "lambda"}
    path = run(
        tmp_path / "c.h5",
        phase=(PHASE, [1.0]),
        y=(frequency, [2.0]),
        other=({"unit": "V", "interval_s": 1.0}, [3.0]),
        timeless=({"unit": "s"}, [4.0]),
    )
    with pytest.raises(UsageError, match="has readings in data/phase, data/y") as caught:
        read(path)
    assert caught.value.remedy == "name one with --dataset"
    found, readings = read(path, dataset="data/y")
    assert found.tolist() == [2.0]
    assert (readings.quantity, readings.estimator) == ("frequency", "lambda")
    assert readings.interval_s == pytest.approx(1 / 3)
    with pytest.raises(UsageError, match="'data/other' holds no readings"):
        read(path, dataset="data/other")
    with pytest.raises(UsageError, match="does not tell its rate"):
        read(path, dataset="data/timeless")
    assert read(path, dataset="data/timeless", rate_hz=10.0)[1].interval_s == 0.1
    with pytest.raises(UsageError, match="is frequency"):
        read(path, dataset="data/y", quantity="phase")
    with pytest.raises(UsageError, match=r"a reading each 0\.5 s"):
        read(path, dataset="data/phase", rate_hz=1.0)


def test_a_run_whose_readings_come_when_they_come(tmp_path: Path) -> None:
    seconds = np.array([0, 1.001, 2, 2.999, 4, 7])
    ticks = count()
    path = tmp_path / "c.h5"
    writer = start(path, ticks, {"c/reading": {"unit": "s"}}, stamps="c/time_ns")
    writer.append("data/c/reading", np.arange(6.0))
    writer.append("data/c/time_ns", (1e9 * seconds).astype(np.int64))
    writer.close(RunStatus.COMPLETE)
    found, readings = read(path)
    assert np.array_equal(found, [0, 1, 2, 3, 4, math.nan, math.nan, 5], equal_nan=True)
    assert (readings.interval_s, readings.interval_from) == (1.0, "time stamps")
    with pytest.raises(UsageError, match=r"1(\.\d+)? s apart, not 0\.1 s"):
        read(path, rate_hz=10.0)


def test_a_run_without_readings(tmp_path: Path) -> None:
    path = run(tmp_path / "c.h5", qber=({"unit": "1"}, [0.01]), v=({"unit": "V"}, [1.0]))
    with pytest.raises(UsageError, match="has readings in data/qber"):
        read(path)
    with pytest.raises(UsageError, match="has no readings of a clock"):
        read(run(tmp_path / "d.h5", v=({"unit": "V"}, [1.0])))


def test_runs_that_cannot_be_believed(tmp_path: Path) -> None:
    path = run(tmp_path / "c.h5", phase=(PHASE, np.arange(5000.0)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "d.h5").write_bytes(data)
    with pytest.raises(DamagedFileError):
        read(tmp_path / "d.h5")
    with h5py.File(tmp_path / "e.h5", "w") as other:
        other["x"] = np.arange(5.0)
    with pytest.raises(ForeignFileError):
        read(tmp_path / "e.h5")
