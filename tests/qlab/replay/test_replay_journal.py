from __future__ import annotations

import pytest
from replay_makers import MemoryRun

from drivers.core.context import Kind, Status
from qlab.context import RunAbortedError
from qlab.replay.errors import DivergenceError, JournalEndError


@pytest.fixture
def run() -> MemoryRun:
    """Two instruments, one of them opened twice, and a note of the run's own."""
    run = MemoryRun()
    run.record("meter", Kind.OPEN, b"address")
    run.record("laser", Kind.OPEN, b"elsewhere")
    run.record("meter", Kind.WRITE, b"*IDN?\n")
    run.record("run", Kind.LOG, b"all is well")
    run.record("meter", Kind.READ, b"a meter\n", requested=-1, status=Status.END)
    run.record("meter", Kind.OPEN, b"address", session=1)
    run.record("meter", Kind.WRITE, b"READ?\n", session=1)
    return run


def test_each_session_is_served_in_its_order(run):
    journal = run.journal()
    second, first = journal.cursor("meter", 1), journal.cursor("meter", 0)
    assert second.take(Kind.OPEN, "") == (b"address", Status.OK, 0)
    assert first.take(Kind.OPEN, "").data == b"address"
    assert first.take(Kind.WRITE, "").data == b"*IDN?\n"
    assert first.take(Kind.READ, "") == (b"a meter\n", Status.END, -1)
    assert second.take(Kind.WRITE, "").data == b"READ?\n"
    assert journal.served == 5
    assert journal.cursor("meter", 1) is second


def test_another_kind_diverges_at_the_number_within_the_source(run):
    cursor = run.journal().cursor("meter", 1)
    cursor.take(Kind.OPEN, "")
    with pytest.raises(DivergenceError) as caught:
        cursor.take(Kind.READ, "reads")
    found = caught.value.divergence
    assert (found.source, found.exchange) == ("meter", 4)
    assert (found.expected, found.got) == (r"write b'READ?\n'", "reads")
    assert "test_replay_journal.py:" in found.where


@pytest.mark.parametrize(
    "source, session, exchange", [("meter", 1, 5), ("meter", 2, 5), ("x", 0, 0)]
)
def test_more_than_was_recorded_diverges_if_the_run_had_ended(run, source, session, exchange):
    cursor = run.journal().cursor(source, session)
    for kind in (Kind.OPEN, Kind.WRITE)[: cursor.rows.size]:
        cursor.take(kind, "")
    with pytest.raises(DivergenceError) as caught:
        cursor.take(Kind.WRITE, "sends b'X'")
    found = caught.value.divergence
    assert (found.source, found.exchange) == (source, exchange)
    assert (found.expected, found.got) == ("nothing more", "sends b'X'")


def test_the_end_of_an_interrupted_run_is_no_divergence(run):
    journal = run.journal(ended=False)
    with pytest.raises(JournalEndError, match="meter"):
        journal.cursor("meter", 2).take(Kind.OPEN, "opens it")


def test_a_stopped_journal_stays_stopped_and_keeps_its_first_reason(run):
    journal = run.journal()
    meter, laser = journal.cursor("meter"), journal.cursor("laser")
    with pytest.raises(DivergenceError):
        meter.take(Kind.CLOSE, "closes")
    served = journal.served
    for act in (
        lambda: laser.take(Kind.OPEN, ""),
        lambda: laser.take(Kind.CLOSE, "closes"),
        lambda: journal.diverge("laser", 7, "a", "b"),
        lambda: journal.end("laser", 7, "b"),
        journal.go_on,
    ):
        with pytest.raises(DivergenceError) as caught:
            act()
        assert caught.value is journal.stopped
        assert caught.value.divergence.got == "closes"
    assert journal.served == served


def test_a_refused_record_counts_as_not_served(run):
    journal = run.journal()
    cursor = journal.cursor("meter")
    cursor.take(Kind.OPEN, "")
    taken = cursor.take(Kind.WRITE, "")
    with pytest.raises(DivergenceError) as caught:
        cursor.match(taken.data, b"*IDN\n")
    assert caught.value.divergence.exchange == 1
    assert caught.value.divergence.expected == r"b'*IDN?\n'"
    assert caught.value.divergence.got == r"b'*IDN\n'"
    assert journal.served == 1


def test_long_messages_are_shown_from_near_their_first_difference():
    run = MemoryRun()
    long = bytes(range(256)) * 400
    run.record("awg", Kind.WRITE, long)
    cursor = run.journal().cursor("awg")
    taken = cursor.take(Kind.WRITE, "")
    changed = long[:50_000] + b"!" + long[50_001:]
    with pytest.raises(DivergenceError) as caught:
        cursor.match(taken.data, changed)
    found = caught.value.divergence
    assert found.expected.startswith("102400 bytes with ")
    assert found.expected.endswith(" at 49992")
    assert f"{changed[49992:50024]!r}" in found.got
    assert len(found.got) < 200


