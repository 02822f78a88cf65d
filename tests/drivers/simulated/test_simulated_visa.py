"""The in-process VISA library, used through unchanged pyvisa."""

import contextlib
import gc
import threading

import numpy as np
import pytest
import pyvisa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyvisa import constants
from pyvisa.constants import AccessModes, EventMechanism, EventType, ResourceAttribute, StatusCode
from pyvisa.errors import InvalidSession, VisaIOError
from simulated_examples import Console, Generator, Rubidium, Tagger

from drivers.simulated.time import RealTime, VirtualTime
from drivers.simulated.visa_library import SimulatedVisaLibrary

GPIB = "GPIB0::7::INSTR"
USB = "USB0::0x0957::0x1907::MY1::0::INSTR"
LAN = "TCPIP0::10.0.0.5::inst0::INSTR"
SOCKET = "TCPIP0::10.0.0.5::5025::SOCKET"
SERIAL = "ASRL3::INSTR"
RUBIDIUM = "ASRL/dev/ttyUSB0::INSTR"
ALL = (GPIB, USB, LAN, SOCKET, SERIAL)
MESSAGES = (GPIB, USB, LAN)


class Bench:
    def __init__(self, time=None):
        self.time = time or VirtualTime()
        self.device = Generator("gen", self.time, {})
        self.rubidium = Rubidium("rb", self.time, {})
        self.library = SimulatedVisaLibrary(
            {
                "GPIB::7": self.device.port("gpib"),
                "USB0::0x957::6407::MY1::INSTR": self.device.port("usb"),
                "TCPIP::10.0.0.5": self.device.port("lan"),
                "TCPIP::10.0.0.5::5025::SOCKET": self.device.port("socket"),
                "ASRL3": self.device.port("serial"),
                RUBIDIUM: self.rubidium.port("serial"),
                "ASRL4": Console("con", self.time, {}).port("serial"),
                "ASRL5": Tagger("tag", self.time, {}).port("serial"),
            },
            self.time,
        )
        self.manager = pyvisa.ResourceManager(self.library)

    def open(self, name, **attributes):
        attributes.setdefault("read_termination", "\r\n" if name == SERIAL else "\n")
        attributes.setdefault("write_termination", "\n")
        return self.manager.open_resource(name, **attributes)

    def seconds(self):
        return self.time.now_ns() * 1e-9


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.manager.close()


def code_of(call):
    with pytest.raises(VisaIOError) as caught:
        call()
    return caught.value.error_code


def test_resources_are_listed_by_visa_expressions(bench):
    names = bench.manager.list_resources("?*")
    assert set(ALL) <= {bench.manager.resource_info(name).resource_name for name in names}
    assert bench.manager.list_resources("GPIB?*") == (GPIB,)
    assert SOCKET not in bench.manager.list_resources()
    info = bench.manager.list_resources_info("USB?*")
    assert next(iter(info.values())).interface_type == constants.InterfaceType.usb


@pytest.mark.parametrize(
    "name",
    [
        "GPIB::7", "gpib0::7::instr", "USB::0x957::0x1907::MY1", "USB0::2391::6407::my1::0::INSTR",
        "TCPIP::10.0.0.5", "TCPIP::10.0.0.5::INST0::INSTR", "ASRL3", "asrl3::INSTR",
    ],
)  # fmt: skip
def test_every_spelling_of_a_name_finds_the_resource(bench, name):
    session, _ = bench.manager.open_bare_resource(name)
    bench.library.close(session)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("GPIB0::8::INSTR", StatusCode.error_resource_not_found),
        ("TCPIP::10.0.0.5::5026::SOCKET", StatusCode.error_resource_not_found),
        ("USB0::x::y::z::INSTR", StatusCode.error_invalid_resource_name),
        ("NONSENSE", StatusCode.error_invalid_resource_name),
    ],
)
def test_what_cannot_be_opened(bench, name, status):
    assert code_of(lambda: bench.manager.open_bare_resource(name)) == status


