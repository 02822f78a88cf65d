"""`qlab run bb84 --sync photons`: two clocks, no marker from Alice, slots from the photons."""

from __future__ import annotations

import dataclasses
import json
import math
from importlib import resources

import numpy as np
import pytest
from small_runs import KEYED, KEYED_PLANT, bench_text, small_run

from drivers.core.errors import MisuseError
from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.link import LinkPlant
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.terminals import Waveform
from drivers.simulated.time import VirtualTime
from qlab.cli import main
from qlab.context import AbortFlag, SeededEntropy, Tap
from qlab.errors import ExitCode, StationError
from qlab.experiments.bb84.detection import NoSignalError
from qlab.experiments.bb84.experiment import Bb84
from qlab.experiments.bb84.located import located
from qlab.experiments.bb84.patterns import block_plans
from qlab.experiments.bb84.roles import BobBb84
from qlab.replay import reanalyse_run, replay_run
from qlab.runfile.reader import RunFile
from qlab.station import parse_station

SEED = 3
SMALL = KEYED | {
    "slots": 400_000, "block_slots": 200_000, "sync_slots": 10_000, "listen_margin_s": 0.005,
}  # fmt: skip


OFFSET = "offset = 5.2e-6"  # of Bob's clock, in the packaged station


def unclocked(plant=None, off=5.2e-6, **options):
    plant = KEYED_PLANT | (plant or {})
    text = bench_text(packaged="unclocked", plant=plant, **(SMALL | options))
    assert text.count(OFFSET) == 1
    return text.replace(OFFSET, f"offset = {off}")


ONE = {"slots": 200_000}  # one block, where the first one tells


def run(path, plant=None, **options):
    station = parse_station(unclocked(plant, **options), "unclocked.toml")
    return small_run(path, seed=SEED, station=station)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A run: its file and its results."""
    path = tmp_path_factory.mktemp("photons") / "run.h5"
    outcome = run(path)
    assert outcome.error is None
    return path, json.loads(json.dumps(outcome.results))


# ---- a good run --------------------------------------------------------------------


def test_it_gives_a_key_and_says_how_the_slots_were_found(good):
    _, results = good
    assert results["secret_bits"] == results["agreed_length"] > 1000
    assert results["sync"] == "photons"
    assert results["public_slots"] == 2 * 2 * SMALL["sync_slots"]
    assert 0 <= results["false_alarm_probability"] < 1e-9
    assert results["qber_penalty"] < 1e-6
    assert len(results["symbol_offset"]) == len(results["blocks"]) == 2
    assert any("public strings" in text for text in results["assumptions"])
    for block in results["blocks"]:
        assert block["guarded"] == pytest.approx(0.1, abs=0.06)
        assert block["skew_s"] == pytest.approx(0.8e-9, abs=0.2e-9)


def test_the_clocks_difference_is_true(good):
    """Within five standard deviations, and 1e-9 by which the crystal's noise may be off."""
    _, results = good
    clock = dataclasses.replace(OscillatorParameters.preset("crystal"), offset=5.2e-6)
    plant = LinkPlant(LinkParameters(bob_reference=clock), SEED, VirtualTime())
    times = range(10**9, round(results["elapsed_s"] * 1e9), 10**9)
    truths = [plant.bob_reference.frequency(t) - plant.reference.frequency(t) for t in times]
    found, std = results["frequency_ratio_minus_1"], results["frequency_std"]
    assert min(truths) - 5 * std - 1e-9 < found < max(truths) + 5 * std + 1e-9
    assert 0 < std < 2e-9  # a whole tick is 2 ns, and a block 20 ms


def test_the_error_rates_are_those_of_the_optics(good):
    """By five standard deviations of the counts, and 0.3 % for the optics' drift."""
    _, results = good
    rates = [(results[f"qber_{b}"], sum(results[f"n_{b}"])) for b in "zx"]
    rates.append((results["string_error_rate"], results["string_bits"]))
    for rate, bits in rates:
        assert abs(rate - 0.005) < 5 * math.sqrt(0.005 / bits) + 0.003


