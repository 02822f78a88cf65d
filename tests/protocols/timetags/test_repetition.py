"""Pulses found from their clicks alone: rate, drift, jumps, and which pulse is which."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import ParameterError
from protocols.timetags.repetition.errors import NoRepetitionError, NoStringError
from protocols.timetags.repetition.spectrum import find_line
from protocols.timetags.repetition.strings import find_string, public_string
from protocols.timetags.repetition.tracking import follow

SPAN = 200_000_000  # ticks of 2 ns: 0.4 s


def pulses(rng, count, *, period=50.0, off=5e-6, spread=0.3, span=SPAN, dark=0, drift=0.0):
    """Return tags of pulses with a relative drift of the period along the span, and their slots.

    Slots are -1 for dark counts, which are uniform.
    """
    true = period * (1 + off)
    slots = np.sort(rng.integers(0, int(span / true), count))
    times = slots * true * (1 + 0.5 * drift * slots * true / span) + rng.uniform(0, true)
    times = np.concatenate([times + rng.normal(0, spread, count), rng.uniform(0, span, dark)])
    order = np.argsort(times, kind="stable")
    slots = np.concatenate([slots, np.full(dark, -1)])[order]
    return np.rint(times[order]).astype(np.int64), slots


def track(ticks, period=50, max_ppm=200.0):
    line = find_line(ticks, Fraction(period), max_ppm)
    return follow(ticks, float(period), line)


# ---- rate and slots ----------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    period=st.floats(5, 5000),
    off=st.floats(-190e-6, 190e-6),
    count=st.integers(60, 3000),
    start=st.integers(-(2**60), 2**60),
)
def test_every_pulse_gets_its_slot(seed, period, off, count, start):
    """All differences of slots are right where pulses are narrow, wherever time begins."""
    rng = np.random.default_rng(seed)
    ticks, slots = pulses(
        rng, count, period=period, off=off, spread=0.02 * period, span=2e5 * period
    )
    found = follow(ticks + start, period, find_line(ticks + start, Fraction(period), 200.0))
    place, late = found.place(ticks + start)
    assert np.ptp(place - slots) == 0
    assert np.abs(late).max() < period / 4
    centre = found.centre(place) + (found.origin - start)
    assert np.allclose(centre + late, ticks, rtol=0, atol=1e-3)
    assert abs(found.ratio_minus_1 - off) < 6 * found.ratio_std + 1e-9


@pytest.mark.parametrize("dark", [0, 1000])
def test_the_rate_reaches_the_cramer_rao_bound(dark):
    """Mean square error over the bound: 1 within 0.5 at 100 seeds (3.5 standard deviations).

    Without background the bound is var(u) = sigma^2 / (T^2 sum (k - mean)^2), sigma with the
    tick's twelfth; of background it only takes the tags that lie among the pulses, few here.
    """
    squares, stated = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        ticks, slots = pulses(rng, 2000, spread=0.8, dark=dark)
        found = track(ticks)
        own = slots[slots >= 0]
        bound = math.hypot(0.8, 12**-0.5) / 50 / math.sqrt(((own - own.mean()) ** 2).sum())
        squares.append(((found.ratio_minus_1 - 5e-6) / bound) ** 2)
        stated.append((found.ratio_std / bound) ** 2)
    assert 0.5 < np.mean(squares) < 1.5
    assert 0.9 < np.mean(stated) < 1.5


@pytest.mark.parametrize("off", [5.2e-6, 1e-7, 1e-9])
def test_what_whole_ticks_hide_is_in_the_uncertainty(off):
    """Pulses a ninth of a tick wide, near one phase between ticks for long: 4 deviations."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        ticks, slots = pulses(rng, 20_000, off=off, spread=0.11, span=SPAN / 20)
        found = track(ticks)
        assert abs(found.ratio_minus_1 - off) < 4 * found.ratio_std
        place, _ = found.place(ticks)
        miss = found.centre(place) + found.origin - 50 * (1 + off) * slots
        assert np.std(miss) < 3 * found.phase_std


def test_the_smoothed_phase_is_as_sure_as_it_says():
    errors, stated = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        ticks, slots = pulses(rng, 20_000, spread=0.8, drift=2e-8)
        found = track(ticks)
        place, _ = found.place(ticks)
        true = 50 * (1 + 5e-6) * slots * (1 + 0.5 * 2e-8 * slots * 50 / SPAN)
        miss = found.centre(place) + found.origin - true
        errors.append(np.std(miss))  # the start of the grid is chance
        stated.append(found.phase_std)
    assert np.mean(errors) < 1.3 * np.mean(stated)
    assert np.mean(stated) < 0.03


