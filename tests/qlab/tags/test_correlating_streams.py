"""Streams in step, and what correlating them says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.timetags.tags import Tags
from qlab.errors import QlabError, UsageError
from qlab.pictures import check_picture
from qlab.tags.correlating import Correlated, Task, bins_for, correlate
from qlab.tags.folds import count_folds
from qlab.tags.plot import draw_correlation
from qlab.tags.streams import Channel, in_step, rescaled, watched, within

PS = Fraction(1, 10**12)
TASK = Task(1, 2, False, 100 * PS, 20_000 * PS)
TAGS = st.lists(st.tuples(st.integers(0, 200), st.sampled_from([1, 2])), max_size=30).map(
    lambda tags: sorted(tags, key=lambda tag: tag[0])
)
CUTS = st.lists(st.integers(0, 30), max_size=5).map(sorted)


def tags_of(rows: list[tuple[int, int]]) -> Tags:
    return Tags(
        np.array([tick for tick, _ in rows], np.int64),
        np.array([channel for _, channel in rows], np.int32),
    )


def chunks(rows: list[tuple[int, int]], cuts: list[int]) -> Iterator[Tags]:
    places = [0, *(min(cut, len(rows)) for cut in cuts), len(rows)]
    for first, last in pairwise(places):
        yield tags_of(rows[first:last])


@settings(deadline=None)
@given(a=TAGS, b=TAGS, cuts_a=CUTS, cuts_b=CUTS, shift=st.integers(-250, 250))
def test_two_files_in_step(
    a: list[tuple[int, int]],
    b: list[tuple[int, int]],
    cuts_a: list[int],
    cuts_b: list[int],
    shift: int,
) -> None:
    """Every tag from the later beginning to the earlier end comes once, in stretches that join."""
    first = Channel(chunks(a, cuts_a), 1)
    second = Channel(chunks(b, cuts_b), 2, lambda ticks: ticks + shift)
    pairs = list(in_step(first, second))
    moved = [(tick + shift, channel) for tick, channel in b]
    begin = max(rows[0][0] if rows else 1000 for rows in (a, moved))
    end = min(rows[-1][0] if rows else -1000 for rows in (a, moved))
    starts = [tick for tick, channel in a if channel == 1 and begin <= tick <= end]
    stops = [tick for tick, channel in moved if channel == 2 and begin <= tick <= end]
    assert [tick for pair in pairs for tick in pair.starts.tolist()] == starts
    assert [tick for pair in pairs for tick in pair.stops.tolist()] == stops
    assert bool(pairs) == (begin <= end)
    for pair, following in pairwise(pairs):
        assert pair.end == following.begin
        for ticks in (pair.starts, pair.stops):  # the counter is told that these are all
            assert not np.any(ticks >= pair.end)
    if pairs:
        assert (pairs[0].begin, pairs[-1].end) == (begin, end)


@given(rows=TAGS, cuts=CUTS)
def test_two_channels_of_one_file(rows: list[tuple[int, int]], cuts: list[int]) -> None:
    pairs = list(within(chunks(rows, cuts), 1, 2))
    assert [t for pair in pairs for t in pair.starts.tolist()] == [t for t, c in rows if c == 1]
    assert [t for pair in pairs for t in pair.stops.tolist()] == [t for t, c in rows if c == 2]
    if rows:
        assert (pairs[0].begin, pairs[-1].end) == (rows[0][0], rows[-1][0])


def test_a_file_that_is_behind_is_read_on_and_no_more_is_held() -> None:
    """One file has a gap of seconds, the other goes on."""
    held = []

    def steady() -> Iterator[Tags]:
        for k in range(50):
            held.append(len(second.kept))
            yield tags_of([(k * 1000 + n, 1) for n in range(0, 1000, 100)])

    second = Channel(chunks([(0, 2), (10, 2), (49_000, 2), (49_001, 2)], [2]), 2)
    stretches = list(in_step(Channel(steady(), 1), second))
    assert len(stretches) >= 49
    assert max(held) <= 2


@given(
    ticks=st.lists(st.integers(-(10**15), 10**15), max_size=5),
    ratio=st.fractions(Fraction(1, 1000), 1000, max_denominator=1000),
)
def test_ticks_of_another_length(ticks: list[int], ratio: Fraction) -> None:
    scaled = rescaled(np.array(ticks, np.int64), ratio).tolist()
    assert scaled == [int((tick * ratio + Fraction(1, 2)) // 1) for tick in ticks]


def test_ticks_that_would_leave_64_bits() -> None:
    with pytest.raises(QlabError):
        rescaled(np.array([1 << 61]), Fraction(2))


def test_a_missing_channel_is_named_with_those_that_are_there() -> None:
    with pytest.raises(QlabError, match="no tags on channel 3") as caught:
        list(watched(chunks([(0, 1), (1, 2)], [1]), {1, 3}, "x.dat"))
    assert caught.value.remedy == "it has on 1, 2"
    with pytest.raises(QlabError, match="no tags in x"):
        list(watched(iter([]), {1}, "x.dat"))


def test_bins_in_picoseconds() -> None:
    tick = Fraction(1, 256 * 10**9)
    bins = bins_for(10 * PS, 1000 * PS, tick)
    assert (bins.first, bins.last, bins.width) == (-100, 100, Fraction(256, 100))
    with pytest.raises(UsageError, match="narrower than the tick") as caught:
        bins_for(3 * PS, 1000 * PS, tick)
    assert caught.value.remedy == "use --bin 3.90625 or more"
    for wrong in ((100, 99), (1, 10**9)):
        with pytest.raises(UsageError):
            bins_for(wrong[0] * PS, wrong[1] * PS, PS)


def pair_source(seed: int, pairs: int) -> list[tuple[int, int]]:
    """Return 10 ms of light in ps: pairs 3 ns apart with 200 ps of jitter, and singles."""
    draws = np.random.default_rng(seed)
    true = draws.integers(0, 10**10, pairs)
    late = true + 3_000 + np.round(draws.normal(0, 200, pairs)).astype(np.int64)
    a = np.append(draws.integers(0, 10**10, 20_000), true)
    b = np.append(draws.integers(0, 10**10, 20_000), late)
    return sorted([(t, 1) for t in a.tolist()] + [(t, 2) for t in b.tolist()])


@pytest.fixture(scope="module")
def found() -> Correlated:
    rows = pair_source(1, 2_000)
    return correlate(within(chunks(rows, [5_000, 9_000]), 1, 2), TASK, PS)


def test_a_peak_is_found(found: Correlated) -> None:
    """Within 5 standard uncertainties."""
    assert found.significant
    assert found.peak is not None and found.contrast is not None
    assert abs(found.peak.position - 3_000) < 5 * found.peak.position_std
    assert abs(found.peak.sigma - 200) < 5 * found.peak.sigma_std
    assert abs(found.peak.pairs - 2_000) < 5 * found.peak.pairs_std
    assert 4 < found.peak.position_std < 6  # 200 / sqrt(2000), and a little for the background
    chance = 22_000**2 / 10**10 * (found.contrast.window[1] - found.contrast.window[0])
    assert abs(found.contrast.accidentals / chance - 1) < 0.15
    assert abs(found.contrast.ratio - 1_910 / chance) < 5 * found.contrast.ratio_std


def test_two_files_are_correlated_as_one_would_be(found: Correlated) -> None:
    rows = pair_source(1, 2_000)
    a, b = ([row for row in rows if row[1] == channel] for channel in (1, 2))
    begin, end = max(a[0], b[0]), min(a[-1], b[-1])
    inside = [row for row in rows if begin[0] <= row[0] <= end[0]]
    one = correlate(within(chunks(inside, []), 1, 2), TASK, PS)
    two = correlate(
        in_step(Channel(chunks(a, [3, 9_000]), 1), Channel(chunks(b, [4_000]), 2)), TASK, PS
    )
    np.testing.assert_array_equal(one.correlation.counts, two.correlation.counts)
    np.testing.assert_array_equal(one.correlation.expected, two.correlation.expected)
    assert one.totals == two.totals


def test_flat_light_has_no_peak() -> None:
    flat = correlate(within(chunks(pair_source(2, 0), []), 1, 2), TASK, PS)
    assert not flat.significant
    assert flat.peak is None and flat.contrast is None
    assert abs(flat.correlation.g2.mean() - 1) < 0.05


@pytest.mark.parametrize("first_only", [False, True])
def test_one_channel_with_itself(first_only: bool) -> None:
    """Light that clicks at most every 5 ns: the dip is there, also with the first stop only."""
    ticks = np.cumsum(5_000 + np.random.default_rng(3).exponential(50_000, 30_000)).astype(int)
    rows = [(t, 1) for t in ticks.tolist()]
    # An odd number of ticks has as many on either side of the middle.
    task = replace(TASK, stop=1, same=True, first_only=first_only, bin_s=101 * PS)
    dipped = correlate(within(chunks(rows, [100, 7_000]), 1, 1), task, PS)
    assert dipped.significant and dipped.feature is not None and not dipped.feature.peak
    if not first_only:
        np.testing.assert_array_equal(dipped.correlation.counts, dipped.correlation.counts[::-1])
    assert np.all(dipped.searched.counts[:49] == 0)
    assert dipped.searched.bins.first == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no time in common"),
        ([(0, 1), (5, 1)], "stop channel 2 has no tags"),
        ([(0, 2), (5, 2)], "start channel 1 has no tags"),
        ([(0, 1), (0, 2), (50_000, 1), (50_000, 2)], "same 2 tags, tick for tick"),
        ([(0, 1), (90_000, 2)], "no tag of the stop lies within 20,000 ps"),
    ],
)
def test_what_cannot_be_correlated(rows: list[tuple[int, int]], message: str) -> None:
    with pytest.raises(QlabError, match=message):
        correlate(within(chunks(rows, [1]), 1, 2), TASK, PS)


def test_folds_of_a_pair_source() -> None:
    """95 % of the pairs lie in the window; 5 standard deviations."""
    rows = pair_source(4, 2_000)
    counted = count_folds(
        chunks(rows, [7_000]), PS, [(1, 2), (2, 1)], {2: 3_000 * PS}, Fraction(400_9, 10) * PS
    )
    assert counted.window == 400
    assert counted.delays == {2: 3_000}
    one, two = counted.folds
    assert one.coincidences == two.coincidences
    chance = 22_000**2 / 10**10 * 801
    assert abs(one.accidentals / chance - 1) < 0.05
    assert abs(one.coincidences - 2_000 * 0.9545 - chance) < 5 * one.coincidences**0.5
    assert one.chance_probability < 1e-100


def test_folds_of_flat_light_and_of_an_empty_channel() -> None:
    rows = pair_source(5, 0)
    (fold,) = count_folds(chunks(rows, []), PS, [(1, 2)], {}, 1_000 * PS).folds
    assert fold.chance_probability > 1e-4
    with pytest.raises(QlabError, match="channel 7 has no tags"):
        count_folds(chunks(rows, []), PS, [(1, 7)], {}, 1_000 * PS)


def test_a_picture_of_a_peak(found: Correlated, tmp_path: Path) -> None:
    picture = tmp_path / "peak.png"
    draw_correlation(found, PS, "two\x1bchannels $", picture, overwrite=False)
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError):
        check_picture(picture, overwrite=False)
