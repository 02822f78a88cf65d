"""The optical link from beat to report, on the simulated bench."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest

from qlab.cli import main
from qlab.errors import StationError, UsageError
from qlab.experiments.interface import summary
from qlab.plots import plot_run
from qlab.replay import reanalyse_run, replay_run
from qlab.runfile.reader import RunFile
from qlab.runner import run_experiment
from qlab.station import parse_station

TEXT = (resources.files("qlab.stations") / "fibre.toml").read_text(encoding="utf-8")


def text(plant="", **more):
    changed = TEXT.replace("slips_per_day = 20.0", f"slips_per_day = 0.0\n{plant}")
    for old, new in more.get("swaps", ()):
        assert changed.count(old) >= 1
        changed = changed.replace(old, new)
    return changed


def run(path, duration_s=300.0, seed=1, **more):
    station = parse_station(text(**more), "fibre.toml")
    overrides = {"duration_s": duration_s}
    return run_experiment("fibre", station, path, seed=seed, overrides=overrides)


@pytest.fixture(scope="module")
def failing_link(tmp_path_factory):
    """A run with two slips and a loss."""
    path = tmp_path_factory.mktemp("fibre") / "run.h5"
    plant = "slips = [[201.5, 0, 1], [252.5, 1, -2]]\nlosses = [[300.0, 310.0]]"
    outcome = run(path, 400.0, plant=plant)
    assert outcome.error is None
    return path, outcome.results


def test_finds_what_the_plant_did(failing_link):
    _, results = failing_link
    assert [slip["cycles"] for slip in results["slips"]] == [1, 2]
    first, second = (slip["gate"] for slip in results["slips"])
    assert second - first == 51
    [loss] = results["losses"]
    assert loss["gate"] - first == pytest.approx(98, abs=1)
    assert 10 <= loss["gates"] <= 12
    assert results["gates"] == 400
    assert results["valid"] == 400 - 2 - loss["gates"]
    assert results["uptime"] == pytest.approx(results["valid"] / 400)
    assert results["slips_guaranteed"]
    assert results["sigma_hz"] == pytest.approx(0.093, rel=0.2)
    assert "both" in results["undetectable"]


def test_the_light_is_steadier_than_the_fibre(failing_link):
    """White frequency noise of the fibre becomes white phase noise at the far end."""
    _, results = failing_link
    delivered, fibre = (results["stability"][which]["mdev"] for which in ("delivered", "fibre"))
    at = delivered["tau"].index(32.0)
    assert delivered["dev"][at] < 0.3 * fibre["dev"][at]
    # S_phi = h L / f^2 is white frequency noise of h0 = h L / nu^2: adev 4.1e-14 at 1 s.
    oadev = results["stability"]["fibre"]["oadev"]["dev"][0]
    expected = (2.5 * 50 / 2) ** 0.5 / 194.4e12
    assert oadev == pytest.approx(expected, rel=0.25)


def test_the_replay_matches_and_the_data_tell_the_same(failing_link):
    path, results = failing_link
    assert replay_run(path).matched
    again = reanalyse_run(path)
    told = {k: v for k, v in results.items() if k not in ("safe_state", "close_error")}
    assert json.dumps(again, sort_keys=True) == json.dumps(told, sort_keys=True)


def test_rows_of_all_data_belong_together(failing_link):
    path, _ = failing_link
    with RunFile.open(path) as found:
        assert {found.rows(name) for name in found.datasets if name.startswith("data/")} == {400}
        flags = found.read("data/flags", 0, 400)
        deviation = found.read("data/deviation", 0, 400)
    assert np.array_equal(flags == 0, np.isfinite(deviation))


def test_the_shifter_on_record_is_the_one_in_force(failing_link):
    """The first eight gates tell the counters' lag: no command can come before they are over."""
    with RunFile.open(failing_link[0]) as found:
        shifter = found.read("data/shifter", 0, 400)
    assert np.all(shifter[:8] == 80e6)
    assert np.count_nonzero(np.diff(shifter[8:])) > 100