def test_a_drift_is_followed_and_told():
    rng = np.random.default_rng(7)
    ticks, slots = pulses(rng, 100_000, span=5 * SPAN, drift=1e-7, dark=500)
    found = track(ticks)
    place, _ = found.place(ticks)
    own = slots >= 0
    assert np.ptp((place - slots)[own]) == 0
    assert found.ratio_minus_1 == pytest.approx(5e-6 + 0.5e-7, abs=5 * found.ratio_std)
    assert found.drift_per_slot * 5 * SPAN / 50 == pytest.approx(1e-7, rel=0.05)


def test_light_among_dark_counts_before_and_after_it():
    rng = np.random.default_rng(8)
    ticks, slots = pulses(rng, 3000, dark=3000)
    before, after = rng.integers(-SPAN, 0, 3000), rng.integers(SPAN, 2 * SPAN, 3000)
    found = track(np.sort(np.concatenate([before, ticks, after])))
    place, late = found.place(ticks)
    own = (slots >= 0) & (np.abs(late) < 2)
    assert np.ptp((place - slots)[own]) == 0
    assert np.count_nonzero(own) > 2990


# ---- nothing there -----------------------------------------------------------------


def test_dark_counts_have_no_rate():
    """A false alarm of 0.05 is met at most so often: 300 streams, 5 standard deviations.

    Dead time, which makes counts regular, is a multiple of the period.
    """
    passed = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        ticks = np.cumsum(500 + rng.exponential(1e6, 200)).astype(np.int64)
        try:
            found = find_line(ticks, Fraction(50), 200.0, 0.05)
        except NoRepetitionError as error:
            passed += "stands out" not in str(error)  # beyond the range is an alarm, too
        else:
            passed += 1
            assert 1e-4 < found.false_alarm_probability <= 0.05
    assert passed < 15 + 5 * math.sqrt(15)


def test_a_rate_beyond_the_range_is_named_or_not_seen():
    ticks, _ = pulses(np.random.default_rng(1), 20_000, off=-230e-6)
    with pytest.raises(NoRepetitionError, match=r"-230 ppm off, more than the 200"):
        find_line(ticks, Fraction(50), 200.0)
    for off in (8.1e-4, -2e-3, 1e-2):  # the first would be folded into the range
        ticks, _ = pulses(np.random.default_rng(1), 20_000, off=off)
        with pytest.raises(NoRepetitionError, match="stands out"):
            find_line(ticks, Fraction(50), 200.0)


@pytest.mark.parametrize("count", [0, 1, 15])
def test_too_few_tags_have_no_rate(count):
    with pytest.raises(NoRepetitionError):
        find_line(np.arange(count, dtype=np.int64) * 50, Fraction(50), 200.0)


def test_equal_tags_have_no_rate():
    with pytest.raises(NoRepetitionError):
        track(np.zeros(1000, np.int64))


@settings(max_examples=30, deadline=None)
@given(
    gaps=st.lists(st.sampled_from([0, 1, 49, 50, 51, 1000, 12_345, 10**7]), max_size=60),
    repeats=st.integers(1, 30),
    period=st.sampled_from([2.0, 2.5, 50.0, 50.001, 1e6]),
)
def test_whatever_the_tags_are_nothing_else_is_raised(gaps, repeats, period):
    ticks = np.cumsum(np.array(gaps * repeats, np.int64))
    try:
        found = follow(ticks, period, find_line(ticks, Fraction(period), 200.0, 0.5))
    except NoRepetitionError:
        return
    place, late = found.place(ticks)
    assert place.shape == late.shape == ticks.shape
    assert np.isfinite([found.ratio_minus_1, found.ratio_std, found.phase_std]).all()


@pytest.mark.parametrize(
    "period, max_ppm, alarm", [(1, 200, 0.1), (50, 0, 0.1), (50, 2e5, 0.1), (50, 200, 0.0)]
)
def test_what_cannot_be_sought_is_refused(period, max_ppm, alarm):
    with pytest.raises(ParameterError):
        find_line(np.arange(100, dtype=np.int64), Fraction(period), max_ppm, alarm)


# ---- jumps -------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [8, 25, -15])
def test_a_jump_of_the_phase_is_noticed(jump):
    ticks, _ = pulses(np.random.default_rng(2), 40_000, dark=200)
    ticks[20_000:] += jump
    with pytest.raises(NoRepetitionError, match="jumps"):
        track(np.sort(ticks))


