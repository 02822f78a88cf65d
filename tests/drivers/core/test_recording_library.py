"""A foreign program's VISA calls through the tap: unchanged, and all of them on record."""

from __future__ import annotations

import errno
import warnings
from contextlib import closing

import pytest
import pyvisa
from core_devices import ADDRESSES, Slate, Wired
from hypothesis import given
from hypothesis import strategies as st
from pyvisa import VisaIOError
from pyvisa.constants import (
    BufferOperation,
    BufferType,
    EventAttribute,
    EventMechanism,
    EventType,
    InterfaceType,
    ResourceAttribute,
    StatusCode,
    TriggerProtocol,
)
from pyvisa.errors import VisaIOWarning, completion_and_error_messages
from pyvisa.highlevel import VisaLibraryBase

from drivers.core import CommunicationError, NoConnectionError, visa_words
from drivers.core.context import Kind, Status
from drivers.core.foreign_library import FIRST_FOREIGN_SESSION
from drivers.core.recording_library import RecordingVisaLibrary
from drivers.simulated.server import Server
from drivers.simulated.tcp import serve_tcp
from drivers.simulated.time import RealTime

INSTRUMENTS = {address: f"slate_{kind}" for kind, address in ADDRESSES.items()}
MESSAGES = ["gpib", "lan", "usb"]


class Records:
    """A recorder that keeps what it is told."""

    def __init__(self):
        self.made = []

    def record(self, source, kind, data=b"", *, session=0, requested=0, status=Status.OK):
        self.made.append((source, session, kind, bytes(data), requested, status))

    def said(self):
        """Return kind, data and status of all records but attributes that were set."""
        return [
            (kind, data, status)
            for _, _, kind, data, _, status in self.made
            if not (kind is Kind.ATTRIBUTE and b"=" in data)
        ]


@pytest.fixture
def taped(wired):
    records = Records()
    library = RecordingVisaLibrary(wired.manager.visalib, INSTRUMENTS, records)
    with closing(pyvisa.ResourceManager(library)) as manager:
        yield manager, records


def opened(manager, kind="gpib", **options):
    ends = {"read_termination": "\n", "write_termination": "\n", "timeout": 500}
    return manager.open_resource(ADDRESSES[kind], **(ends | options))


def failure(call, *arguments):
    with pytest.raises(VisaIOError) as caught:
        call(*arguments)
    return caught.value.error_code


def all_sorts_of_calls(manager, kind):
    """Use a resource in every way that its kind has, and return all that it says."""
    said = [manager.list_resources("?*"), manager.last_status]
    with opened(manager, kind) as first, opened(manager, kind, chunk_size=7) as second:
        said += [first.query("*IDN?"), second.query("*IDN?"), first.interface_type]
        said += [first.query_ascii_values("N?"), second.query_ascii_values("N?", "d")]
        first.write_binary_values("SAY ", [70, 71, 72], datatype="B")
        said += [second.query("SAID?"), first.last_status]
        if kind in MESSAGES:
            second.read_termination = None
            block = {"datatype": "B", "expect_termination": True}
            said.append(second.query_binary_values("BLOCK 30?", **block))
            said += [first.read_stb(), first.lock_state, first.resource_name]
            first.assert_trigger()
            with first.lock_context():
                said.append(failure(second.write, "N?"))
        else:
            first.write("BLOCK 9?")
            said.append(first.read_bytes(9 + 8 + 1))
            said.append(failure(first.read_stb))
        with first.ignore_warning(StatusCode.success_max_count_read):
            first.write("N?")
            said += [first.visalib.read(first.session, 1), first.read()]
        first.clear()
        said += [first.timeout, failure(first.read), first.last_status]
        if kind == "serial":
            first.flush(BufferOperation.discard_receive_buffer)
            said += [first.bytes_in_buffer, first.baud_rate, first.stop_bits]
    return said


