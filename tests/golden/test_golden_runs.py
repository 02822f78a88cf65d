"""Run files of every schema version are read and replayed, see README.md."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from drivers.time_taggers.sfifteen_tdc1 import SFifteenTDC1
from qlab.cli import main
from qlab.replay import player, reanalyse_run, replay_run
from qlab.runfile.inspect import verify
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import MAJOR, MINOR

FILES = sorted(Path(__file__).parent.glob("*.h5.gz"))


@pytest.fixture(params=FILES, ids=lambda file: file.name)
def golden(request, tmp_path):
    """A golden file, unpacked."""
    path = tmp_path / request.param.name.removesuffix(".gz")
    path.write_bytes(gzip.decompress(request.param.read_bytes()))
    return path


def test_the_present_schema_has_a_golden_file():
    assert f"bb84-{MAJOR}.{MINOR}.h5.gz" in [file.name for file in FILES]


def test_golden_files_stay_small():
    assert all(file.stat().st_size < 150_000 for file in FILES)


def test_it_is_whole_and_of_the_version_in_its_name(golden):
    assert verify(golden).good
    with RunFile.open(golden) as run:
        assert golden.name == f"{run.experiment}-{run.schema[0]}.{run.schema[1]}.h5"
        assert run.sealed
        assert run.status == "complete"
        assert len(run.index) > 1000
        assert run.rows("data/timestamps") > 1000


def test_it_replays(golden):
    report = replay_run(golden)
    assert report.divergence is None, report.summary()
    assert report.matched
    assert report.records - report.exchanges < 10


def test_it_replays_on_another_platform(golden, monkeypatch):
    """Floats are then compared within a tolerance, all else exactly."""
    monkeypatch.setattr(player, "platform_mark", lambda: "another")
    report = replay_run(golden)
    assert report.divergence is None, report.summary()
    assert report.matched and not report.same_platform


def test_changed_code_is_noticed(golden, monkeypatch):
    monkeypatch.setattr(player, "platform_mark", lambda: "another")
    start = SFifteenTDC1.start
    monkeypatch.setattr(SFifteenTDC1, "start", lambda self, time_s: start(self, time_s + 0.01))
    assert replay_run(golden).divergence.source == "tagger"


def test_its_data_can_be_analysed_anew(golden):
    with RunFile.open(golden) as run:
        (recorded,) = run.results
    results = json.loads(json.dumps(reanalyse_run(golden)))
    for name in ("sifted_bits", "n_z", "n_x", "m_x", "leak_ec_bits", "detections", "verified"):
        assert results[name] == recorded[name]


def test_it_tells_nothing_of_who_recorded_it(golden):
    with RunFile.open(golden) as run:
        assert run.provenance["host"] == run.writer.host == "golden"
        assert not {"git_commit", "git_diff"} & run.provenance.keys()
        assert json.loads(run.provenance["argv"])[:3] == ["qlab", "run", "bb84"]


def test_the_command_says_that_it_matched(golden, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(golden), "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["matched"] is True