def test_public_slots_are_in_no_count(good):
    _, results = good
    counted = results["slots"] - results["public_slots"]
    assert results["slots"] == SMALL["slots"]
    sifted = results["detections"] / counted
    assert sifted == pytest.approx(0.9 * 0.29, rel=0.1)  # 1 - 2 guards, mean clicks of a pulse


def test_it_replays_bit_for_bit_and_its_data_give_the_same_again(good):
    path, results = good
    report = replay_run(path)
    assert report.matched, report.summary()
    again = json.loads(json.dumps(reanalyse_run(path)))
    for name in ("n_z", "n_x", "m_z", "leak_ec_bits", "symbol_offset", "frequency_ratio_minus_1"):
        assert again[name] == results[name]


def test_a_clock_that_jumps_in_the_middle_gives_no_slots(good):
    """The recorded tags, with Bob's clock set ahead halfway: by two slots, and by a fifth."""
    path, _ = good
    station = parse_station(unclocked(), "unclocked.toml")
    plan = next(block_plans(SeededEntropy(SEED, Tap(AbortFlag())), Bb84(station, {}).options))
    with RunFile.open(path) as recorded:
        count = int(recorded.read("data/block_events", 0, 1)[0])
        ticks = recorded.read("data/timestamps", 0, count)
        lines = recorded.read("data/detectors", 0, count)
    experiment = Bb84(station, {})
    arguments = (experiment.options, experiment._tick_s, 0, plan.slots, plan.bob_basis)
    assert located(*arguments, ticks, lines).detections.slot.size > 10_000
    for jump, said in ((100, r"has \+2 slots more"), (10, "jumps"), (5_000_000, "block 0")):
        later = ticks + np.where(np.arange(count) < count // 2, 0, jump)
        with pytest.raises(NoSignalError, match=said):
            located(*arguments, later, lines)


DARK = {"connector_loss_db": 90.0, "detector_dark_hz": [30_000.0, 30_000.0]}

# ---- faults ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plant, options, said",
    [
        ({"connector_loss_db": 90.0}, {}, "too few to show any rhythm"),
        (DARK, {}, "no repetition rate within 50 ppm"),
        ({}, {"off": 9e-5, "sync_max_ppm": 80.0}, "ppm off, more than the 80"),
        ({"connector_loss_db": 20.0}, {}, "public string of 10000 bits is at none of"),
    ],
)
def test_without_slots_there_is_an_error_and_no_key(tmp_path, plant, options, said):
    outcome = run(tmp_path / "run.h5", plant, **(ONE | options))
    assert isinstance(outcome.error, NoSignalError)
    assert said in outcome.results["error"]
    assert outcome.error.remedy
    assert "secret_bits" not in outcome.results


def test_a_lost_marker_of_his_own_is_named(tmp_path):
    text = unclocked()
    assert text.count(', sync = "bob_marker"') == 1
    station = parse_station(text.replace(', sync = "bob_marker"', ""), "unclocked.toml")
    outcome = small_run(tmp_path / "run.h5", station=station)
    assert isinstance(outcome.error, NoSignalError)
    assert "0 markers of Bob's generator" in outcome.results["error"]


def test_a_wrong_delay_of_the_modulator_explains_why_there_is_no_key(tmp_path):
    results = run(tmp_path / "run.h5", modulator_delay_s=113.3e-9, **ONE).results
    assert results["secret_bits"] == 0
    assert results["qber_z"] > 0.1
    assert "public strings' bits are wrong" in results["no_key"]
    assert "modulator_delay_s" in results["no_key"]


def test_clocks_that_hardly_slide_are_refused_near_the_steps(tmp_path):
    """With 24 ns of guard on either side of 100 some block soon has its pulses there."""
    outcome = run(tmp_path / "run.h5", off=1e-9, slots=3_000_000, modulator_guard_s=24e-9)
    assert isinstance(outcome.error, NoSignalError)
    assert "near its steps" in outcome.results["error"]
    assert "bob_trigger_delay_s" in outcome.error.remedy


