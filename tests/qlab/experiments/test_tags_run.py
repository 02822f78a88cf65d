"""Tags recorded on the simulated pair bench, and what is left of them in the file."""

from __future__ import annotations

import json
import signal
from fractions import Fraction

import numpy as np
import pytest

from drivers.simulated.plant.pairs import PairParameters, PairPlant
from qlab.cli import main
from qlab.context import RunAbortedError, SilentProgress
from qlab.errors import StationError, UsageError
from qlab.experiments.tags import common
from qlab.experiments.tags.common import LiveSync
from qlab.experiments.tags.options import TagsOptions
from qlab.plots import plot_run
from qlab.replay import reanalyse_run, replay_run
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus
from qlab.runner import run_experiment
from qlab.station import load_station, parse_station
from qlab.tags.syncing import synchronise_files

TEXT = load_station(packaged="pairs").text()


def station(*changes):
    text = TEXT
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return parse_station(text, "pairs.toml")


def run(path, file=None, seed=1, progress=None, **overrides):
    return run_experiment(
        "tags", file or station(), path, seed=seed, overrides=overrides, progress=progress
    )


class Noting(SilentProgress):
    """Keeps what is shown, and may ask for an end."""

    def __init__(self, stop_after=10**9):
        self.notes = []
        self._stop_after = stop_after

    def step(self, note=""):
        self.notes.append(note)
        if len(self.notes) == self._stop_after:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("tags") / "run.h5"
    progress = Noting()
    outcome = run(path, duration_s=2.5, progress=progress)
    assert outcome.error is None
    return path, outcome.results, progress.notes


def test_the_file_holds_what_the_taggers_told(recorded):
    path, results, _ = recorded
    with RunFile.open(path) as found:
        for name in ("tagger_a", "tagger_b"):
            ticks = found.read(f"data/{name}/timestamps")
            lines = found.read(f"data/{name}/detectors")
            counts = {int(n): int((lines == n).sum()) for n in np.unique(lines)}
            told = results["taggers"][name]["lines"]
            assert {int(n): line["count"] for n, line in told.items()} == counts
            assert set(counts) == {1, 2}
            assert np.all(np.diff(ticks) >= 0)
            assert ticks[0] >= 0
            assert ticks[-1] < 2.5 / 2e-9
            assert found.attributes(f"data/{name}/timestamps")["tick_s"] == [1, 500_000_000]


def test_rates_are_shown_on_the_way(recorded):
    _, results, notes = recorded
    assert len(notes) >= 2
    line = results["taggers"]["tagger_b"]["lines"]["1"]
    assert line["rate_hz"] == pytest.approx(line["count"] / 2.5)
    assert [note.split()[0] for note in notes[-1].split("\n")] == [
        "tagger_a", "tagger_b", "1&2:", "sync:"
    ]  # fmt: skip
    shown = float(notes[-1].split("tagger_b 1: ")[1].split("/s")[0].replace(",", ""))
    assert shown == pytest.approx(line["rate_hz"], rel=0.1)


def test_the_run_replays_and_its_counts_follow_from_the_data(recorded, tmp_path):
    path, results, _ = recorded
    assert replay_run(path).matched
    again = reanalyse_run(path)
    assert again["taggers"] == results["taggers"]
    assert again["coincidences"] == results["coincidences"]
    plot_run(path, tmp_path / "run.png")
    assert (tmp_path / "run.png").stat().st_size > 10_000


def test_ctrl_c_ends_a_run_without_a_limit_and_keeps_its_results(tmp_path):
    file = station(("duration_s = 10.0\n", ""))
    outcome = run(tmp_path / "run.h5", file, progress=Noting(stop_after=2))
    assert outcome.error is None
    assert outcome.results["stopped"] == "SIGINT"
    assert outcome.results["duration_s"] == pytest.approx(2.0, abs=0.3)
    assert replay_run(tmp_path / "run.h5").matched


def test_ctrl_c_before_the_time_is_over_aborts_and_keeps_the_tags(tmp_path):
    outcome = run(tmp_path / "run.h5", progress=Noting(stop_after=2))
    assert isinstance(outcome.error, RunAbortedError)
    with RunFile.open(tmp_path / "run.h5") as found:
        assert found.status is RunStatus.ABORTED
        assert found.rows("data/tagger_a/timestamps") > 20_000


