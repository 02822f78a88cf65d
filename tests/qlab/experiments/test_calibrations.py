"""Calibrations as recorded runs: what they find is what the simulated plant has."""

import json
import signal
import sys
import threading
import time
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from clock_runs import START_TAI_NS, run_text

from drivers.core.context import Kind
from drivers.simulated.bench import PlantSpec
from qlab.cli import main
from qlab.cli.calibrate import _ask
from qlab.context import AbortFlag, HandWork, RunAbortedError, SilentProgress, Tap
from qlab.errors import StationError, UsageError
from qlab.experiments.calibrations.record import record_text, write_record
from qlab.experiments.clock.records import read_record
from qlab.hands import hands_of
from qlab.plots import plot_run
from qlab.replay import reanalyse_run, replay_run
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus
from qlab.runner import run_experiment
from qlab.station import load_station, parse_station

TEXT = (resources.files("qlab.stations") / "calibration.toml").read_text(encoding="utf-8")
NAMES = ("counter-skew", "two-way", "steering")
#: d_AB - d_BA of 50 km at alpha = 2.5e-4, and what the skews of both counters add to it.
MEAN_S = 50.0 * 1.468 / 299_792.458
ASYMMETRY_S = 2 * 2.5e-4 * MEAN_S / (2 + 2.5e-4) + 0.35e-9 + 0.25e-9


def calibrated(path, name, seed=1, text=TEXT, **more):
    return run_experiment(name, parse_station(text, "calibration.toml"), path, seed=seed, **more)


@pytest.fixture(scope="module", params=NAMES)
def done(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("calibrated") / f"{request.param}.h5"
    return request.param, path, calibrated(path, request.param)


def test_each_runs_replays_and_can_be_judged_anew(done, tmp_path):
    _, path, outcome = done
    assert outcome.status is RunStatus.COMPLETE
    assert replay_run(path).matched
    again, told = reanalyse_run(path), outcome.results
    for key in ("value", "standard_uncertainty", "date", "details", "readings"):
        assert again[key] == told[key]
    plot_run(path, tmp_path / "picture.png")
    assert all("MY5000" in who or "PRS10" in who for who in told["instruments"].values())


@pytest.mark.parametrize(
    ("name", "option", "truth"),
    [
        ("counter-skew", {}, -0.35e-9),
        ("counter-skew", {"counter": "far_counter"}, 0.25e-9),
        ("two-way", {}, ASYMMETRY_S),
        ("steering", {}, 1.0),
    ],
)
def test_what_is_found_is_what_the_plant_has(tmp_path, name, option, truth):
    """Of 3 seeds none beyond 4.5 uncertainties: 2e-5 if normal, 4e-3 for Student's 9 of steering.

    The ledger of the direct comparison is exact here, so it leaves what two-way finds better
    than its uncertainty says.
    """
    off = []
    for seed in range(3):
        found = calibrated(tmp_path / f"{seed}.h5", name, seed, overrides=option).results
        off.append((found["value"] - truth) / found["standard_uncertainty"])
    assert max(map(abs, off)) < 4.5
    assert max(map(abs, off)) > 0.1  # and not of uncertainties that are far too large


def test_a_record_goes_into_a_station_and_the_clocks_agree(tmp_path):
    """Uncalibrated, it keeps the clock 30.9 ns late, and the alarm for that stands."""
    run_file = tmp_path / "two-way.h5"
    then = {"start_tai_ns": START_TAI_NS}
    found = calibrated(run_file, "two-way", overrides=then).results
    write_record(found, run_file, tmp_path / "two-way.toml")
    with pytest.raises(UsageError, match="exists"):
        write_record({}, run_file, tmp_path / "two-way.toml")
    text = TEXT.replace("two_way = true", f"two_way = true\nstart_tai_ns = {START_TAI_NS}")
    ledger = f'ledger = ["{tmp_path.as_posix()}/two-way.toml"]'
    named = text.replace('# ledger = ["two-way.toml"]', ledger)
    assert text != TEXT and named != text
    with_it = run_text(tmp_path / "with.h5", named, 200.0, seed=2)
    without = run_text(tmp_path / "without.h5", text, 200.0, seed=2)
    for run, off_s, stale in ((with_it, 0.0, False), (without, -0.5 * ASYMMETRY_S, True)):
        assert ("calibration" in run.results["sites"][0]["alarms"]) is stale
        at = run.times_ns()[-1:]
        direct = run.plant.sites[0].pps.phase_at(at) - run.plant.reference_pps.phase_at(at)
        assert direct[0] == pytest.approx(off_s, abs=0.5e-9)
    (tmp_path / "two-way.toml").unlink()
    assert replay_run(with_it.path).matched  # which has all that it needs


def test_a_skew_adds_a_line_to_the_ledger(tmp_path):
    run_file = tmp_path / "skew.h5"
    found = calibrated(run_file, "counter-skew", overrides={"temperature_c": 21.5}).results
    record = tmp_path / "skew.toml"
    write_record(found, run_file, record)
    [line] = read_record(record).delays
    assert line.value_s == found["value"]
    assert line.uncertainty_s == found["standard_uncertainty"]
    assert (line.temperature_c, line.date) == (21.5, found["date"])
    parsed = tomllib.loads(record.read_text(encoding="utf-8"))
    assert parsed["run_file"] == "skew.h5"
    assert "MY50001484" in parsed["instruments"]["counter"]
    assert "slew_v_per_s" not in parsed["details"]  # which nobody knows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe", "no UTF-8"),
        (b"calibration = ", "not valid TOML"),
        (b'calibration = "steering"\n', "no record that adds"),
        (b'calibration = "x"\n[site]\ndelay = 1\n', "unknown key"),
        (b'calibration = "x"\n[site]\nasymmetry_s = "long"\n', "must be a number"),
        (b'calibration = "x"\n[[site.delays]]\nitem = "a"\n', "is missing"),
    ],
)
def test_a_record_that_is_none_is_refused(tmp_path, text, said):
    if text is not None:
        (tmp_path / "record.toml").write_bytes(text)
    with pytest.raises(StationError, match=said):
        read_record(tmp_path / "record.toml")