@pytest.mark.parametrize(
    "options, kind, said",
    [
        ({"sync_slots": 100_000}, StationError, "no room between two public strings"),
        ({"slots": 210_000}, StationError, "pattern of 10000 slots has no room"),
        ({"modulator_guard_s": 30e-9}, StationError, "quarter of a slot"),
        ({"sync": "light"}, StationError, "is not one of marker, photons"),
    ],
)
def test_options_that_cannot_work_are_refused(options, kind, said):
    with pytest.raises(kind, match=said):
        Bb84(parse_station(unclocked(**options), "unclocked.toml"), {})


def test_a_duration_that_leaves_a_stub_is_refused():
    with pytest.raises(StationError, match="no room"):
        Bb84(parse_station(unclocked(), "unclocked.toml"), {"duration_s": 0.021})


def test_the_command_chooses_and_a_station_with_a_marker_only_is_refused(tmp_path, capsys):
    station = tmp_path / "bench.toml"
    station.write_text(bench_text(slots=400_000, block_slots=200_000), encoding="utf-8")
    path = tmp_path / "run.h5"
    with pytest.raises(SystemExit) as ended:
        main(["run", "bb84", "--sync", "photons", "--station", str(station), "-o", str(path)])
    assert ended.value.code == ExitCode.USAGE
    assert "nothing plays the role 'generator_bob'" in capsys.readouterr().err
    assert not path.exists()


def test_a_pattern_that_bobs_generator_does_not_hold_is_refused(tmp_path):
    outcome = run(tmp_path / "run.h5", slots=3_990_000, block_slots=3_990_000)
    assert isinstance(outcome.error, MisuseError)
    assert "generator_bob" in str(outcome.error)
    assert "word_s" in outcome.error.remedy


# ---- around it ---------------------------------------------------------------------


def test_both_stations_must_agree_on_the_strings():
    text = unclocked(word_s=0.1)
    common = BobBb84(parse_station(text, "b.toml"), {"side": "bob"}).terms
    assert {"sync", "sync_slots", "modulator_guard_s"} <= common.keys()
    assert not {"sync_max_ppm", "modulator_delay_s"} & common.keys()


def test_the_template_is_the_default_bench_with_two_clocks():
    folder = resources.files("qlab.stations")
    lines = [
        set((folder / name).read_text(encoding="utf-8").split("\n"))
        for name in ("bench.toml", "unclocked.toml")
    ]
    gone, new = lines[0] - lines[1], lines[1] - lines[0]
    assert len(gone) <= 8 and len(new) <= 16
    assert not any("reference" in line and "tags" not in line for line in gone)


def test_bobs_modulator_plays_on_his_own_clock():
    """At 50 ppm more his samples end 50 ppm earlier: seen in where outcomes change over."""
    clock = OscillatorParameters(offset=50e-6)
    plant = LinkPlant(
        LinkParameters(bob_reference=clock, interferometer_drift_rad_per_sqrt_s=0.0),
        1,
        VirtualTime(),
    )
    plant.laser.emit(0, 1.0, 1550e-9)
    plant.bias.lock(0, "peak")
    for attenuator in plant.attenuators:
        attenuator.set(0, 0.0)
    plant.attenuators[0].set(0, 10.0 * math.log10(plant.truth(0).peak_photons))
    codes = np.zeros(1_000_000, np.int16)
    codes[500_000:] = 1
    start = 1_000_000
    plant.phase_bob.play(start, Waveform(codes, 3.5, 0.0, 10e6, 1))
    plant.tags.listen(start, 3)
    plant.bob_marker.edge(start)
    times, line = plant.tags.edges(start + 90_000_000)
    (marker,) = times[line == 3]
    assert marker == pytest.approx(start * 1000 + 5000, abs=200)
    middle = 0.05 / (1 + 50e-6) * 1e12 + start * 1000
    early = (times > middle - 1e9) & (times < middle - 2e5)
    late = (times > middle + 2e5) & (times < middle + 1e9)
    first, second = (np.count_nonzero(line[part] == 1) for part in (early, late))
    assert min(first, second) < 0.2 * max(first, second)
    wrong = (times > middle) & (times < middle + 2.5e6)  # where the other clock would still be
    share = np.count_nonzero(line[wrong] == 1) / np.count_nonzero(wrong)
    usual = second / np.count_nonzero(late)
    assert abs(share - usual) < 0.5