def test_two_spellings_of_one_resource_are_a_mistake():
    device = Generator("gen", VirtualTime(), {})
    ports = {"GPIB::7": device.port("gpib"), "GPIB0::7::INSTR": device.port("gpib")}
    with pytest.raises(ValueError, match="the same resource"):
        SimulatedVisaLibrary(ports, device.time)


def test_each_bench_has_a_path_of_its_own():
    time = VirtualTime()
    one, other = SimulatedVisaLibrary({}, time), SimulatedVisaLibrary({}, time)
    assert one.library_path != other.library_path
    named = SimulatedVisaLibrary({}, time, "lab")
    assert named.library_path == "lab"
    with pytest.raises(ValueError, match="open already"):
        SimulatedVisaLibrary({}, time, "lab")
    assert pyvisa.ResourceManager(named) is pyvisa.ResourceManager(named)
    pyvisa.ResourceManager(named).close()
    del named
    gc.collect()
    SimulatedVisaLibrary({}, time, "lab")


@pytest.mark.parametrize("name", ALL)
def test_queries_on_every_kind_of_resource(bench, name):
    unit = bench.open(name)
    assert unit.query("*IDN?") == "ACME,G2,SN1,1.0"
    unit.write("SOUR2:FREQ 5kHz")
    assert float(unit.query("SOUR2:FREQ?")) == 5000.0
    assert unit.query_ascii_values("FREQ?") == [1000.0]
    assert unit.last_status in (StatusCode.success, StatusCode.success_termination_character_read)
    unit.close()


@pytest.mark.parametrize("name", MESSAGES)
def test_end_marks_end_reads_without_a_terminator(bench, name):
    unit = bench.open(name, read_termination=None, write_termination="")
    assert unit.query("FREQ?;FUNC?") == "+1.00000000E+03;SIN\n"
    assert unit.last_status == StatusCode.success


def test_a_socket_without_terminator_ends_when_nothing_more_has_come(bench):
    unit = bench.open(SOCKET, read_termination=None)
    assert unit.query("FREQ?") == "+1.00000000E+03\n"
    unit.set_visa_attribute(ResourceAttribute.suppress_end_enabled, True)
    unit.write("FREQ?")
    assert code_of(unit.read) == StatusCode.error_timeout
    assert unit.read_bytes(16) == b"+1.00000000E+03\n"  # nothing was lost


def test_reads_in_small_pieces(bench):
    unit = bench.open(GPIB, chunk_size=4)
    assert unit.query("*IDN?") == "ACME,G2,SN1,1.0"
    unit.write("*IDN?")
    assert unit.read_bytes(4) == b"ACME"
    assert unit.last_status == StatusCode.success_max_count_read
    assert unit.read_bytes(3, break_on_termchar=True) == b",G2"
    assert unit.read_bytes(100, break_on_termchar=True) == b",SN1,1.0\n"
    with unit.ignore_warning(StatusCode.success_max_count_read):
        assert bench.library.read(unit.session, 0) == (b"", StatusCode.success_max_count_read)


def test_a_timed_out_read_takes_the_time_out_and_leaves_the_answer(bench):
    unit = bench.open(USB, timeout=300)
    before = bench.seconds()
    unit.write("MEAS:VOLT?")
    assert code_of(unit.read) == StatusCode.error_timeout
    assert bench.seconds() - before == pytest.approx(0.3, abs=1e-3)
    unit.timeout = 5000
    assert unit.read() == "+1.00000000E+00"
    assert bench.seconds() - before == pytest.approx(1.0, abs=1e-2)


def test_time_outs_at_once_and_never(bench):
    unit = bench.open(USB, timeout=0)
    before = bench.seconds()
    unit.write("MEAS:VOLT?")
    assert code_of(unit.read) == StatusCode.error_timeout
    assert bench.seconds() - before < 1e-3
    unit.timeout = None
    assert unit.read() == "+1.00000000E+00"
    assert code_of(unit.read) == StatusCode.error_timeout  # it would wait for ever
    assert unit.query("SYST:ERR?").startswith("-420")


