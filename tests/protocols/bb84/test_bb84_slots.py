import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.bb84.sifting import (
    DOUBLE,
    Detections,
    detections,
    double_click_bytes,
    intensity_counts,
    resolve_double_clicks,
    sift,
)
from protocols.bb84.slots import SlotGrid, estimate_delay, locate_clicks, phase_histogram
from protocols.errors import ParameterError

NS = Fraction(1, 10**9)
TICK = NS / 256
times = st.integers(-(2**20), 2**24)
events = st.lists(st.tuples(times, st.integers(0, 3)), max_size=60)
fractions = st.fractions(Fraction(1), Fraction(2000), max_denominator=40)


def arrays(found: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([t for t, _ in found], np.int64), np.array([c for _, c in found], np.int8)


@settings(deadline=None)
@given(events, fractions, st.data())
def test_slots_are_those_of_exact_arithmetic(
    found: list[tuple[int, int]], period: Fraction, data: st.DataObject
) -> None:
    window = period * data.draw(st.fractions(Fraction(1, 100), 1, max_denominator=100))
    delays = (data.draw(fractions) * NS, data.draw(fractions) * NS)
    grid = SlotGrid(TICK, period * NS, window * NS, delays)
    marker = data.draw(times)
    clicks = locate_clicks(*arrays(found), marker, grid, (1, 2))
    expected = []
    for tick, channel in found:
        if channel in (1, 2):
            time = (tick - marker) * TICK - delays[channel - 1]
            slot = math.floor(time / grid.period + Fraction(1, 2))
            inside = abs(time - slot * grid.period) <= grid.window / 2
            expected.append((time, slot, channel - 1, inside))
    got = [
        (int(time) * clicks.unit, int(slot), int(detector), bool(inside))
        for time, slot, detector, inside in zip(
            clicks.time, clicks.slot, clicks.detector, clicks.inside, strict=True
        )
    ]
    assert sorted(got) == sorted(expected)
    assert [time for time, *_ in got] == sorted(time for time, *_ in got)


def grid(window: int = 20) -> SlotGrid:
    return SlotGrid(NS, 100 * NS, window * NS, (0 * NS, 0 * NS))


def detect(found: list[tuple[int, int]], slots: int = 100, dead: int = 1000) -> Detections:
    return detections(locate_clicks(*arrays(found), 0, grid(), (0, 1)), slots, dead * NS)


def test_any_previous_click_blinds_whether_kept_or_not() -> None:
    found = detect([(0, 0), (900, 1), (1800, 0), (2800, 1)])
    # 900 falls to 0; 1800 falls to 900, itself dropped; 2800 comes exactly 1000 later.
    assert found.slot.tolist() == [0, 28]
    assert found.dropped_dead_time == 2
    assert found.outcome.tolist() == [0, 1]


def test_clicks_outside_windows_and_pattern_blind_too() -> None:
    found = detect([(-500, 0), (100, 1), (1150, 0), (2100, 1), (10_000, 0)])
    assert found.slot.tolist() == []
    assert found.dropped_dead_time == 2
    assert found.dropped_outside == 3


def test_a_double_click_is_one_detection() -> None:
    found = detect([(195, 0), (205, 1), (1300, 1), (1301, 1)])
    assert found.slot.tolist() == [2, 13]
    assert found.outcome.tolist() == [DOUBLE, 1]
    assert found.double_clicks == 1
    assert double_click_bytes(found) == 1
    assert resolve_double_clicks(found, b"\x80").tolist() == [1, 1]
    assert resolve_double_clicks(found, b"\x00").tolist() == [0, 1]
    with pytest.raises(ParameterError):
        resolve_double_clicks(found, b"")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-300, 5000), st.integers(0, 1)), max_size=40),
    st.integers(0, 1500),
)
def test_the_rules_one_by_one(found: list[tuple[int, int]], dead: int) -> None:
    """Apply each rule slot by slot to a plain list, as a person would."""
    slots = 45
    expected = []
    for slot in range(slots):
        here = [(t, d) for t, d in found if abs(t - 100 * slot) <= 10]
        if not here:
            continue
        first = min(t for t, _ in here)
        if any(first - dead < t < first for t, _ in found):
            continue
        both = {d for _, d in here}
        expected.append((slot, DOUBLE if len(both) == 2 else both.pop()))
    got = detect(found, slots, dead)
    assert list(zip(got.slot.tolist(), got.outcome.tolist(), strict=True)) == expected


