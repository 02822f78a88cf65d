import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qlab.errors import UsageError
from qlab.stability.opening import open_readings
from qlab.stability.readings import Readings, Wanted

HEAD = (
    "# TAPR TICC Timestamping Counter\r\n# Copyright 2016-20 N8UR\r\n"
    "# timestamp (seconds with 11 decimal places)\r\n"
)
TICK = 1e-12


def read(path: Path, text: str, **wanted: Any) -> tuple[npt.NDArray[np.float64], Readings]:
    path.write_text(text, newline="")
    readings = open_readings(path, Wanted(**wanted))
    return np.concatenate([*readings.parts, np.empty(0)]), readings


def stamp(ticks: int, channel: str) -> str:
    """A time stamp of so many 10^-11 s, as the firmware prints it."""
    return f"{ticks // 10**11}.{ticks % 10**11:011d} ch{channel}\r\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "ticc.log"


@given(
    early=st.lists(st.integers(-(10**7), 10**7), min_size=9, max_size=60),
    start=st.integers(1, 10**7),
    missing=st.sets(st.integers(8, 59)),
)
@settings(max_examples=50, deadline=None)
def test_one_channel_is_its_due_time_less_its_time_stamp(
    tmp_path_factory: pytest.TempPathFactory, early: list[int], start: int, missing: set[int]
) -> None:
    """Exact to 10^-11 s after months, where a float has forgotten it."""
    there = [k for k in range(len(early)) if k not in missing]
    text = HEAD + "".join(stamp((start + k) * 10**11 - early[k], "A") for k in there)
    found, readings = read(tmp_path_factory.mktemp("a") / "x", text)
    expected = np.full(there[-1] + 1, math.nan)
    expected[there] = [(early[k] - early[0]) / 10**11 for k in there]
    assert readings.interval_s == 1.0
    assert np.array_equal(found, expected, equal_nan=True)


@given(
    pairs=st.lists(
        st.tuples(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6)), min_size=9
    ),
    lost=st.sets(st.integers(18, 200)),
    offset=st.integers(-4 * 10**10, 4 * 10**10),
)
@settings(max_examples=50, deadline=None)
def test_two_channels_are_a_against_b(
    tmp_path_factory: pytest.TempPathFactory,
    pairs: list[tuple[int, int]],
    lost: set[int],
    offset: int,
) -> None:
    events = []
    for k, (a, b) in enumerate(pairs):
        at = (k + 5) * 10**11
        both = [(at + a, "A"), (at + offset + b, "B")]
        events += [event for n, event in enumerate(both) if 2 * k + n not in lost]
    text = HEAD + "".join(stamp(*event) for event in sorted(events))
    found, _ = read(tmp_path_factory.mktemp("ab") / "x", text)
    whole = [k for k in range(len(pairs)) if not {2 * k, 2 * k + 1} & lost]
    expected = np.full(whole[-1] + 1, math.nan)
    expected[whole] = [(offset + pairs[k][1] - pairs[k][0]) / 10**11 for k in whole]
    assert np.allclose(found, expected, rtol=0, atol=1e-15, equal_nan=True)


def test_the_pulse_that_comes_first_has_the_larger_phase(log: Path) -> None:
    """A is local, B the reference: A is 5 ns early."""
    text = HEAD + "".join(
        stamp(k * 10**11 - 500, "A") + stamp(k * 10**11, "B") for k in range(1, 9)
    )
    found, readings = read(log, text)
    assert found == pytest.approx(np.full(8, 5e-9), abs=1e-15)
    assert readings.kind == "TICC time stamps of A against B"


def test_one_of_two_channels(log: Path) -> None:
    text = HEAD + "".join(
        stamp(k * 10**11 - 3 * k, "A") + stamp(k * 10**11 + 7, "B") for k in range(1, 9)
    )
    assert read(log, text, column=1)[0] == pytest.approx(np.arange(8) * 3e-11, abs=1e-15)
    assert read(log, text, column=2)[0] == pytest.approx(np.zeros(8), abs=1e-15)
    with pytest.raises(UsageError, match="no channel 3, only A, B"):
        read(log, text, column=3)


def test_the_three_channels_for_timelab(log: Path) -> None:
    lines = []
    for k in range(1, 9):
        a, b = k * 10**11, k * 10**11 + 200
        lines += [stamp(a, "A"), stamp(b, "B")]
        lines += [f"{k}.{200:011d} chC (int(B) + (B - A))\r\n"]
    assert read(log, HEAD + "".join(lines))[0] == pytest.approx(np.full(8, 2e-9), abs=1e-15)


def test_intervals(log: Path) -> None:
    text = "# time interval A->B (seconds)\r\n" + "".join(
        f"{k * 1e-11:.11f} TI(A->B)\r\n" for k in range(20)
    )
    found, readings = read(log, text, rate_hz=2.0)
    assert found == pytest.approx(np.arange(20) * 1e-11, abs=1e-16)
    assert readings.interval_s == 0.5
    assert read(log, text)[1].interval_from == "assumed"
    assert read(log, text.replace("0.000", "-0.000"))[0][3] == pytest.approx(-3e-11)


def test_other_rates(log: Path) -> None:
    text = HEAD + "".join(stamp(k * 10**10, "A") for k in range(1, 40))
    assert read(log, text)[1].interval_s == 0.1
    assert read(log, text, rate_hz=10.0)[1].interval_s == 0.1
    with pytest.raises(UsageError, match=r"0\.1 s apart, not 1 s"):
        read(log, text, rate_hz=1.0)


def test_what_the_stream_says_and_where_it_breaks_off(log: Path) -> None:
    lines = [stamp(k * 10**11, "A") for k in range(1, 9)]
    lines.insert(4, "# 10 MHZ Reference lost!\r\n")
    found, readings = read(log, HEAD + "".join(lines) + "9.000000")
    assert found.size == 8
    assert any("Reference lost" in note for note in readings.notes)
    assert any("line 13 breaks off" in note for note in readings.notes)


def test_what_is_wrong(log: Path) -> None:
    good = HEAD + "".join(stamp(k * 10**11, "A") for k in range(1, 9))
    with pytest.raises(UsageError, match=r"line 12: '9\.5 volts' is not a line of a TICC"):
        read(log, good + "9.5 volts\r\n")
    with pytest.raises(UsageError, match="line 12: the time stamp is not after"):
        read(log, good + stamp(3 * 10**11, "A"))
    with pytest.raises(UsageError, match="pulses are missing"):
        read(log, good + stamp(10**20, "A"))
    with pytest.raises(UsageError, match="do not ascend"):
        read(log, HEAD + stamp(10**11, "A"))
    with pytest.raises(UsageError, match="logs phase"):
        read(log, good, quantity="frequency")
