from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from replay_makers import MemoryRun

from drivers.core.context import Kind
from qlab.context import (
    AbortFlag,
    RunAbortedError,
    RunClock,
    SeededEntropy,
    SystemEntropy,
    Tap,
    seeded_bytes,
    sleep_pieces,
)
from qlab.replay.errors import DivergenceError, JournalEndError
from qlab.replay.sources import (
    ReplayClock,
    ReplayEntropy,
    ReplayRecorder,
    ReplaySink,
    compare,
)


class Ticking:
    """A clock that passes 7 ns at each look, and what is slept."""

    def __init__(self):
        self.now = 0

    def now_ns(self):
        self.now += 7
        return self.now

    def sleep(self, seconds):
        self.now += round(seconds * 1e9)


def divergence(call, *arguments):
    with pytest.raises(DivergenceError) as caught:
        call(*arguments)
    found = caught.value.divergence
    return found.source, found.exchange, found.expected, found.got


# ---- time --------------------------------------------------------------------------


def clock_run():
    run = MemoryRun()
    clock = RunClock(Ticking(), run, AbortFlag())
    said = clock.now_ns()
    clock.sleep(0.25)
    return run, [said, clock.now_ns()]


def test_times_and_waits_are_given_back_without_waiting():
    run, said = clock_run()
    journal = run.journal()
    clock = ReplayClock(journal)
    first = clock.now_ns()
    clock.sleep(0.25)
    assert [first, clock.now_ns()] == said == [7, 250_000_013]
    assert journal.unused(frozenset()) is None


def test_another_wait_diverges():
    run, _ = clock_run()
    clock = ReplayClock(run.journal())
    clock.now_ns()
    piece, other = "a wait of 83333333 ns", "a wait of 80000000 ns"
    assert divergence(clock.sleep, 0.24) == ("clock", 1, piece, other)


def test_a_look_instead_of_a_wait_diverges_and_the_other_way_round():
    run, _ = clock_run()
    clock = ReplayClock(run.journal())
    look, wait = "a look at the clock", "a wait of 83333333 ns"
    assert divergence(clock.sleep, 0.25) == ("clock", 0, look, wait)
    clock = ReplayClock(run.journal())
    clock.now_ns()
    assert divergence(clock.now_ns) == ("clock", 1, wait, look)


def test_waits_are_cut_so_that_an_abort_comes_in_time():
    assert sleep_pieces(0.0) == [0.0]
    assert sleep_pieces(-1.0) == [0.0]
    assert len(sleep_pieces(0.3)) == 3
    assert len(sleep_pieces(3600.0)) == 100
    assert sum(sleep_pieces(12.34)) == pytest.approx(12.34)


def test_an_abort_amid_a_wait_comes_after_the_same_piece():
    run, flag = MemoryRun(), AbortFlag()
    tap = Tap(flag)
    tap.attach(run)

    class Stopped(Ticking):
        def sleep(self, seconds):
            super().sleep(seconds)
            if self.now > 150_000_000:
                flag.request("SIGHUP")

    with pytest.raises(RunAbortedError):
        RunClock(Stopped(), tap, flag).sleep(1.0)
    journal = run.journal()
    with pytest.raises(RunAbortedError, match="SIGHUP"):
        ReplayClock(journal).sleep(1.0)
    assert journal.served == len(run.index) == 3
    assert divergence(ReplayClock(run.journal()).sleep, 0.09)[2] == "a wait of 100000000 ns"


# ---- entropy -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 0, 5, 2**80 + 1])
def test_random_bytes_are_given_back_or_drawn_again(seed):
    run = MemoryRun()
    entropy = SystemEntropy(run) if seed is None else SeededEntropy(seed, run)
    draws = [("alice", 5), ("bob", 40), ("alice", 0), ("alice", 300)]
    said = [entropy.take(*draw) for draw in draws]
    assert [len(data) for data in said] == [5, 40, 0, 300]
    journal = run.journal()
    again = ReplayEntropy(journal, seed)
    assert [again.take(*draw) for draw in draws] == said
    assert journal.unused(frozenset()) is None


def test_a_seeded_stream_does_not_depend_on_how_it_is_drawn():
    whole = seeded_bytes(3, "alice", 0, 1000)
    assert seeded_bytes(3, "alice", 0, 333) + seeded_bytes(3, "alice", 333, 667) == whole
    assert seeded_bytes(3, "bob", 0, 1000) != whole
    assert seeded_bytes(4, "alice", 0, 1000) != whole


