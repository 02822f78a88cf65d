"""Counters logged on the simulated clock bench, and what is left of it in the file."""

from __future__ import annotations

import json
import math
import signal
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.core.context import Kind
from drivers.simulated.plant.clocks import ClockPlant
from protocols.stability import stability
from qlab.cli import main
from qlab.context import RunAbortedError, SilentProgress
from qlab.errors import StationError, UsageError
from qlab.experiments.counter.logs import Reading
from qlab.experiments.counter.running import RunningDeviation
from qlab.experiments.counter.series import MISSING, UNKNOWN, UNLOCKED, Series
from qlab.plots import plot_run
from qlab.replay import reanalyse_run, replay_run
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus
from qlab.runner import run_experiment
from qlab.station import Station, parse_station

TEXT = (resources.files("qlab.stations") / "clock.toml").read_text(encoding="utf-8")
OWN = 'driver = "keysight-53230a"\naddress = "USB0::0x0957::0x1907::MY50001484::INSTR"'


def station(*changes):
    text = TEXT
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return parse_station(text, "clock.toml")


def two_sites():
    """Return the packaged bench with the second site that its file describes."""
    head, _, example = TEXT.partition("# ---- A second site")
    lines = [line.removeprefix("# ") for line in example.splitlines()[1:] if line != "#"]
    text = head + "\n".join(lines)
    text = text.replace('local = ["rubidium"]', 'local = ["rubidium", "chip_scale"]')
    return parse_station(text.replace('["counter"]', '["counter", "counter2"]'), "clock.toml")


def run(path, file, duration_s=60.0, seed=1, progress=None, **overrides):
    if duration_s:
        overrides["duration_s"] = duration_s
    return run_experiment("counter", file, path, seed=seed, overrides=overrides, progress=progress)


def readings(path, name="counter"):
    with RunFile.open(path) as found:
        return [found.read(f"data/{name}/{each}") for each in ("reading", "time_ns", "flags")]


class Interrupting(SilentProgress):
    """Asks for an end with the tenth reading."""

    def __init__(self):
        self.steps = 0

    def step(self, note=""):
        self.steps += 1
        if self.steps == 10:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    path = tmp_path_factory.mktemp("counter") / "run.h5"
    outcome = run(path, two_sites(), 130.0)
    assert outcome.error is None
    return path, outcome.results


@pytest.mark.parametrize(
    ("number", "name", "noise_s"), [(0, "counter", 1e-10), (1, "counter2", 1e-9)]
)
def test_readings_are_what_the_plant_did(both, number, name, noise_s):
    path, results = both
    values, times_ns, flags = readings(path, name)
    with Station(two_sites(), seed=1) as same:
        parameters = same.bench.plant.parameters
    plant = ClockPlant(parameters, 1)
    seconds = times_ns // 1_000_000_000
    assert np.all(np.diff(seconds) == 1)  # both counters measure every second
    truth = plant.truth(seconds * 1_000_000_000, number)
    expected = truth.local_s - truth.delivered_s + plant.sites[number].fibre.forward_s
    assert np.abs(values - expected).max() < 6.0 * noise_s
    assert (values - expected).std() == pytest.approx(noise_s, rel=0.35)  # 130: five sigma
    assert not flags.any()
    assert results["counters"][name]["readings"] == values.size == 130


def test_the_replay_matches_and_the_data_tell_the_same(both):
    path, results = both
    assert replay_run(path).matched
    again = reanalyse_run(path)
    told = {k: v for k, v in results.items() if k not in ("safe_state", "close_error")}
    assert json.dumps(again, sort_keys=True) == json.dumps(told, sort_keys=True)


