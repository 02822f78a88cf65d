from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import ParameterError
from protocols.timetags.synchronisation.clock_model import ClockModel

PS = Fraction(1, 10**12)
STAMP = Fraction(1, 256 * 10**9)
DAY = 86_400 * 10**12


def test_a_line_has_the_sign_of_the_conventions():
    model = ClockModel.line(1_000, Fraction(12_300, 10**6), 5e-6, PS, PS)
    assert model.frequency_ratio_minus_1 == pytest.approx(5e-6, rel=1e-12)
    t_a = 1_000 + 6 * 10**12
    t_b = t_a + 12_300_000_000 + 5 * 6 * 10**6
    assert model.to_a(np.array([t_b])).tolist() == [t_a]


ticks = st.sampled_from([PS, STAMP, Fraction(2, 10**9), Fraction(1, 3 * 10**12)])


@settings(max_examples=60, deadline=None)
@given(
    tick_a=ticks,
    tick_b=ticks,
    origin=st.integers(-DAY, DAY),
    offset=st.fractions(-10, 10, max_denominator=10**12),
    steps=st.lists(
        st.tuples(st.integers(10**9, DAY), st.floats(-2e-4, 2e-4)), min_size=1, max_size=4
    ),
    places=st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=20),
)
def test_tags_come_across_within_a_picosecond_over_days(
    tick_a, tick_b, origin, offset, steps, places
):
    nodes, lags = [round(origin * PS / tick_a)], [offset]
    for length, rate in steps:
        nodes.append(nodes[-1] + max(1, round(length * PS / tick_a)))
        lags.append(lags[-1] + Fraction(rate) * (nodes[-1] - nodes[-2]) * tick_a)
    model = ClockModel.through(nodes, lags, tick_a, tick_b)
    first, last = int(model.ticks_b[0]), int(model.ticks_b[-1])
    # not further out than the outermost pieces are long: nodes are whole ticks of B
    tags = np.array([first + int(place * (last - first)) for place in places], np.int64)
    tags = np.clip(tags, 2 * first - model.ticks_b[1], 2 * last - model.ticks_b[-2])
    for tag, found in zip(tags.tolist(), model.to_a(tags).tolist(), strict=True):
        # exactly, by rational numbers
        t_b = tag * tick_b
        on_b = [node * tick_a + lag for node, lag in zip(nodes, lags, strict=True)]
        k = max((i for i in range(len(nodes) - 1) if on_b[i] <= t_b), default=0)
        rate = (nodes[k + 1] - nodes[k]) * tick_a / (on_b[k + 1] - on_b[k])
        exact = nodes[k] * tick_a + (t_b - on_b[k]) * rate
        assert abs(found * tick_a - exact) <= tick_a / 2 + PS / 4


def test_order_does_not_matter():
    model = ClockModel.through([0, 10**12, 3 * 10**12], [PS * 0, PS * 10**6, PS * 10], PS, STAMP)
    tags = np.random.default_rng(1).integers(-(10**12), 10**12, 1000)
    order = np.argsort(tags)
    assert np.array_equal(model.to_a(tags)[order], model.to_a(tags[order]))


@pytest.mark.parametrize(
    ("nodes_b", "nodes_a", "fractions"),
    [
        ([0], [0], [0.0]),
        ([0, 0], [0, 1], [0.0, 0.0]),
        ([5, 0], [0, 5], [0.0, 0.0]),
        ([0, 10], [0, 100], [0.0, 0.0]),
        ([0, 10], [0, 10], [0.0, float("nan")]),
        ([0, 10], [0, 10, 20], [0.0, 0.0]),
    ],
)
def test_nodes_that_are_no_clocks_are_refused(nodes_b, nodes_a, fractions):
    with pytest.raises(ParameterError):
        ClockModel(PS, PS, np.array(nodes_b), np.array(nodes_a), np.array(fractions))


def test_tags_that_leave_64_bits_are_refused():
    model = ClockModel.line(0, Fraction(0), 0.0, PS, Fraction(2, 10**9))
    with pytest.raises(ParameterError):
        model.to_a(np.array([1 << 60]))
