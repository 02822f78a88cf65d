"""The wire changes nothing: whole runs through VISA agree with runs on the bare plant."""

from __future__ import annotations

import math

import pytest
from bb84_wireless import Wireless
from small_runs import bench_text, small_run

from qlab.context import AbortFlag, RunClock, RunContext, SeededEntropy, SilentProgress, Tap
from qlab.experiments.bb84.acquisition import Acquisition
from qlab.experiments.bb84.experiment import Bb84
from qlab.station import open_station, parse_station

SLOTS = 4_000_000


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_through_the_wire_agrees_with_the_bare_plant(tmp_path, seed):
    """Five standard deviations of each difference: 6e-7, with 0.6 % for either light level."""
    wired = small_run(tmp_path / "bb84.h5", seed=seed, slots=SLOTS, block_slots=2_000_000)
    assert wired.error is None
    bare = Wireless(seed, slots=SLOTS, block_slots=2_000_000).run()
    for basis in ("z", "x"):
        sizes = [results[f"n_{basis}"] for results in (wired.results, bare)]
        for one, other in zip(*sizes, strict=True):
            assert one > 1000
            assert abs(one - other) < 5 * math.hypot(math.sqrt(one + other), 0.006 * one)
        rates = [results[f"qber_{basis}"] for results in (wired.results, bare)]
        spread = math.sqrt(2 * 0.015 / sum(sizes[0]))
        assert abs(rates[0] - rates[1]) < 5 * spread
    assert wired.results["mean_photon_number"] == pytest.approx(
        bare["mean_photon_number"], rel=0.015
    )
    for name in ("slots", "live_s", "agreed_length", "protocol", "assumptions"):
        assert wired.results[name] == bare[name]
    # uploads and locking take the same bench time within a second or so
    assert wired.results["elapsed_s"] == pytest.approx(bare["elapsed_s"], abs=2.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_full_runs_through_the_wire_give_the_agreed_key(tmp_path, seed):
    station = parse_station(bench_text(slots=40_000_000, block_slots=4_000_000), "bench.toml")
    results = small_run(tmp_path / "bb84.h5", seed=seed, station=station).results
    assert results["secret_bits"] == results["agreed_length"] > 50_000
    assert max(results["qber_z"], results["qber_x"]) < 0.025


# ---- the mean photon number --------------------------------------------------------


def truth_of(plant):
    """Return the true mean photon number of the strongest pulses."""
    return plant.truth().mu(4.5)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
def test_the_realised_mean_photon_number_is_true_within_its_uncertainty(seed):
    """The meter reads 1 % high, the attenuators err by 0.5 %: 5 % are stated."""
    bare = Wireless(seed, slots=20_000, block_slots=20_000)
    results = bare.run()
    realised, uncertainty = results["mean_photon_number"], results["mean_photon_number_u"]
    assert realised == pytest.approx(0.5, abs=0.0006)  # rounded to steps of 0.01 dB
    assert uncertainty == pytest.approx(0.05 * realised, rel=0.01)
    assert abs(truth_of(bare.plant) - realised) < uncertainty
    # It is no accident of a wide uncertainty: the known gain error is most of it.
    assert truth_of(bare.plant) == pytest.approx(realised / 1.01, rel=0.02)


def test_drivers_of_a_station_set_the_true_mean_photon_number():
    text = bench_text(intensities=[0.4, 0.1])
    file = parse_station(text, "bench.toml")
    tap = Tap(AbortFlag())
    with open_station(file, seed=5) as station:
        ctx = RunContext(
            station=station,
            clock=RunClock(station.clock, tap, AbortFlag()),
            entropy=SeededEntropy(5, tap),
            recorder=tap,
            data=None,
            keys=None,
            progress=SilentProgress(),
        )
        found = Acquisition(ctx, Bb84(file, {}).options).prepare()
        truth = truth_of(station.bench.plant)
        assert found.realised == pytest.approx(0.4, abs=0.0005)
        assert abs(truth - found.realised) < found.standard_uncertainty
        assert truth == pytest.approx(found.realised / 1.01, rel=0.02)
        set_db = [channel.attenuation_db for channel in station.role("attenuators")]
        assert set_db == pytest.approx(found.settings_db)
