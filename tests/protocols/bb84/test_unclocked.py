"""Slots of BB84 from the photons alone: simulated clicks on two clocks, without any optics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.bb84.settings import AliceSettings
from protocols.bb84.sifting import detections
from protocols.bb84.unclocked import BasisRecord, Frame, place_clicks
from protocols.errors import ParameterError
from protocols.timetags.repetition.errors import NoRepetitionError, NoStringError

TICK = Fraction(2, 10**9)
PERIOD = Fraction(1, 10**7)
TICKS = 50  # of a slot on Alice's clock
BEFORE = 3000  # slots of steady light before the first string


@dataclass(frozen=True)
class Bench:
    """What happened in one pattern."""

    frame: Frame
    sent: AliceSettings
    record: BasisRecord
    tags: tuple[Any, Any]
    slots: Any  # of Alice's pulses that clicked, counted from the pattern's first slot
    first: int


def bench(seed=1, *, off=5e-6, skew=0.4, rate=0.05, dark=200, errors=0.02, string=16384, jump=0):
    """Simulate clicks of a pattern; the second half is late by `jump` ticks."""
    rng = np.random.default_rng(seed)
    frame = Frame(3, string, 40_000)
    settings = AliceSettings(*(rng.integers(0, 2, frame.slots).astype(np.uint8) for _ in range(3)))
    sent = frame.around(settings)
    total = sent.bit.size + 2 * BEFORE
    bit, basis = np.zeros((2, total), np.uint8)
    bit[BEFORE : BEFORE + sent.bit.size] = sent.bit
    basis[BEFORE : BEFORE + sent.bit.size] = sent.basis
    true = TICKS * (1 + off)
    begin = 10**6 + rng.uniform(0, 1000)
    arrives = begin + np.arange(total) * true
    arrives[total // 2 :] += jump
    # pulses begin midway between two steps, and slide from there
    start = Fraction(round((begin - 50_025) * 1000), 1000)
    ours = rng.integers(0, 2, total + 5000).astype(np.uint8)
    record = BasisRecord(start, Fraction(TICKS), Fraction(5, 2), ours)
    met = ours[np.floor((arrives - float(start)) / TICKS).astype(np.int64)]
    wrong = rng.random(total) < np.where(met == basis, errors, 0.5)
    click = np.flatnonzero(rng.random(total) < rate)
    outcome = (bit ^ wrong)[click]
    times = arrives[click] + skew * outcome + rng.normal(0, 0.4, click.size)
    noise = [rng.uniform(arrives[0], arrives[-1], dark // 2) for _ in range(2)]
    tags = tuple(
        np.sort(np.rint(np.concatenate([times[outcome == n], noise[n]])).astype(np.int64))
        for n in (0, 1)
    )
    return Bench(frame, sent, record, tags, click - BEFORE - string, BEFORE + string)


def placed(case, **changes):
    arguments = {
        "tags": case.tags, "tick": TICK, "period": PERIOD, "window": PERIOD / 10,
        "frame": case.frame, "record": case.record, "max_ppm": 50.0,
    }  # fmt: skip
    return place_clicks(**(arguments | changes))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), off=st.floats(-45e-6, 45e-6), skew=st.floats(-20, 20))
def test_every_click_gets_its_slot_and_the_basis_that_it_met(seed, off, skew):
    case = bench(seed, off=off, skew=skew, dark=0)
    found = placed(case)
    assert np.array_equal(np.sort(found.clicks.slot), case.slots)
    assert found.skew == pytest.approx(skew, abs=0.3)
    assert found.track.ratio_minus_1 == pytest.approx(off, abs=6 * found.track.ratio_std)
    kept = detections(found.clicks, case.frame.slots, Fraction(0))
    assert kept.slot.size == np.count_nonzero(found.clicks.inside & _in_pattern(found, case))
    basis = found.basis(kept.slot, case.record)
    assert set(np.unique(basis)) <= {0, 1}
    pattern = case.sent.bit[case.frame.string :], case.sent.basis[case.frame.string :]
    same = basis == pattern[1][kept.slot]
    wrong = kept.outcome != pattern[0][kept.slot]
    assert wrong[same].mean() < 0.06  # 2 % of a thousand: six standard deviations above
    assert 0.35 < wrong[~same].mean() < 0.65


def _in_pattern(found, case):
    return (found.clicks.slot >= 0) & (found.clicks.slot < case.frame.slots)


def test_near_a_step_of_the_modulator_nothing_is_kept():
    case = bench(off=45e-6, dark=0)
    found = placed(case)
    slot = found.clicks.slot[found.clicks.inside & _in_pattern(found, case)]
    arrival = found.track.centre(slot + found.first_slot) + found.track.origin + found.offset
    part = (arrival - float(case.record.start)) / TICKS % 1.0
    assert min(part.min(), 1 - part.max()) >= 0.05 - 1e-3
    assert found.guarded == pytest.approx(0.1, abs=0.05)
    assert found.clicks.slot.size == case.slots.size, "they still count for the dead time"


def test_the_strings_stand_around_the_pattern():
    frame = Frame(0, 1000, 50)
    settings = AliceSettings(*(np.ones(50, np.uint8) for _ in range(3)))
    sent = frame.around(settings)
    assert sent.bit.size == 2050
    assert sent.basis.sum() == sent.intensity.sum() == 50
    assert sent.basis[1000:1050].all() and sent.bit[1000:1050].all()
    assert (sent.bit[:1000] != sent.bit[1050:]).mean() == pytest.approx(0.5, abs=0.1)
    assert (frame.head != Frame(1, 1000, 50).head).mean() == pytest.approx(0.5, abs=0.1)
    with pytest.raises(ParameterError):
        replace(frame, slots=51).around(settings)


# ---- failures ----------------------------------------------------------------------


def test_no_light_and_only_dark_counts_have_no_pulses():
    case = bench()
    rng = np.random.default_rng(5)
    nothing = (np.empty(0, np.int64), np.empty(0, np.int64))
    dark = tuple(np.sort(rng.integers(10**6, 4 * 10**6, 2000)) for _ in range(2))
    for tags in (nothing, dark, (case.tags[0], nothing[0]), (case.tags[0], dark[1])):
        with pytest.raises(NoRepetitionError):
            placed(case, tags=tags)


def test_a_rate_beyond_the_range_gives_no_slots():
    with pytest.raises(NoRepetitionError, match=r"\+(59|60).* ppm off, more than the 50"):
        placed(bench(off=60e-6))


@pytest.mark.parametrize("slots", [1, -3, 40])
def test_a_clock_that_jumps_by_whole_slots_is_noticed(slots):
    """No phase tells of it; the second string does."""
    with pytest.raises(NoStringError, match=f"has .{abs(slots)} slots more"):
        placed(bench(jump=slots * TICKS, off=0))


def test_a_clock_that_jumps_within_a_slot_is_noticed():
    with pytest.raises(NoRepetitionError, match="jumps"):
        placed(bench(jump=20))


def test_another_pattern_is_not_taken_for_this_one():
    case = bench()
    with pytest.raises(NoStringError, match="at none of"):
        placed(case, frame=replace(case.frame, index=4))


@pytest.mark.parametrize("slots", [39_999, 40_001])
def test_another_length_of_the_pattern_is_noticed(slots):
    case = bench()
    with pytest.raises(NoStringError, match=r"has .1 slots more"):
        placed(case, frame=replace(case.frame, slots=slots))


def test_a_pattern_that_is_cut_off_is_noticed():
    case = bench()
    for part in (slice(None, 900), slice(200, None)):
        with pytest.raises(NoStringError, match="at none of"):
            placed(case, tags=tuple(tags[part] for tags in case.tags))


def test_swapped_detectors_are_told():
    case = bench()
    with pytest.raises(NoStringError, match="inverted"):
        placed(case, tags=case.tags[::-1])


def test_a_modulator_that_never_plays_tells_of_no_string():
    case = bench()
    with pytest.raises(NoStringError):
        placed(case, record=replace(case.record, basis=np.empty(0, np.uint8)))