def test_a_read_without_question_is_unterminated_and_a_new_question_interrupts(bench):
    unit = bench.open(LAN, timeout=100)
    assert code_of(unit.read) == StatusCode.error_timeout
    assert unit.query("SYST:ERR?") == '-420,"Query UNTERMINATED"'
    unit.write("*IDN?")
    assert unit.query("FUNC?") == "SIN"
    assert unit.query("SYST:ERR?") == '-410,"Query INTERRUPTED"'


def test_messages_without_end_wait_for_the_rest(bench):
    unit = bench.open(GPIB, send_end=False, write_termination="")
    unit.write("FR")
    unit.write("EQ?")
    unit.send_end = True
    unit.write(";FUNC?")
    assert unit.read() == "+1.00000000E+03;SIN"


@pytest.mark.parametrize("name", ALL)
def test_binary_values_go_both_ways(bench, name):
    unit = bench.open(name, read_termination=None, timeout=100_000)
    values = np.arange(-3000, 3000, dtype="<i2")
    unit.write_binary_values("DATA ", values, datatype="h")
    assert bench.device.memory == values.tobytes()
    back = unit.query_binary_values("DATA?", datatype="h", container=np.ndarray)
    assert np.array_equal(back, values)
    if name == SERIAL:
        assert unit.read_bytes(2) == b"\r\n"  # no end mark has swallowed it
    assert unit.query("SYST:ERR?").startswith("+0")


@pytest.mark.parametrize("header", ["ieee", "empty"])
def test_large_blocks_survive_any_chunk_size(bench, header):
    unit = bench.open(USB, read_termination=None, timeout=100_000)
    payload = np.random.default_rng(7).bytes(1 << 20)
    unit.write_raw(b"DATA #71048576" + payload + b"\n")
    for chunk in (1 << 12, 1 << 21):
        unit.write("DATA?")
        assert unit.read_raw(chunk) == b"#71048576" + payload + b"\n"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.binary(max_size=300), size=st.integers(1, 50), name=st.sampled_from(ALL))
def test_any_payload_crosses_any_connector(bench, payload, size, name):
    unit = bench.open(name, read_termination=None, timeout=10_000)
    digits = str(len(payload))
    block = f"#{len(digits)}{digits}".encode() + payload
    unit.write_raw(b"DATA " + block + b"\n")
    unit.write("DATA?")
    assert unit.read_bytes(len(block), chunk_size=size) == block
    unit.read_raw()
    unit.close()


def test_several_sessions_on_one_resource(bench):
    one, other = bench.open(GPIB), bench.open(GPIB)
    one.write("FREQ?")
    other.write("FUNC?")
    assert one.read() == "+1.00000000E+03"
    assert other.read() == "SIN"
    assert len(bench.manager.list_opened_resources()) == 2
    one.close()
    with pytest.raises(InvalidSession):
        one.query("FREQ?")
    assert other.query("FUNC?") == "SIN"


def test_closing_the_manager_closes_every_session():
    bench = Bench()
    unit = bench.open(GPIB)
    handle = unit.session
    bench.manager.close()
    assert bench.device.sessions == []
    assert code_of(lambda: bench.library.read(handle, 1)) == StatusCode.error_invalid_object
    again = pyvisa.ResourceManager(bench.library)
    assert again.open_resource("GPIB::7", read_termination="\n").query("FUNC?") == "SIN"
    again.close()


@pytest.mark.parametrize("name", MESSAGES)
def test_status_byte_clear_and_trigger(bench, name):
    unit = bench.open(name)
    unit.write("*SRE 16;*ESE 32;FREQ?")
    assert unit.stb == 0
    assert unit.read_bytes(1) == b"+"
    assert unit.stb == 0x50
    assert unit.read_stb() == 0x10
    unit.clear()
    assert unit.stb == 0
    unit.assert_trigger()
    assert bench.device.triggers == 1
    assert unit.control_ren(constants.RENLineOperation.asrt) == StatusCode.success


