import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qlab.errors import UsageError
from qlab.runfile.errors import RunFileError
from qlab.stability.opening import open_readings
from qlab.stability.readings import Readings, Wanted

VALUES = st.lists(st.floats(allow_nan=True, width=64), min_size=1, max_size=60)


def read(path: Path, text: str | bytes, **wanted: Any) -> tuple[npt.NDArray[np.float64], Readings]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    readings = open_readings(path, Wanted(**wanted))
    parts = list(readings.parts)
    return np.concatenate(parts) if parts else np.empty(0), readings


def refused(path: Path, text: str | bytes, **wanted: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read(path, text, **wanted)
    assert caught.value.remedy
    return caught.value


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


# Columns


@given(VALUES, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_one_column(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[float],
    end: str,
    last: bool,
    packed: bool,
) -> None:
    text = "# a comment" + end + end.join(map(repr, values)) + (end if last else "")
    data = gzip.compress(text.encode()) if packed else text.encode()
    found, readings = read(tmp_path_factory.mktemp("one") / "x.txt", data, rate_hz=4.0)
    expected = [value if abs(value) < 9.9e37 else math.nan for value in values]
    assert readings.interval_s == 0.25
    assert readings.quantity == "phase"
    start = next((k for k, value in enumerate(values) if math.isfinite(value)), None)
    if found.size < len(values):  # words before the first number count as a header
        assert start is not None
        expected = expected[start:]
    assert np.array_equal(found, expected, equal_nan=True)


@given(
    rows=st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=40),
    separator=st.sampled_from([",", ", ", ";", " ", "\t", "   ", " , "]),
    column=st.integers(1, 2),
)
@settings(max_examples=60, deadline=None)
def test_a_column_of_several(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[float, float]],
    separator: str,
    column: int,
) -> None:
    text = "phase one, phase two\n" + "\n".join(f"{a!r}{separator}{b!r}" for a, b in rows) + "\n"
    path = tmp_path_factory.mktemp("two") / "x.csv"
    found, _ = read(path, text, column=column, time_column=0)
    assert found.tolist() == [row[column - 1] for row in rows]


def test_comments_blank_lines_and_what_is_missing(log: Path) -> None:
    text = "# start\n% more\n; more\n// more\n1e-9, 5\n\n# between\n2e-9, nan\n3e-9,,\n"
    text += "4e-9, -\n5e-9, 7 \n"
    found, readings = read(log, text, column=2, time_column=0)
    assert np.array_equal(found, [5, math.nan, math.nan, math.nan, 7], equal_nan=True)
    assert read(log, text, column=1)[0].tolist() == [1e-9, 2e-9, 3e-9, 4e-9, 5e-9]
    assert readings.kind == "text columns"


def test_a_header_with_numbers_in_it_is_no_data(log: Path) -> None:
    found, readings = read(log, "File: run 3\nPoints: 3\nTau: 10\n0.5\n1.5\n")
    assert found.tolist() == [0.5, 1.5]
    assert readings.interval_s == 10.0
    assert readings.interval_from == "file"


def test_scpi_says_not_a_number(log: Path) -> None:
    text = "+1.0E+000,+9.91E+037,-9.9E37,2,3,4,5,6,7,8,9\n10,11"
    found, readings = read(log, text)
    assert np.array_equal(
        found, [1, math.nan, math.nan, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], equal_nan=True
    )
    assert readings.kind == "list of values"


def test_a_long_list_in_one_line(log: Path) -> None:
    values = np.random.default_rng(1).standard_normal(50_000)
    found, _ = read(log, "# 53230A\n" + ",".join(map(repr, values.tolist())) + "\n")
    assert np.array_equal(found, values)


def test_many_columns_are_no_list(log: Path) -> None:
    text = "".join(
        ",".join(f"{10 * row + column}" for column in range(12)) + "\n" for row in range(5)
    )
    assert read(log, text, column=3)[0].tolist() == [2, 12, 22, 32, 42]
    assert read(log, text, time_column=0)[0].tolist() == [0, 10, 20, 30, 40]
    one_line = "1,2,3,4,5,6,7,8,9,10\n"
    assert read(log, one_line, column=3)[0].tolist() == [3]
    assert read(log, one_line)[0].size == 10
    error = refused(log, "1,2,3,4,5,x,7,8,9,10\n")
    assert "value 6, column 1: 'x' is not a number" in str(error)


