"""The pair source of the plant, against closed formulae."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.simulated.plant.pairs import PairParameters, PairPlant

SECOND = 1_000_000_000
CLEAN = {"background_hz": (0.0, 0.0), "dead_time_ns": (0.0, 0.0), "afterpulse_probability": 0.0}


def recorded(plant, seconds=2.0, step_s=0.13, lines=4):
    """Return what each arm gives when it is asked every `step_s`."""
    found = []
    for arm in plant.arms:
        arm.listen(0, lines)
        times = [
            round(min(t, seconds) * SECOND) for t in np.arange(step_s, seconds + step_s, step_s)
        ]
        pieces = [arm.edges(t) for t in times]
        found.append(tuple(np.concatenate([piece[n] for piece in pieces]) for n in (0, 1)))
    return found


def pairs(plant, **figures):
    return PairPlant(PairParameters(**figures), plant)


def test_what_is_told_does_not_depend_on_how_often_one_asks():
    once, often = recorded(pairs(3), step_s=2.0), recorded(pairs(3), step_s=0.0137)
    for (times, lines), (others, numbers) in zip(once, often, strict=True):
        assert np.array_equal(times, others)
        assert np.array_equal(lines, numbers)
        assert np.all(np.diff(times) >= 0)
    assert not np.array_equal(recorded(pairs(4))[0][0], once[0][0])


def test_rates_are_those_of_pairs_transmission_and_background():
    """Poisson numbers: five standard deviations, a false alarm in a million."""
    plant = pairs(1, transmission=(0.1, 0.2), dead_time_ns=(0.0, 0.0), afterpulse_probability=0.0)
    for (times, lines), rate in zip(recorded(plant), (22_000.0, 45_000.0), strict=True):
        assert times.size == pytest.approx(2 * rate, abs=5 * np.sqrt(2 * rate))
        assert np.count_nonzero(lines == 1) == pytest.approx(rate, abs=5 * np.sqrt(rate))


def test_photons_of_a_pair_arrive_together():
    """With n pairs, mean and spread of their lags are within five standard errors."""
    plant = pairs(1, pair_rate_hz=20_000.0, transmission=(1.0, 0.5), **CLEAN)
    (first, _), (second, _) = recorded(plant)
    lag_ps = 48_920_000
    near = np.searchsorted(first, second - lag_ps + 5_000) - 1
    lags = (second - first[near])[near >= 0]
    own = lags[np.abs(lags - lag_ps) < 3_000]
    assert own.size > 0.99 * second.size
    spread_ps = np.sqrt(2.0) * 350.0 / 2.3548
    assert own.mean() == pytest.approx(lag_ps, abs=5 * spread_ps / np.sqrt(own.size))
    assert own.std() == pytest.approx(spread_ps, rel=5 / np.sqrt(2 * own.size))


def test_a_detector_is_dead_and_clicks_again():
    dead_ns, share = 1_000.0, 0.2
    plant = pairs(
        1, dead_time_ns=(dead_ns, dead_ns), detectors=(1, 1), afterpulse_probability=share,
        afterpulse_decay_ns=50.0, pair_rate_hz=2_000.0, transmission=(1.0, 1.0),
    )  # fmt: skip
    times, _ = recorded(plant)[0]
    gaps = np.diff(times)
    assert gaps.min() >= dead_ns * 1000
    soon = np.count_nonzero(gaps < 1_500_000) / gaps.size
    assert soon == pytest.approx(share, abs=5 * np.sqrt(share / gaps.size) + 0.004)


def test_only_the_lines_that_are_connected_are_told_and_gaps_are_dark():
    plant = pairs(1, gaps=((0.5, 1.0),))
    (times, lines), _ = recorded(plant, lines=1)
    assert set(lines.tolist()) == {1}
    assert np.count_nonzero((times > 0.5e12) & (times < 1.0e12)) <= 1
    assert np.count_nonzero(times < 0.5e12) > 1000


@pytest.mark.parametrize(
    "wrong",
    [{"detectors": (0, 1)}, {"transmission": (1.1, 0.1)}, {"gaps": ((2.0, 1.0),)},
     {"pair_rate_hz": -1.0}],
)  # fmt: skip
def test_impossible_figures_are_refused(wrong):
    with pytest.raises(ValueError, match=r"arm|transmission|gap|negative"):
        PairParameters(**wrong)
