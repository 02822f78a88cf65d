"""What is wrong with a bench shows in the results of a whole run, or stops it clearly.

Runs of 200 000 pulses: some 3200 detections, 1570 bits in z with an error rate of
1.5 % +- 0.3 %. Seeds are fixed; the limits leave five standard deviations.
"""

from __future__ import annotations

import json
import math

import pytest
from small_runs import KEYED, KEYED_PLANT, bench_text, small_run

from drivers.core.errors import LimitError, MisuseError
from qlab.cli import main
from qlab.errors import ExitCode, StationError, exit_code
from qlab.experiments.bb84.detection import NoSignalError
from qlab.station import parse_station

SLOTS = {"slots": 200_000, "block_slots": 100_000}


@pytest.fixture
def run(tmp_path):
    """Give a function that runs BB84 and returns the outcome."""

    def run(**changes):
        return small_run(tmp_path / "bb84.h5", **(SLOTS | changes))

    return run


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """Results of the default bench."""
    return small_run(tmp_path_factory.mktemp("usual") / "bb84.h5", **SLOTS).results


def sizes(results):
    """Return detections of both intensities in both bases."""
    strong, weak = (z + x for z, x in zip(results["n_z"], results["n_x"], strict=True))
    return strong, weak


def differ(more, less, factor):
    """Whether a count is `factor` times another, within five standard deviations."""
    return abs(more - factor * less) < 5 * math.sqrt(more + factor**2 * less)


def test_the_usual_bench(usual):
    assert usual["qber_z"] < 0.04
    assert usual["qber_x"] < 0.06
    strong, weak = sizes(usual)
    assert differ(strong, weak, 0.5 / 0.15)


# ---- gain --------------------------------------------------------------------------


def test_three_decibels_too_much_halve_the_gain(run, usual):
    results = run(plant={"fixed_attenuation_db": 33.0}).results
    # half the light, less the loss to the rule of the dead time: rates .0203 and .0102
    assert differ(sum(sizes(results)), sum(sizes(usual)), 0.5 * math.exp(10 * 0.0101))


def test_a_wrong_tap_ratio_sends_other_light_than_reported(run, usual):
    results = run(monitor_tap_ratio=0.055555).results
    assert results["mean_photon_number"] == pytest.approx(0.5, abs=0.01)
    assert differ(sum(sizes(results)), sum(sizes(usual)), 0.5 * math.exp(10 * 0.0101))


def test_a_lower_detector_bias_lowers_the_gain(run, usual):
    results = run(detector_bias_v=[61.0, 61.0]).results
    # 1 - exp(-V/6 V) at 1 V for 3 V, which holds 20 %
    efficiency = (1 - math.exp(-1 / 6)) / (1 - math.exp(-3 / 6))
    kept = efficiency * math.exp(10 * 0.0203 * (1 - efficiency))
    assert differ(sum(sizes(results)), sum(sizes(usual)), kept)
    assert results["qber_z"] < 0.04


def test_detectors_below_breakdown_give_no_signal(run):
    outcome = run(detector_bias_v=[59.0, 59.0])
    assert isinstance(outcome.error, NoSignalError)
    assert "detector on line 1" in outcome.results["error"]
    assert "detectors are on" in outcome.error.remedy


@pytest.mark.parametrize("point, more", [("quad+", True), ("quad-", False)])
def test_a_wrong_bias_point_spoils_the_intensities(run, point, more):
    strong, weak = sizes(run(bias_point=point).results)
    assert (weak > strong) if more else (weak < 0.15 * strong)


def test_the_interlock_stands_against_the_brightest_bias_point(run):
    outcome = run(bias_point="peak")
    assert isinstance(outcome.error, LimitError)
    assert "light into the fibre" in outcome.results["error"]
    assert exit_code(outcome.error) is ExitCode.LIMIT


# ---- errors ------------------------------------------------------------------------


def rises(results, basis, expected):
    """Check that an error rate is about `expected`, within five standard deviations."""
    bits = sum(results[f"n_{basis}"])
    spread = math.sqrt(expected * (1 - expected) / bits)
    assert abs(results[f"qber_{basis}"] - expected) < 5 * spread + 0.005  # drifts


def fringe(phase, visibility=0.971):
    """Return how often light of the phase `phase` from its port's goes to the other."""
    return 0.5 * (1 - visibility * math.cos(phase))