def test_what_is_said_twice_is_refused(tmp_path):
    for name in ("counter-skew", "two-way"):
        results = calibrated(tmp_path / f"{name}.h5", name).results
        write_record(results, tmp_path / f"{name}.h5", tmp_path / f"{name}.toml")
    both = f'ledger = ["{tmp_path.as_posix()}/two-way.toml", "{tmp_path.as_posix()}/two-way.toml"]'
    with pytest.raises(StationError, match="asymmetry is given twice"):
        run_text(tmp_path / "a.h5", TEXT.replace('# ledger = ["two-way.toml"]', both), 10.0)
    with pytest.raises(StationError, match="twice on the local way"):
        run_text(
            tmp_path / "b.h5",
            TEXT.replace('# ledger = ["two-way.toml"]', both.replace("two-way", "counter-skew")),
            10.0,
        )


class Stopping(SilentProgress):
    """Presses Ctrl-C after so many readings."""

    def __init__(self, after):
        self.left = after

    def step(self, note=""):
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)


def test_stopped_in_the_middle_the_steering_is_what_it_was(tmp_path):
    plants, build = [], PlantSpec.build

    def kept(self, *arguments):
        plants.append(build(self, *arguments))
        return plants[-1]

    text = TEXT.replace(
        "[simulation.devices.rubidium]", "[simulation.devices.rubidium]\nsteering = 40"
    )
    PlantSpec.build = kept
    try:
        outcome = calibrated(tmp_path / "run.h5", "steering", text=text, progress=Stopping(50))
    finally:
        PlantSpec.build = build
    assert outcome.status is RunStatus.ABORTED
    told = [each[1] for each in plants[0].sites[0].local._steers]
    assert max(told) == pytest.approx(1.4e-10)
    assert told[-1] == pytest.approx(4e-11)
    with RunFile.open(tmp_path / "run.h5") as run:
        assert run.rows("data/counter") == 50
    assert replay_run(tmp_path / "run.h5").matched


