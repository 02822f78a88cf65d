"""Lags and coincidences against slow and obvious twins."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import ParameterError
from protocols.timetags.correlation import pairs
from protocols.timetags.correlation.bins import Bins
from protocols.timetags.correlation.coincidences import Delays, FoldCounter
from protocols.timetags.correlation.intervals import IntervalCounter
from protocols.timetags.correlation.kernels import count_all, count_first
from protocols.timetags.correlation.pairs import PairCounter
from protocols.timetags.tags import Tags

TICKS = st.lists(st.integers(-300, 300), max_size=40).map(sorted)
CUTS = st.lists(st.integers(-320, 320), max_size=5).map(sorted)
WIDTHS = st.fractions(1, 40, max_denominator=7)
# Bins all below zero and all above it are legal too.
BINS = st.builds(
    lambda width, first, more: Bins(width, first, first + more),
    WIDTHS,
    st.integers(-12, 6),
    st.integers(0, 12),
)


def pieces(ticks: list[int], cuts: list[int]) -> list[np.ndarray]:
    """Cut a stream at times; a tick at a cut is in the later piece."""
    array = np.array(ticks, np.int64)
    return np.split(array, np.searchsorted(array, cuts))


def place(lag: int, bins: Bins) -> int | None:
    """Look through all bins for the one that holds a lag."""
    for k in range(bins.first, bins.last + 1):
        if (k - Fraction(1, 2)) * bins.width <= lag < (k + Fraction(1, 2)) * bins.width:
            return k - bins.first
    return None


def histogram(lags: list[int], bins: Bins) -> list[int]:
    counts = [0] * len(bins)
    for lag in lags:
        k = place(lag, bins)
        if k is not None:
            counts[k] += 1
    return counts


@given(bins=BINS)
def test_edges_and_ticks_of_bins(bins: Bins) -> None:
    lags = list(range(int(bins.edges[0]) - 3, int(bins.edges[-1]) + 3))
    assert bins.ticks.tolist() == histogram(lags, bins)
    scale, shift, divisor = bins.arithmetic
    for lag in range(int(bins.edges[0]), int(bins.edges[-1])):
        k = place(lag, bins)
        assert k == (lag * scale + shift) // divisor
        assert bins.edges[k] <= lag < bins.edges[k + 1]
    assert np.all(np.abs(bins.middles - np.arange(bins.first, bins.last + 1) * bins.width) <= 0.5)


def test_bins_around_and_from_zero() -> None:
    width = Fraction(10_000, 1) * Fraction(256, 1_000_000)  # 10 ns / 1000 in 1/256 ns
    bins = Bins.around_zero(width, 12 * width + Fraction(1, 3))
    assert (bins.first, bins.last) == (-12, 12)
    assert set(bins.ticks.tolist()) == {2, 3}
    assert Bins.from_zero(width, 12 * width).first == 0


@pytest.mark.parametrize(
    ("width", "first", "last"),
    [
        (Fraction(255, 256), 0, 3),
        (Fraction(2), 3, 2),
        (Fraction(2), 0, 1 << 24),
        (Fraction(1 << 50), 0, 1 << 12),
    ],
)
def test_bins_that_cannot_be(width: Fraction, first: int, last: int) -> None:
    with pytest.raises(ParameterError):
        Bins(width, first, last)


@settings(deadline=None)
@given(starts=TICKS, stops=TICKS, cuts=CUTS, bins=BINS)
def test_all_pairs(starts: list[int], stops: list[int], cuts: list[int], bins: Bins) -> None:
    counter = PairCounter(bins)
    for a, b, until in zip(pieces(starts, cuts), pieces(stops, cuts), [*cuts, 330], strict=True):
        counter.push(a, b, until)
    counter.finish()
    lags = [stop - start for start in starts for stop in stops]
    assert counter.counts.tolist() == histogram(lags, bins)


@settings(deadline=None)
@given(ticks=TICKS, cuts=CUTS, bins=BINS)
def test_pairs_within_one_stream_leave_out_the_tag_itself(
    ticks: list[int], cuts: list[int], bins: Bins
) -> None:
    counter = PairCounter(bins, same=True)
    for piece, until in zip(pieces(ticks, cuts), [*cuts, 330], strict=True):
        counter.push(piece, piece, until)
    counter.finish()
    lags = [stop - start for i, start in enumerate(ticks) for j, stop in enumerate(ticks) if i != j]
    assert counter.counts.tolist() == histogram(lags, bins)


@settings(deadline=None)
@given(starts=TICKS, stops=TICKS, cuts=CUTS, width=WIDTHS, last=st.integers(0, 12))
def test_first_stop(
    starts: list[int], stops: list[int], cuts: list[int], width: Fraction, last: int
) -> None:
    bins = Bins(width, 0, last)
    counter = PairCounter(bins, first_only=True)
    for a, b, until in zip(pieces(starts, cuts), pieces(stops, cuts), [*cuts, 330], strict=True):
        counter.push(a, b, until)
    counter.finish()
    lags = [
        min(stop - a for stop in stops if stop >= a) for a in starts if stops and a <= stops[-1]
    ]
    assert counter.counts.tolist() == histogram(lags, bins)


@settings(deadline=None)
@given(ticks=TICKS, cuts=CUTS, width=WIDTHS, last=st.integers(0, 12))
def test_intervals(ticks: list[int], cuts: list[int], width: Fraction, last: int) -> None:
    bins = Bins(width, 0, last)
    counter = IntervalCounter(bins)
    for piece in pieces(ticks, cuts):
        counter.push(piece)
    lags = [later - tick for tick, later in pairwise(ticks)]
    assert counter.counts.tolist() == histogram(lags, bins)
    assert counter.intervals == len(lags)
    assert counter.shortest == (min(lags) if lags else None)


def test_counts_do_not_depend_on_threads_and_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(1)
    a, b = np.sort(draws.integers(0, 3 << 20, (2, 300_000)))
    bins = Bins.around_zero(Fraction(7, 3), Fraction(50))
    counts = []
    for workers, batch in ((1, pairs._BATCH), (3, pairs._BATCH), (2, 300_000)):
        monkeypatch.setattr(pairs, "_BATCH", batch)
        counter = PairCounter(bins, workers=workers)
        counter.push(a, b, 3 << 20)
        counter.finish()
        counts.append(counter.counts)
    np.testing.assert_array_equal(counts[0], counts[1])
    np.testing.assert_array_equal(counts[0], counts[2])
    low, high = bins.edges[0], bins.edges[-1]
    assert counts[0].sum() == np.sum(np.searchsorted(b, a + high) - np.searchsorted(b, a + low))


def test_ticks_at_the_end_of_64_bits_do_no_harm() -> None:
    """What a foreign file may hold: nothing is counted across the wrap."""
    end = np.iinfo(np.int64)
    bins = Bins.around_zero(Fraction(3), Fraction(30))
    ticks = np.array([end.min, end.min + 1, 0, 5, end.max - 1, end.max])
    counter = PairCounter(bins)
    counter.push(ticks, ticks, end.max)
    counter.finish()
    assert 0 <= counter.counts.sum() <= 12


FOLDS = st.lists(st.sampled_from([1, 2, 3, 7]), min_size=2, max_size=4, unique=True)
CHANNELS = st.sampled_from([1, 2, 3, 4, 7])


def coincidences(tags: list[tuple[int, int]], fold: list[int], window: int) -> int:
    """Count as the counter's description says, tick by tick."""
    offers: dict[int, int] = {}
    count = 0
    for now in sorted({tick for tick, _ in tags}):
        offers |= {channel: now for tick, channel in tags if tick == now and channel in fold}
        if len(offers) == len(fold) and now - min(offers.values()) <= window:
            count += 1
            offers = {}
    return count


