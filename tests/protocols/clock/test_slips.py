"""Cycle slips found by two counters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocols.clock import slips
from protocols.clock.slips import SlipDetector, SlipFlag
from protocols.errors import ParameterError

Floats = NDArray[np.float64]


def _beat(
    rng: np.random.Generator, count: int, *, tracker: float = 0.03, skew_s: float = 10e-6
) -> tuple[Floats, Floats]:
    """Two counters' readings of one beat, gates of 1 s, S_phi = 500/f^2 rad^2/Hz.

    Such a phase is a random walk that gains 2 pi^2 500 rad^2 of variance a second. The
    second counter's gates open `skew_s` later, and each tracker adds white phase.
    """
    cycles = math.sqrt(2.0 * math.pi**2 * 500.0) / (2.0 * math.pi)  # rms in a second
    late = rng.standard_normal(count + 1) * cycles * math.sqrt(skew_s)
    rest = rng.standard_normal(count) * cycles * math.sqrt(1.0 - skew_s)
    first = late[:-1] + rest + np.diff(rng.standard_normal(count + 1)) * tracker
    second = rest + late[1:] + np.diff(rng.standard_normal(count + 1)) * tracker
    return first, second


def test_noise_of_the_difference_is_as_published() -> None:
    first, second = _beat(np.random.default_rng(1), 1_000_000)
    assert np.std(first - second) == pytest.approx(0.093, abs=5e-4)
    assert np.std(first) == pytest.approx(15.8, rel=0.01)


def test_finds_slips_of_either_counter_and_says_little_else() -> None:
    """Of 10 000 slips all are found but for a probability below 1e-6."""
    rng = np.random.default_rng(20261122)
    every, total = 100, 10_000
    first, second = _beat(rng, every * (total + 1))
    places = every * (1 + np.arange(total)) + rng.integers(-40, 40, total)
    sizes = np.where(rng.random(total) < 0.5, 1, rng.integers(2, 6, total))
    sizes *= rng.choice([-1, 1], total)
    on_first = rng.random(total) < 0.5
    # A third of them take a while and lie across the edge between two gates.
    within = np.where(rng.random(total) < 1 / 3, rng.random(total), 1.0)
    for readings, chosen in ((first, on_first), (second, ~on_first)):
        readings[places[chosen]] += (sizes * within)[chosen]
        readings[places[chosen] + 1] += (sizes * (1.0 - within))[chosen]
    detector = SlipDetector()
    flags, cycles = detector.scan(first, second)
    slipped = (flags & SlipFlag.SLIP) != 0
    found = slipped[places] | slipped[places + 1]
    assert np.count_nonzero(found) >= 9_990
    signs = np.where(on_first, 1, -1)
    assert np.array_equal(cycles[places] + cycles[places + 1], sizes * signs)
    # Both readings that part of a slip fell into are marked, where the part was large.
    parts = np.minimum(within, 1.0 - within) * np.abs(sizes) > 0.5
    assert np.all(flags[places[parts]] != 0)
    assert np.all(flags[places[parts] + 1] != 0)
    touched = np.zeros(first.size, dtype=bool)
    touched[places] = touched[places + 1] = True
    assert not np.any(slipped[~touched])
    # Beside a slip, 4 deviations are enough to be marked: 1.3 readings are expected.
    assert np.count_nonzero(flags[~touched]) <= 10


def test_flags_at_most_three_of_ten_million_clean_readings() -> None:
    """The expected number is 6e-5: a false alarm of this test has no weight."""
    rng = np.random.default_rng(7)
    detector = SlipDetector()
    false = 0
    for _ in range(10):
        flags, _ = detector.scan(*_beat(rng, 1_000_000))
        false += int(np.count_nonzero(flags))
    assert false <= 3
    assert detector.guaranteed
    assert detector.sigma_hz == pytest.approx(0.093, rel=0.15)


def test_withdraws_its_guarantee_when_the_readings_are_too_noisy() -> None:
    rng = np.random.default_rng(3)
    detector = SlipDetector()
    assert math.isnan(detector.sigma_hz)
    promises = [detector.guaranteed]
    for skew_s in (10e-6, 15e-6):
        detector.scan(*_beat(rng, 5_000, skew_s=skew_s))
        promises.append(detector.guaranteed)
    assert promises == [False, True, False]
    assert detector.sigma_hz > 0.1


def test_cannot_see_slips_of_both_counters_and_says_so() -> None:
    first, second = _beat(np.random.default_rng(4), 2_000)
    first[1_000] += 1.0
    second[1_000] += 1.0
    flags, _ = SlipDetector().scan(first, second)
    assert not flags.any()
    assert "both" in slips.UNDETECTABLE


def test_counts_anew_after_a_missing_reading() -> None:
    first, second = _beat(np.random.default_rng(5), 3_000)
    first[1_000] = math.nan
    second[1_000] += 7.3
    second[2_000] = math.inf
    first[2_500] -= 1.0
    flags, cycles = SlipDetector().scan(first, second)
    assert np.flatnonzero(flags).tolist() == [1_000, 2_000, 2_500]
    assert flags[1_000] == flags[2_000] == SlipFlag.MISSING
    assert cycles[2_500] == -1


def test_a_slip_across_an_edge_marks_both_readings() -> None:
    detector = SlipDetector()
    first, second = _beat(np.random.default_rng(6), 500)
    detector.scan(first, second)
    assert detector.step(0.4, 0.0).flag is SlipFlag.CLEAN
    end = detector.step(0.6, 0.0)
    assert (end.flag, end.previous, end.cycles) == (SlipFlag.SLIP, SlipFlag.PARTIAL, 1)
    for _ in range(20):
        assert detector.step(0.0, 0.0).flag is SlipFlag.CLEAN
    assert detector.step(0.0, 0.6).flag is SlipFlag.SLIP
    assert detector.step(0.0, 0.4).flag is SlipFlag.PARTIAL
    assert detector.step(0.0, 0.0).flag is SlipFlag.CLEAN


def test_gates_of_another_length_count_the_same_cycles() -> None:
    first, second = _beat(np.random.default_rng(8), 1_000)
    first[600] += 1.0
    flags, cycles = SlipDetector(0.1).scan(first * 10.0, second * 10.0)
    assert np.flatnonzero(flags).tolist() == [600]
    assert cycles[600] == 1


@given(
    st.lists(
        st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 2), min_size=1, max_size=60
    ),
    st.integers(0, 60),
)
def test_takes_any_readings_and_cuts_anywhere(pairs: list[tuple[float, float]], cut: int) -> None:
    readings = np.array(pairs)
    whole, parts = SlipDetector(), SlipDetector()
    flags, cycles = whole.scan(readings[:, 0], readings[:, 1])
    again = [parts.scan(*readings[:cut].T), parts.scan(*readings[cut:].T)]
    joined = np.concatenate([part[0] for part in again])
    joined[cut - 1 : cut] |= flags[cut - 1 : cut] & np.uint8(SlipFlag.PARTIAL)  # known later
    assert np.array_equal(joined, flags)
    assert np.array_equal(np.concatenate([part[1] for part in again]), cycles)


def test_steps_are_a_scan_one_by_one() -> None:
    first, second = _beat(np.random.default_rng(9), 2_000)
    first[[500, 900, 1_500]] += 1.0
    bulk, cycles = SlipDetector().scan(first, second)
    single = SlipDetector()
    slips_ = [single.step(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    assert [int(slip.flag) for slip in slips_] == (bulk & ~np.uint8(SlipFlag.PARTIAL)).tolist()
    assert [slip.cycles for slip in slips_] == cycles.tolist()


def test_refuses_what_makes_no_sense() -> None:
    for gate_s in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ParameterError):
            SlipDetector(gate_s)
    with pytest.raises(ParameterError):
        SlipDetector().scan(np.zeros(3), np.zeros(4))
