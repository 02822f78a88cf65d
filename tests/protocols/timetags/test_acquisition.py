import numpy as np
import pytest

from protocols.timetags.synchronisation.acquisition import Bounds, acquire
from protocols.timetags.synchronisation.chance import FALSE_ALARM, log_tail
from protocols.timetags.synchronisation.drift_lines import Grid, search

SECOND = 8 * 10**12  # ticks of 1/8 ps
EVERYTHING = Bounds((0,), SECOND, 200e-6)


def stations(seed, pairs, singles_a, singles_b, offset_s, rate, seconds=6.0, jitter_s=300e-12):
    """Return two streams with pairs among independent tags, B's on a clock of its own."""
    draws = np.random.default_rng(seed)
    born = draws.random(pairs) * seconds
    spread = jitter_s / np.sqrt(2)
    a = np.concatenate(
        [born + draws.normal(0, spread, pairs), draws.random(singles_a - pairs) * seconds]
    )
    b = np.concatenate(
        [born + draws.normal(0, spread, pairs), draws.random(singles_b - pairs) * seconds]
    )
    b += offset_s + rate * (b - a.min())
    return tuple(np.sort(np.rint(tags * 1e12).astype(np.int64)) * 8 for tags in (a, b))


def error(found, a, offset_s, rate):
    line = found.sight.line
    return line.lag - SECOND * offset_s - rate * (line.middle - int(a[0])), line.rate - rate


def test_a_tree_sums_along_the_lines_that_it_names():
    """Against counting each line's pairs one by one, from the same segments."""
    draws = np.random.default_rng(5)
    a = np.sort(draws.integers(0, 1 << 20, 300))
    b = np.sort(draws.integers(-(1 << 16), (1 << 20) + (1 << 16), 3000))
    grid = Grid(1 << 10, float(1 << 16), 8, 10, -(1 << 15), 64, -0.015)
    peaks = search(a, b, grid, 0, 1)
    sums = np.zeros((8, 64), np.int64)
    central = grid.slowest + 3.5 * grid.step
    for slope in range(8):
        for k in range(8):
            # Taylor's staircase: each half of a group takes half of its shift, the later the larger
            shift, size, row, base = slope, 8, k, 0
            while size > 1:
                if row >= size // 2:
                    row, base = row - size // 2, base + (shift + 1) // 2
                shift, size = shift // 2, size // 2
            begin = grid.begin + k * grid.segment
            for tag in a[(a >= begin) & (a < begin + grid.segment)]:
                middle = (k + 0.5) * grid.segment
                since = tag - grid.begin
                drift = grid.slowest * (middle - grid.segment / 2) + central * (since - middle)
                moved = tag + round(drift) + grid.first_lag
                bins = ((b - moved) >> grid.shift) - base
                sums[slope] += np.bincount(bins[(bins >= 0) & (bins < 64)], minlength=64)
    assert peaks.counts[0] == sums.max()
    assert sums[peaks.slopes[0], peaks.places[0]] == sums.max()


def test_the_tail_at_low_and_at_vanishing_probability():
    # P(K >= 3) at mean 0.5, by hand, and Chernoff's bound far out
    by_hand = 1 - np.exp(-0.5) * (1 + 0.5 + 0.125)
    assert float(log_tail(3, 0.5)) == pytest.approx(np.log(by_hand), rel=1e-9)
    assert float(log_tail(0, 0.5)) == 0
    assert float(log_tail(1000, 5.0)) == pytest.approx(-(1000 * np.log(200) - 995), rel=1e-9)
    assert float(log_tail(20, 5.0, 4.0)) == pytest.approx(float(log_tail(5, 1.25)), rel=1e-9)


@pytest.mark.parametrize(
    ("pairs", "singles_a", "singles_b", "offset_s", "rate"),
    [
        (10_000, 50_000, 100_000, 12.3e-3, 5e-6),
        (10_000, 50_000, 100_000, 0.987, 195e-6),
        (10_000, 50_000, 100_000, -0.97, -199e-6),
        (3_000, 200_000, 200_000, -87.65e-3, -100e-6),
        pytest.param(1_000, 50_000, 500_000, 12.3e-3, 5e-6, marks=pytest.mark.slow),
    ],
)
def test_it_finds_offset_and_drift_without_tuning(pairs, singles_a, singles_b, offset_s, rate):
    a, b = stations(1, pairs, singles_a, singles_b, offset_s, rate)
    found = acquire(a, b, 1 / SECOND, EVERYTHING)
    assert found is not None
    assert found.rivals == ()
    assert found.sight.log_probability < np.log(FALSE_ALARM)
    lag, drift = error(found, a, offset_s, rate)
    assert abs(lag) < 8 * 1000
    assert abs(drift) < 5e-9


def test_threads_change_nothing():
    a, b = stations(2, 2_000, 50_000, 50_000, -0.3, 30e-6)
    one, two = (acquire(a, b, 1 / SECOND, EVERYTHING, workers=n) for n in (1, 2))
    assert one is not None
    assert one == two


def unrelated(seed):
    draws = np.random.default_rng([99, seed])
    half = SECOND // 2
    return np.sort(draws.integers(0, half, 500)), np.sort(draws.integers(0, half, 700))


def test_streams_with_nothing_in_common_give_nothing():
    """Twenty searches: a false alarm in any has a probability of 2e-5 at most."""
    for seed in range(20):
        assert acquire(*unrelated(seed), 1 / SECOND, Bounds((0,), SECOND // 1000, 200e-6)) is None


@pytest.mark.slow
def test_a_thousand_unrelated_streams_give_nothing():
    """A false alarm in any has a probability of 1e-3 at most."""
    for seed in range(1000):
        assert acquire(*unrelated(seed), 1 / SECOND, Bounds((0,), SECOND // 1000, 200e-6)) is None


def test_afterpulses_and_flicker_give_nothing():
    draws = np.random.default_rng(3)

    def bunched(n):
        times = draws.random(n) * SECOND / 2
        times = times[draws.random(n) < 0.5 * (1 + np.sin(times * (2 * np.pi * 100 / SECOND)))]
        echo = times[draws.random(times.size) < 0.15]
        late = SECOND * (50e-9 + draws.exponential(200e-9, echo.size))
        return np.sort(np.append(times, echo + late).astype(np.int64))

    assert (
        acquire(bunched(2000), bunched(3000), 1 / SECOND, Bounds((0,), SECOND // 50, 2e-4)) is None
    )


def test_pulses_without_pairs_are_noticed_as_ambiguous():
    draws = np.random.default_rng(6)
    period = SECOND // 10_000
    a, b = (np.sort(draws.choice(20_000, n, replace=False)) * period for n in (4000, 5000))
    b = b + np.rint(b * 7e-6).astype(np.int64)
    found = acquire(a, b, 1 / SECOND, Bounds((0,), SECOND // 50, 2e-4))
    assert found is not None
    assert len(found.rivals) > 1


def test_identical_streams_lie_on_each_other():
    a, _ = unrelated(1)
    found = acquire(a, a, 1 / SECOND, Bounds((0,), SECOND // 50, 2e-4))
    assert found is not None
    assert found.rivals == ()
    assert abs(found.sight.line.at(int(a[0])).lag) <= found.sight.width


def test_nothing_is_found_in_nothing():
    none = np.empty(0, np.int64)
    a, _ = unrelated(1)
    for pair in ((none, a), (a, none), (a[:1], a), (a, a + 10 * SECOND)):
        assert acquire(*pair, 1 / SECOND, Bounds((0,), SECOND // 50, 2e-4)) is None
