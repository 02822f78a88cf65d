"""Whole runs replayed with other code: the first difference is named, and how."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_runs import faulty_bench, small_run

import calibration.mean_photon_number
import drivers.time_taggers.sfifteen_tdc1 as tdc1
from drivers.core.errors import DriverError
from drivers.lasers.keysight_n7714a import KeysightN7714A
from qlab.cli import main
from qlab.experiments.bb84 import acquisition, detection, patterns
from qlab.experiments.bb84.experiment import Bb84
from qlab.replay import player, reanalyse_run, replay_run
from qlab.runfile.export import journal_digest
from qlab.runfile.reader import RunFile


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "bb84.h5"
    assert small_run(path).error is None
    return path


def source_line(module, text: str) -> int:
    """Return the number of the only line of a module that contains `text`."""
    lines = Path(module.__file__).read_text(encoding="utf-8").split("\n")
    (found,) = (number for number, line in enumerate(lines, 1) if text in line)
    return found


def diverged(path):
    report = replay_run(path)
    assert not report.matched
    assert report.results == {}
    assert report.exchanges < report.records
    return report.divergence


def recorded(path, source):
    with RunFile.open(path) as run:
        return list(run.records(source))


def run_cli(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code, capsys.readouterr()


def test_the_unchanged_code_matches(path, capsys):
    report = replay_run(path)
    assert report.matched and report.same_platform
    assert report.divergence is None
    notes = len(recorded(path, "run"))
    assert notes > 0
    assert report.exchanges == report.records - notes
    code, said = run_cli(capsys, "replay", path, "--json")
    found = json.loads(said.out)
    assert code == 0
    assert found["matched"] is True
    assert found["divergence"] is None
    assert found["exchanges"] == report.exchanges


def test_another_command_of_a_driver_is_named_with_its_line(path, monkeypatch, capsys):
    monkeypatch.setattr(tdc1, "_LONGEST_MS", 0)  # the tagger is told to go on for ever
    nth, record = next(
        (record.source_sequence, record)
        for record in recorded(path, "tagger")
        if b"counts?" in record.data
    )
    assert b"time 41" in record.data
    found = diverged(path)
    assert (found.source, found.exchange) == ("tagger", nth)
    assert found.expected == repr(record.data)
    assert found.got == repr(record.data.replace(b"time 41", b"time 0"))
    line = source_line(tdc1, "timestamp;counts?;")
    assert found.where == f"drivers/time_taggers/sfifteen_tdc1.py:{line}"
    code, said = run_cli(capsys, "replay", path, "--json")
    assert code == 6
    assert json.loads(said.out)["matched"] is False
    assert json.loads(said.out)["divergence"] == {
        "source": "tagger",
        "exchange": nth,
        "expected": found.expected,
        "got": found.got,
        "where": found.where,
    }
    code, said = run_cli(capsys, "replay", path)
    assert code == 6
    assert f"tagger, exchange {nth}" in said.out
    assert found.where in said.out


def test_another_property_of_a_driver_is_named_with_the_line_that_set_it(path, monkeypatch):
    channel = KeysightN7714A.channels["channel"][0]
    declared = channel.properties()["power_dbm"]
    monkeypatch.setattr(declared, "command", declared.command.replace("POW", "POWER"))
    found = diverged(path)
    assert found.source == "laser"
    assert "POW 10" in found.expected and "POWER 10" in found.got
    line = source_line(acquisition, "laser.power_dbm = ")
    assert found.where == f"experiments/bb84/acquisition.py:{line}"


def test_another_calibration_is_named_with_its_line(path, monkeypatch):
    share = calibration.mean_photon_number._share
    monkeypatch.setattr(
        calibration.mean_photon_number, "_share", lambda steps, parts: share(steps + 2, parts)
    )
    found = diverged(path)
    assert found.source == "attenuators"
    line = source_line(calibration.mean_photon_number, "attenuator.attenuation_db = setting")
    assert found.where.endswith(f"calibration/mean_photon_number.py:{line}")


def test_a_driver_from_elsewhere_is_named_too(path, monkeypatch):
    monkeypatch.setattr(tdc1.SFifteenTDC1, "start", lambda self, s: self.link.write(b"go"))
    found = diverged(path)
    assert found.source == "tagger"
    assert found.got in (r"b'go\r\n'", r"sends b'go\r\n'")
    assert "/test_replay_divergence.py:" in found.where


def test_another_waveform_is_shown_near_its_first_difference(path, monkeypatch):
    phase = acquisition.alice_phase

    def other(bit, basis):
        codes = phase(bit, basis).copy()
        codes[3000] ^= 2
        return codes

    monkeypatch.setattr(acquisition, "alice_phase", other)
    found = diverged(path)
    assert found.source == "generator_alice"
    assert found.where.startswith("drivers/modulators/keysight_33600a.py:")
    assert found.expected != found.got
    assert int(found.expected.split(" at ")[-1]) in range(6000, 6050)


def test_one_question_more_diverges(path, monkeypatch):
    check = acquisition.Acquisition._check_reference

    def twice(self):
        check(self)
        check(self)

    monkeypatch.setattr(acquisition.Acquisition, "_check_reference", twice)
    found = diverged(path)
    assert found.source == "reference"
    assert found.exchange == len(recorded(path, "reference")) - 1
    assert found.expected == "close"
    assert found.got.startswith("sends b'")


def test_questions_that_are_no_longer_asked_are_noticed_at_the_end(path, monkeypatch):
    monkeypatch.setattr(acquisition.Acquisition, "_check_reference", lambda self: None)
    report = replay_run(path)
    found = report.divergence
    assert (found.source, found.exchange, found.got) == ("reference", 0, "the end of the run")
    assert found.expected.startswith("open b'ASRL7")
    assert not report.matched


def test_another_wait_is_named(path, monkeypatch):
    start = tdc1.SFifteenTDC1.start
    monkeypatch.setattr(tdc1.SFifteenTDC1, "start", lambda self, time_s: start(self, time_s - 0.01))
    assert diverged(path).source == "tagger"
    monkeypatch.undo()
    monkeypatch.setattr(tdc1, "_PACE_S", 0.017)
    found = diverged(path)
    assert found.source == "clock"
    assert found.got == "a wait of 17000000 ns"
    assert found.where.startswith("drivers/time_taggers/sfifteen_tdc1.py:")


def test_other_random_bytes_are_named(path, monkeypatch):
    settings = patterns.bob_settings
    need = patterns.bob_entropy_bytes
    monkeypatch.setattr(patterns, "bob_entropy_bytes", lambda *a: need(*a) + 1)
    monkeypatch.setattr(patterns, "bob_settings", lambda data, *a: settings(data[:-1], *a))
    found = diverged(path)
    assert (found.source, found.exchange) == ("entropy:bob/settings", 0)
    count = int(found.expected.split()[0])
    assert found.got == f"{count + 1} random bytes"


def test_other_data_are_named_by_their_row(path, monkeypatch):
    decode = tdc1.StampDecoder.decode

    def late(self, data):
        block = decode(self, data)
        ticks = block.ticks + (np.arange(block.ticks.size) == 7)
        return tdc1.StampBlock(ticks, block.channels)

    monkeypatch.setattr(tdc1.StampDecoder, "decode", late)
    found = diverged(path)
    assert (found.source, found.exchange) == ("data:timestamps", 7)
    assert int(found.got) == int(found.expected) + 1


def test_another_message_is_named(path, monkeypatch):
    located = acquisition.located

    def one_less(*arguments):
        block = located(*arguments)
        found = block.detections
        fewer = replace(found, slot=found.slot[:-1], outcome=found.outcome[:-1])
        return replace(block, detections=fewer)

    monkeypatch.setattr(acquisition, "located", one_less)
    found = diverged(path)
    assert (found.source, found.exchange) == ("message:bob-to-alice", 0)
    assert found.where.startswith("experiments/bb84/experiment.py:")


def test_other_results_are_named_by_their_path(path, monkeypatch):
    account = Bb84._account

    def other(self, *arguments):
        results = account(self, *arguments)
        results["blocks"][1]["events"] += 1
        return results

    monkeypatch.setattr(Bb84, "_account", other)
    report = replay_run(path)
    found = report.divergence
    assert found.source == "results.blocks[1].events"
    assert int(found.got) == int(found.expected) + 1
    assert report.exchanges == report.records - len(recorded(path, "run"))


def test_a_new_failure_is_a_divergence(path, monkeypatch):
    def fail(*arguments):
        raise ValueError("a bug")

    monkeypatch.setattr(Bb84, "_account", fail)
    report = replay_run(path)
    assert report.divergence.source == "clock", "the run looked at it once more"
    assert not report.matched


def test_code_that_swallows_errors_does_not_hide_the_divergence(path, monkeypatch):
    prepare = acquisition.Acquisition.prepare

    def careless(self):
        with contextlib.suppress(Exception):
            return prepare(self)

    monkeypatch.setattr(acquisition.Acquisition, "prepare", careless)
    monkeypatch.setattr(KeysightN7714A, "identity_query", "WHO?")
    found = diverged(path)
    assert (found.source, found.exchange) == ("laser", 1)
    assert found.got == r"b'WHO?\n'"


def test_a_failing_open_that_closes_again_does_not_hide_the_divergence(path, monkeypatch):
    """The close that follows is no difference of its own."""
    monkeypatch.setattr(KeysightN7714A, "identity_query", "WHO?")
    assert diverged(path).expected == r"b'*IDN?\n'"


def test_floats_are_compared_within_a_tolerance_on_another_platform(path, monkeypatch):
    account = Bb84._account

    def moved(by):
        def other(self, *arguments):
            results = account(self, *arguments)
            results["eps_sec"] *= 1 + by
            return results

        return other

    monkeypatch.setattr(Bb84, "_account", moved(1e-12))
    assert replay_run(path).divergence.source == "results.eps_sec"
    monkeypatch.setattr(player, "platform_mark", lambda: "another")
    report = replay_run(path)
    assert report.matched and not report.same_platform
    assert "floats within 1e-09" in report.summary()
    monkeypatch.setattr(Bb84, "_account", moved(1e-6))
    assert replay_run(path).divergence.source == "results.eps_sec"


# ---- newer code and recorded data --------------------------------------------------


def test_a_changed_driver_still_lets_the_data_be_analysed(path, monkeypatch, capsys):
    with RunFile.open(path) as run:
        (recorded_results,) = run.results
    monkeypatch.setattr(tdc1.SFifteenTDC1, "start", None)
    monkeypatch.setattr(KeysightN7714A, "identity_query", "WHO?")
    assert diverged(path).source == "laser"
    results = reanalyse_run(path)
    shared = results.keys() & recorded_results.keys()
    assert {"qber_z", "sifted_bits", "n_z", "m_x", "leak_ec_bits", "blocks"} <= shared
    assert json.loads(json.dumps({key: results[key] for key in shared})) == {
        key: recorded_results[key] for key in shared
    }
    code, said = run_cli(capsys, "replay", "--from-data", path)
    assert code == 0
    assert "sifted bits" in said.out
    code, said = run_cli(capsys, "replay", "--from-data", path, "--json")
    assert code == 0
    assert json.loads(said.out)["sifted_bits"] == recorded_results["sifted_bits"]


def test_newer_code_may_analyse_otherwise(path, monkeypatch):
    monkeypatch.setattr(detection, "_DELAY_BINS", 25)
    assert not replay_run(path).matched
    assert reanalyse_run(path)["sifted_bits"] > 0


def test_the_blocks_of_a_run_that_failed_can_be_analysed(tmp_path):
    """The third trigger fails, so there are two of four blocks."""
    path = tmp_path / "failed.h5"
    fault = 'kind = "error", code = -222, matching = "TRG", after = 2, times = 1'
    outcome = small_run(path, station=faulty_bench("generator_alice", fault, slots=16_000))
    assert outcome.status == "failed"
    assert replay_run(path).matched
    results = reanalyse_run(path)
    assert [block["slots"] for block in results["blocks"]] == [4_000, 4_000]
    assert results["sifted_bits"] > 10


# ---- what a replay does not need ---------------------------------------------------


def test_a_replay_builds_no_simulated_bench(path):
    script = (
        "import sys; from pathlib import Path; from qlab.replay import replay_run\n"
        "report = replay_run(Path(sys.argv[1]))\n"
        "assert report.matched, report.summary()\n"
        "print([name for name in sys.modules if name.startswith('drivers.simulated')])\n"
        "print('pyvisa' in sys.modules, 'serial' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split("\n")[:2] == ["[]", "False False"], done.stderr


def test_a_replay_leaves_the_file_as_it_was_and_makes_no_other(path):
    before = path.read_bytes()
    replay_run(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# ---- runs that did not end well ----------------------------------------------------


def test_a_run_that_failed_replays_and_matches(tmp_path):
    path = tmp_path / "failed.h5"
    outcome = small_run(path, laser_settle_s=0.1)
    assert outcome.error is not None
    report = replay_run(path)
    assert report.matched
    assert report.status == "failed"
    assert report.results["error"] == outcome.results["error"]
    assert "of a run that was failed" in report.summary()


@pytest.mark.parametrize(
    "device, fault, status",
    [
        ("laser", 'kind = "silent", matching = "OUTP"', "failed"),
        ("generator_bob", 'kind = "garbage", matching = "ERR", after = 9', "failed"),
        ("attenuators", 'kind = "late", seconds = 0.5, matching = "ATT\\\\?"', "complete"),
        ("monitor", 'kind = "hang_up", after = 30, times = 1', "complete"),
        ("monitor", 'kind = "hang_up", after = 30, for_good = true', "failed"),
        ("generator_alice", 'kind = "error", code = -222, after = 40, times = 1', "failed"),
        ("generator_alice", 'kind = "silent", matching = "TRG", times = 1', "failed"),
        ("tagger", 'kind = "silent", after = 3', "failed"),
        ("tagger", 'kind = "hang_up", after = 2', "failed"),
        ("bias", 'kind = "garbage", after = 4', "failed"),
        ("detector1", 'kind = "silent", after = 1', "failed"),
        ("reference", 'kind = "hang_up"', "failed"),
    ],
)
def test_runs_with_faulty_instruments_replay_and_match(tmp_path, device, fault, status):
    path = tmp_path / "faulty.h5"
    outcome = small_run(path, station=faulty_bench(device, fault))
    assert outcome.status == status
    if isinstance(outcome.error, DriverError) and device != "laser":
        assert outcome.error.instrument.partition(".")[0] == device
    report = replay_run(path)
    assert report.divergence is None
    assert report.status == status
    assert report.results.get("error") == outcome.results.get("error")


def test_a_run_with_the_same_seed_matches_and_with_another_differs(tmp_path):
    digests = []
    for number, seed in enumerate((4, 4, 5)):
        path = tmp_path / f"{number}.h5"
        small_run(path, seed=seed, slots=4_000)
        with RunFile.open(path) as run:
            digests.append(journal_digest(run))
    assert digests[0] == digests[1] != digests[2]