def test_pulses_that_return_after_a_long_gap_are_not_counted():
    ticks, _ = pulses(np.random.default_rng(2), 40_000)
    ticks[20_000:] += 10_000_000_000
    with pytest.raises(NoRepetitionError, match="lost in a gap"):
        track(ticks)


def test_a_short_gap_is_bridged():
    ticks, slots = pulses(np.random.default_rng(2), 40_000)
    keep = (slots < 1_500_000) | (slots > 2_000_000)
    place, _ = track(ticks[keep]).place(ticks[keep])
    assert np.ptp(place - slots[keep]) == 0


# ---- strings -----------------------------------------------------------------------


def heard(rng, offset, string, *, slots=400_000, rate=0.01, wrong=0.05):
    """Return slots and bits of clicks on random bits, with the string at an offset."""
    sent = rng.integers(0, 2, slots).astype(np.uint8)
    if offset is not None:
        sent[offset : offset + string.size] = string
    place = np.flatnonzero(rng.random(slots) < rate)
    return place, sent[place] ^ (rng.random(place.size) < wrong).astype(np.uint8)


def test_the_public_string_is_specified():
    string = public_string("head 0", 4096)
    digest = hashlib.sha256(np.packbits(string).tobytes()).hexdigest()
    assert digest == "2b54f6bf68a781b35d04258545d490a60d79948ced9e00d8b97ca25d59dd9ce6"
    assert public_string("head 0", 100).tolist() == string[:100].tolist()
    assert abs(int(string.sum()) - 2048) < 5 * 32
    assert (public_string("head 1", 4096) != string).mean() == pytest.approx(0.5, abs=0.05)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    offset=st.integers(0, 300_000),
    shift=st.integers(-(2**40), 2**40),
    bits=st.integers(20_000, 100_000),
)
def test_a_string_is_found_wherever_it_is(seed, offset, shift, bits):
    string = public_string("any", bits)
    place, received = heard(np.random.default_rng(seed), offset, string)
    found = find_string(place + shift, received, string, (shift, shift + 400_000 - bits))
    assert found.offset == offset + shift
    inside = (place >= offset) & (place < offset + bits)
    assert found.clicks == np.count_nonzero(inside)
    assert found.errors == np.count_nonzero(received[inside] != string[place[inside] - offset])
    assert found.false_alarm_probability <= 1e-9


def test_no_string_is_found_where_none_is():
    """The bound on the false alarm holds: 300 streams at 0.05, 5 standard deviations."""
    string = public_string("none", 2000)
    passed = 0
    for seed in range(300):
        place, received = heard(np.random.default_rng(seed), None, string, slots=20_000, rate=0.1)
        try:
            find_string(place, received, string, (0, 18_000), 0.05)
            passed += 1
        except NoStringError as error:
            assert "none of 18000 offsets" in str(error) or "inverted" in str(error)
    assert passed < 15 + 5 * math.sqrt(15)


def test_steady_light_is_no_string():
    string = public_string("none", 20_000)
    place = np.flatnonzero(np.random.default_rng(1).random(400_000) < 0.02)
    with pytest.raises(NoStringError):
        find_string(place, np.zeros(place.size, np.uint8), string, (0, 380_000))


def test_swapped_detectors_are_told():
    string = public_string("any", 30_000)
    place, received = heard(np.random.default_rng(1), 777, string)
    with pytest.raises(NoStringError, match="inverted"):
        find_string(place, received ^ 1, string, (0, 300_000))


def test_a_string_outside_the_range_is_not_found():
    string = public_string("any", 30_000)
    place, received = heard(np.random.default_rng(1), 200_000, string)
    with pytest.raises(NoStringError, match="none of 100000 offsets"):
        find_string(place, received, string, (0, 100_000))


def test_strings_that_cannot_be_sought_are_refused():
    none, no_bits = np.empty(0, np.int64), np.empty(0, np.uint8)
    string = public_string("any", 100)
    with pytest.raises(NoStringError):
        find_string(none, no_bits, string, (0, 10))
    for arguments in (
        (none, no_bits, no_bits, (0, 10)),
        (none, string, string, (0, 10)),
        (none, no_bits, string, (10, 10)),
        (none, no_bits, string, (0, 10), 1.0),
    ):
        with pytest.raises(ParameterError):
            find_string(*arguments)