@pytest.mark.parametrize("volts", [3.0, 4.2])
def test_a_wrong_half_wave_voltage_of_alice_raises_the_error_rates(run, volts):
    results = run(phase_alice_v_pi_v=volts).results
    off = math.pi * (volts / 3.5 - 1)  # of the phase pi; of pi/2 and -pi/2 the half
    rises(results, "z", 0.5 * (fringe(0) + fringe(off)))
    rises(results, "x", fringe(off / 2))


def test_a_wrong_half_wave_voltage_of_bob_raises_the_error_rate_in_x(run):
    results = run(phase_bob_v_pi_v=2.5).results
    rises(results, "z", fringe(0))
    rises(results, "x", fringe(math.pi / 2 * (2.5 / 3.5 - 1)))


def test_a_phase_of_the_interferometers_raises_both_error_rates(run):
    results = run(plant={"interferometer_phase_rad": 0.8}).results
    rises(results, "z", fringe(0.8))
    rises(results, "x", fringe(0.8))


@pytest.mark.parametrize("delay_s", [100e-9, 1e-6])
def test_a_trigger_delay_of_whole_slots_sets_bob_to_other_bases(run, delay_s):
    results = run(bob_trigger_delay_s=delay_s).results
    # z is what it was with probability .7, x with .3; else the outcome is random
    rises(results, "z", 0.7 * fringe(0) + 0.3 * 0.5)
    rises(results, "x", 0.3 * fringe(0) + 0.7 * 0.5)


def test_light_that_is_a_slot_late_has_nothing_to_do_with_the_bits(run):
    results = run(plant={"detector_delay_ns": [95.0, 95.8]}).results
    rises(results, "z", 0.5)
    rises(results, "x", 0.5)


def test_light_that_is_a_slot_late_is_found_by_its_slot_offset(run):
    results = run(plant={"detector_delay_ns": [95.0, 95.8]}, slot_offset=1).results
    rises(results, "z", fringe(0))
    rises(results, "x", fringe(0))


# ---- settings that change nothing --------------------------------------------------


@pytest.mark.parametrize("samples", [2, 5])
def test_more_samples_a_slot_give_the_same_statistics(run, usual, samples):
    results = run(samples_per_slot=samples).results
    assert differ(sum(sizes(results)), sum(sizes(usual)), 1.0)
    rises(results, "z", 0.015)
    rises(results, "x", 0.015)


# ---- no key ------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, capsys):
    """Give a function that runs `qlab run bb84 --json` and returns code, results and keys."""

    def command(plant=None, **options):
        station, keys = tmp_path / "station.toml", tmp_path / "keys"
        station.write_text(bench_text(plant=plant, **options), encoding="utf-8")
        arguments = ["--station", station, "--seed", 1, "-o", tmp_path / "run.h5", "--keys", keys]
        with pytest.raises(SystemExit) as ended:
            main(["run", "bb84", *map(str, arguments), "--json"])
        said = capsys.readouterr()
        results = json.loads(said.out) if said.out else {}
        return (
            ended.value.code,
            results,
            said.err,
            [key for key in keys.rglob("*") if key.is_file()],
        )

    return command


def test_a_short_clear_link_gives_a_key(command):
    code, results, _, keys = command(KEYED_PLANT, **KEYED)
    assert code == ExitCode.DONE
    assert results["secret_bits"] == results["agreed_length"] > 300
    assert results["no_key"] is None
    assert not results["demonstration"]
    assert [key.stat().st_size for key in keys]


def test_patterns_sent_twice_are_a_demonstration_without_a_key(command):
    code, results, said, keys = command(KEYED_PLANT, **KEYED, pattern_repeats=2)
    assert code == ExitCode.INSECURE
    assert results["demonstration"] is True
    assert results["secret_bits"] == 0
    assert results["secret_rate_bps"] == 0
    assert "demonstration" in results["no_key"]
    assert "demonstration" in said
    assert results["fit_for_use"] is False
    assert results["slots"] == 2 * KEYED["slots"]
    assert not keys


def test_a_source_without_random_phases_gives_no_key(command):
    code, results, said, keys = command(KEYED_PLANT, **KEYED, phase_randomisation="none")
    assert code == ExitCode.INSECURE
    assert results["secret_bits"] == 0
    assert "phase is not randomised" in results["no_key"]
    assert "phase is not randomised" in said
    assert results["qber_z"] < 0.02
    assert not keys