def test_sifting_keeps_equal_bases() -> None:
    alice = np.array([0, 0, 1, 1, 0, 1, 0], np.uint8)
    bob = np.array([0, 1, 1, 0, 0, 1, 0], np.uint8)
    key, test = sift(alice, bob, np.array([2, 0, 1]), np.array([1, 0]), 9, 9)
    assert key.tolist() == [6, 0, 4]
    assert test.tolist() == [2, 5]
    key, test = sift(alice, bob, np.array([2, 0, 1]), np.array([1, 0]), 2, 1)
    assert key.tolist() == [6, 0]
    assert test.tolist() == [5]
    with pytest.raises(ParameterError):
        sift(alice, bob, np.arange(2), np.arange(2), 9, 9)
    with pytest.raises(ParameterError):
        sift(alice, bob[:-1], np.arange(3), np.arange(2), 9, 9)


def test_counts_per_intensity() -> None:
    weak, vacuum = np.array([0, 1, 1, 0, 0], np.uint8), np.array([0, 0, 0, 0, 1], np.uint8)
    assert intensity_counts([weak], 5) == (3, 2)
    assert intensity_counts([weak, vacuum], 5) == (2, 2, 1)


@pytest.mark.parametrize("peak", [0.3, 12.0, 49.9, 99.8])
@pytest.mark.parametrize("background", [0, 20_000])
def test_the_delay_is_found_within_its_uncertainty(peak: float, background: int) -> None:
    rng = np.random.default_rng(7)
    period, count = 100.0, 20_000
    phases = np.concatenate(
        (rng.normal(peak, 0.8, count) % period, rng.uniform(0, period, background))
    )
    ticks = np.round(phases * 256).astype(np.int64)
    ticks += 25_600 * rng.integers(-50, 50, ticks.size) + 77
    histogram = phase_histogram(ticks, 77, TICK, 100 * NS, 200)
    assert histogram.sum() == ticks.size
    delay, uncertainty = estimate_delay(histogram, 100e-9)
    miss = abs((delay * 1e9 - peak + 50) % 100 - 50)
    # 4.5 standard deviations: false alarm 7e-6 each, seed fixed; half a tick of rounding
    assert miss < 4.5 * uncertainty * 1e9 + 0.002
    expected = math.hypot(0.8, 0.5 / math.sqrt(12)) / math.sqrt(count)
    noise = math.sqrt(background / 200 * sum(i**2 for i in range(-50, 51))) * 0.5 / count
    assert 0.5 < uncertainty * 1e9 / math.hypot(expected, noise) < 2


def test_no_peak_is_no_delay() -> None:
    rng = np.random.default_rng(8)
    with pytest.raises(ParameterError, match="no peak"):
        estimate_delay(rng.poisson(100, 100), 1e-7)
    with pytest.raises(ParameterError, match="no peak"):
        estimate_delay(np.zeros(100, np.int64), 1e-7)
    with pytest.raises(ParameterError):
        estimate_delay(np.zeros(4, np.int64), 1e-7)


def test_impossible_grids_are_refused() -> None:
    with pytest.raises(ParameterError, match="window"):
        SlotGrid(NS, 10 * NS, 11 * NS, (NS, NS))
    with pytest.raises(ParameterError, match="positive"):
        SlotGrid(NS, 0 * NS, NS, (NS, NS))
    ticks = np.array([2**60], np.int64)
    with pytest.raises(ParameterError, match="fit"):
        locate_clicks(ticks, np.array([1]), 0, SlotGrid(TICK, NS / 7, NS / 9, (NS, NS)), (1, 2))
    with pytest.raises(ParameterError, match="different"):
        locate_clicks(ticks, np.array([1]), 0, grid(), (1, 1))
    with pytest.raises(ParameterError):
        detect([], -1)