@pytest.mark.parametrize("kind", sorted(ADDRESSES))
def test_everything_works_as_without_it(taped, kind):
    manager, records = taped
    bare = Wired()
    with closing(bare.manager):
        assert all_sorts_of_calls(manager, kind) == all_sorts_of_calls(bare.manager, kind)
    first, second = FIRST_FOREIGN_SESSION, FIRST_FOREIGN_SESSION + 1
    for session in (first, second):
        kinds = [made[2] for made in records.made if made[1] == session]
        assert (kinds[0], kinds[-1]) == (Kind.OPEN, Kind.CLOSE)
    assert {made[:2] for made in records.made} == {(f"slate_{kind}", s) for s in (first, second)}


def test_what_crosses_is_recorded_as_it_is(taped):
    manager, records = taped
    with opened(manager, chunk_size=9) as unit:
        unit.query("*IDN?")
        unit.read_stb()
        unit.assert_trigger()
        unit.clear()
        assert failure(unit.read) == StatusCode.error_timeout
        assert unit.interface_type == InterfaceType.gpib
    assert records.said() == [
        (Kind.OPEN, b"GPIB0::7::INSTR", Status.OK),
        (Kind.WRITE, b"*IDN?\n", Status.OK),
        (Kind.READ, b"ACME,Slat", Status.OK),
        (Kind.READ, b"e,1,1\n", Status.END),
        (Kind.STATUS, b"\x20", Status.OK),
        (Kind.TRIGGER, b"", Status.OK),
        (Kind.CLEAR, b"", Status.OK),
        (Kind.READ, b"", Status.TIMEOUT),
        (Kind.ATTRIBUTE, b"VI_ATTR_INTF_TYPE? 1", Status.OK),
        (Kind.CLOSE, b"", Status.OK),
    ]
    assert [made[4] for made in records.made if made[2] in (Kind.WRITE, Kind.READ)] == [6, 9, 9, 9]
    assert [made[3] for made in records.made if made[2] is Kind.ATTRIBUTE][:3] == [
        b"VI_ATTR_TERMCHAR=10",
        b"VI_ATTR_TERMCHAR_EN=1",
        b"VI_ATTR_TMO_VALUE=500",
    ]


def test_how_a_read_on_a_stream_ended_is_told_apart(taped):
    manager, records = taped
    with opened(manager, "socket") as unit:
        unit.write("*IDN?")
        for count in (4, 10, 1, 9):
            with unit.ignore_warning(StatusCode.success_max_count_read):
                unit.visalib.read(unit.session, count)
            if count == 10:
                unit.write("N?")
    reads = [made[2:] for made in records.made if made[2] in (Kind.READ, Kind.LOG)]
    assert reads == [
        (Kind.READ, b"ACME", 4, Status.OK),
        (Kind.READ, b",Slate,1,1", 10, Status.OK),
        (Kind.READ, b"\n", 1, Status.OK),  # as full as it can be, yet ended by its last byte
        (Kind.LOG, b"VI_SUCCESS_TERM_CHAR", 0, Status.OK),
        (Kind.READ, b"1\n", 9, Status.OK),
    ]


def test_refused_calls_are_recorded_with_their_reason(taped):
    manager, records = taped
    with opened(manager, "serial") as unit:
        assert failure(unit.read_stb) == StatusCode.error_nonsupported_operation
        name = ResourceAttribute.gpib_primary_address
        assert failure(unit.get_visa_attribute, name) == StatusCode.error_nonsupported_attribute
        name = ResourceAttribute.asrl_avalaible_number
        assert failure(unit.set_visa_attribute, name, 3) == StatusCode.error_attribute_read_only
    reason = [
        (Kind.LOG, text, Status.OK) for text in (b"VI_ERROR_NSUP_OPER", b"VI_ERROR_NSUP_ATTR")
    ]
    assert records.said()[1:-2] == [
        (Kind.STATUS, b"", Status.ERROR),
        reason[0],
        (Kind.ATTRIBUTE, b"VI_ATTR_GPIB_PRIMARY_ADDR?", Status.ERROR),
        reason[1],
    ]
    assert records.made[-3][2:] == (Kind.ATTRIBUTE, b"VI_ATTR_ASRL_AVAIL_NUM=3", 0, Status.ERROR)
    assert records.made[-2][2:4] == (Kind.LOG, b"VI_ERROR_ATTR_READONLY")