def test_a_clock_that_does_not_follow_ends_with_exit_code_3(tmp_path, monkeypatch, capsys):
    """Its commands reach no oscillator."""
    monkeypatch.chdir(tmp_path)
    dead = TEXT.replace('oscillator = "sites.0.local", pps', "pps")
    assert dead != TEXT
    Path("station.toml").write_text(dead, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", "steering", "--station", "station.toml", "--seed", "1", "-o", "run.h5"])
    assert ended.value.code == 3
    assert "as_declared  NO" in capsys.readouterr().out
    assert tomllib.loads(Path("run.toml").read_text())["details"]["as_declared"] is False


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["calibrate", "counter-skew", "--readings", "10", "--temperature", "21"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--json"])
    assert not ended.value.code
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "qlab.calibrate.counter-skew/1"
    assert (told["temperature_c"], told["readings"]) == (21.0, 20)
    assert Path(told["record"]) == Path(told["run_file"]).with_suffix(".toml")
    assert Path(told["record"]).exists()
    with pytest.raises(SystemExit) as ended:
        main([*command, "-o", "new.h5", "--record", told["record"]])
    assert ended.value.code == 2
    assert "exists" in capsys.readouterr().err
    assert not Path("new.h5").exists()


# ---- what is done by hand ----------------------------------------------------------


class NoBench:
    bench = None


WORK = HandWork("counter", "swap", "swap the leads")


def test_without_anybody_there_the_run_says_what_is_to_be_done():
    with pytest.raises(UsageError, match="somebody has to swap the leads"):
        hands_of(NoBench(), None, Tap(AbortFlag()))(WORK)


def test_a_person_is_asked_and_what_goes_wrong_there_is_raised():
    asked = []
    hands_of(NoBench(), asked.append, Tap(AbortFlag()))(WORK)
    assert asked == [WORK]

    def gone(work):
        raise UsageError("nobody is there")

    with pytest.raises(UsageError, match="nobody is there"):
        hands_of(NoBench(), gone, Tap(AbortFlag()))(WORK)


def test_a_wait_for_a_person_can_be_stopped():
    flag, never = AbortFlag(), threading.Event()
    threading.Timer(0.2, flag.request, ["SIGINT"]).start()
    start = time.monotonic()
    with pytest.raises(RunAbortedError):
        hands_of(NoBench(), lambda work: never.wait(20.0), Tap(flag))(WORK)
    assert time.monotonic() - start < 10.0
    never.set()


def test_a_run_that_is_stopped_while_it_waits_for_a_person_replays(tmp_path, monkeypatch):
    waiting = threading.Event()

    def interrupted(work):
        if work.action == "swap":
            signal.raise_signal(signal.SIGINT)
            waiting.wait(20.0)

    monkeypatch.setattr(
        "qlab.runner.hands_of", lambda station, operator, tap: hands_of(NoBench(), operator, tap)
    )
    text = TEXT.replace(
        'input2 = "sites.0.panel.input2"', 'input2 = "sites.0.pps"'
    )  # the same pulse at both inputs
    outcome = calibrated(tmp_path / "stopped.h5", "counter-skew", text=text, operator=interrupted)
    waiting.set()
    assert outcome.status is RunStatus.ABORTED
    with RunFile.open(tmp_path / "stopped.h5") as run:
        assert run.rows("data/counter") == 100
    assert replay_run(tmp_path / "stopped.h5").matched


def test_the_terminal_waits_for_enter(monkeypatch, tmp_path):
    (tmp_path / "typed").write_text("\n")
    with (tmp_path / "typed").open() as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        _ask(WORK, SilentProgress())
        with pytest.raises(UsageError, match="nobody has said"):
            _ask(WORK, SilentProgress())


def test_what_was_done_by_hand_is_on_record(tmp_path):
    calibrated(tmp_path / "run.h5", "counter-skew", overrides={"readings": 8})
    with RunFile.open(tmp_path / "run.h5") as run:
        said = [r.data.decode() for r in run.records() if r.kind is Kind.MESSAGE]
    assert [text.split()[0] for text in said] == ["lead", "swap", "plug"]


def test_a_counter_without_a_panel_has_no_leads_to_swap(tmp_path):
    station = load_station(None, "clock")
    outcome = run_experiment("counter-skew", station, tmp_path / "run.h5", seed=1)
    assert "no leads that could be moved" in str(outcome.error)


def test_what_is_not_known_is_left_out_of_a_record(tmp_path):
    text = record_text({"calibration": "x", "a": None, "b": [{"c": None}]}, tmp_path / "r.h5")
    assert tomllib.loads(text) == {"calibration": "x", "b": [{}], "run_file": "r.h5"}


def test_a_record_without_a_folder_is_refused_before_anything_is_measured(tmp_path, capsys):
    run_file, record = tmp_path / "run.h5", tmp_path / "none" / "record.toml"
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", "counter-skew", "-o", str(run_file), "--record", str(record)])
    assert ended.value.code == 2
    assert "there is no folder" in capsys.readouterr().err
    assert not run_file.exists()