@pytest.mark.parametrize("name", [SOCKET, SERIAL])
def test_streams_have_no_status_byte_and_clear_drops_what_has_come(bench, name):
    unit = bench.open(name, timeout=100)
    assert code_of(unit.read_stb) == StatusCode.error_nonsupported_operation
    assert code_of(unit.assert_trigger) == StatusCode.error_nonsupported_operation
    for drop in (unit.clear, lambda: unit.flush(constants.BufferOperation.discard_read_buffer)):
        unit.write("FREQ?")
        bench.time.wait_until(bench.time.now_ns() + 10**9)
        drop()
        assert code_of(unit.read) == StatusCode.error_timeout
    assert unit.query("FUNC?") == "SIN"


def test_a_device_that_hangs_up_is_a_lost_connection(bench):
    unit = bench.open(USB)
    bench.device.faults.hang_up()
    unit.write("FREQ?")
    for call in (unit.read, unit.read_stb, unit.clear, lambda: unit.write("FREQ?")):
        assert code_of(call) == StatusCode.error_connection_lost
    unit.close()
    assert bench.open(USB).query("FUNC?") == "SIN"
    bench.device.faults.hang_up(for_good=True)
    unit = bench.open(USB)
    unit.write("FREQ?")
    assert code_of(lambda: bench.open(USB)) == StatusCode.error_resource_not_found


def test_attributes_have_their_defaults_and_places(bench):
    unit = bench.open(USB, timeout=1234)
    assert unit.timeout == 1234
    assert unit.interface_type == constants.InterfaceType.usb
    assert unit.resource_class == "INSTR"
    assert unit.resource_name == USB
    assert (unit.manufacturer_id, unit.model_code) == (0x957, 0x1907)
    assert unit.serial_number == "MY1"
    assert unit.resource_manufacturer_name == "qlab"
    assert unit.get_visa_attribute(ResourceAttribute.termchar) == 10
    assert bench.open(GPIB).primary_address == 7
    assert bench.open(SOCKET).get_visa_attribute(ResourceAttribute.tcpip_port) == 5025
    assert bench.open(LAN).get_visa_attribute(ResourceAttribute.tcpip_hostname) == "10.0.0.5"
    serial = bench.open(SERIAL)
    assert (serial.baud_rate, serial.data_bits) == (9600, 8)
    assert serial.stop_bits == constants.StopBits.one


@pytest.mark.parametrize(
    ("name", "attribute", "value", "status"),
    [
        (USB, ResourceAttribute.asrl_baud_rate, 9600, StatusCode.error_nonsupported_attribute),
        (USB, ResourceAttribute.manufacturer_id, 5, StatusCode.error_attribute_read_only),
        (USB, ResourceAttribute.usb_protocol, 5, StatusCode.error_attribute_read_only),
        (USB, ResourceAttribute.timeout_value, -5, StatusCode.error_nonsupported_attribute_state),
        (USB, ResourceAttribute.termchar, 300, StatusCode.error_nonsupported_attribute_state),
        (USB, ResourceAttribute.termchar, "x", StatusCode.error_nonsupported_attribute_state),
        (USB, ResourceAttribute.suppress_end_enabled, True,
         StatusCode.error_nonsupported_attribute_state),
        (USB, 12345678, 1, StatusCode.error_nonsupported_attribute),
        (SERIAL, ResourceAttribute.asrl_parity, 9, StatusCode.error_nonsupported_attribute_state),
        (SERIAL, ResourceAttribute.asrl_end_in, 1, StatusCode.error_nonsupported_attribute_state),
    ],
)  # fmt: skip
def test_attributes_that_cannot_be_set(bench, name, attribute, value, status):
    unit = bench.open(name)
    assert code_of(lambda: unit.set_visa_attribute(attribute, value)) == status