def test_service_requests_and_locks(taped, wired):
    manager, records = taped
    with opened(manager) as unit:
        unit.enable_event(EventType.service_request, EventMechanism.queue)
        wired.device.service_mask = 0x20
        answer = unit.wait_on_event(EventType.service_request, 1000)
        assert answer.event.event_type == EventType.service_request
        context = answer.event.context
        library = unit.visalib
        event_type = EventAttribute.event_type
        assert library.get_attribute(context, event_type)[0] == EventType.service_request
        other = EventAttribute.status
        unsupported = StatusCode.error_nonsupported_attribute
        assert failure(library.get_attribute, context, other) == unsupported
        assert unit.wait_on_event(EventType.service_request, 5, capture_timeout=True).timed_out
        key = unit.lock(timeout=0, requested_key="qlab")
        unit.unlock()
    assert key == "qlab"
    number = int(EventType.service_request)
    asked = f"wait_on_event({number})?".encode()
    assert records.said()[1:-1] == [
        (Kind.ATTRIBUTE, f"enable_event({number}, 1)".encode(), Status.OK),
        (Kind.ATTRIBUTE, asked + f" {number}".encode(), Status.OK),
        (Kind.ATTRIBUTE, asked, Status.TIMEOUT),
        (Kind.ATTRIBUTE, b'lock(2, "qlab")? "qlab"', Status.OK),
        (Kind.ATTRIBUTE, b"unlock()", Status.OK),
    ]


def test_only_named_instruments_can_be_reached(wired):
    records = Records()
    named = {"gpib0::7": "slate"}
    library = RecordingVisaLibrary(wired.manager.visalib, named, records)
    with closing(pyvisa.ResourceManager(library)) as manager:
        assert manager.list_resources("?*") == ("GPIB0::7::INSTR",)
        with pytest.raises(NoConnectionError, match=r"no instrument .* slate at GPIB0::7::INSTR"):
            opened(manager, "usb")
        with pytest.raises(NoConnectionError, match=r"^GPIB::8"):
            manager.open_bare_resource("GPIB::8")
        elsewhere, _ = wired.manager.open_bare_resource(ADDRESSES["gpib"])
        for call in (library.read_stb, library.clear):
            assert failure(call, elsewhere) == StatusCode.error_invalid_object
        assert failure(library.write, elsewhere, b"N?") == StatusCode.error_invalid_object
        wired.manager.visalib.close(elsewhere)
        assert records.made == []
        manager.open_resource("GPIB::7").close()
    assert [made[0] for made in records.made] == ["slate", "slate"]
    with pytest.raises(ValueError, match=r"a and b are both at GPIB0::7::INSTR"):
        RecordingVisaLibrary(wired.manager.visalib, {"GPIB::7": "a", "GPIB0::7": "b"}, records)


def test_what_cannot_be_recorded_is_not_offered(taped):
    manager, records = taped
    with opened(manager, "usb") as unit:
        before = len(records.made)
        with pytest.raises(NotImplementedError):
            unit.install_handler(EventType.service_request, lambda *_: None)
        with pytest.raises(NotImplementedError):
            unit.control_in(0, 0, 0, 0)
        assert len(records.made) == before


def test_each_is_a_library_of_its_own_and_says_nothing_without_a_recorder(wired):
    inner = wired.manager.visalib
    first, second = (RecordingVisaLibrary(inner, INSTRUMENTS) for _ in range(2))
    assert first is not second
    assert first.library_path != second.library_path
    for library in (first, second):
        with closing(pyvisa.ResourceManager(library)) as manager:
            assert manager is not wired.manager
            assert opened(manager).query("*IDN?") == "ACME,Slate,1,1"
            assert library.last_status == inner.last_status
    assert wired.manager.session, "the wrapped library's own manager stays open"