def test_many_lines_that_are_not_plain(log: Path) -> None:
    rows = ["null" if k % 2 else f"{k}e-9" for k in range(200_001)]
    found, _ = read(log, "\n".join(rows))
    assert found.size == 200_001
    assert np.count_nonzero(np.isnan(found)) == 100_000
    assert found[-1] == 200_000e-9


def test_a_line_that_breaks_off_is_left_out(log: Path) -> None:
    found, readings = read(log, "1.5\n2.5\n3.5e-")
    assert found.tolist() == [1.5, 2.5]
    assert any("line 3 breaks off" in note for note in readings.notes)


# Time stamps


@given(
    present=st.sets(st.integers(3, 80), max_size=70),
    interval=st.sampled_from([0.1, 1.0, 10.0]),
    seed=st.integers(0, 99),
    days=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_missing_rows_become_gaps(
    tmp_path_factory: pytest.TempPathFactory,
    present: set[int],
    interval: float,
    seed: int,
    days: bool,
) -> None:
    jitter = np.random.default_rng(seed).uniform(-0.04, 0.04, 81) * interval
    places = [*range(40), *sorted(40 + place for place in present)]
    times = [place * interval + float(jitter[place % 81]) for place in places]
    stamps = [f"{60000 + t / 86400:.10f}" if days else f"{1.7e9 + t:.3f}" for t in times]
    text = "".join(f"{stamp} {k + 0.5}\n" for k, stamp in enumerate(stamps))
    path = tmp_path_factory.mktemp("times") / "x.txt"
    found, readings = read(path, text)
    assert readings.interval_s == interval
    expected = np.full(places[-1] + 1, math.nan)
    expected[places] = np.arange(len(places)) + 0.5
    assert np.array_equal(found, expected, equal_nan=True)


def test_an_interval_that_is_not_round(log: Path) -> None:
    text = "".join(f"{k / 3:.4f} {k}\n" for k in range(300))
    assert read(log, text)[1].interval_s == pytest.approx(1 / 3, rel=2e-4)


def test_a_long_gap_does_not_need_memory_at_once(log: Path) -> None:
    rows = [f"{t} {t}" for t in [*range(5), 3_000_000]]
    log.write_text("\n".join(rows) + "\n")
    parts = list(open_readings(log).parts)
    assert sum(part.size for part in parts) == 3_000_001
    assert max(part.size for part in parts) <= 1 << 16


def test_stamps_that_do_not_ascend(log: Path) -> None:
    rows = [*range(10), 9, 10, 11]
    error = refused(log, "# c\n" + "".join(f"{t} 1e-9\n" for t in rows), column=2)
    assert "line 12" in str(error)
    assert "not after" in str(error)
    assert "np." not in str(error)
    error = refused(log, "".join(f"{t} 1e-9\n" for t in [3, 2, 1]), time_column=1)
    assert "do not ascend" in str(error)


def test_stamps_with_a_gap_beyond_reason(log: Path) -> None:
    error = refused(log, "".join(f"{t} 1e-9\n" for t in [0, 1, 2, 3, 5e9]))
    assert "line 5" in str(error)
    assert "too long after" in str(error)


def test_stamps_against_the_rate(log: Path) -> None:
    text = "".join(f"{t / 10:.1f} 1e-9\n" for t in range(50))
    error = refused(log, text, rate_hz=1.0)
    assert "0.1 s apart, not 1 s" in str(error)
    assert "--rate 10" in error.remedy
    assert read(log, text, rate_hz=10.0)[1].interval_s == 0.1
    assert read(log, text, rate_hz=1.0, time_column=0)[0].size == 50


def test_a_phase_that_runs_away_is_not_taken_for_time(log: Path) -> None:
    text = "".join(f"{k * 1e-7} {k * 2e-7}\n" for k in range(50))
    found, readings = read(log, text)
    assert found[1] == 1e-7
    assert readings.interval_s == 1.0
    assert any("column 1 of 2" in note for note in readings.notes)


def test_value_and_time_stamp_the_other_way_round(log: Path) -> None:
    """As a CNT-91 gives them with FORMat:TINFormation ON."""
    text = "".join(f"{1e7 + k % 3},{k * 0.01:.6f}\n" for k in [0, 1, 2, 3, 4, 5, 7])
    found, readings = read(log, text, quantity="frequency", column=1, time_column=2)
    assert readings.interval_s == 0.01
    assert found.size == 8
    assert math.isnan(found[6])


def test_dates_in_words_are_not_the_readings(log: Path) -> None:
    text = "time,value\n" + "".join(f"2026-01-01T00:00:{k:02d}Z,{k}e-9\n" for k in range(9))
    found, readings = read(log, text)
    assert found.tolist() == [float(f"{k}e-9") for k in range(9)]
    assert any("column 2 of 2" in note for note in readings.notes)


def test_decimal_commas_are_refused(log: Path) -> None:
    assert "decimal points" in refused(log, "1,5;2,5\n1,6;2,6\n").remedy


# Stable32


def test_stable32_marks_gaps_by_zeros(tmp_path: Path) -> None:
    text = "File: PHASE.PHD\nTau: 1.0000e+01\n0\n1\n0\n2\n0\n"
    found, readings = read(tmp_path / "phase.PHD", text)
    assert np.array_equal(found, [0, 1, math.nan, 2, 0], equal_nan=True)
    assert (readings.kind, readings.quantity, readings.interval_s) == ("Stable32", "phase", 10.0)
    found, readings = read(tmp_path / "y.frd", "0\n892\n0\n0\n809\n")
    assert np.array_equal(found, [math.nan, 892, math.nan, math.nan, 809], equal_nan=True)
    assert readings.quantity == "frequency"
    found, _ = read(tmp_path / "plain.dat", "0\n1\n0\n")
    assert found.tolist() == [0, 1, 0]


def test_the_format_of_timelab_is_said_to_be_unknown(tmp_path: Path) -> None:
    assert "ASCII" in refused(tmp_path / "x.tim", "anything").remedy


# What is wrong


def test_text_among_numbers_names_the_line(log: Path) -> None:
    error = refused(log, "# head\n1.5\n2.5\noverload\n3.5\n")
    assert "line 4" in str(error)
    assert "'overload' is not a number" in str(error)
    error = refused(log, "1 2\n3 x4\n5 6\n", column=2, time_column=0)
    assert "line 2, column 2" in str(error)
    error = refused(log, "1 2\n3\n5 6\n", column=2, time_column=0)
    assert "line 2: has 1 of the columns" in str(error)


def test_control_characters_of_a_file_are_spelt_out(log: Path) -> None:
    error = refused(log, b"1\n2\n\x1b[31mred\n")
    assert "\x1b" not in str(error)


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n# comments\n", "words\nand words\n"])
def test_no_reading(log: Path, text: str) -> None:
    assert "no reading in it" in str(refused(log, text))


def test_no_file_a_folder_and_no_text(log: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        open_readings(log)
    with pytest.raises(UsageError, match="not a file"):
        open_readings(tmp_path)
    assert "not a text" in str(refused(log, b"1\n2\n\0\0\0"))
    assert "not a text" in str(refused(log, "1\n2\n".encode("utf-16")))
    assert read(log, "﻿1\n2\n")[0].tolist() == [1, 2]


def test_columns_that_are_not_there(log: Path) -> None:
    assert "there is no column 3, only 2" in str(refused(log, "1 2\n3 4\n", column=3))
    assert "there is no column 4" in str(refused(log, "1 2\n3 4\n", time_column=4))
    assert "cannot be both" in str(refused(log, "1 2\n3 4\n", column=1, time_column=1))
    assert "not a run file" in str(refused(log, "1\n", dataset="data/x"))


def test_a_line_without_end(log: Path) -> None:
    error = refused(log, b"1.5\n" + b"2" * (5 << 20))
    assert "more than 65536 characters" in str(error)


def test_packed_files_that_are_damaged_or_made_to_fill_the_disk(log: Path) -> None:
    packed = gzip.compress(b"".join(b"%d\n" % k for k in range(100_000)))
    assert "ends early" in str(refused(log, packed[:-5]))
    broken = bytearray(packed)
    broken[len(packed) // 2] ^= 0xFF
    assert "damaged" in str(refused(log, bytes(broken)))
    members = gzip.compress(b"1\n2") + gzip.compress(b"3\n4\n")
    assert read(log, members)[0].tolist() == [1, 23, 4]
    bomb = gzip.compress(b"0\n" * (40 << 20), compresslevel=9)
    assert "250 times" in str(refused(log, bomb))


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "x"
    for content in (data, b"1 2\n" + data, b"0 1\n1 2\n2 3\n" + data, b"1.00000 chA\n" + data):
        path.write_bytes(content)
        try:
            for part in open_readings(path).parts:
                assert part.dtype == np.float64
        except (UsageError, RunFileError) as error:  # the latter if it begins like HDF5
            assert error.remedy