def test_attributes_that_cannot_be_read(bench):
    unit = bench.open(USB)
    status = StatusCode.error_nonsupported_attribute
    assert code_of(lambda: unit.get_visa_attribute(ResourceAttribute.asrl_baud_rate)) == status
    assert code_of(lambda: unit.get_visa_attribute(ResourceAttribute.usb_protocol)) == status
    with pytest.raises(ValueError, match="not a valid attribute"):
        bench.open(USB, baud_rate=9600)


def test_serial_lines_need_the_right_baud_rate(bench):
    rubidium = bench.open(RUBIDIUM, read_termination="\r", write_termination="\r")
    assert rubidium.query("SF?") == "0"
    rubidium.baud_rate = 19200
    rubidium.write("SF?")
    assert code_of(rubidium.read) == StatusCode.error_timeout


def test_bytes_in_buffer_and_raw_reads_of_a_stream(bench):
    tagger = bench.open("ASRL5", read_termination=None, write_termination="")
    tagger.set_visa_attribute(ResourceAttribute.asrl_end_in, constants.SerialTermination.none)
    tagger.write("go;")
    assert tagger.bytes_in_buffer == 0
    stamps = np.frombuffer(tagger.read_bytes(4000), dtype="<u4")
    assert np.array_equal(stamps, np.arange(1, 1001))
    assert bench.seconds() == pytest.approx(1.0, abs=1e-3)
    bench.time.wait_until(bench.time.now_ns() + 10_500_000)
    assert tagger.bytes_in_buffer == 40
    tagger.write("stop;")


def test_serial_reads_end_at_the_line_end_unless_told_otherwise(bench):
    console = bench.open("ASRL4", baud_rate=115200, read_termination=None, write_termination="\r\n")
    console.write("ver")
    assert [console.read() for _ in range(3)] == ["ver\r\n", "1.0\r\n", "Done\r\n"]
    assert console.read_bytes(2) == b"> "


def test_exclusive_locks_keep_other_sessions_out(bench):
    one, other = bench.open(GPIB, timeout=200), bench.open(GPIB, timeout=200)
    elsewhere = bench.open(USB)
    one.lock_excl()
    assert one.lock_state == AccessModes.exclusive_lock
    before = bench.seconds()
    for call in (other.read, other.read_stb, other.clear):
        assert code_of(call) == StatusCode.error_resource_locked
    assert code_of(lambda: other.write("FREQ?")) == StatusCode.error_resource_locked
    assert code_of(other.lock_excl) == StatusCode.error_timeout
    assert bench.seconds() - before == pytest.approx(0.2, abs=1e-3)
    assert elsewhere.query("FUNC?") == "SIN"
    one.lock_excl()  # nested
    one.unlock()
    assert code_of(lambda: other.write("FREQ?")) == StatusCode.error_resource_locked
    one.unlock()
    assert code_of(one.unlock) == StatusCode.error_session_not_locked
    with other.lock_context() as key:
        assert key is None
        assert code_of(lambda: one.write("FREQ?")) == StatusCode.error_resource_locked
    assert one.query("FUNC?") == "SIN"


def test_shared_locks_are_shared_by_key(bench):
    one, other, third = (bench.open(GPIB, timeout=10) for _ in range(3))
    key = one.lock()
    assert one.lock_state == AccessModes.shared_lock
    assert other.lock(requested_key=key) == key
    assert other.query("FUNC?") == "SIN"
    assert code_of(lambda: third.write("FREQ?")) == StatusCode.error_resource_locked
    assert code_of(lambda: third.lock(requested_key="wrong")) == StatusCode.error_timeout
    assert code_of(one.lock_excl) == StatusCode.error_timeout
    other.close()
    one.lock_excl()
    one.unlock()
    one.unlock()
    assert third.query("FUNC?") == "SIN"