def test_closing_the_manager_closes_bare_sessions_too(taped):
    manager, records = taped
    handle, _ = manager.open_bare_resource(ADDRESSES["lan"])
    manager.close()
    assert [made[2] for made in records.made] == [Kind.OPEN, Kind.CLOSE]
    assert failure(manager.visalib.close, handle) == StatusCode.error_invalid_object


def test_warnings_are_those_of_the_wrapped_library(taped):
    manager, _ = taped
    with opened(manager) as unit:
        unit.write("*IDN?")
        with pytest.warns(VisaIOWarning, match="VI_SUCCESS_MAX_CNT"):
            unit.visalib.read(unit.session, 3)
        unit.visalib.issue_warning_on.discard(StatusCode.success_max_count_read)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            unit.visalib.read(unit.session, 3)


class Odd(VisaLibraryBase):
    """Has what no library of ours has: half writes, bytes at a time-out, the system's errors."""

    def __new__(cls, outcomes):
        library = super().__new__(cls, f"odd-{id(outcomes)}")
        library.outcomes = outcomes
        return library

    def __init__(self, outcomes):
        pass

    def _next(self, *_):
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    open = read = write = close = set_buffer = _next

    def open_default_resource_manager(self):
        return 1, self.handle_return_value(1, 0)


def test_a_library_with_ways_of_its_own():
    reset = OSError(errno.ECONNRESET, "Connection reset by peer")
    outcomes = [
        (7, StatusCode.success_device_not_present),
        (2, StatusCode.success),
        (b"par", StatusCode.error_timeout),
        TimeoutError("timed out"),
        reset,
        (b"", StatusCode.success_synchronous),
        NotImplementedError(),
        StatusCode.success,
        VisaIOError(StatusCode.error_resource_not_found),
        VisaIOError(StatusCode.error_resource_busy),
    ]
    records = Records()
    library = RecordingVisaLibrary(Odd(outcomes), {"GPIB::7": "odd"}, records)
    handle, code = library.open(1, "GPIB::7")
    assert code == StatusCode.success_device_not_present
    assert library.write(handle, b"abcd") == (2, StatusCode.success)
    assert failure(library.read, handle, 9) == StatusCode.error_timeout
    with pytest.raises(TimeoutError):
        library.read(handle, 9)
    with pytest.raises(ConnectionResetError):
        library.write(handle, b"ab")
    assert library.read(handle, 9) == (b"", StatusCode.success_synchronous)
    with pytest.raises(NotImplementedError):
        library.set_buffer(handle, BufferType.io_in, 9)
    library.close(handle)
    assert failure(library.open, 1, "GPIB::7") == StatusCode.error_resource_not_found
    assert failure(library.open, 1, "GPIB::7") == StatusCode.error_resource_busy
    assert [made[2:] for made in records.made] == [
        (Kind.OPEN, b"GPIB::7", 0, Status.OK),
        (Kind.LOG, b"VI_SUCCESS_DEV_NPRESENT", 0, Status.OK),
        (Kind.WRITE, b"ab", 4, Status.OK),
        (Kind.READ, b"par", 9, Status.TIMEOUT),
        (Kind.READ, b"", 9, Status.TIMEOUT),
        (Kind.LOG, b"TimeoutError timed out", 0, Status.OK),
        (Kind.WRITE, b"ab", 2, Status.LOST),
        (Kind.LOG, b"OSError ECONNRESET Connection reset by peer", 0, Status.OK),
        (Kind.READ, b"", 9, Status.END),
        (Kind.LOG, b"VI_SUCCESS_SYNC", 0, Status.OK),
        (Kind.ATTRIBUTE, b"set_buffer(16, 9)", 0, Status.ERROR),
        (Kind.LOG, b"NotImplementedError", 0, Status.OK),
        (Kind.CLOSE, b"", 0, Status.OK),
        (Kind.OPEN, b"GPIB::7", 0, Status.REFUSED),
        (Kind.OPEN, b"GPIB::7", 0, Status.REFUSED),
        (Kind.LOG, b"VI_ERROR_RSRC_BUSY", 0, Status.OK),
    ]
    assert [made[1] for made in records.made if made[2] is Kind.OPEN] == [65536, 65537, 65538]


