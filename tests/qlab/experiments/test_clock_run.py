"""Clocks disciplined on the simulated bench: the run, its record, its refusals."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from clock_runs import START_TAI_NS, TEXT, bench_text, run_clock, run_text
from matplotlib.figure import Figure

from protocols.clock.states import Quality
from protocols.clock.steering_log import free_running
from qlab.cli import main
from qlab.context import SilentProgress
from qlab.errors import StationError, UsageError
from qlab.experiments.clock.picture import draw
from qlab.experiments.interface import summary
from qlab.plots import plot_run
from qlab.replay import reanalyse_run, replay_run
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus
from qlab.runner import run_experiment
from qlab.stability.opening import open_readings
from qlab.stability.readings import Wanted
from qlab.station import parse_station

OFF = 'local = { preset = "fs725", offset = 2e-11 }'


@pytest.fixture(scope="module")
def warm_start(tmp_path_factory):
    path = tmp_path_factory.mktemp("clock") / "run.h5"
    return run_clock(path, 900.0, seed=2, swaps=[('local = { preset = "fs725" }', OFF)])


def test_locks_within_ten_minutes_and_truly(warm_start):
    [site] = warm_start.results["sites"]
    assert warm_start.outcome.status is RunStatus.COMPLETE
    assert site["first_lock_s"] < 600.0
    assert (site["state"], site["missing"], site["outliers"]) == ("locked", 0, 0)
    locked = warm_start.locked()
    assert np.count_nonzero(locked) > 300
    assert np.all(warm_start.truly()[locked])
    assert site["locked_share"] == pytest.approx(np.mean(locked))
    assert [change["state"] for change in site["changes"]] == ["acquiring", "locked"]


def test_the_bound_holds(warm_start):
    """Half a minute after the lock all readings are bounded: at 95 % each, 20 % may be outside."""
    locked = warm_start.locked()
    phase_s = warm_start.phase_s(warm_start.times_ns())[locked]
    inside = np.abs(phase_s) <= warm_start.logs[0]["bound_95"][locked]
    assert np.mean(inside) > 0.8


def test_steering_finds_the_offset_and_never_jumps(warm_start):
    log = warm_start.logs[0]
    assert np.mean(log["setting"][-200:]) * 1e-12 == pytest.approx(-2e-11, abs=5e-12)
    assert np.max(np.abs(np.diff(warm_start.steering()))) <= 1e-9 * (1 + 1e-9)


def test_the_free_clock_comes_from_the_log(warm_start):
    """Steering and readings give the clock left alone: the plant's, within a reading's noise."""
    log = warm_start.logs[0]
    acts, first = log["acts_ns"], np.concatenate(([True], np.diff(log["acts_ns"]) > 0))
    free = free_running(log["t_tai_ns"], log["x"], acts[first], log["setting"][first], 1e-12)
    times_ns = warm_start.times_ns()
    truth = warm_start.plant.truth(times_ns)
    left_alone = truth.free_s - truth.delivered_s
    error = (free - left_alone) - np.mean(free - left_alone)
    assert np.std(error) < 1.3 * 100e-12  # 100 ps of noise; 900 readings
    assert np.ptp(left_alone) > 10e-9


def test_the_replay_matches_and_the_data_tell_the_same(warm_start):
    assert replay_run(warm_start.path).matched
    again = reanalyse_run(warm_start.path)
    told = {k: v for k, v in warm_start.results.items() if k not in ("safe_state", "close_error")}
    assert json.dumps(again, sort_keys=True) == json.dumps(told, sort_keys=True)


def test_the_steering_stays(warm_start):
    assert warm_start.results["safe_state"] == []
    log = warm_start.logs[0]
    assert warm_start.steering()[-1] == log["setting"][-1] * 1e-12


def test_the_picture(warm_start, tmp_path):
    plot_run(warm_start.path, tmp_path / "run.png")
    assert (tmp_path / "run.png").stat().st_size > 10_000
    figure = Figure()
    with RunFile.open(warm_start.path) as run:
        draw(run, run.results[-1], figure)
    (steering,) = (axes for axes in figure.axes if "steering" in axes.get_ylabel())
    assert "a step is 1e-12" in steering.get_ylabel()
    assert np.abs(steering.lines[0].get_ydata()).max() < 1e-9


def test_a_counter_starts_with_the_pulse_that_comes_first(tmp_path):
    """A clock that cannot place its pulse, and whose cable is longer than the reference's.

    The pulses cross on the way to the lock. Without turning the counter every second pulse
    would be lost from then on: 176 readings of 300.
    """
    swaps = [
        ("{ length_km = 50.0, exposed_km = 0.5 }", "{ length_km = 0.01, exposed_km = 0.0 }"),
        ("value_s = 244.836e-6", "value_s = -51e-9"),
        ("reading_s = 100e-12", "reading_s = 100e-12\nplace_above_s = 1.0"),
    ]
    run = run_clock(tmp_path / "run.h5", 300.0, swaps=swaps)
    log, locked = run.logs[0], run.locked()
    assert log.size > 280
    assert np.count_nonzero(locked) > 100
    # As it is read, the local pulse is to come 51 ns after the delivered one.
    true_s = run.phase_s(run.times_ns()) + run.plant.sites[0].fibre.forward_s + 51e-9
    assert np.all(np.abs(true_s[locked]) < 5e-9)
    assert np.all(np.abs(log["interval"][locked] + 51e-9) < 5e-9)
    assert np.count_nonzero(["from now on it starts it" in note for note in run.notes]) == 1
    assert any("lengthen the cable to input 2" in note for note in run.notes)
    assert replay_run(run.path).matched


def test_a_far_pulse_is_placed_once(tmp_path):
    late = ('local = { preset = "fs725" }', 'local = { preset = "fs725" }\npulses_late_s = 0.3')
    run = run_clock(tmp_path / "run.h5", 300.0, swaps=[late])
    log = run.logs[0]
    assert np.count_nonzero(log["placement"]) == 1
    assert any("the pulse was placed" in note for note in run.notes)
    assert run.results["sites"][0]["state"] == "locked"
    assert np.all(run.truly()[run.locked()])
    assert replay_run(run.path).matched


def test_a_placement_that_was_lost_is_asked_for_again(tmp_path):
    """What is on record is what moved: the free clock comes out the same."""
    late = ('local = { preset = "fs725" }', 'local = { preset = "fs725" }\npulses_late_s = 0.3')
    lost = {"rubidium": [{"kind": "silent", "matching": "PP", "times": 1}]}
    run = run_clock(tmp_path / "run.h5", 300.0, swaps=[late], devices=lost)
    log = run.logs[0]
    assert any("placed not at all" in note for note in run.notes)
    assert np.count_nonzero(log["placement"]) == 1
    assert run.results["sites"][0]["state"] == "locked"
    free = run.results["sites"][0]["stability"]["free"]["oadev"]
    assert free["dev"][0] < 5e-10
    assert replay_run(run.path).matched


def test_an_outage_keeps_its_length_in_every_statistic(tmp_path):
    """Missing readings take as long as the counter waits; 100 s without fibre stay 100 s."""
    gone = [{"at_s": 100.0, "kind": "vanish", "for_s": 100.0, "site": 0}]
    run = run_clock(tmp_path / "run.h5", 400.0, faults=gone)
    readings = open_readings(run.path, Wanted(dataset="data/site0/x"))
    phase = np.concatenate(list(readings.parts))
    assert readings.interval_s == 1.0
    assert phase.size == pytest.approx(400, abs=2)
    assert np.count_nonzero(np.isnan(phase)) == pytest.approx(100, abs=2)
    free = run.results["sites"][0]["stability"]["free"]["oadev"]
    at = free["tau"].index(16.0)
    assert free["dev"][at] < 3e-11  # 5e-12 of the rubidium, 1.1e-11 of the readings


@pytest.mark.parametrize(("quality", "state"), [("good", "locked"), ("degraded", "acquiring")])
def test_a_reference_that_nobody_can_ask_is_worth_what_the_station_says(tmp_path, quality, state):
    swaps = [
        ('reference = "caesium"\n', ""),
        ("[clock]\n", f'[clock]\nreference_quality = "{quality}"\n'),
    ]
    run = run_clock(tmp_path / "run.h5", 150.0, swaps=swaps)
    assert run.results["sites"][0]["state"] == state
    assert set(run.logs[0]["quality"][1:].tolist()) == {Quality[quality.upper()]}


def two_sites():
    """Return the packaged station with its second site put in."""
    head, marker, second = TEXT.partition("# ---- A second site")
    lines = (marker + second).splitlines()[1:]
    text = head + "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines)
    site = '\n[[clock.sites]]\nclock = "sa45s"\nreading_s = 1e-9\ncontroller = "lqg"\n'
    site += "gains = [0.05, 1.0, 0.5]\n[[clock.sites.delays]]\nitem = 'fibre'\n"
    site += "way = 'reference'\nvalue_s = 58.7606e-6\nuncertainty_s = 1e-9\n"
    site += "date = '2026-11-01'\nconnector = 'to counter2 input 2'\n"
    changes = [
        ('local = ["rubidium"]', 'local = ["rubidium", "chip_scale"]'),
        ('counter = ["counter"]', 'counter = ["counter", "counter2"]'),
        (
            'reference_clock = "5071a-hp"',
            f'reference_clock = "5071a-hp"\nstart_tai_ns = {START_TAI_NS}',
        ),
        ("# ---- The simulated bench:", f"{site}\n# ---- The simulated bench:"),
    ]
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("gains", "margin"), [("0.209, 1.06, 0.999", ""), ("0.2, 0.1, 1.0", "margin of 13 degrees")]
)
def test_a_station_s_check_judges_gains(capsys, tmp_path, gains, margin):
    """Too little frequency gain makes a loop that rings, which is a warning and no error."""
    station = tmp_path / "station.toml"
    station.write_text(TEXT.replace("0.209, 1.06, 0.999", gains))
    with pytest.raises(SystemExit) as ended:
        main(["station", "check", str(station), "--json"])
    said = json.loads(capsys.readouterr().out)["warnings"]
    assert ended.value.code == 0
    assert [margin in each for each in said if "site 0" in each] == ([True] if margin else [])


def test_two_sites(tmp_path):
    run = run_text(tmp_path / "run.h5", two_sites(), 400.0)
    assert run.outcome.error is None
    assert [site["clock"] for site in run.results["sites"]] == ["fs725", "sa45s"]
    for number in (0, 1):
        locked = run.locked(number)
        assert locked[-1]
        assert np.all(run.truly(number)[locked])
    assert run.logs[0].size == run.logs[1].size
    assert replay_run(run.path).matched
    plot_run(run.path, tmp_path / "run.png")


class Stopping(SilentProgress):
    """Presses Ctrl-C after so many readings."""

    def __init__(self, after):
        self.left = after

    def step(self, note=""):
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("duration_s", [0.0, 900.0])
def test_ctrl_c_leaves_the_steering_and_the_next_run_goes_on(tmp_path, duration_s):
    swaps = [('local = { preset = "fs725" }', OFF)]
    run = run_clock(tmp_path / "one.h5", duration_s, progress=Stopping(250), swaps=swaps)
    asked = duration_s == 0.0  # then it is how such a run ends
    assert run.outcome.status is (RunStatus.COMPLETE if asked else RunStatus.ABORTED)
    assert run.results.get("stopped") == ("SIGINT" if asked else None)
    log = run.logs[0]
    assert log.size == 250
    left = int(log["setting"][-1])
    assert run.steering()[-1] == left * 1e-12
    assert left * 1e-12 == pytest.approx(-2e-11, abs=1e-11)
    assert replay_run(run.path).matched
    plot_run(run.path, tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 10_000
    rubidium = "[simulation.devices.rubidium]"
    swaps.append((rubidium, f"{rubidium}\nsteering = {left}"))
    again = run_clock(tmp_path / "two.h5", 100.0, swaps=swaps)
    assert any(f"steering goes on from {left * 1e-12:+.4e}" in note for note in again.notes)
    assert abs(int(again.logs[0]["setting"][0]) - left) < 5
    assert np.all(np.abs(again.steering()[1:]) < 5e-10)
    assert again.results["sites"][0]["state"] == "locked"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_killed_the_last_steering_is_on_record(tmp_path):
    (tmp_path / "station.toml").write_text(bench_text())
    hook = "import os, qlab.experiments.clock.log as e, sys\n"
    hook += "step = e.SiteLog.flush\nn = 0\n"
    hook += "def flush(self):\n    global n\n    step(self)\n    n += 1\n"
    hook += "    if n == 40:\n        os.kill(os.getpid(), 9)\n"
    hook += "e.SiteLog.flush = flush\nfrom qlab.cli import main\nsys.exit(main())\n"
    done = subprocess.run(
        [sys.executable, "-c", hook, "run", "clock", "--station", "station.toml", "-o", "run.h5",
         "--seed", "1", "--duration", "5000"],
        check=False, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    with RunFile.open(tmp_path / "run.h5") as found:
        rows = found.rows("data/site0/log")
        log = found.read("data/site0/log", 0, rows)
        commanded = [
            int(r.data[2:]) for r in found.records()
            if r.kind.name == "WRITE" and r.data[:2] == b"SF" and r.data[2:3] != b"?"
        ]  # fmt: skip
    assert commanded
    assert not rows or log["setting"][-1] in commanded
    assert replay_run(tmp_path / "run.h5").matched


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('counter = ["counter"]', "", "nothing plays the role 'counter'"),
        ('local = ["rubidium"]', 'local = "rubidium"', "must be a list of 1"),
        ('local = ["rubidium"]', 'local = ["rubidium", "rubidium"]', "list of 1|twice"),
        ('reference = "caesium"\n', "", "nobody can ask how good it is"),
        ('clock = "fs725"', 'clock = "sundial"', "sundial"),
        ('reference_clock = "5071a-hp"', 'reference_clock = "moon"', "moon"),
        ("reading_s = 100e-12", "reading_ps = 100", "reading_ps"),
        ("reading_s = 100e-12", "reading_s = -1.0", "reading_s"),
        ('controller = "lqg"', 'controller = "bang"', "bang|lqg"),
        ("gains = [0.209, 1.06, 0.999]", "gains = [0.2]", "gains"),
        ("gains = [0.209, 1.06, 0.999]", "gains = [5.0, 1.06]", "the loop is unstable"),
        ('date = "2026-11-01"', 'date = "yesterday"', "yesterday"),
        ('way = "reference"', 'way = "home"', "home"),
        ('local = ["rubidium"]', 'local = ["counter"]', "'counter' is no steerable clock"),
        ('driver = "keysight-53230a"', 'driver = "microchip-5071a"', "counter"),
    ],
)
def test_stations_that_cannot_run_it(tmp_path, old, new, said):
    assert TEXT.count(old) >= 1
    with pytest.raises(StationError, match=said):
        run_experiment(
            "clock", parse_station(TEXT.replace(old, new), "clock.toml"), tmp_path / "run.h5"
        )
    assert not (tmp_path / "run.h5").exists()


def test_too_short(tmp_path):
    with pytest.raises(UsageError, match="two readings"):
        run_clock(tmp_path / "run.h5", 1.0)


@pytest.fixture
def qlab(capsys, tmp_path, monkeypatch):
    """Run a command line in this process; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


