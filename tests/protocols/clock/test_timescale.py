"""TAI, UTC and MJD."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.clock.timescale import (
    LEAP_SECONDS,
    TABLE_DATE,
    VALID_UNTIL_MJD,
    mjd,
    tai_ns,
    utc_text,
    utc_warning,
)
from protocols.errors import ParameterError

SECOND = 1_000_000_000


def posix_ns(text):
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("text", "apart_s"),
    [
        ("1972-01-01T00:00:00+00:00", 10),
        ("1980-01-06T00:00:00+00:00", 19),  # the beginning of GPS time
        ("2016-12-31T23:59:59+00:00", 36),
        ("2017-01-01T00:00:00+00:00", 37),
        ("2026-11-22T12:00:00+00:00", 37),
    ],
)
def test_tai_is_ahead_of_utc(text, apart_s):
    assert tai_ns(posix_ns(text)) - posix_ns(text) == apart_s * SECOND


def test_every_leap_second_is_shown():
    for before, after in itertools.pairwise(LEAP_SECONDS):
        day = after[0]
        assert after[1] == before[1] + 1
        midnight = tai_ns((day - 40_587) * 86_400 * SECOND)
        shown = [utc_text(midnight + k * SECOND)[11:] for k in (-2, -1, 0)]
        assert shown == ["23:59:59Z", "23:59:60Z", "00:00:00Z"]
        assert mjd(midnight) == day


@given(st.integers(posix_ns("1972-01-01T00:00:00+00:00") // SECOND, 4 * 10**9))
def test_utc_is_what_the_calendar_says(second):
    expected = datetime.fromtimestamp(second, UTC)
    shown = utc_text(tai_ns(second * SECOND))
    assert shown == expected.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert mjd(tai_ns(second * SECOND)) == pytest.approx(second / 86_400 + 40_587, abs=1e-9)


def test_before_utc_had_whole_seconds():
    for convert in (tai_ns, utc_text, mjd):
        with pytest.raises(ParameterError):
            convert(0)


def test_a_table_that_has_expired_says_so():
    """The bulletin of July 2025 holds until 28 June 2026, 1782604800 s of POSIX time."""
    end = tai_ns(1_782_604_800 * SECOND)
    assert mjd(end) == VALID_UNTIL_MJD
    assert utc_warning(end - 1 * SECOND) == ""
    assert TABLE_DATE in utc_warning(end)
    assert TABLE_DATE[:4] < utc_text(end)[:4]
