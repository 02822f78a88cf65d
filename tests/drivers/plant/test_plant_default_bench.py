"""The default bench as it is used: random settings, sifting, and what faults do.

Limits are stated with each test; the seeds are fixed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.terminals import Waveform

_START_NS = 1_000_000_000
_AFTER_MARKER_PS = 50_000 - 12_000 + 18_300


class Station:
    """Alice's and Bob's settings of one block, played on a link."""

    def __init__(self, link, slots, volts, seed=1, alice_pi_v=3.5):
        draws = np.random.default_rng(seed)
        self.link, self.slots = link, slots
        self.bright = draws.random(slots) < 0.5
        self.bit = draws.integers(0, 2, slots, dtype=np.int8)
        self.alice_x = draws.random(slots) < 0.3
        self.bob_x = draws.random(slots) < 0.3
        codes = np.where(self.bright, round(volts[0] / 2e-4), round(volts[1] / 2e-4))
        phases = 2 * self.bit + self.alice_x
        self.play(link.intensity, _START_NS, codes, 2e-4)
        self.play(link.phase_alice, _START_NS, phases, alice_pi_v / 2)
        link.on_marker_at_bob(lambda t_ns: self.play(link.phase_bob, t_ns, self.bob_x, 1.75))
        link.tags.listen(_START_NS - 1_000_000, 4)
        link.marker.edge(_START_NS)

    def play(self, electrode, t_ns, codes, volts_per_code):
        electrode.play(t_ns, Waveform(codes.astype(np.int16), volts_per_code, 0.0, 10e6, 1))

    def sift(self, window_ps=2000):
        times, lines = self.link.tags.edges(_START_NS + self.slots * 100 + 100_000)
        (marker,) = times[lines == 3]
        times, lines = times[lines < 3], lines[lines < 3]
        away = times - marker - _AFTER_MARKER_PS - 800 * (lines == 2)
        slot = np.rint(away / 100_000).astype(np.int64)
        kept = np.diff(times, prepend=times[0] - 10**9) > 1_000_000
        kept &= (np.abs(away - slot * 100_000) < window_ps) & (slot >= 0) & (slot < self.slots)
        slot, port = slot[kept], lines[kept] - 1
        wrong = port != self.bit[slot]
        both_z = ~self.alice_x[slot] & ~self.bob_x[slot]
        both_x = self.alice_x[slot] & self.bob_x[slot]
        return {
            "n_z": int(both_z.sum()),
            "n_x": int(both_x.sum()),
            "e_z": float(wrong[both_z].mean()),
            "e_x": float(wrong[both_x].mean()),
        }


def bench(lit, parameters=None, slots=2_000_000, seed=1, **options):
    link = lit(parameters or LinkParameters(), 0.52, seed)
    truth = link.truth(0)
    return Station(link, slots, (truth.volts(0.50), truth.volts(0.15)), **options)


def test_a_block_has_the_figures_of_the_default_bench(lit):
    # 3 % of a count are 15 standard deviations of n_z and 7 of n_x; the drift moves the QBER.
    result = bench(lit, slots=40_000_000).sift()
    assert result["n_z"] == pytest.approx(3.1e5, rel=0.03)
    assert result["n_x"] == pytest.approx(5.7e4, rel=0.03)
    assert 0.012 < result["e_z"] < 0.020
    assert 0.012 < result["e_x"] < 0.020


@pytest.mark.parametrize("seed", range(2, 10))
def test_the_error_rate_stays_low_for_half_a_minute(lit, seed):
    # The phase is within 0.207 rad, 5.4 of its standard deviations, for 2.5 %: 7e-8 a point.
    link = lit(LinkParameters(), 0.52, seed)
    errors = [link.truth(k * 10**9).optical_error() for k in range(61)]
    assert max(errors) < 0.025
    assert min(errors) >= 0.0144999


def test_both_bases_err_by_visibility_alone_when_nothing_drifts(still, lit):
    # Five standard deviations of the error rate of about 40 000 bits: 5.7e-7 each.
    result = bench(lit, replace(still, dead_time_ns=(1000.0, 1000.0)), slots=4_000_000).sift()
    for n, e in (("n_z", "e_z"), ("n_x", "e_x")):
        assert abs(result[e] - 0.0145) < 5 * np.sqrt(0.0145 * 0.9855 / result[n])


@pytest.mark.parametrize("window_ns", [4, 100])
def test_dark_counts_raise_the_error_rate_with_the_window(still, lit, window_ns):
    # Five standard deviations of the mean error rate of both levels: 5.7e-7 each.
    dark = replace(still, detector_dark_hz=(20e3, 30e3))
    station = bench(lit, dark)
    truth = station.link.truth(_START_NS)
    result = station.sift(window_ps=window_ns * 500)
    expected = truth.error_rate(0.325, window_ns * 1e-9)
    for n, e in (("n_z", "e_z"), ("n_x", "e_x")):
        assert abs(result[e] - expected) < 5 * np.sqrt(expected / result[n])


def test_phase_error_raises_the_error_rate(still, lit):
    turned = replace(still, interferometer_phase_rad=0.6)
    result = bench(lit, turned).sift()
    for n, e in (("n_z", "e_z"), ("n_x", "e_x")):
        expected = 0.5 * (1 - 0.971 * np.cos(0.6))
        assert abs(result[e] - expected) < 5 * np.sqrt(expected / result[n])


def test_a_wrong_half_wave_voltage_raises_the_error_rate(still, lit):
    result = bench(lit, still, alice_pi_v=3.0).sift()
    scale = 3.0 / 3.5
    z = np.mean([0.5 * (1 - 0.971), 0.5 * (1 + 0.971 * np.cos(np.pi * scale))])
    x = np.mean(
        [
            0.5 * (1 - 0.971 * np.cos(np.pi / 2 * scale - np.pi / 2)),
            0.5 * (1 + 0.971 * np.cos(3 * np.pi / 2 * scale - np.pi / 2)),
        ]
    )
    assert abs(result["e_z"] - z) < 5 * np.sqrt(z / result["n_z"])
    assert abs(result["e_x"] - x) < 5 * np.sqrt(x / result["n_x"])


def test_attenuation_lowers_the_gain(still, lit):
    lone = bench(lit, still).sift()
    weak = bench(lit, replace(still, fixed_attenuation_db=30.0))
    weak.link.attenuators[1].set(_START_NS - 1000, 3.0103)
    ratio = weak.sift()["n_z"] / lone["n_z"]
    # Half the light, less the loss to the dropping rule: rates .0203 and .0102 over ten slots.
    assert ratio == pytest.approx(0.5 * np.exp(10 * 0.0101), rel=0.06)


def test_a_wrong_bias_spoils_the_intensities(still, lit):
    right = bench(lit, still)
    wrong = bench(lit, still)
    wrong.link.bias.hold(_START_NS - 1000, still.intensity_null_v + 1.0)
    shares = []
    for station in (right, wrong):
        truth = station.link.truth(_START_NS)
        volts = right.link.truth(0).volts(0.15)
        shares.append(truth.mu(volts))
    assert shares[0] == pytest.approx(0.15, rel=1e-6)
    assert shares[1] > 0.25
    assert wrong.sift()["n_z"] > 1.1 * right.sift()["n_z"]


def test_a_dark_laser_leaves_dark_counts_and_errs_half_the_time(lit):
    parameters = replace(LinkParameters(), detector_dark_hz=(50e3, 50e3))
    station = bench(lit, parameters, slots=1_000_000)
    station.link.laser.emit(_START_NS - 1000, 0.0, 1550e-9)
    result = station.sift(window_ps=50_000)
    assert abs(result["e_z"] - 0.5) < 5 * np.sqrt(0.25 / result["n_z"])
