"""Becker & Hickl's words against slow decoding."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import FormatError, ParameterError
from protocols.timetags.decoding.becker_hickl import SpcDecoder

CLOCK_S = Fraction(123, 10**10)
HEADER = (1 << 31 | 2 << 27 | 1 << 25 | 123).to_bytes(4, "little")
NS = Fraction(1, 10**9)
words = st.lists(
    st.one_of(
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**16 - 1),
        st.builds(lambda count: 0b1100 << 28 | count, st.integers(0, 3)),
        st.builds(lambda low, flags: flags << 28 | low, st.integers(0, 2**28 - 1),
                  st.sampled_from([0b1001, 0b1101, 0b0100, 0b1000, 0b0010])),
    ),
    max_size=40,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def compiled():
    decoded(SpcDecoder(HEADER), HEADER + bytes(4))


def decoded(decoder, data, places=()):
    ends = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [
        pair
        for a, b in pairwise(ends)
        for tags in [decoder.decode(data[a:b])]
        for pair in zip(tags.ticks.tolist(), tags.channels.tolist(), strict=True)
    ]


def plain(data, tac_range_s=None):
    """Decode words one by one; seconds and channels, invalid photons, gaps."""
    events, invalid, gaps, rolled = [], 0, 0, 0
    for word in data:
        bad, mtov, gap, mark = (word >> bit & 1 for bit in (31, 30, 29, 28))
        gaps += gap
        if mtov and bad and not mark:
            rolled += word % 2**28
            continue
        rolled += mtov
        time = (4096 * rolled + word % 4096) * CLOCK_S
        routing = word >> 12 & 15
        if mark:
            events += [(time, 100 + n) for n in range(4) if routing >> n & 1]
        elif bad:
            invalid += 1
        else:
            if tac_range_s is not None:
                time += (4095 - (word >> 16 & 4095)) * tac_range_s / 4096
            events.append((time, routing + 1))
    return events, invalid, gaps


@settings(max_examples=150)
@given(
    data=words,
    at=st.lists(st.integers(0, 170), max_size=5),
    tac=st.sampled_from([None, 50 * NS, Fraction(50, 3) * NS, Fraction("12.3") * NS]),
)
def test_words_cut_anywhere(data, at, tac):
    decoder = SpcDecoder(HEADER, tac)
    file = HEADER + np.array(data, "<u4").tobytes() + b"\1\2\3"
    found = [(t * decoder.tick_s, channel) for t, channel in decoded(decoder, file, at)]
    assert (found, decoder.invalid, decoder.gaps) == plain(data, tac)
    assert (decoder.records, decoder.leftover) == (len(data), 3)


def test_times_beyond_64_bits_are_refused():
    with pytest.raises(FormatError, match="64 bits"):
        decoded(SpcDecoder(HEADER, 50 * NS), HEADER + b"\xff\xff\xff\xcf" * 10_000)


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (b"", "ends"),
        (HEADER[:3], "ends"),
        (b"\x7b\0\0\0", "clock"),
        (b"\0\0\0\x80", "clock"),
        (b"\x7b\0\0\x84", "diagnosis"),
        (b"\x7b\0\0\xc1", "DPC-230"),
    ],
)
def test_first_words_that_are_none(header, named):
    with pytest.raises(FormatError, match=named):
        SpcDecoder(header)


@pytest.mark.parametrize("tac", [Fraction(0), Fraction(-1), Fraction(1), Fraction(1, 2) * NS])
def test_ranges_that_no_card_has(tac):
    with pytest.raises(ParameterError, match="range"):
        SpcDecoder(HEADER, tac)


def test_ranges_without_a_common_tick():
    with pytest.raises(ParameterError, match="common"):
        SpcDecoder(HEADER, Fraction(10**25 + 1, 10**33))