def test_a_message_that_only_goes_on_is_shown_from_its_end():
    run = MemoryRun()
    run.record("awg", Kind.WRITE, bytes(100))
    cursor = run.journal().cursor("awg")
    with pytest.raises(DivergenceError) as caught:
        cursor.match(cursor.take(Kind.WRITE, "").data, bytes(110))
    assert caught.value.divergence.expected.endswith(" at 92")
    assert caught.value.divergence.got.startswith("110 bytes")


def test_unused_names_the_first_record_in_order_that_nobody_asked_for(run):
    journal = run.journal()
    meter = journal.cursor("meter")
    meter.take(Kind.OPEN, "")
    left = journal.unused(frozenset())
    assert (left.source, left.exchange, left.expected) == ("laser", 0, "open b'elsewhere'")
    assert left.got == "the end of the run"
    journal.cursor("laser").take(Kind.OPEN, "")
    left = journal.unused(frozenset())
    assert (left.source, left.exchange) == ("meter", 1)
    meter.take(Kind.WRITE, "")
    assert journal.unused(frozenset()).source == "run"
    meter.take(Kind.READ, "")
    left = journal.unused(frozenset(("run",)))
    assert (left.source, left.exchange) == ("meter", 3)
    for kind in (Kind.OPEN, Kind.WRITE):
        journal.cursor("meter", 1).take(kind, "")
    assert journal.unused(frozenset(("run",))) is None
    assert journal.unused(frozenset()).exchange == 0


def test_kinds_of_a_later_version_are_passed_over(run):
    run.record("meter", 99, b"what may that be", session=1)
    run.record("meter", Kind.READ, b"1\n", session=1, status=77)
    run.record("meter", Kind.CLOSE, session=1)
    journal = run.journal()
    cursor = journal.cursor("meter", 1)
    for kind in (Kind.OPEN, Kind.WRITE, Kind.CLOSE):
        cursor.take(kind, "")
    for kind in (Kind.OPEN, Kind.WRITE, Kind.READ):
        journal.cursor("meter").take(kind, "")
    journal.cursor("laser").take(Kind.OPEN, "")
    assert journal.unused(frozenset(("run",))) is None


def _sends(journal, source, session, data):
    cursor = journal.cursor(source, session)
    cursor.match(cursor.take(Kind.WRITE, f"sends {cursor.shown(data)}").data, data)


def _opens(journal):
    journal.cursor("awg").take(Kind.OPEN, "")


def _sends_other_bits(journal):
    _opens(journal)
    _sends(journal, "awg", 0, b"KEYBIT?S" * 20)


def _sends_too_early(journal):
    _sends(journal, "awg", 0, b"KEYBITS!")


def _sends_in_a_new_session(journal):
    _sends(journal, "awg", 3, b"KEYBITS!")


def _sends_to_an_unknown_source(journal):
    _sends(journal, "new", 0, b"KEYBITS!")


def _closes_instead(journal):
    _opens(journal)
    journal.cursor("awg").take(Kind.CLOSE, "closes")


@pytest.mark.parametrize(
    "act, expected, got",
    [
        (_sends_other_bits, "160 secret bytes that differ", "160 secret bytes that differ"),
        (_sends_too_early, "open 8 secret bytes", "sends 8 secret bytes"),
        (_sends_in_a_new_session, "nothing more", "sends 8 secret bytes"),
        (_sends_to_an_unknown_source, "nothing more", "sends 8 secret bytes"),
        (_closes_instead, "write 160 secret bytes", "closes"),
    ],
)
def test_secret_payloads_are_never_shown(act, expected, got):
    run = MemoryRun(secret=("awg",))
    run.record("awg", Kind.OPEN, b"KEYBITS!")
    run.record("awg", Kind.WRITE, b"KEYBITS!" * 20)
    with pytest.raises(DivergenceError) as caught:
        act(run.journal())
    found = caught.value.divergence
    assert found.expected.startswith(expected)
    assert found.got.startswith(got)
    assert "KEYBIT" not in str(caught.value)
    assert run.journal().unused(frozenset()).expected == "open 8 secret bytes"


def test_an_abort_is_met_where_it_was_recorded():
    run = MemoryRun()
    run.record("clock", Kind.CLOCK, requested=5)
    run.record("clock", Kind.ABORT, b"SIGTERM")
    journal = run.journal()
    cursor = journal.cursor("clock")
    cursor.stop_if_aborted()
    cursor.take(Kind.CLOCK, "")
    with pytest.raises(RunAbortedError) as caught:
        cursor.stop_if_aborted()
    assert caught.value.reason == "SIGTERM"
    assert journal.unused(frozenset()) is None