def test_a_run_that_is_too_short_says_so(command):
    code, results, _, _ = command(slots=8_000)
    assert code == ExitCode.INSECURE
    assert results["no_key"]
    assert results["secret_bits"] == 0


# ---- clear errors ------------------------------------------------------------------


def test_a_missing_marker_is_named_with_its_line_and_cable(run):
    outcome = run(marker_line=4)
    assert isinstance(outcome.error, NoSignalError)
    assert "0 markers on the tagger's line 4" in outcome.results["error"]
    assert "block 0" in outcome.results["error"]
    assert "sync output" in outcome.error.remedy
    assert all(not step["error"] for step in outcome.results["safe_state"])


def test_an_unplugged_marker_cable_is_noticed_at_the_first_block(tmp_path):
    text = bench_text()
    assert text.count(', sync = "marker"') == 1
    station = parse_station(text.replace(', sync = "marker"', ""), "bench.toml")
    outcome = small_run(tmp_path / "bb84.h5", station=station)
    assert isinstance(outcome.error, NoSignalError)
    assert "0 markers on the tagger's line 3" in outcome.results["error"]


def test_a_block_beyond_the_generators_memory_is_refused_before_any_light(run):
    outcome = run(slots=300_000, block_slots=300_000, samples_per_slot=16)
    assert isinstance(outcome.error, MisuseError)
    assert "block_slots" in outcome.error.remedy


def line_of(text, beginning):
    (number,) = (n for n, line in enumerate(text.split("\n"), 1) if line.startswith(beginning))
    return number


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("slots", 0, "outside 1 to"),
        ("slots", "many", "must be a whole number"),
        ("slots", 1.5, "must be a whole number"),
        ("p_z_alice", 1.5, "outside 0 to 1"),
        ("phase_randomisation", "yes", "is not one of none, gain-switched, modulated"),
        ("bias_point", "half", "is not one of null"),
        ("intensities", 0.5, "must be a list"),
        ("probabilities", ["a", "b"], "must be a number"),
        ("dead_time_s", -1e-6, "outside 0 to 0.001 s"),
        ("slot_rate", 1e7, "did you mean"),
    ],
)
def test_a_wrong_option_is_named_with_its_line(tmp_path, capsys, key, value, said):
    text = bench_text(**{key: value})
    with pytest.raises(StationError) as caught:
        small_run(tmp_path / "bb84.h5", station=parse_station(text, "lab.toml"))
    error = caught.value
    assert said in str(error)
    assert error.line == line_of(text, f"{key} = ")
    assert error.key.startswith(f"bb84.{key}")
    assert not (tmp_path / "bb84.h5").exists()
    station = tmp_path / "lab.toml"
    station.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["run", "bb84", "--station", str(station), "-o", str(tmp_path / "bb84.h5")])
    assert ended.value.code == ExitCode.USAGE
    assert f"line {error.line}" in capsys.readouterr().err
    assert not (tmp_path / "bb84.h5").exists()


@pytest.mark.parametrize(
    "options, said",
    [
        ({"intensities": [0.15, 0.5]}, "stronger first"),
        ({"intensities": [0.5, 0.0]}, "above 0"),
        ({"intensities": [0.5, 0.3, 0.1]}, "two"),
        ({"probabilities": [0.5, 0.6]}, "sum 1"),
        ({"p_z_bob": 1.0}, "between 0 and 1"),
        ({"detector_lines": [1, 1]}, "three different lines"),
        ({"marker_line": 2}, "three different lines"),
        ({"detector_bias_v": [63.0]}, "one entry for each of two"),
        ({"window_s": 0.0}, "above 0"),
        ({"window_s": 1e-6}, "at most one slot"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(tmp_path, options, said):
    station = parse_station(bench_text(**options), "lab.toml")
    with pytest.raises(StationError, match=said) as caught:
        small_run(tmp_path / "bb84.h5", station=station)
    assert caught.value.line == line_of(bench_text(**options), "[bb84]")
    assert not (tmp_path / "bb84.h5").exists()


@pytest.mark.parametrize(
    "fact", ["phase_randomisation", "monitor_tap_ratio", "dead_time_s", "expected_qber"]
)
def test_facts_about_the_hardware_have_no_defaults(tmp_path, fact):
    lines = [line for line in bench_text().split("\n") if not line.startswith(fact)]
    with pytest.raises(StationError, match=f"'{fact}' is missing"):
        small_run(tmp_path / "bb84.h5", station=parse_station("\n".join(lines), "lab.toml"))