def test_a_session_can_be_opened_locked(bench):
    one = bench.open(GPIB, access_mode=AccessModes.exclusive_lock)
    other = bench.open(GPIB)
    assert code_of(lambda: other.write("FREQ?")) == StatusCode.error_resource_locked
    assert (
        code_of(lambda: bench.open(GPIB, access_mode=AccessModes.exclusive_lock, open_timeout=50))
        == StatusCode.error_timeout
    )
    one.close()  # gives the lock back
    assert other.query("FUNC?") == "SIN"


def test_service_requests_can_be_waited_for(bench):
    unit = bench.open(GPIB)
    unit.write("*CLS;*ESE 1;*SRE 32;INIT;*OPC")
    before = bench.seconds()
    unit.wait_for_srq()
    assert bench.seconds() - before == pytest.approx(2.5, abs=1e-2)
    assert unit.query("*ESR?") == "1"


def test_events_are_queued_once_a_request(bench):
    unit = bench.open(USB)
    assert (
        code_of(lambda: unit.wait_on_event(EventType.service_request, 10))
        == StatusCode.error_not_enabled
    )
    unit.enable_event(EventType.service_request, EventMechanism.queue)
    unit.write("*CLS;*SRE 16")
    waited = unit.wait_on_event(EventType.service_request, 500, capture_timeout=True)
    assert waited.timed_out
    assert bench.seconds() == pytest.approx(0.5, abs=1e-3)
    unit.write("MEAS:VOLT?")
    event = unit.wait_on_event(EventType.service_request, 5000)
    assert event.event.event_type == EventType.service_request
    assert bench.library.get_attribute(event.event.context, constants.EventAttribute.event_type)[
        0
    ] == (EventType.service_request)
    assert unit.wait_on_event(EventType.service_request, 10, capture_timeout=True).timed_out
    assert unit.stb == 0x50
    assert unit.read() == "+1.00000000E+00"
    unit.write("FREQ?")
    assert not unit.wait_on_event(EventType.service_request, 5000).timed_out
    unit.discard_events(EventType.service_request, EventMechanism.queue)
    unit.disable_event(EventType.service_request, EventMechanism.queue)


def test_events_reach_handlers_at_the_next_call(bench):
    unit = bench.open(GPIB)
    seen = []
    handler = unit.wrap_handler(lambda resource, event, mark: seen.append((event.event_type, mark)))
    assert (
        code_of(lambda: unit.enable_event(EventType.service_request, EventMechanism.handler))
        == StatusCode.error_handler_not_installed
    )
    mark = unit.install_handler(EventType.service_request, handler, "mark")
    unit.enable_event(EventType.service_request, EventMechanism.handler)
    unit.write("*CLS;*ESE 32;*SRE 32")
    unit.write("BOGUS")
    assert seen == [(EventType.service_request, "mark")]
    unit.write("BOGUS")
    assert len(seen) == 1  # the request still stands
    assert unit.stb & 0x40
    unit.disable_event(EventType.service_request, EventMechanism.handler)
    unit.uninstall_handler(EventType.service_request, handler, mark)


def test_events_that_do_not_exist_are_refused(bench):
    status = StatusCode.error_invalid_event
    usb, socket = bench.open(USB), bench.open(SOCKET)
    assert code_of(lambda: usb.enable_event(EventType.trig, EventMechanism.queue)) == status
    assert (
        code_of(lambda: socket.enable_event(EventType.service_request, EventMechanism.queue))
        == status
    )


def test_calls_on_no_session(bench):
    status = StatusCode.error_invalid_object
    library = bench.library
    for call in (
        lambda: library.write(999, b""),
        lambda: library.read(999, 1),
        lambda: library.clear(999),
        lambda: library.close(999),
        lambda: library.read_stb(999),
        lambda: library.get_attribute(999, ResourceAttribute.termchar),
        lambda: library.set_attribute(999, ResourceAttribute.termchar, 10),
        lambda: library.lock(999, constants.Lock.exclusive, 0),
        lambda: library.unlock(999),
        lambda: library.enable_event(999, EventType.service_request, EventMechanism.queue),
        lambda: library.wait_on_event(999, EventType.service_request, 1),
        lambda: library.open(999, GPIB),
    ):
        assert code_of(call) == status
    text, _ = library.status_description(bench.open(GPIB).session, StatusCode.error_timeout)
    assert "Timeout" in text


