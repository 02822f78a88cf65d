"""The optical link of the plant, against closed formulae."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivers.simulated.plant.optical_link import OpticalLinkParameters, OpticalLinkPlant

SECOND = 1_000_000_000
QUIET = {"noise_rad2_hz_per_km": 0.0, "doppler_hz": 0.0, "tracker_cycles": 0.0}


def link(seed=1, **figures):
    return OpticalLinkPlant(OpticalLinkParameters(**figures), seed)


@pytest.mark.parametrize("apart_ns", [10_000, 1_000_000, 370_000_000, SECOND, 10 * SECOND])
def test_the_fibre_gains_phase_as_its_spectrum_says(apart_ns):
    """S_phi = h L / f^2 gains 2 pi^2 h L of variance a second, whatever the interval.

    Of 4000 disjoint intervals the variance is within 10 % (4.5 sigma) of it.
    """
    plant = link(doppler_hz=0.0)
    step = max(2 * apart_ns, 70_000_003)
    starts = [12_345_678 + step * i for i in range(4000)]
    gained = [plant.fibre_cycles(t + apart_ns) - plant.fibre_cycles(t) for t in starts]
    expected = 2.0 * math.pi**2 * 2.5 * 50.0 / (2.0 * math.pi) ** 2 * apart_ns * 1e-9
    assert np.var(gained) == pytest.approx(expected, rel=0.1)


def test_the_walk_is_the_same_in_whatever_order_it_is_asked_for():
    times = [5 * SECOND + 7, 1, 2 * SECOND, 3_000 * SECOND + 123_456_789, 5 * SECOND + 7]
    forward, backward = link(), link()
    ahead = [forward.trackers[0].phase_s(t) for t in times]
    back = [backward.trackers[0].phase_s(t) for t in reversed(times)]
    assert ahead == back[::-1]
    assert link(seed=2).fibre_cycles(times[0]) != forward.fibre_cycles(times[0])


def test_the_two_trackers_have_noise_of_their_own():
    """5000 samples give each deviation within 5 % and a correlation below 0.07 (5 sigma)."""
    plant = link()
    noise = np.array(
        [
            [t.phase_s(i * SECOND) * 10e6 - plant.cycles(i * SECOND) for t in plant.trackers]
            for i in range(5000)
        ]
    )
    assert np.std(noise, axis=0) == pytest.approx([0.03, 0.03], rel=0.05)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.07


def test_the_shifter_counts_twice_and_its_phase_runs_on():
    plant = link(**QUIET)
    plant.shifter.drive(SECOND, 80e6 + 3.0, 0.0, 1.0)
    plant.shifter.drive(3 * SECOND, 80e6 - 1.0, 0.0, 1.0)
    plant.shifter.drive(4 * SECOND, 90e6, 0.0, 0.0)  # no amplitude, no change
    assert [plant.delivered_cycles(t * SECOND) for t in (1, 2, 3, 4, 5)] == [0, 3, 6, 5, 4]
    assert plant.trackers[1].phase_s(5 * SECOND) == pytest.approx(8 / 10e6)
    plant.shifter.drive(3 * SECOND, 80e6, 0.0, 1.0)  # later orders are forgotten
    assert plant.delivered_cycles(9 * SECOND) == 6


def test_doppler():
    plant = link(noise_rad2_hz_per_km=0.0, tracker_cycles=0.0)
    assert plant.trackers[0].phase_s(100 * SECOND) * 10e6 == pytest.approx(2 * 5.0 * 100)


def test_ordered_slips_and_losses():
    plant = link(**QUIET, slips=((10.0, 0, 1), (20.0, 1, -2)), losses=((30.0, 31.5),))
    first, second = plant.trackers

    def cycles(tracker, t_s):
        return round(tracker.phase_s(round(t_s * SECOND)) * 10e6, 6)

    assert [cycles(first, t) for t in (9.9, 10.0, 25.0)] == [0, 1, 1]
    assert [cycles(second, t) for t in (15.0, 20.0)] == [0, -2]
    assert cycles(first, 31.0) == 1 + 2000
    assert cycles(first, 40.0) == 1 + 3000
    assert cycles(second, 40.0) == round(-2 + 1.5 * 2317, 6)


def test_slips_at_random():
    """A hundred a day: within 5 sigma of 300 in three days, and of both signs."""
    plant = link(**QUIET, slips_per_day=100.0)
    tracker = plant.trackers[0]
    sizes = np.diff([round(tracker.slipped(t * SECOND)) for t in range(0, 3 * 86_400, 60)])
    count = np.count_nonzero(sizes)
    assert abs(count - 300) < 5 * math.sqrt(300)
    assert sizes.min() < 0 < sizes.max()


@pytest.mark.parametrize(
    "wrong",
    [
        {"slips": ((1.0, 2, 1),)},
        {"slips": ((1.0, 0, 0.5),)},
        {"slips": ((1.0, 0),)},
        {"losses": ((2.0, 1.0),)},
        {"length_km": -1.0},
        {"slips_per_day": -1.0},
        {"beat_hz": 0.0},
    ],
)
def test_figures_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=r"\w"):
        link(**wrong)
