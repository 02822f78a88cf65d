"""A run that was cut short is reproduced as far as it goes, wherever it was cut."""

from __future__ import annotations

import pytest
from small_runs import small_run

from qlab.experiments.bb84 import acquisition
from qlab.experiments.bb84.experiment import Bb84
from qlab.replay import player, replay_run
from qlab.replay.sources import ReplaySink
from qlab.runfile import writer
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus

_PLACES = 40


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A run with a commit after every record and every piece of data."""
    path = tmp_path_factory.mktemp("recorded") / "bb84.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_COMMIT_SECONDS", 0.0)
        assert small_run(path, laser_settle_s=3.0).error is None
    return path


class CutRun(RunFile):
    """A run file of which only the first commits are believed, as after a kill."""

    commits_left = 1

    def __init__(self, path):
        super().__init__(path)
        self._stored_status = RunStatus.INTERRUPTED
        names = list(self._main.lengths)
        last = self._main.commits[self.commits_left - 1]
        self._main.lengths = dict(zip(names, last["lengths"].tolist(), strict=True))


@pytest.fixture
def cut(path, monkeypatch):
    """Give a function that replays what the first commits cover."""
    monkeypatch.setattr(player, "RunFile", CutRun)

    def replay(commits):
        monkeypatch.setattr(CutRun, "commits_left", commits)
        return replay_run(path)

    return replay


@pytest.fixture(scope="module")
def covered(path):
    """For each commit, the covered rows of each dataset."""
    with RunFile.open(path) as run:
        names = list(run.covered_rows)
        return [dict(zip(names, row, strict=True)) for row in run.commits["lengths"].tolist()]


def test_there_is_a_commit_for_every_record(path, covered):
    with RunFile.open(path) as run:
        assert len(covered) > len(run.index) > 500


def places(covered):
    """Some commits over the whole run, the last ones, and those about data and results."""
    last = len(covered)
    chosen = set(range(1, last, last // _PLACES)) | set(range(last - 8, last + 1))
    for name in covered[0]:
        if name.startswith(("data/", "results/")):
            column = [rows[name] for rows in covered]
            changed = [i + 1 for i in range(1, last) if column[i] != column[i - 1]]
            for commit in changed[:2] + changed[-2:]:
                chosen |= {commit - 1, commit, commit + 1}
    return sorted(commit for commit in chosen if 1 <= commit <= last)


def test_whatever_commit_is_the_last_all_of_it_is_reproduced(covered, cut):
    chosen = places(covered)
    assert len(chosen) > _PLACES
    with_data = 0
    for commits in chosen:
        report, rows = cut(commits), covered[commits - 1]
        assert report.divergence is None, commits
        assert report.status == "interrupted"
        assert report.records == rows["journal/index"]
        assert report.exchanges >= report.records - 2  # but for the run's two notes
        with_data += rows["data/timestamps"] > 0
    assert with_data > 15


@pytest.mark.slow
def test_every_commit_as_the_last(covered, cut):
    for commits in range(1, len(covered) + 1):
        assert cut(commits).divergence is None, commits


def test_nothing_recorded_is_nothing_to_reproduce(cut):
    report = cut(1)
    assert (report.matched, report.exchanges, report.records) == (True, 0, 0)
    assert report.results == {}


def first_with(covered, name):
    """Return the number of the first commit that covers a row of a dataset."""
    return 1 + next(number for number, rows in enumerate(covered) if rows[name])


def test_results_are_compared_if_they_were_written(covered, cut, monkeypatch):
    account = Bb84._account
    monkeypatch.setattr(Bb84, "_account", lambda *a: account(*a) | {"eps_sec": 0.5})
    written = first_with(covered, "results/json")
    assert cut(written).divergence.source == "results.eps_sec"
    assert cut(written - 1).divergence is None


def test_a_difference_before_the_end_is_still_found(covered, cut, monkeypatch):
    half = len(covered) // 2
    assert cut(half).matched
    monkeypatch.setattr(acquisition.Acquisition, "_check_reference", lambda self: None)
    found = cut(half).divergence
    assert (found.source, found.exchange) == ("reference", 0)


def test_data_that_the_code_no_longer_gives_are_noticed(covered, cut, monkeypatch):
    """The journal ends within the second block; the first one's events are not stored now."""
    late = first_with(covered, "data/block_events") + 20
    assert cut(late).matched
    append = ReplaySink.append

    def skip(self, name, values):
        if name != "block_events":
            append(self, name, values)

    monkeypatch.setattr(ReplaySink, "append", skip)
    found = cut(late).divergence
    assert (found.source, found.expected, found.got) == ("data:block_events", "1 rows", "0 rows")
