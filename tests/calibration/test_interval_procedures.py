"""Skews and asymmetries from intervals alone, against what the intervals were made of."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.counter_skew import calibrate_counter_skew, counter_skew
from calibration.intervals import centred
from calibration.two_way import Closure, LinkAsymmetry, calibrate_asymmetry, link_asymmetry
from drivers.core.errors import InstrumentFaultError, ValueOutOfRangeError
from protocols.clock.ledger import Correction
from protocols.clock.two_way import Asymmetry, two_way

NONE = Correction(0.0, 0.0, None)
DELAYS = st.floats(-1e-8, 1e-8)


class Counter:
    """A counter with a delay before each trigger, and leads that can be swapped."""

    def __init__(self, triggers_s, leads_s=20e-9, noise_s=0.0, seed=1):
        self.triggers_s, self.leads_s = dict(zip((1, 2), triggers_s, strict=True)), leads_s
        self.random, self.noise_s = np.random.default_rng(seed), noise_s
        self.arrives_s = {1: 0.0, 2: leads_s}
        self.inputs, self.readings = (1, 2), 0

    def swap(self):
        self.arrives_s = {1: self.leads_s, 2: 0.0}

    def prepare_intervals(self, start=1, stop=2, within_s=2.5):
        self.inputs = start, stop

    def begin_interval(self):
        self.readings += 1

    def interval_s(self):
        start, stop = (self.arrives_s[n] + self.triggers_s[n] for n in self.inputs)
        return stop - start + self.noise_s * self.random.standard_normal()


@given(DELAYS, DELAYS, st.floats(1e-8, 1e-7))
def test_the_skew_is_that_of_the_triggers_whatever_the_leads(first, second, leads):
    counter = Counter((first, second), leads)
    found = calibrate_counter_skew(counter, counter.swap, readings=8)
    assert found.skew_s == pytest.approx(first - second, abs=1e-20)
    assert found.leads_s == pytest.approx(leads, rel=1e-9)
    assert (found.readings, counter.readings) == (16, 16)
    # What a ledger adds to an interval that the local pulse starts at input 1.
    local_first_s = 3e-9
    interval_s = local_first_s + second - first
    assert interval_s + found.skew_s == pytest.approx(local_first_s, abs=1e-20)


def test_the_uncertainty_of_a_skew_is_that_of_the_scatter():
    """Of 400 seeds 68.3 % lie within one; 61.3 to 75.3 % are three sigma."""
    within = 0
    for seed in range(400):
        counter = Counter((0.0, 3e-10), noise_s=1e-10, seed=seed)
        found = calibrate_counter_skew(counter, counter.swap, readings=50)
        within += abs(found.skew_s + 3e-10) < found.standard_uncertainty_s
    assert found.standard_uncertainty_s == pytest.approx(1e-10 / math.sqrt(100), rel=0.3)
    assert 0.613 < within / 400 < 0.753


def test_pulses_that_are_not_one_are_no_skew():
    with pytest.raises(InstrumentFaultError, match="splitter"):
        counter_skew([2e-4] * 8, [2e-4] * 8)
    with pytest.raises(InstrumentFaultError, match="splitter"):  # the longer lead at input 1
        counter_skew([1 - 2e-8] * 8, [1 - 2e-8] * 8)
    with pytest.raises(InstrumentFaultError, match="only 3 of 8"):
        counter_skew([math.nan] * 5 + [2e-8] * 3, [2e-8] * 8)
    with pytest.raises(ValueOutOfRangeError, match="fewer"):
        calibrate_counter_skew(Counter((0.0, 0.0)), lambda: None, readings=7)


def closures(there_s, back_s, x_s, skews_s=(0.0, 0.0, 0.0), noise_s=0.0, seed=1, count=40):
    """Return what three counters with these skews read of clocks that drift."""
    random = np.random.default_rng(seed)
    read = []
    for k in range(count):
        now_s = x_s + 2e-11 * k
        exact = np.array([there_s + now_s, back_s - now_s, now_s]) - np.array(skews_s)
        read.append(Closure(*((exact + noise_s * random.standard_normal(3)) % 1.0).tolist()))
    return read


@given(st.floats(1e-6, 1e-3), DELAYS, st.floats(-1e-4, 1e-4), DELAYS, DELAYS, DELAYS, DELAYS)
def test_calibrated_two_way_transfer_is_right_whatever_the_delays(
    way, apart, x, skew, far_skew, direct_skew, ledger
):
    """With any ledger in use, also a wrong one: the same one calibrates and is used."""
    read = closures(way + 0.5 * apart, way - 0.5 * apart, x, (skew, far_skew, direct_skew))
    used, direct = Correction(ledger, 0.0, None), Correction(direct_skew, 0.0, None)
    found = link_asymmetry(read, used, direct, 1.0)
    assert found.round_trip_s == pytest.approx(2 * way - skew - far_skew, abs=1e-14)
    asymmetry = Asymmetry(difference_s=found.difference_s, uncertainty_s=0.0, calibrated_tai_ns=0)
    last = read[-1]
    told = two_way(centred(last.far, 1.0), centred(last.here, 1.0), asymmetry).x_s + ledger
    assert told == pytest.approx(x + 39 * 2e-11, abs=1e-14)


def test_the_uncertainty_of_an_asymmetry():
    """Scatter of R_B - R_A - 2 x: sqrt(1 + 1 + 4) readings; twice the ledger's besides.

    Of 400 seeds 68.3 % lie within one; 61.3 to 75.3 % are three sigma.
    """
    within = 0
    for seed in range(400):
        read = closures(2.5e-4, 2.4e-4, 1e-5, noise_s=1e-10, seed=seed)
        found = link_asymmetry(read, NONE, NONE, 1.0)
        within += abs(found.difference_s - 1e-5) < found.standard_uncertainty_s
    assert found.standard_uncertainty_s == pytest.approx(1e-10 * math.sqrt(6 / 40), rel=0.4)
    assert 0.613 < within / 400 < 0.753
    doubtful = link_asymmetry(read, NONE, Correction(0.0, 1e-9, None), 1.0)
    assert doubtful.standard_uncertainty_s == pytest.approx(2e-9, rel=0.01)


def test_alpha_gives_the_same_asymmetry_back():
    found = LinkAsymmetry(61.2e-9, 5e-11, 489.6e-6, 100)
    again = Asymmetry.from_ratio(found.alpha, found.alpha_uncertainty, found.round_trip_s, 0)
    assert again.difference_s == pytest.approx(found.difference_s, rel=1e-12)
    assert again.uncertainty_s == pytest.approx(found.standard_uncertainty_s, rel=1e-9)


def test_too_few_or_missing_pulses_give_no_asymmetry():
    counter = Counter((0.0, 0.0))
    with pytest.raises(ValueOutOfRangeError, match="fewer"):
        calibrate_asymmetry(counter, counter, counter, ledger=NONE, direct_ledger=NONE, readings=7)
    read = closures(1e-4, 1e-4, 0.0, count=10)
    lost = [Closure(each.here, math.nan, each.direct) for each in read[:6]] + read[6:]
    with pytest.raises(InstrumentFaultError, match="only 4 of 10"):
        link_asymmetry(lost, NONE, NONE, 1.0)


@pytest.mark.parametrize("x_s", [0.5, -0.5, 0.5 - 2.4e-4, 0.5 - 2.5e-4, 0.5 + 2.4e-4])
def test_clocks_half_a_period_apart_give_the_same_asymmetry(x_s):
    """Noise throws each counter's readings to either side of half a second."""
    read = closures(2.5e-4, 2.4e-4, x_s - 4e-10, noise_s=1e-9)
    found = link_asymmetry(read, NONE, NONE, 1.0)
    assert found.difference_s == pytest.approx(1e-5, abs=5e-9)
    assert found.round_trip_s == pytest.approx(4.9e-4, abs=5e-9)
    assert found.standard_uncertainty_s < 1e-9


@pytest.mark.parametrize(
    ("difference_s", "round_trip_s"),
    [(1e-9, 1e-9), (0.0, 0.0), (2e-9, 1e-9), (-2e-9, 1e-9), (0.0, -1e-9), (0.0, 4e-11)],
)
def test_a_way_that_is_not_clearly_positive_has_no_ratio(difference_s, round_trip_s):
    found = LinkAsymmetry(difference_s, 1e-11, round_trip_s, 100)
    assert (found.alpha, found.alpha_uncertainty) == (None, None)