def test_the_picture(failing_link, tmp_path):
    plot_run(failing_link[0], tmp_path / "run.png")
    assert (tmp_path / "run.png").stat().st_size > 10_000


def test_the_next_run_goes_on_where_the_shifter_was_left(tmp_path):
    swaps = [
        ("frequency_hz = 80e6", "frequency_hz = 79.9985e6"),
        ("doppler_hz = 5.0", "doppler_hz = 1500.0"),  # more than a reading may be off
    ]
    outcome = run(tmp_path / "run.h5", 60.0, swaps=swaps)
    assert outcome.error is None
    assert outcome.results["uptime"] == 1.0
    with RunFile.open(tmp_path / "run.h5") as found:
        shifter = found.read("data/shifter", 0, 60)
    assert np.all(np.abs(shifter - 79.9985e6) < 200.0)
    assert reanalyse_run(tmp_path / "run.h5")["uptime"] == 1.0
    assert outcome.results["safe_state"] == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('beat_counters = ["counter_a", "counter_b"]', 'beat_counters = "counter_a"', "list of 2"),
        ('shifter = "synthesiser.channel0"\n', "", "nothing plays the role 'shifter'"),
        ("optical_hz = 194.4e12", "", "optical_hz"),
        ("passes = 2 ", "passes = 3 ", "passes"),
        ("slips_per_day", "slips_per_year", "slips_per_year"),
    ],
)
def test_stations_that_cannot_run_it(tmp_path, old, new, said):
    with pytest.raises(StationError, match=said):
        run_experiment(
            "fibre", parse_station(TEXT.replace(old, new), "fibre.toml"), tmp_path / "run.h5"
        )


def test_too_short(tmp_path):
    with pytest.raises(UsageError, match="ten gates"):
        run(tmp_path / "run.h5", 5.0)


def test_a_beat_that_is_not_there_ends_the_run(tmp_path):
    outcome = run(tmp_path / "run.h5", 20.0, swaps=[('input1 = "trackers.1", ', "")])
    assert "no answer" in str(outcome.error)
    assert outcome.results["error_type"] == "ResponseTimeoutError"


@pytest.mark.parametrize(("times", "ends"), [(1, False), (1000, True)])
def test_a_garbled_answer_costs_some_gates_and_many_end_the_run(tmp_path, times, ends):
    device = "[simulation.devices.counter_b]"
    fault = f"{{ kind = 'garbage', matching = 'FETC', at_s = 60.0, times = {times} }}"
    path = tmp_path / "run.h5"
    outcome = run(path, 120.0, swaps=[(device, f"{device}\nfaults = [{fault}]")])
    assert (outcome.error is not None) == ends
    assert replay_run(path).matched
    if ends:
        assert outcome.results["error_type"] in ("UnexpectedReplyError", "InstrumentFaultError")
        return
    [loss] = outcome.results["losses"]
    assert loss["gate"] == pytest.approx(58, abs=2)
    assert loss["gates"] <= 5
    assert outcome.results["slips"] == []
    assert (
        outcome.results["valid"] == outcome.results["gates"] - loss["gates"] == 120 - loss["gates"]
    )


def test_from_the_command_line(tmp_path, capsys):
    def qlab(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["run", "fibre", "--seed", "5", "--duration", "60", *arguments])
        assert ended.value.code == 0
        return capsys.readouterr().out

    found = json.loads(qlab("-o", str(tmp_path / "run.h5"), "--json"))
    assert (found["schema"], found["gates"]) == ("qlab.run.fibre/1", 60)
    shown = qlab("-o", str(tmp_path / "other.h5"))
    assert "uptime" in shown
    assert "not detectable" in shown


def test_a_run_too_short_for_a_guarantee_says_so():
    results = {
        "gates": 60, "gate_s": 1.0, "uptime": 1.0, "losses": [], "slips": [], "sigma_hz": None,
        "slips_guaranteed": False, "undetectable": "", "mean_offset": None,
        "stability": {"delivered": {"mdev": None}, "fibre": {"mdev": None}},
    }  # fmt: skip
    said = summary("fibre")(results)
    assert "counters differ by  what a hundred good gates would tell: NO GUARANTEE" in said
