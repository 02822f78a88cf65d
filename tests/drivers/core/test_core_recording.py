from __future__ import annotations

import pytest
from core_devices import ADDRESSES, Wire

from drivers.core import (
    CommunicationError,
    ConnectionLostError,
    LineSettings,
    NoConnectionError,
    ResponseTimeoutError,
)
from drivers.core.context import Kind, Status
from drivers.core.recording import RecordingTransport, recording_connector
from drivers.core.transport import Transport

LINE = LineSettings(timeout_s=1.0)


class Records:
    """A recorder that keeps what it is told."""

    def __init__(self):
        self.made = []

    def record(self, source, kind, data=b"", *, session=0, requested=0, status=Status.OK):
        self.made.append((source, session, kind, bytes(data), requested, status))

    @property
    def last(self):
        return self.made[-1]


@pytest.fixture
def taped():
    records = Records()
    wire = Wire()
    return RecordingTransport("unit", 3, wire, records), wire, records


def test_it_is_a_transport(taped):
    line, wire, _ = taped
    assert isinstance(line, Transport)
    assert line.address == "WIRE"
    line.timeout_s = 7.0
    assert wire.timeout_s == line.timeout_s == 7.0


def test_what_crosses_is_recorded_as_it_is(taped):
    line, wire, records = taped
    line.write(b"N?\n")
    wire.incoming = b"one\ntwo\nrest"
    assert line.read_until(b"\n") == b"one\n"
    assert line.read_exactly(2) == b"tw"
    assert line.read_available(0.1) == b"o\nrest"
    assert line.read_available() == b""
    assert line.status_byte() == 0x44
    line.trigger()
    line.clear()
    line.close()
    assert wire.sent == [b"N?\n"]
    assert wire.calls == ["trigger", "clear"]
    assert [made[2:] for made in records.made] == [
        (Kind.WRITE, b"N?\n", 0, Status.OK),
        (Kind.READ, b"one\n", -1, Status.END),
        (Kind.READ, b"tw", 2, Status.OK),
        (Kind.READ, b"o\nrest", 0, Status.AVAILABLE),
        (Kind.READ, b"", 0, Status.AVAILABLE),
        (Kind.STATUS, b"\x44", 0, Status.OK),
        (Kind.TRIGGER, b"", 0, Status.OK),
        (Kind.CLEAR, b"", 0, Status.OK),
        (Kind.CLOSE, b"", 0, Status.OK),
    ]
    assert {made[:2] for made in records.made} == {("unit", 3)}


def test_a_time_out_is_recorded_with_what_did_come(taped):
    line, wire, records = taped
    wire.incoming = b"half"
    with pytest.raises(ResponseTimeoutError):
        line.read_until(b"\n")
    assert records.last[2:] == (Kind.READ, b"half", -1, Status.TIMEOUT)
    wire.incoming = b"abc"
    with pytest.raises(ResponseTimeoutError):
        line.read_exactly(9)
    assert records.last[2:] == (Kind.READ, b"abc", 9, Status.TIMEOUT)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConnectionLostError("it broke"), Status.LOST),
        (CommunicationError("it broke"), Status.ERROR),
    ],
)
@pytest.mark.parametrize(
    ("act", "method", "kind"),
    [
        (lambda line: line.read_until(b"\n"), "read_until", Kind.READ),
        (lambda line: line.read_exactly(4), "read_exactly", Kind.READ),
        (lambda line: line.read_available(), "read_available", Kind.READ),
        (lambda line: line.status_byte(), "status_byte", Kind.STATUS),
        (lambda line: line.clear(), "clear", Kind.CLEAR),
        (lambda line: line.trigger(), "trigger", Kind.TRIGGER),
    ],
)
def test_a_failure_is_recorded_and_passed_on(taped, act, method, kind, error, status):
    line, wire, records = taped

    def fail(*arguments):
        raise error

    setattr(wire, method, fail)
    with pytest.raises(type(error)) as caught:
        act(line)
    assert caught.value is error
    assert records.last[2:4] == (kind, b"it broke")
    assert records.last[5] == status
    assert len(records.made) == 1


def test_a_failed_write_leaves_what_was_to_be_sent_and_why_it_failed(taped):
    line, wire, records = taped

    def fail(data):
        raise ConnectionLostError("it broke")

    wire.write = fail
    with pytest.raises(ConnectionLostError):
        line.write(b"N?\n")
    assert [made[2:] for made in records.made] == [
        (Kind.WRITE, b"N?\n", 0, Status.LOST),
        (Kind.LOG, b"it broke", 0, Status.LOST),
    ]


def test_sessions_are_counted_and_refusals_recorded():
    records = Records()
    outcomes = [Wire(), NoConnectionError("nobody there"), Wire()]

    def connect(address, line):
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    connect = recording_connector("unit", connect, records)
    connect("WIRE", LINE).write(b"a")
    with pytest.raises(NoConnectionError):
        connect("WIRE", LINE)
    connect("WIRE", LINE).write(b"b")
    assert records.made == [
        ("unit", 0, Kind.OPEN, b"WIRE", 0, Status.OK),
        ("unit", 0, Kind.WRITE, b"a", 0, Status.OK),
        ("unit", 1, Kind.OPEN, b"nobody there", 0, Status.REFUSED),
        ("unit", 2, Kind.OPEN, b"WIRE", 0, Status.OK),
        ("unit", 2, Kind.WRITE, b"b", 0, Status.OK),
    ]


@pytest.mark.parametrize("kind", sorted(ADDRESSES))
def test_the_record_of_a_real_exchange_is_complete(wired, kind):
    records = Records()
    connect = recording_connector("unit", wired.connect, records)
    line = connect(ADDRESSES[kind], LINE)
    line.write(b"*IDN?\n")
    reply = line.read_until(b"\n")
    line.close()
    kinds = [made[2] for made in records.made]
    assert kinds == [Kind.OPEN, Kind.WRITE, Kind.READ, Kind.CLOSE]
    assert records.made[2][3] == reply == b"ACME,Slate,1,1\n"


def test_the_numbers_are_part_of_the_file_format():
    assert [(kind.name, int(kind)) for kind in Kind] == [
        ("OPEN", 1),
        ("CLOSE", 2),
        ("WRITE", 3),
        ("READ", 4),
        ("STATUS", 5),
        ("CLEAR", 6),
        ("TRIGGER", 7),
        ("ATTRIBUTE", 8),
        ("CLOCK", 9),
        ("ENTROPY", 10),
        ("MESSAGE", 11),
        ("CONFIG", 12),
        ("LOG", 13),
        ("ABORT", 14),
    ]
    assert [(status.name, int(status)) for status in Status] == [
        ("OK", 0),
        ("END", 1),
        ("TIMEOUT", 2),
        ("LOST", 3),
        ("REFUSED", 4),
        ("ERROR", 5),
        ("AVAILABLE", 6),
    ]