def test_other_counts_streams_and_seeds_diverge():
    run = MemoryRun()
    entropy = SeededEntropy(5, run)
    entropy.take("alice", 5)
    entropy.take("alice", 6)
    replay = ReplayEntropy(run.journal(), 5)
    replay.take("alice", 5)
    found = divergence(replay.take, "alice", 7)
    assert found == ("entropy:alice", 1, "6 random bytes", "7 random bytes")
    found = divergence(ReplayEntropy(run.journal(), 5).take, "eve", 5)
    assert found == ("entropy:eve", 0, "nothing more", "takes 5 random bytes")
    found = divergence(ReplayEntropy(run.journal(), 6).take, "alice", 5)
    assert found[:2] == ("entropy:alice", 0)
    assert found[3] == "other bytes from the same seed"


def test_a_seed_leaves_only_digests_in_the_journal():
    run = MemoryRun()
    data = SeededEntropy(5, run).take("alice", 100)
    assert run.payloads == [hashlib.sha256(data).digest()]


def test_an_abort_after_a_draw_comes_back():
    run, flag = MemoryRun(), AbortFlag()
    tap = Tap(flag)
    tap.attach(run)
    flag.request("SIGINT")
    with pytest.raises(RunAbortedError):
        SeededEntropy(5, tap).take("alice", 5)
    with pytest.raises(RunAbortedError):
        ReplayEntropy(run.journal(), 5).take("alice", 5)


# ---- messages ----------------------------------------------------------------------


def test_messages_must_match_and_notes_need_not():
    run = MemoryRun()
    run.record("message:alice-to-bob", Kind.MESSAGE, b"bases")
    run.record("run", Kind.LOG, b"bright")
    run.record("message:alice-to-bob", Kind.MESSAGE, b"parities")
    journal = run.journal()
    recorder = ReplayRecorder(journal)
    recorder.record("run", Kind.LOG, b"newly worded")
    recorder.record("message:alice-to-bob", Kind.MESSAGE, b"bases")
    recorder.record("run", Kind.LOG, b"and one more")
    found = divergence(recorder.record, "message:alice-to-bob", Kind.MESSAGE, b"parity")
    assert found == ("message:alice-to-bob", 1, "b'parities'", "b'parity'")


# ---- data --------------------------------------------------------------------------


class Data:
    def __init__(self, secret=False, **columns):
        self.columns = columns
        self.secret = secret

    def data(self, name):
        return self.columns[name]

    def is_secret(self, name):
        return self.secret


def sink(source, relative=0.0, *, ended=True):
    return ReplaySink(MemoryRun().journal(ended=ended), source, relative)


def test_rows_may_come_in_other_pieces_and_types_but_must_be_equal():
    source = Data(ticks=np.arange(10), pairs=np.arange(8, dtype="i4").reshape(4, 2))
    replay = sink(source)
    replay.append("ticks", np.arange(4))
    replay.append("ticks", np.empty(0, np.int64))
    replay.append("ticks", np.arange(4, 10, dtype=np.int32))
    replay.append("pairs", (0, 1))
    replay.append("pairs", [[2, 3], [4, 5]])
    assert replay.missing(["ticks"]) is None
    left = replay.missing(["ticks", "pairs"])
    assert (left.source, left.exchange, left.expected, left.got) == (
        "data:pairs",
        3,
        "4 rows",
        "3 rows",
    )
    replay.append("pairs", (6, 7))
    assert replay.missing(["ticks", "pairs"]) is None


def test_another_row_diverges_by_its_number():
    source = Data(ticks=np.arange(10), pairs=np.arange(8).reshape(4, 2))
    replay = sink(source)
    replay.append("ticks", np.arange(3))
    found = divergence(replay.append, "ticks", np.array([3, 4, 6, 6]))
    assert found == ("data:ticks", 5, "5", "6")
    found = divergence(sink(source).append, "pairs", [[0, 1], [2, 3], [4, 6]])
    assert found == ("data:pairs", 2, "[4 5]", "[4 6]")


def test_rows_of_several_fields_agree_where_each_field_does():
    kind = [("t", "<i8"), ("x", "<f8")]
    source = Data(log=np.array([(1, np.nan), (2, 0.5)], kind))
    sink(source).append("log", np.array([(1, np.nan), (2, 0.5)], kind))
    close = np.array([(1, np.nan), (2, 0.5 + 1e-12)], kind)
    sink(source, 1e-9).append("log", close)
    for wrong in (close, np.array([(1, np.nan), (3, 0.5)], kind)):
        assert divergence(sink(source).append, "log", wrong)[:2] == ("data:log", 1)
    assert divergence(sink(source).append, "log", np.array([(1, 0.0)], kind))[1] == 0