def test_a_single_tagger_may_play_the_role_tagger(tmp_path):
    file = station(('taggers = ["tagger_a", "tagger_b"]', 'tagger = "tagger_b"'))
    outcome = run(tmp_path / "run.h5", file, duration_s=0.3)
    assert list(outcome.results["taggers"]) == ["tagger_b"]
    with RunFile.open(tmp_path / "run.h5") as found:
        assert found.rows("data/timestamps") == found.rows("data/detectors") > 1000


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (('taggers = ["tagger_a", "tagger_b"]', ""), StationError, "nobody plays"),
        (('taggers = ["tagger_a", "tagger_b"]', 'taggers = ["tagger_a", "tagger_a"]'),
         StationError, "twice"),
        (('coincidences = [[1, 2]]', "coincidences = [[1, 1]]"), StationError, "different lines"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(tmp_path, change, error, match):
    with pytest.raises(error, match=match):
        run(tmp_path / "run.h5", station(change))


def test_an_instrument_that_is_no_tagger_is_refused(tmp_path):
    file = load_station()
    text = file.text().replace('tagger = "tagger"', 'tagger = "counter"')
    with pytest.raises(UsageError, match="no time tagger"):
        run(tmp_path / "run.h5", parse_station(text, "bench.toml"))


def test_the_command_line(tmp_path, capsys):
    path = tmp_path / "run.h5"
    with pytest.raises(SystemExit) as ended:
        main(["run", "tags", "--duration", "0.2", "--seed", "1", "-o", str(path), "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "qlab.run.tags/1"
    assert told["taggers"]["tagger_a"]["lines"]["1"]["count"] > 1000


def test_coincidences_are_those_of_the_tags(recorded):
    """Two detectors behind a splitter: every pair of tags is one of chance."""
    path, results, notes = recorded
    (found,) = results["coincidences"]
    with RunFile.open(path) as run:
        ticks = run.read("data/tagger_a/timestamps")
        lines = run.read("data/tagger_a/detectors")
    stops = ticks[lines == 2]
    near = np.array(
        [
            stop - start
            for start in ticks[lines == 1].tolist()
            for stop in stops[slice(*np.searchsorted(stops, (start - 50, start + 51)))].tolist()
        ]
    )
    assert found["count"] == np.count_nonzero(np.abs(near) <= 2)
    assert sum(found["counts"]) == near.size
    assert found["window_ps"] == 4000
    expected = (lines == 1).sum() * (lines == 2).sum() * 5 / ticks[-1]
    assert found["accidentals"] == pytest.approx(expected, rel=0.1)
    assert "1&2: " in notes[-1]


def test_two_taggers_common_time_is_found_on_the_way_and_is_true(tmp_path):
    """Their starts, the light's delays and their clocks' frequencies are those of the bench.

    Within five standard deviations of a normal number: a false alarm in a million.
    """
    path, progress = tmp_path / "run.h5", Noting()
    file = station(("max_ppm = 20.0\n", "max_ppm = 20.0\nsync_every_s = 1.0\n"))
    outcome = run(path, file, duration_s=4.0, progress=progress)
    sync = outcome.results["sync"]
    assert progress.notes[0].endswith("sync: searching")
    assert "sync +" in progress.notes[-1]
    assert sync["false_alarm_probability"] < 1e-12
    assert sync["frequency_ratio_minus_1"] == pytest.approx(
        -5e-6, abs=5 * sync["frequency_std"] + 3e-9
    )
    assert sync["residual_rms_ps"] == pytest.approx(
        np.hypot(2000 / 6**0.5, 350 / 2.355 * 2**0.5), rel=0.05
    )
    assert sync["pairs"] == pytest.approx(2000 * 4, rel=0.06)
    offline, _ = synchronise_files(
        tmp_path / "run.h5:tagger_a", tmp_path / "run.h5:tagger_b", None, None, 0.5, 2e-5
    )
    assert sync["offset_ps"] == pytest.approx(
        float(offline.offset_s * 10**12), abs=5 * sync["offset_std_ps"]
    )
    assert replay_run(path).matched


def test_taggers_without_light_in_common_have_no_common_time(tmp_path):
    file = station(("pair_rate_hz = 200000.0", "pair_rate_hz = 0.0"))
    outcome = run(tmp_path / "run.h5", file, duration_s=1.5, sync_every_s=0.5)
    assert outcome.results["sync"] is None


def test_a_silent_tagger_costs_no_memory_and_the_clocks_are_found_again(monkeypatch):
    """What the one has told while the other was silent is let go of."""
    monkeypatch.setattr(common, "_HELD", 20_000)
    arm, other = PairPlant(PairParameters(pair_rate_hz=400_000.0), 1).arms
    sync = LiveSync(TagsOptions(sync_every_s=1.0, max_offset_s=0.01), [Fraction(1, 10**12)] * 2)
    arm.listen(0, 4)
    other.listen(0, 4)
    held = []
    for tenth in range(1, 300):
        ticks, lines = arm.edges(tenth * 10**8)
        sync.add(0, ticks, lines)
        ticks, lines = other.edges(tenth * 10**8)
        if not (tenth < 20 or 40 < tenth < 260):
            sync.add(1, ticks, lines)
        sync.work()
        held.append(sum(each.size for each in sync._streams[0].waiting))
    assert max(held) <= 2 * 20_000 + 10_000
    found = sync.found()
    assert found["pairs"] > 5_000
    assert found["frequency_ratio_minus_1"] == pytest.approx(0, abs=5 * found["frequency_std"])