@settings(deadline=None)
@given(
    tags=st.lists(st.tuples(st.integers(0, 100), CHANNELS), max_size=40),
    delays=st.dictionaries(CHANNELS, st.integers(-30, 30), max_size=3),
    fold=FOLDS,
    window=st.integers(0, 20),
    cuts=st.lists(st.integers(0, 100), max_size=4).map(sorted),
)
def test_coincidences_with_delays(
    tags: list[tuple[int, int]],
    delays: dict[int, int],
    fold: list[int],
    window: int,
    cuts: list[int],
) -> None:
    tags.sort(key=lambda tag: tag[0])
    counter, delayed = FoldCounter(fold, window), Delays(delays)
    for begin, end in zip([-1, *cuts], [*cuts, 101], strict=True):
        piece = [tag for tag in tags if begin <= tag[0] < end]
        ticks = np.array([tick for tick, _ in piece], np.int64)
        channels = np.array([channel for _, channel in piece], np.int32)
        counter.push(delayed.push(Tags(ticks, channels), end))
    counter.push(delayed.finish())
    moved = [(tick - delays.get(channel, 0), channel) for tick, channel in tags]
    assert counter.count == coincidences(moved, fold, window)


@pytest.mark.parametrize(("fold", "window"), [([1], 3), ([1, 1], 3), ([1, 2], -1)])
def test_folds_that_cannot_be(fold: list[int], window: int) -> None:
    with pytest.raises(ParameterError):
        FoldCounter(fold, window)


@pytest.mark.parametrize("first_only", [False, True])
def test_what_is_not_as_it_should_be_leaves_memory_alone(first_only: bool) -> None:
    """Tags out of order, and first stops below the first bin, are within no bin.

    With bins of one tick a place below the first one would be just before the histogram.
    """
    bins = Bins(Fraction(1), 5, 24)
    around = np.zeros(1000, np.int64)
    histogram = around[500 : 500 + len(bins)]
    starts = np.array([100, 120], np.int64)
    stops = np.array([110, 112, 113, 101, 102], np.int64)
    if first_only:
        count_first(starts, stops[3:], int(bins.edges[-1]), bins.arithmetic, histogram)
    else:
        low, high = int(bins.edges[0]), int(bins.edges[-1])
        count_all(starts, stops, low, high, bins.arithmetic, histogram)
    around[500 : 500 + len(bins)] = 0
    assert not around.any()