def test_from_the_command_line(qlab):
    command = ("run", "clock", "--seed", "5", "--duration", "60")
    code, out, err = qlab(*command, "-o", "run.h5", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["schema"] == "qlab.run.clock/1"
    assert found["sites"][0]["state"] == "locked"
    _, shown, _ = qlab(*command, "-o", "other.h5")
    assert "locked: the phase has stayed within the limit" in shown
    assert "95 % bound" in shown


@pytest.mark.parametrize("experiment", ["clock", "fibre", "counter"])
def test_a_duration_that_is_no_number_is_refused(qlab, experiment, tmp_path):
    code, _, err = qlab("run", experiment, "--duration", "nan")
    assert (code, "internal" in err) == (2, False), err
    assert not list(tmp_path.iterdir())


def test_the_deviations_are_those_of_the_lock(warm_start):
    """The pull-in is hundreds of nanoseconds, the lock is a tenth of one."""
    [site] = warm_start.results["sites"]
    curve = site["stability"]["steered"]["tdev"]
    assert max(curve["dev"]) < 1e-9


def test_when_it_ran_is_told_in_utc_and_mjd(warm_start):
    """2 000 000 000 s of TAI is 37 s before that much of POSIX time, 2033-05-18T03:33:20Z."""
    told = warm_start.results
    assert told["start_utc"] == "2033-05-18T03:32:43Z"
    assert told["start_mjd"] == pytest.approx(63735.14772, abs=1e-5)
    seconds = (warm_start.logs[0]["t_tai_ns"][-1] - START_TAI_NS) * 1e-9
    assert told["end_mjd"] - told["start_mjd"] == pytest.approx(seconds / 86_400, abs=1e-9)
    assert "table of leap seconds" in told["utc_warning"]
    shown = summary("clock")(told)
    assert "2033-05-18T03:32:43Z, MJD 63735.14772" in shown
    assert "table of leap seconds" in shown
