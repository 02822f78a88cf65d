"""What is made of histograms: expectation, search, fit, dead time. Seeds are fixed."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import ParameterError
from protocols.timetags.correlation.bins import Bins
from protocols.timetags.correlation.coincidences import FoldCounter, accidentals
from protocols.timetags.correlation.g2 import Correlation, normalise
from protocols.timetags.correlation.intervals import IntervalCounter, recovery
from protocols.timetags.correlation.pairs import PairCounter
from protocols.timetags.correlation.peak import Peak, contrast, fit_peak, model
from protocols.timetags.correlation.search import strongest
from protocols.timetags.correlation.singles import Singles
from protocols.timetags.tags import Tags

SECOND = 10**12


def observed(*streams: np.ndarray, end: int) -> Singles:
    singles = Singles(len(streams))
    singles.push(streams, 0, end)
    return singles


def correlated(a: np.ndarray, b: np.ndarray, bins: Bins, end: int, **how: bool) -> Correlation:
    counter = PairCounter(bins, **how)
    counter.push(a, b, end)
    counter.finish()
    first_only = how.get("first_only", False)
    return normalise(bins, counter.counts, observed(a, b, end=end), first_only=first_only)


def poisson(draws: np.random.Generator, rate_hz: float, end: int) -> np.ndarray:
    return np.sort(draws.integers(0, end, draws.poisson(rate_hz * end / SECOND)))


def flat(bins: Bins, expected: float, counts: np.ndarray) -> Correlation:
    return Correlation(
        bins, counts, np.full(len(bins), expected), counts / expected, np.zeros(len(bins))
    )


@settings(deadline=None, max_examples=40)
@given(
    ticks=st.lists(st.integers(0, 50_000), min_size=1, max_size=60).map(sorted),
    cuts=st.lists(st.integers(0, 50_000), max_size=5).map(sorted),
)
def test_blocks_of_singles_do_not_depend_on_the_pieces(ticks: list[int], cuts: list[int]) -> None:
    array, whole, cut = np.array(ticks), Singles(2), Singles(2)
    begin, end = ticks[0], ticks[-1]
    whole.push([array, array[::2]], begin, end)
    inside = [begin, *(time for time in cuts if begin < time < end), end]
    for first, last in pairwise(inside):
        for_end = last == end
        part = array[(array >= first) & ((array <= last) if for_end else (array < last))]
        other = array[::2]
        other = other[(other >= first) & ((other <= last) if for_end else (other < last))]
        cut.push([part, other], first, last)
    assert (whole.block, whole.start, whole.end) == (cut.block, cut.start, cut.end)
    np.testing.assert_array_equal(whole.counts, cut.counts)
    assert whole.totals.tolist() == [array.size, array[::2].size]
    places = (array - begin) // whole.block
    np.testing.assert_array_equal(
        whole.counts[0], np.bincount(places, minlength=whole.counts.shape[1])
    )
    counts, lengths = whole.rates()
    assert counts.sum() == whole.totals.sum()
    assert lengths.sum() == whole.duration


def test_g2_of_independent_streams_is_one_at_every_lag() -> None:
    """Also where lags are a good part of the record, and for bins of 2 and 3 ticks."""
    draws = np.random.default_rng(2)
    end = 4_000_000
    a, b = (np.sort(draws.integers(0, end, n)) for n in (10_000, 15_000))
    found = correlated(a, b, Bins.around_zero(Fraction(10_000), Fraction(1_000_000)), end)
    constant = a.size * b.size / end**2 * found.bins.ticks * (end - np.abs(found.bins.middles))
    np.testing.assert_allclose(found.expected, constant, rtol=5e-3)
    # All lags share the tags, whose number in each half varies by 1 %: 5 standard deviations
    # of that. Without the share of the record that a lag leaves, the ends would be at 0.75.
    far = np.abs(found.bins.middles) > 800_000
    assert abs(found.g2[far].mean() - 1) < 0.05
    assert abs(found.g2[~far].mean() - 1) < 0.05
    beating = correlated(a, b, Bins.around_zero(Fraction(256, 100), Fraction(2_000)), end)
    two, three = (beating.counts[beating.bins.ticks == n].mean() for n in (2, 3))
    assert two < 0.75 * three
    assert abs(beating.g2.mean() - 1) < 5 / math.sqrt(beating.counts.sum())
    assert 0.9 < np.std((beating.g2 - 1) / beating.g2_std) < 1.1


def test_gaps_drifts_and_pairs_do_not_spoil_the_expectation() -> None:
    """Rates that are on and off together would show g2 = 2 by the totals alone."""
    draws = np.random.default_rng(3)
    end = 2 * SECOND
    a, b = poisson(draws, 200_000, end), poisson(draws, 150_000, end)
    pairs = np.sort(draws.integers(0, end, 30_000))
    a, b = np.sort(np.append(a, pairs)), np.sort(np.append(b, pairs + 3_000))
    on = (a // (SECOND // 4)) % 2 == 0, (b // (SECOND // 4)) % 2 == 0
    a, b = a[on[0]], b[on[1]]
    found = correlated(a, b, Bins.around_zero(Fraction(10_000), Fraction(2_000_000)), end)
    beside = np.abs(np.arange(-200, 201)) > 2
    counted, expected = found.counts[beside].sum(), found.expected[beside].sum()
    totals = a.size * b.size / end * found.bins.ticks[beside].sum()
    assert counted > 1.8 * totals
    # 5 standard deviations of the counts, and 0.3 % for the blocks at the edges.
    assert abs(counted / expected - 1) < 5 / math.sqrt(counted) + 0.003


def test_first_stops_are_corrected_for_what_they_hide() -> None:
    draws = np.random.default_rng(4)
    end = SECOND // 10
    a, b = poisson(draws, 500_000, end), poisson(draws, 1_000_000, end)
    found = correlated(
        a, b, Bins.from_zero(Fraction(50_000), Fraction(2_000_000)), end, first_only=True
    )
    assert found.counts[30] < 0.3 * found.counts[1]  # exponential
    pull = (found.counts - found.expected) / np.sqrt(found.expected)
    assert np.abs(pull[:-1]).max() < 5
    assert 0.6 < pull[:-1].std() < 1.5


def test_flat_histograms_give_no_more_false_alarms_than_stated() -> None:
    """At 1 %, 25 or more of 1000 has probability 2e-5; at 1e-6, one has 1e-3."""
    draws = np.random.default_rng(5)
    bins = Bins(Fraction(4), -50, 50)
    alarms = []
    for mean in (0.05, 0.5, 5.0, 50.0):
        for counts in draws.poisson(mean, (250, len(bins))):
            found = strongest(flat(bins, mean, counts))
            alarms.append(1.0 if found is None else found.false_alarm_probability)
    assert np.count_nonzero(np.array(alarms) < 0.01) < 25
    assert min(alarms) > 1e-6


def test_nothing_is_said_of_an_empty_histogram() -> None:
    bins = Bins(Fraction(4), -50, 50)
    assert strongest(flat(bins, 1.0, np.zeros(101, np.int64))) is None


def test_dips_are_told_from_peaks() -> None:
    draws = np.random.default_rng(6)
    bins = Bins(Fraction(4), -50, 50)
    counts = draws.poisson(100, 101)
    counts[48:53] = 0
    found = strongest(flat(bins, 100.0, counts))
    assert found is not None
    assert not found.peak
    assert found.false_alarm_probability < 1e-100
    assert 45 < found.first < 52


def test_limits_of_the_fit_cover_the_truth() -> None:
    """190 of 200 are meant; 180 are fewer with probability 0.002, as the conventions allow."""
    draws = np.random.default_rng(7)
    bins = Bins(Fraction(128, 5), -200, 200)
    blank = flat(bins, 1.0, np.zeros(401, np.int64))
    inside, ratios = np.zeros(3), []
    for _ in range(200):
        truth = Peak(*draws.uniform([-900, 0, 50, 0], [900, 0, 120, 0]), 300, 0, 0.1, 0, 0)
        counts = draws.poisson(model(truth, blank))
        found = flat(bins, 1.0, counts)
        feature = strongest(found)
        assert feature is not None and feature.peak
        fitted = fit_peak(found, feature)
        for place, (value, std, true) in enumerate(
            [
                (fitted.position, fitted.position_std, truth.position),
                (fitted.sigma, fitted.sigma_std, truth.sigma),
                (fitted.pairs, fitted.pairs_std, truth.pairs),
            ]
        ):
            inside[place] += abs(value - true) < 1.96 * std
        ratios.append(fitted.deviance / fitted.freedom)
        seen = contrast(found, fitted, 400.0)
        low, high = seen.window
        window = model(truth, blank)[(bins.edges[:-1] >= low) & (bins.edges[1:] <= high)]
        expected = window.sum() / (0.1 * (high - low))
        assert abs(seen.ratio - expected) < 6 * seen.ratio_std
    assert np.all(inside >= 180)
    assert 0.8 < np.mean(ratios) < 1.2


def test_a_peak_narrower_than_the_bins_has_no_width() -> None:
    bins = Bins(Fraction(100), -20, 20)
    counts = np.ones(41, np.int64)
    counts[25] = 500
    found = flat(bins, 1.0, counts)
    feature = strongest(found)
    assert feature is not None
    peak = fit_peak(found, feature)
    assert math.isnan(peak.sigma)
    assert abs(peak.position - bins.middles[25]) < 5
    assert peak.position_std >= 100 / math.sqrt(12)


def test_no_accidentals_give_no_ratio() -> None:
    bins = Bins(Fraction(100), -20, 20)
    counts = np.zeros(41, np.int64)
    counts[24:27] = 50, 200, 60
    found = flat(bins, 1.0, counts)
    feature = strongest(found)
    assert feature is not None
    seen = contrast(found, fit_peak(found, feature))
    assert seen.coincidences >= 200
    assert math.isnan(seen.ratio)
    assert math.isnan(seen.ratio_std)


@pytest.mark.parametrize("fold", [(1, 2), (1, 2, 3)])
def test_accidental_coincidences(fold: tuple[int, ...]) -> None:
    """Within 5 standard deviations of the count; some are hidden by others, at 1 %."""
    draws = np.random.default_rng(8)
    end, window = SECOND // 4, 20_000
    streams = [poisson(draws, rate, end) for rate in (1e6, 5e5, 8e5)]
    ticks = np.concatenate(streams)
    order = np.argsort(ticks, kind="stable")
    channels = np.repeat(np.arange(1, 4, dtype=np.int32), [s.size for s in streams])
    counter = FoldCounter(fold, window)
    counter.push(Tags(ticks[order], channels[order]))
    expected = accidentals(observed(*streams, end=end), [c - 1 for c in fold], window)
    assert abs(counter.count - expected) < 5 * math.sqrt(expected) + 0.04 * expected


def detector(
    seed: int, rate_hz: float, dead_s: float, probability: float, decay_s: float
) -> np.ndarray:
    """Simulate a second of clicks in ps: each blinds for a while, and traps may fire after."""
    draws = np.random.default_rng(seed)
    n = int(rate_hz)
    light = draws.exponential(1 / rate_hz, n)
    trap = np.where(draws.random(n) < probability, draws.exponential(decay_s, n), np.inf)
    return np.cumsum((dead_s + np.minimum(light, trap)) * SECOND).astype(np.int64)


@pytest.mark.parametrize("probability", [0.0, 0.03])
def test_dead_time_and_afterpulses(probability: float) -> None:
    """Of 12 independent pulls none is beyond 4.5 (8e-5), and their rms is 0.5 to 1.6."""
    pulls = []
    for seed in range(12):
        counter = IntervalCounter(Bins.from_zero(Fraction(1_000), Fraction(4_000_000)))
        counter.push(detector(seed, 300_000, 50e-9, probability, 150e-9))
        found = recovery(counter)
        assert found.dead_time is not None
        assert abs(found.dead_time.time - 50_000) < 4 * found.dead_time.std
        assert counter.shortest is not None and 50_000 <= counter.shortest < 52_000
        assert abs(found.level * SECOND - 300_000) < 0.02 * 300_000
        # A trap's pulse counts only where no light came first.
        first = probability / (1 + 300_000 * 150e-9)
        pulls.append((found.afterpulses.probability - first) / found.afterpulses.std)
    assert np.abs(pulls).max() < 4.5
    assert 0.5 < np.sqrt(np.mean(np.square(pulls))) < 1.6


def test_light_alone_has_no_dead_time() -> None:
    counter = IntervalCounter(Bins.from_zero(Fraction(1_000), Fraction(4_000_000)))
    counter.push(detector(1, 300_000, 0.0, 0.0, 1.0))
    assert recovery(counter).dead_time is None


def test_too_few_intervals_tell_nothing() -> None:
    counter = IntervalCounter(Bins.from_zero(Fraction(1_000), Fraction(4_000_000)))
    counter.push(np.arange(0, 10**9, 10**6))
    with pytest.raises(ParameterError):
        recovery(counter)


def test_a_burst_is_judged_by_itself() -> None:
    """All tags lie in a hundredth of the record, where g2 is still one: 5 standard deviations."""
    draws = np.random.default_rng(9)
    end = 10**9
    a, b = (np.sort(draws.integers(end // 3, end // 3 + end // 100, n)) for n in (3_000, 4_000))
    found = correlated(a, b, Bins.around_zero(Fraction(100), Fraction(5_000)), end)
    total = found.counts.sum()
    assert abs(total / found.expected.sum() - 1) < 5 / math.sqrt(total) + 0.03
    instant = np.sort(draws.integers(0, 1_000, (2, 100)))
    found = correlated(*instant, Bins.around_zero(Fraction(100), Fraction(5_000)), end)
    assert np.all(found.expected > 0)


@settings(deadline=None, max_examples=60)
@given(
    counts=st.lists(st.integers(0, 40) | st.integers(0, 10**7), min_size=2, max_size=40),
    width=st.fractions(1, 200, max_denominator=9),
    expected=st.floats(1e-6, 1e6),
)
def test_any_histogram_can_be_fitted(counts: list[int], width: Fraction, expected: float) -> None:
    bins = Bins(width, -(len(counts) // 2), len(counts) - len(counts) // 2 - 1)
    found = flat(bins, expected, np.array(counts))
    feature = strongest(found)
    assert (feature is None) == (sum(counts) == 0)
    if feature is None:
        return
    assert 0 <= feature.false_alarm_probability <= 1
    peak = fit_peak(found, feature)
    assert bins.edges[0] - 1 <= peak.position <= bins.edges[-1]
    assert 0 <= peak.position_std < math.inf
    seen = contrast(found, peak)
    assert 0 <= seen.coincidences <= sum(counts)
    assert not seen.accidentals < 0