def test_secret_rows_are_not_shown():
    found = divergence(sink(Data(secret=True, d=np.array([1, 2]))).append, "d", [1, 1])
    assert found == ("data:d", 1, "secret rows", "others")


def test_more_rows_than_recorded_diverge_if_the_run_had_ended():
    source = Data(ticks=np.arange(3))
    found = divergence(sink(source).append, "ticks", np.arange(5))
    assert found == ("data:ticks", 3, "nothing more", "2 rows more")
    with pytest.raises(JournalEndError):
        sink(source, ended=False).append("ticks", np.arange(5))
    found = divergence(sink(source, ended=False).append, "ticks", np.array([0, 1, 3, 4]))
    assert found == ("data:ticks", 2, "2", "3")


def test_floats_agree_exactly_or_within_the_tolerance():
    values = np.array([1.0, np.nan, 0.0, -1e300])
    source = Data(x=values)
    sink(source).append("x", values)
    near = values * (1 + 1e-12)
    assert divergence(sink(source).append, "x", near)[1] == 0
    sink(source, 1e-9).append("x", near)
    assert divergence(sink(source, 1e-9).append, "x", values + 1e-15)[1] == 2
    assert divergence(sink(source, 1e-9).append, "x", [1.0, 2.0, 0.0, -1e300])[1] == 1


def test_a_stopped_journal_takes_no_data_either():
    journal = MemoryRun().journal()
    replay = ReplaySink(journal, Data(x=np.arange(3)), 0.0)
    with pytest.raises(DivergenceError) as first:
        journal.cursor("laser").take(Kind.WRITE, "sends")
    with pytest.raises(DivergenceError) as second:
        replay.append("x", np.arange(3))
    assert second.value is first.value


# ---- results -----------------------------------------------------------------------

RESULTS = {
    "qber": 0.0151,
    "sifted": 300_000,
    "key": None,
    "blocks": [{"delay_s": 5.7e-8, "events": 12}, {"delay_s": 5.8e-8, "events": 13}],
    "fit": True,
    "reason": "none",
}


def test_equal_results_agree():
    assert compare(RESULTS, json.loads(json.dumps(RESULTS)), 0.0) is None


@pytest.mark.parametrize(
    "change, difference",
    [
        ({"sifted": 300_001}, ("results.sifted", "300000", "300001")),
        ({"sifted": 300_000.0}, ("results.sifted", "300000", "300000.0")),
        ({"qber": 0.0152}, ("results.qber", "0.0151", "0.0152")),
        ({"qber": None}, ("results.qber", "0.0151", "null")),
        ({"key": 0}, ("results.key", "null", "0")),
        ({"fit": 1}, ("results.fit", "true", "1")),
        ({"reason": "None"}, ("results.reason", '"none"', '"None"')),
        ({"new": 1}, ("results.new", '"nothing"', "1")),
        ({"blocks": RESULTS["blocks"][:1]}, ("results.blocks", None, None)),
        (
            {"blocks": [RESULTS["blocks"][0], {"delay_s": 5.8e-8, "events": 14}]},
            ("results.blocks[1].events", "13", "14"),
        ),
    ],
)
def test_a_difference_is_named_by_its_path(change, difference):
    for relative in (0.0, 1e-9):
        found = compare(RESULTS, RESULTS | change, relative)
        assert found[0] == difference[0]
        assert difference[1] is None or found == difference


def test_what_is_missing_is_a_difference():
    fewer = {key: value for key, value in RESULTS.items() if key != "qber"}
    assert compare(RESULTS, fewer, 1.0) == ("results.qber", "0.0151", '"nothing"')


def test_floats_of_results_agree_exactly_or_within_the_tolerance():
    near = RESULTS | {"qber": 0.0151 * (1 + 1e-12)}
    assert compare(RESULTS, near, 0.0)[0] == "results.qber"
    assert compare(RESULTS, near, 1e-9) is None
    assert compare(near, RESULTS, 1e-9) is None
    assert compare(RESULTS, RESULTS | {"qber": 0.0151 * (1 + 1e-8)}, 1e-9) is not None
