"""TAI in nanoseconds, and UTC and MJD for people.

What is stored is TAI, which has neither leap seconds nor zones: nanoseconds of TAI since
1970-01-01 00:00:00 TAI. UTC is shown, with 23:59:60 where there was one.
"""

from __future__ import annotations

from bisect import bisect_right

from protocols.errors import ParameterError

__all__ = [
    "LEAP_SECONDS",
    "TABLE_DATE",
    "VALID_UNTIL_MJD",
    "mjd",
    "tai_ns",
    "utc_text",
    "utc_warning",
]

_DAY_S = 86_400
_MJD_1970 = 40_587

TABLE_DATE = "2025-07"
"""Month of the newest IERS Bulletin C that the table knows of: it announced none."""

VALID_UNTIL_MJD = 61_219
"""2026-06-28, when that bulletin expires (IERS, leap-seconds.list of 2025-07-07): the next leap
second could come three days later."""

#: From which MJD of UTC on TAI - UTC is how many seconds (IERS Bulletin C).
LEAP_SECONDS: tuple[tuple[int, int], ...] = (
    (41317, 10), (41499, 11), (41683, 12), (42048, 13), (42413, 14), (42778, 15), (43144, 16),
    (43509, 17), (43874, 18), (44239, 19), (44786, 20), (45151, 21), (45516, 22), (46247, 23),
    (47161, 24), (47892, 25), (48257, 26), (48804, 27), (49169, 28), (49534, 29), (50083, 30),
    (50630, 31), (51179, 32), (53736, 33), (54832, 34), (56109, 35), (57204, 36), (57754, 37),
)  # fmt: skip
_FROM_MJD = [day for day, _ in LEAP_SECONDS]
#: The same in TAI: the second of TAI since 1970 with which each day begins.
_FROM_TAI_S = [(day - _MJD_1970) * _DAY_S + offset for day, offset in LEAP_SECONDS]


def tai_ns(posix_ns: int) -> int:
    """Return TAI for a computer's clock, which counts 86 400 s a day of UTC.

    Raises
    ------
    ParameterError
        It is before 1972, when UTC had no whole seconds.
    """
    day = posix_ns // (_DAY_S * 1_000_000_000) + _MJD_1970
    place = bisect_right(_FROM_MJD, day) - 1
    if place < 0:
        raise ParameterError("before 1972 UTC and TAI did not differ by whole seconds")
    return posix_ns + LEAP_SECONDS[place][1] * 1_000_000_000


def mjd(time_tai_ns: int) -> float:
    """Return the modified Julian date of UTC; a leap second is longer than its day."""
    day, second, _ = _utc(time_tai_ns)
    return day + second / _DAY_S


def utc_text(time_tai_ns: int) -> str:
    """Return UTC as ``2016-12-31T23:59:60Z``, whole seconds."""
    day, second, leaping = _utc(time_tai_ns)
    year, month, date = _calendar(day)
    whole = int(second) - leaping
    hours, rest = divmod(whole, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{year:04d}-{month:02d}-{date:02d}T{hours:02d}:{minutes:02d}:{seconds + leaping:02d}Z"


def utc_warning(time_tai_ns: int) -> str:
    """Return why the UTC of a time may be wrong; empty if it is not.

    After the table has expired there may have been a leap second that it does not know. Times
    that a computer's clock gave are wrong in TAI then, and right in UTC.
    """
    if mjd(time_tai_ns) < VALID_UNTIL_MJD:
        return ""
    return (
        f"the table of leap seconds is of {TABLE_DATE} and ended with MJD {VALID_UNTIL_MJD}: "
        "TAI may be a second off for each leap second since"
    )


def _utc(time_tai_ns: int) -> tuple[int, float, int]:
    """Return the day, the second of it, and whether that is a leap second."""
    second_tai, rest_ns = divmod(time_tai_ns, 1_000_000_000)
    place = bisect_right(_FROM_TAI_S, second_tai) - 1
    if place < 0:
        raise ParameterError("before 1972 UTC and TAI did not differ by whole seconds")
    leaping = 0
    if place + 1 < len(_FROM_TAI_S) and second_tai == _FROM_TAI_S[place + 1] - 1:
        leaping = 1
    posix = second_tai - LEAP_SECONDS[place][1] - leaping
    day, second = divmod(posix, _DAY_S)
    return day + _MJD_1970, second + leaping + rest_ns * 1e-9, leaping


def _calendar(day: int) -> tuple[int, int, int]:
    """Return year, month and day of a modified Julian day (Gregorian, after Richards 2013)."""
    f = day + 2_400_001 + 1401 + (((4 * (day + 2_400_001) + 274_277) // 146_097) * 3) // 4 - 38
    e = 4 * f + 3
    h = 5 * ((e % 1461) // 4) + 2
    month = (h // 153 + 2) % 12 + 1
    return e // 1461 - 4716 + (12 + 2 - month) // 12, month, (h % 153) // 5 + 1