def test_over_pyvisa_py():
    records = Records()
    with Server(RealTime()) as server:
        device = Slate("slate", server.time, {})
        host, port = serve_tcp(server, device.port("socket"))
        address = f"TCPIP::{host}::{port}::SOCKET"
        inner = pyvisa.ResourceManager("@py").visalib
        library = RecordingVisaLibrary(inner, {address: "slate"}, records)
        ends = {"read_termination": "\n", "write_termination": "\n", "timeout": 2000}
        with (
            closing(pyvisa.ResourceManager(library)) as manager,
            manager.open_resource(address, **ends) as unit,
        ):
            assert unit.query("*IDN?") == "ACME,Slate,1,1"
            unit.write_binary_values("SAY ", [65, 66], datatype="B")
            assert unit.query("SAID?") == "#12AB"
            unit.timeout = 30
            assert failure(unit.read) == StatusCode.error_timeout
            with pytest.raises(NotImplementedError):
                unit.enable_event(EventType.service_request, EventMechanism.queue)
        inner.resource_manager.close()
    assert (Kind.WRITE, b"SAY #12AB\n", Status.OK) in records.said()
    assert (Kind.READ, b"ACME,Slate,1,1\n", Status.OK) in records.said()
    assert records.said()[-4:] == [
        (Kind.READ, b"", Status.TIMEOUT),
        (Kind.ATTRIBUTE, b"enable_event(1073684491, 1)", Status.ERROR),
        (Kind.LOG, b"NotImplementedError", Status.OK),
        (Kind.CLOSE, b"", Status.OK),
    ]


@pytest.mark.parametrize("code", [*completion_and_error_messages, 77, -77])
def test_every_completion_code_has_its_word(code):
    found = visa_words.recalled(visa_words.outcome(VisaIOError(code) if code < 0 else code))
    assert getattr(found, "error_code", found) == code


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EPIPE, "Broken pipe"),
        OSError(errno.ENODEV, "No such device (it may have been disconnected)"),
        OSError("no number"),
        TimeoutError("timed out"),
        ValueError("a\nb"),
        KeyError("x"),
        NotImplementedError(),
    ],
)
def test_exceptions_come_back_as_they_were(error):
    found = visa_words.recalled(visa_words.outcome(error))
    assert type(found) is type(error)
    assert getattr(found, "errno", None) == getattr(error, "errno", None)
    assert str(found).strip("'\"") == " ".join(str(error).split()).strip("'\"")


@given(st.binary())
def test_any_words_recall_something(words):
    found = visa_words.recalled(words)
    assert isinstance(found, int | Exception)
    unknown = visa_words.recalled(b"ArgumentError " + words)
    assert isinstance(unknown, CommunicationError)


@given(
    st.sampled_from(list(ResourceAttribute)) | st.integers(0, 2**32 - 1),
    st.none() | st.booleans() | st.integers() | st.text(),
)
def test_answers_are_read_back(attribute, value):
    asked = visa_words.question(attribute)
    assert visa_words.answer(asked, visa_words.answered(asked, value)) == value
    with pytest.raises(ValueError, match="another question"):
        visa_words.answer(asked, visa_words.setting(attribute, value))


@pytest.mark.parametrize("value", [b"", b"[", b"[" * 100_000, b"\xff"])
def test_a_forged_answer_is_refused(value):
    with pytest.raises(ValueError, match="holds no value"):
        visa_words.answer(b"VI_ATTR_TMO_VALUE?", b"VI_ATTR_TMO_VALUE? " + value)


def test_words_do_not_depend_on_how_a_number_is_written():
    assert visa_words.setting(ResourceAttribute.termchar_enabled, True) == b"VI_ATTR_TERMCHAR_EN=1"
    trigger = visa_words.call("assert_trigger", TriggerProtocol.sync)
    assert trigger == b"assert_trigger(%d)" % TriggerProtocol.sync
    assert visa_words.setting(0x3FFF9999, 1) == b"0x3FFF9999=1"