def test_a_slow_bus_times_out_a_long_write(bench):
    unit = bench.open(GPIB, timeout=500)
    assert code_of(lambda: unit.write_raw(b"DATA #71000000" + bytes(10**6))) == (
        StatusCode.error_timeout
    )
    assert bench.seconds() == pytest.approx(0.5)


def test_a_wait_in_the_middle_of_an_experiment_is_seen_by_the_device(bench):
    unit = bench.open(USB, timeout=5000)
    unit.write("MEAS:VOLT?")
    bench.time.wait_until(int(10e9))
    assert unit.read() == "+1.00000000E+00"
    assert bench.seconds() == 10.0


QUESTIONS = [b"FREQ?", b"*IDN?;", b"DATA #15", b"MEAS:VOLT?\n"]
OPERATIONS = st.one_of(
    st.tuples(st.just("write"), st.binary(max_size=20)),
    st.tuples(st.just("write"), st.sampled_from(QUESTIONS)),
    st.tuples(st.just("read"), st.integers(0, 40)),
    st.tuples(st.just("send_end"), st.booleans()),
    st.tuples(st.just("termchar"), st.one_of(st.none(), st.sampled_from(["\n", ","]))),
    st.tuples(st.sampled_from(["clear", "stb", "trigger", "lock", "unlock", "flush"]), st.none()),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(ALL), operations=st.lists(OPERATIONS, max_size=12))
def test_whatever_is_done_the_next_question_is_answered(bench, name, operations):
    """No order of calls gives anything but a VISA status, and a clear puts all right."""
    unit = bench.open(name, timeout=50)
    calls = {
        "write": unit.write_raw,
        "read": lambda count: unit.visalib.read(unit.session, count),
        "send_end": lambda value: setattr(unit, "send_end", value),
        "termchar": lambda value: setattr(unit, "read_termination", value),
        "clear": lambda _: unit.clear(),
        "stb": lambda _: unit.read_stb(),
        "trigger": lambda _: unit.assert_trigger(),
        "lock": lambda _: unit.lock_excl(),
        "unlock": lambda _: unit.unlock(),
        "flush": lambda _: unit.flush(constants.BufferOperation.discard_read_buffer),
    }
    with unit.ignore_warning(StatusCode.success_max_count_read):
        for operation, argument in operations:
            with contextlib.suppress(VisaIOError):
                calls[operation](argument)
    unit.read_termination = "\r\n" if name == SERIAL else "\n"
    unit.send_end = True
    unit.write_raw(b"\n" if name in MESSAGES else b"\n" + b"x" * 9 + b"\n")
    bench.time.wait_until(bench.time.now_ns() + 10**11)
    unit.clear()
    assert unit.query("FUNC?") == "SIN"
    unit.close()


def test_threads_with_sessions_of_their_own_do_not_disturb_each_other():
    bench = Bench(RealTime())
    wrong = []

    def work(number):
        unit = bench.open(ALL[number], timeout=5000)
        for turn in range(20):
            answer = unit.query(
                f"SAMP:COUN {number + 1}{turn};:DISP:TEXT 'a{number}';:FUNC?;:SYST:VERS?"
            )
            if answer != "SIN;1999.0":
                wrong.append(answer)
        unit.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    bench.manager.close()


def test_the_same_library_works_in_real_time():
    bench = Bench(RealTime())
    unit = bench.open(GPIB, timeout=50)
    before = bench.seconds()
    assert unit.query("FUNC?") == "SIN"
    assert bench.seconds() - before >= 1e-3  # the device's latency
    before = bench.seconds()
    assert code_of(unit.read) == StatusCode.error_timeout
    assert bench.seconds() - before >= 0.05
    bench.manager.close()