def test_the_deviations_are_those_of_the_stability_room(both, capsys):
    path, results = both
    found = results["counters"]["counter"]["oadev"]
    whole = stability(readings(path)[0], 1.0, statistic="oadev", taus=found["tau"])
    assert found["tau"] == [1.0, 10.0]
    assert found["dev"] == pytest.approx(whole.dev.tolist(), rel=1e-9)
    with pytest.raises(SystemExit) as ended:
        main(["clock", "stability", str(path), "--dataset", "data/counter/reading", "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["stats"]["oadev"]["dev"][0] == pytest.approx(found["dev"][0], rel=1e-9)


def test_the_picture(both, tmp_path):
    plot_run(both[0], tmp_path / "run.png")
    assert (tmp_path / "run.png").stat().st_size > 10_000


# ---- what goes wrong -----------------------------------------------------------------


def test_missing_pulses_leave_a_gap_of_their_length(tmp_path):
    fault = 'kind = "clocks"\nfaults = [{ at_s = 20.3, kind = "vanish", for_s = 10.0 }]'
    outcome = run(tmp_path / "run.h5", station(('kind = "clocks"', fault)))
    values, times_ns, flags = readings(tmp_path / "run.h5")
    seconds = np.flatnonzero(~np.isnan(values))
    assert outcome.results["counters"]["counter"]["missing"] == np.isnan(values).sum()
    assert 10 <= np.isnan(values).sum() <= 13
    assert np.array_equal((flags & MISSING) != 0, np.isnan(values))
    # places in the row are seconds of the pulses
    assert np.array_equal(
        seconds, times_ns[seconds] // 1_000_000_000 - times_ns[0] // 1_000_000_000
    )
    assert values.size == 60
    assert replay_run(tmp_path / "run.h5").matched


def test_a_garbled_answer_is_a_missing_reading(tmp_path):
    fault = 'faults = [{ kind = "garbage", matching = "READ", after = 5, times = 2 }]'
    head = "[simulation.devices.counter]\n"
    outcome = run(tmp_path / "run.h5", station((head, f"{head}{fault}\n")), 30.0)
    assert outcome.results["counters"]["counter"]["missing"] == 2
    with RunFile.open(tmp_path / "run.h5") as found:
        notes = [r.data for r in found.records("run") if r.kind is Kind.LOG]
    assert len(notes) == 2
    assert all(note.startswith(b"counter: ") for note in notes)
    assert replay_run(tmp_path / "run.h5").matched


def test_a_counter_that_only_talks_rubbish_ends_the_run(tmp_path):
    fault = 'faults = [{ kind = "garbage", matching = "READ", after = 5 }]'
    head = "[simulation.devices.counter]\n"
    outcome = run(tmp_path / "run.h5", station((head, f"{head}{fault}\n")))
    assert outcome.status is RunStatus.FAILED
    assert readings(tmp_path / "run.h5")[0].size >= 3


def test_without_limit_ctrl_c_is_the_ordinary_end(tmp_path):
    outcome = run(tmp_path / "run.h5", station(), 0.0, progress=Interrupting())
    assert outcome.status is RunStatus.COMPLETE
    assert outcome.results["stopped"] == "SIGINT"
    assert outcome.results["counters"]["counter"]["readings"] == 10
    assert readings(tmp_path / "run.h5")[0].size == 10
    report = replay_run(tmp_path / "run.h5")
    assert report.matched


def test_with_a_limit_ctrl_c_stops_too_early(tmp_path):
    outcome = run(tmp_path / "run.h5", station(), 100.0, progress=Interrupting())
    assert outcome.status is RunStatus.ABORTED
    assert isinstance(outcome.error, RunAbortedError)
    assert readings(tmp_path / "run.h5")[0].size == 10
    assert replay_run(tmp_path / "run.h5").matched


def test_an_unlocked_reference_is_flagged(tmp_path):
    head = "[simulation.devices.caesium]\n"
    warming = station((head, f"{head}warm = false\n"))
    run(tmp_path / "run.h5", warming, 5.0)
    assert readings(tmp_path / "run.h5")[2].tolist() == [UNLOCKED] * 5
    nobody = station(('reference = "caesium"\n', ""))
    run(tmp_path / "other.h5", nobody, 5.0)
    assert readings(tmp_path / "other.h5")[2].tolist() == [UNKNOWN] * 5


# ---- frequencies ---------------------------------------------------------------------

FAST = (
    ('input1 = "sites.0.pps"', 'input1 = "sites.0.local"'),
    ("nominal_hz = 1.0 ", "nominal_hz = 10e6 "),
    ('reference = "sites.0.delivered" }', 'reference = "reference" }'),
)


def test_frequencies_follow_each_other_without_a_gap(tmp_path):
    outcome = run(
        tmp_path / "run.h5", station(*FAST), 300.0, quantity="frequency", level_v=math.inf
    )
    values, _, _ = readings(tmp_path / "run.h5")
    assert outcome.results["counters"]["counter"]["readings"] == values.size >= 298
    # The rubidium's 1.93e-11, weighted by triangles of 1 s (4/3 of the variance of a plain
    # gate), and 28 ps/6 of the counter: 300 readings, within five standard errors.
    expected = math.hypot(1.93e-11 * math.sqrt(4 / 3), 28e-12 / 6)
    assert np.std(values) == pytest.approx(expected, rel=5 / math.sqrt(600))
    with RunFile.open(tmp_path / "run.h5") as found:
        facts = found.attributes("data/counter/reading")
    assert (facts["unit"], facts["estimator"], facts["interval_s"]) == ("1", "lambda", 1.0)
    assert replay_run(tmp_path / "run.h5").matched


def test_a_paced_log_reads_one_frequency_at_a_time(tmp_path):
    options = {"quantity": "frequency", "interval_s": 5.0, "level_v": math.inf}
    run(tmp_path / "run.h5", station(*FAST), 50.0, **options)
    values, times_ns, _ = readings(tmp_path / "run.h5")
    assert values.size == 10
    assert np.diff(times_ns) == pytest.approx([5e9] * 9, abs=1e8)
    assert np.abs(values).max() < 2e-10


@pytest.mark.parametrize(
    ("changes", "overrides", "error", "words"),
    [
        ([('counter = ["counter"]\n', "")], {}, StationError, "role 'counter'"),
        (
            [('counter = ["counter"]', 'counter = ["rubidium"]')],
            {},
            UsageError,
            "cannot log interval",
        ),
        (
            [('counter = ["counter"]', 'counter = ["counter", "counter"]')],
            {},
            StationError,
            "twice",
        ),
        ([('quantity = "interval"', 'quantity = "phase"')], {}, StationError, "not one of"),
        ([], {"gate": 1.0}, UsageError, "no option gate"),
    ],
)
def test_what_cannot_be_logged(tmp_path, changes, overrides, error, words):
    with pytest.raises(error, match=words):
        run(tmp_path / "run.h5", station(*changes), **overrides)


@pytest.mark.parametrize(
    ("driver", "address", "readings_at_least"),
    [("srs-sr620", "GPIB0::16::INSTR", 20), ("tapr-ticc", "ASRL9::INSTR", 17)],
)
def test_other_counters_measure_intervals_too(tmp_path, driver, address, readings_at_least):
    old = f"{OWN}\n\n# ---- What"
    new = f'driver = "{driver}"\naddress = "{address}"\n\n# ---- What'
    file = station((old, new), ("interval_noise_ps = 100.0\n", ""))
    outcome = run(tmp_path / "run.h5", file, 20.0)
    assert outcome.error is None
    values, _, _ = readings(tmp_path / "run.h5")
    assert readings_at_least <= values.size <= 20
    assert np.abs(values - 244.84e-6).max() < 1e-8
    assert replay_run(tmp_path / "run.h5").matched
    with pytest.raises(UsageError, match="cannot log frequency"):
        ticc = station((old, new.replace(driver, "tapr-ticc")))
        run(tmp_path / "other.h5", ticc, quantity="frequency")


def test_back_to_back_gates_of_another_counter(tmp_path):
    old = f"{OWN}\n\n# ---- What"
    new = 'driver = "pendulum-cnt91"\naddress = "GPIB0::10::INSTR"\n\n# ---- What'
    file = station((old, new), ("interval_noise_ps = 100.0\n", ""), *FAST)
    outcome = run(tmp_path / "run.h5", file, 60.0, quantity="frequency", level_v=math.inf)
    assert outcome.error is None
    values, _, flags = readings(tmp_path / "run.h5")
    assert values.size >= 57
    assert np.abs(values).max() < 1e-9
    assert not flags.any()
    with RunFile.open(tmp_path / "run.h5") as found:
        assert found.attributes("data/counter/reading")["estimator"] == "pi"


def test_another_frequency_than_expected_is_told(tmp_path):
    outcome = run(tmp_path / "run.h5", station(), quantity="frequency", nominal_hz=10e6)
    assert isinstance(outcome.error, UsageError)
    assert "1 Hz where 10000000 Hz is expected" in str(outcome.error)


# ---- the series ----------------------------------------------------------------------


def test_gaps_are_filled_and_counted():
    series = Series(RunningDeviation(1.0, phase=True))
    series.add(1, [Reading(1.0, 1), Reading(math.nan, 0), Reading(4.0, 3)], 0)
    values, times, flags = series.taken()
    assert [v if v == v else None for v in values] == [1.0, None, None, 4.0]
    assert times == [1] * 4
    assert flags == [0, MISSING | UNKNOWN, MISSING | UNKNOWN, 0]
    assert series.results()["missing"] == 2
    assert series.results()["mean"] == 2.5
    assert series.waiting == 0


@given(
    st.lists(st.floats(-1.0, 1.0) | st.just(math.nan), min_size=3, max_size=60),
    st.booleans(),
)
def test_the_running_deviation_is_the_overlapping_one(values, phase):
    running = RunningDeviation(0.5, phase=phase, factors=(1, 3))
    for value in values:
        running.add(value)
    sums, counts = [0.0, 0.0], [0, 0]
    pieces = np.split(np.array(values), np.flatnonzero(np.isnan(values)))
    for piece in pieces:
        good = piece[~np.isnan(piece)]
        phases = good if phase else np.concatenate(([0.0], 0.5 * np.cumsum(good)))
        for place, m in enumerate((1, 3)):
            second = phases[2 * m :] - 2 * phases[m:-m] + phases[: -2 * m]
            sums[place] += (second**2).sum()
            counts[place] += second.size
    found = dict(running.found())
    for m, total, count in zip((1, 3), sums, counts, strict=True):
        if count:
            expected = math.sqrt(total / count / 2) / (m * 0.5)
            assert found[m * 0.5] == pytest.approx(expected, rel=1e-9, abs=1e-12)
        else:
            assert m * 0.5 not in found


def test_the_command(tmp_path, capsys):
    path = tmp_path / "run.h5"
    with pytest.raises(SystemExit) as ended:
        main(["run", "counter", "--duration", "5", "--seed", "2", "-o", str(path), "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "qlab.run.counter/1"
    assert told["counters"]["counter"]["readings"] == 5
