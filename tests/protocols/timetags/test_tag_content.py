"""What a stream of time tags holds, against a plain look at all of it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import FormatError
from protocols.timetags.content import Content, Gap, Tally
from protocols.timetags.tags import Tags

ticks = st.one_of(st.integers(-300, 300), st.integers(-(2**61), 2**61))
channels = st.one_of(st.integers(0, 5), st.sampled_from([-(2**31), -1, 1023, 1024, 2**31 - 1]))


def of(events: list[tuple[int, int]]) -> Tags:
    return Tags(
        np.array([tick for tick, _ in events], np.int64),
        np.array([channel for _, channel in events], np.int32),
    )


@settings(deadline=None)  # the kernel may compile
@given(
    events=st.lists(st.tuples(ticks, channels), max_size=60),
    gap=st.integers(1, 400),
    cuts=st.lists(st.integers(0, 60), max_size=4),
)
def test_content_is_what_a_plain_look_finds(
    events: list[tuple[int, int]], gap: int, cuts: list[int]
) -> None:
    tally = Tally(gap)
    ends = sorted({min(cut, len(events)) for cut in cuts} | {0, len(events)})
    for start, end in pairwise(ends):
        tally.add(of(events[start:end]))
    times = [tick for tick, _ in events]
    highest = [max(times[: i + 1]) for i in range(len(times))]
    assert tally.content() == Content(
        events=len(events),
        channels=Counter(channel for _, channel in events),
        start=min(times, default=None),
        end=max(times, default=None),
        out_of_order=sum(tick < high for tick, high in zip(times, highest, strict=True)),
        furthest_back=max((h - t for t, h in zip(times, highest, strict=True)), default=0),
        gaps=tuple(Gap(a, b) for a, b in pairwise(highest) if b - a >= gap),
    )
    assert list(tally.content().channels) == sorted(tally.content().channels)


def test_the_first_hundred_gaps_are_told() -> None:
    tally = Tally(10)
    tally.add(of([(20 * i, 1) for i in range(300)]))
    assert tally.content().gaps == tuple(Gap(20 * i, 20 * i + 20) for i in range(100))


def test_channels_without_bound_are_refused() -> None:
    tally = Tally(10)
    numbers = np.arange(2000, 2000 + (1 << 16), dtype=np.int32)
    tally.add(Tags(numbers.astype(np.int64), numbers))
    tally.add(Tags(numbers.astype(np.int64), numbers))
    with pytest.raises(FormatError, match="channels"):
        tally.add(Tags(numbers.astype(np.int64), numbers + np.int32(1)))
