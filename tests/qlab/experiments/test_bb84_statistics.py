"""The default bench gives a key with every seed, and the figures that it was planned for.

Seeds are fixed, so these tests pass or fail for good. The limits were set so that another
choice of seeds would fail with the probabilities stated.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass

import numpy as np
import pytest
from bb84_wireless import Wireless

from protocols.bb84.planning import expected_counts


@dataclass(frozen=True)
class Seen:
    """What one seed gave."""

    qber_z: float
    qber_x: float
    n_z: int
    n_x: int
    results: dict

    @classmethod
    def of(cls, seed: int, **options) -> Seen:
        run = Wireless(seed, **options)
        results = run.run()
        found = run.distillation
        del run
        gc.collect()  # a plant is full of circles, and holds whole waveforms
        return cls(
            results["qber_z"],
            results["qber_x"],
            sum(found.n_z) + found.discarded_z,
            sum(found.n_x) + found.discarded_x,
            results,
        )


def check(seeds: list[Seen]) -> None:
    """Hold every seed against the conventions' figures for the default bench.

    The error rate averages 1.51 %, with a one-sided tail from the interferometers'
    drift: 2.5 % needs a phase of 0.2 rad throughout a run, five standard deviations.
    The sizes have a spread of 0.4 %, most of it from the power meter's reading, and an
    allowed systematic error of 1 % from the same meter's gain.
    """
    for seen in seeds:
        assert seen.results["no_key"] is None
        assert seen.results["secret_bits"] == seen.results["agreed_length"] > 40_000
        assert seen.results["secret_bits"] < seen.results["bounds"]["length"]
        assert max(seen.qber_z, seen.qber_x) <= 0.025
        assert seen.results["verified"] is True
    mean = {
        name: np.mean([getattr(seen, name) for seen in seeds])
        for name in ("qber_z", "qber_x", "n_z", "n_x")
    }
    assert mean["n_z"] == pytest.approx(3.1e5, rel=0.015)
    assert mean["n_x"] == pytest.approx(5.7e4, rel=0.015)
    assert mean["qber_z"] == pytest.approx(0.0151, abs=0.0006)
    assert mean["qber_x"] == pytest.approx(0.0151, abs=0.0010)


def test_a_few_seeds_give_a_key_with_the_figures_of_the_conventions():
    # Means of four: QBER z within 3.6, QBER x within 3.6, sizes within 5 standard deviations.
    check([Seen.of(seed) for seed in (1, 2, 3, 4)])


@pytest.mark.slow
def test_three_hundred_seeds_give_a_key_with_the_figures_of_the_conventions():
    seeds = [Seen.of(seed) for seed in range(1, 301)]
    check(seeds)
    assert np.mean([seen.results["bounds"]["length"] for seen in seeds]) > 65_000


def test_counts_follow_the_plan(monkeypatch):
    """A link that is what the plan says it is: five standard deviations, 6e-7 for each count."""
    plan = {}

    def noting(*arguments):
        plan["expected"] = expected_counts(*arguments)
        return plan["expected"]

    monkeypatch.setattr("qlab.experiments.bb84.plan.expected_counts", noting)
    seen = Seen.of(
        7,
        slots=8_000_000,
        link_loss_db=2.3,
        monitor_tap_ratio=0.11111 * 1.01,  # the meter reads high by 1 %
        expected_qber=0.0145,
        detector_jitter_s=0.5e-9,
    )
    for size, name in ((seen.n_z, "n_z"), (seen.n_x, "n_x")):
        expected = sum(getattr(plan["expected"], name))
        # beside the counting: 0.27 % from the meter, 0.1 % from drifts, 0.3 % attenuators
        spread = np.hypot(np.sqrt(expected), 0.005 * expected)
        assert abs(size - expected) < 5 * spread
    errors = seen.results["qber_z"] * sum(seen.results["n_z"])
    expected = sum(plan["expected"].m_z) / sum(plan["expected"].n_z) * sum(seen.results["n_z"])
    assert -5 * np.sqrt(expected) < errors - expected < 5 * np.sqrt(expected) + 0.1 * expected
