"""Any conversation with an instrument, recorded into a run file, can be had again."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replay_makers import MemoryRun, record_talk, replayed, talk

from drivers.core.errors import CommunicationError, ConnectionLostError, ResponseTimeoutError
from qlab.replay.journal import Journal
from qlab.runfile.reader import RunFile
from qlab.runfile.writer import RunWriter

# What a core transport says of a read that is not complete in time.
LATE = "nothing complete within 3 s"
# Bytes among which line ends are not rare.
DATA = st.lists(st.sampled_from([b"\n", b"a", b"#", b"\x00", b"\xff"]), max_size=9).map(b"".join)
TEXT = st.text(max_size=9)
LATE_READ = st.builds(lambda partial: ResponseTimeoutError(LATE, partial=partial), DATA)
FAILURE = st.builds(ConnectionLostError, TEXT) | st.builds(CommunicationError, TEXT)
FAILED_ACT = FAILURE | st.builds(ResponseTimeoutError, TEXT)
READ = st.one_of(
    st.tuples(st.just(("read_until", b"\n")), DATA | LATE_READ | FAILURE),
    DATA.map(lambda data: (("read_exactly", len(data)), data)),
    st.tuples(st.tuples(st.just("read_exactly"), st.integers(0, 9)), LATE_READ | FAILURE),
    st.tuples(st.just(("read_available", 0.1)), DATA | FAILURE),
)
ACT = st.one_of(
    st.tuples(st.tuples(st.just("write"), DATA), st.none() | FAILED_ACT),
    st.tuples(st.just(("status_byte",)), st.integers(0, 255) | FAILED_ACT),
    st.tuples(st.sampled_from([("clear",), ("trigger",)]), st.none() | FAILED_ACT),
)
SCRIPT = st.lists(READ | ACT, max_size=12)


def run_file(path: Path, script) -> list:
    """Record a script into a run file and return what was told."""
    with RunWriter.create(
        path,
        experiment="talk",
        run_id="run-1",
        start_utc=datetime(2026, 3, 1, tzinfo=UTC),
        config="",
        provenance={"argv": "[]"},
        operational=False,
        clock=count().__next__,
    ) as writer:
        return record_talk(writer, [call for call, _ in script], [said for _, said in script])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCRIPT)
def test_a_run_file_gives_every_conversation_back(script):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "talk.h5"
        said = run_file(path, script)
        with RunFile.open(path) as run:
            journal = Journal(run, ended=True)
            transport = replayed(journal)
            assert talk(transport, [call for call, _ in script]) == said
            transport.close()
            assert journal.unused(frozenset()) is None


@settings(max_examples=300, deadline=None)
@given(SCRIPT)
def test_a_journal_gives_every_conversation_back(script):
    run = MemoryRun()
    calls = [call for call, _ in script]
    said = record_talk(run, calls, [outcome for _, outcome in script])
    journal = run.journal()
    transport = replayed(journal)
    assert talk(transport, calls) == said
    transport.close()
    assert journal.unused(frozenset()) is None
    assert journal.stopped is None


# Stretches of successful reads, with a write between them.
EXCHANGES = st.lists(st.lists(DATA, min_size=1, max_size=5), min_size=1, max_size=4)


def _cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


@settings(max_examples=300, deadline=None)
@given(EXCHANGES, st.lists(st.integers(0, 99), max_size=9), st.data())
def test_the_same_bytes_come_in_whatever_pieces_they_are_asked_for(exchanges, cuts, data):
    """Recorded by looks and counts, read by counts, looks and lines between the same writes."""
    script = []
    for number, pieces in enumerate(exchanges):
        script.append((("write", b"%d" % number), None))
        for piece in pieces:
            by_count = data.draw(st.booleans())
            call = ("read_exactly", len(piece)) if by_count else ("read_available", 0.1)
            script.append((call, piece))
    run = MemoryRun()
    record_talk(run, [call for call, _ in script], [said for _, said in script])
    journal = run.journal()
    transport = replayed(journal)
    for number, pieces in enumerate(exchanges):
        transport.write(b"%d" % number)
        wanted = b"".join(pieces)
        for piece in _cut(wanted, cuts):
            if b"\n" in piece and data.draw(st.booleans()):
                got = b""
                while len(got) < len(piece):
                    rest = piece[len(got) :]
                    if b"\n" in rest:
                        line = transport.read_until(b"\n")
                        assert line.endswith(b"\n") and line.count(b"\n") == 1
                    else:
                        line = transport.read_exactly(len(rest))
                    got += line
            else:
                got = transport.read_exactly(len(piece))
            assert got == piece
    transport.close()
    assert journal.stopped is None


@settings(max_examples=200, deadline=None)
@given(st.lists(DATA, min_size=1, max_size=6))
def test_looks_at_the_line_find_every_byte_of_recorded_lines(lines):
    run = MemoryRun()
    record_talk(run, [("read_until", b"\n")] * len(lines), lines)
    transport = replayed(run.journal())
    wanted = b"".join(lines)
    got = b""
    while len(got) < len(wanted):
        got += transport.read_available()
    assert got == wanted
