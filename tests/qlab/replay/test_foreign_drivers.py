"""Other people's drivers, recorded on the simulated bench and replayed from the journal."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from contextlib import closing, contextmanager

import pytest
import pyvisa
from hypothesis import given, settings
from hypothesis import strategies as st
from pymeasure.instruments.agilent import Agilent33500, agilent33500
from pymeasure.instruments.thorlabs import ThorlabsPM100USB
from pyvisa import VisaIOError
from pyvisa.constants import BufferOperation, ResourceAttribute, StatusCode
from replay_makers import MemoryRun

from drivers.core.context import Kind, Status
from drivers.core.errors import DriverError, NoConnectionError
from drivers.core.recording_library import RecordingVisaLibrary
from drivers.simulated.device import Later, SerialLine
from drivers.simulated.line import LineDevice, line
from drivers.simulated.time import VirtualTime
from drivers.simulated.visa_library import SimulatedVisaLibrary
from qlab.context import AbortFlag, RunAbortedError, Tap
from qlab.errors import UsageError
from qlab.experiments import EXPERIMENTS, Entry
from qlab.keystore import KeyStore
from qlab.replay import DivergenceError, JournalEndError, reanalyse_run, replay_run
from qlab.replay.visa_library import ReplayVisaLibrary
from qlab.runfile.reader import RunFile
from qlab.runner import run_experiment
from qlab.station import load_station

# PyMeasure says so of every instrument that it did not try with *IDN?.
pytestmark = pytest.mark.filterwarnings("ignore:It is not known whether:FutureWarning")

WAVEFORM = [(-1) ** n * 37 * n for n in range(400)]


class Waveforms:
    """An experiment on PyMeasure's drivers; its class attributes are what newer code changes."""

    name = "waveforms"
    secret_sources = frozenset()
    side = "both"
    table = {"repeats": 2}
    frequency_hz = 1.5e6
    waveform = WAVEFORM
    chunk = 20 * 1024
    patience_ms = 50
    another_question = False

    def __init__(self, station, overrides):
        pass

    def datasets(self):
        return []

    def reanalyse(self, ctx, recorded):
        return self.run(ctx)

    def run(self, ctx):
        library = ctx.station.resource_manager().visalib
        address = {name: it.address for name, it in ctx.station.file.instruments.items()}
        generator = Agilent33500(address["generator_alice"], visa_library=library)
        meter = ThorlabsPM100USB(address["monitor"], visa_library=library)
        generator.adapter.connection.chunk_size = self.chunk
        generator.reset()
        generator.frequency = self.frequency_hz
        generator.ch_2.data_arb("ramp", range(-100, 100))
        wire = generator.adapter.connection
        wire.write_binary_values(
            "SOUR1:DATA:ARB:DAC wave,", self.waveform, datatype="h", is_big_endian=True
        )
        generator.arb_file = "wave"
        found = {
            "id": generator.id,
            "frequency_hz": generator.frequency,
            "arb_file": generator.arb_file,
            "errors": generator.check_errors(),
            "power_w": [meter.power for _ in range(3)],
            "sensor": meter.sensor_name,
            "status": wire.read_stb(),
            "late": self.wait_in_vain(wire),
        }
        if self.another_question:
            found["offset"] = generator.offset
        meter.adapter.close()
        # our own driver of the same instrument, beside the foreign one
        found["own"] = ctx.station.instrument("generator_alice").identity
        return found

    def wait_in_vain(self, wire):
        usual, wire.timeout = wire.timeout, self.patience_ms
        with pytest.raises(VisaIOError) as caught:
            wire.read()
        wire.timeout = usual
        return caught.value.abbreviation


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("waveforms")
    keys = KeyStore(folder / "keys")
    path = folder / "run.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXPERIMENTS, "waveforms", Entry(f"{__name__}:Waveforms", "", ""))
        outcome = run_experiment("waveforms", load_station(), path, seed=3, key_store=keys)
        assert outcome.error is None
        yield path, outcome.results


@pytest.fixture
def newer(monkeypatch):
    """Return what changes the experiment."""
    return lambda **changes: [monkeypatch.setattr(Waveforms, *item) for item in changes.items()]


def line_of(thing, text):
    lines, start = inspect.getsourcelines(thing)
    (found,) = (number for number, line in enumerate(lines, start) if text in line)
    return found


def test_pymeasure_drivers_give_the_same_values_again(recorded):
    path, results = recorded
    assert results["id"] == "Agilent Technologies,33622A,MY53801234,A.02.03-3.15-03-64-02"
    assert results["frequency_hz"] == 1.5e6
    assert (results["arb_file"], results["errors"]) == ('"wave"', [])
    assert (results["sensor"], results["late"]) == ("S154C", "VI_ERROR_TMO")
    assert len(set(results["power_w"])) == 3, "the meter's noise, so not by chance the same"
    report = replay_run(path)
    assert report.divergence is None and report.matched
    assert report.results == results
    with RunFile.open(path) as run:
        generator = list(run.records("generator_alice"))
    assert {record.session for record in generator} >= {0, 65536}
    payload = b"".join(value.to_bytes(2, "big", signed=True) for value in WAVEFORM)
    sent = b"SOUR1:DATA:ARB:DAC wave,#3800" + payload + b"\r\n"
    assert [r.data for r in generator if r.kind is Kind.WRITE].count(sent) == 1


@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
def test_newer_code_may_read_in_other_chunks(recorded, newer, chunk):
    path, results = recorded
    newer(chunk=chunk)
    report = replay_run(path)
    assert report.divergence is None
    assert report.results == results


CHANGES = {
    "a setting": (
        {"frequency_hz": 2e6},
        ("FREQ 1500000.000000", "FREQ 2000000.000000"),
        (Waveforms.run, "generator.frequency = "),
    ),
    "a sample": (
        {"waveform": [*WAVEFORM[:-1], 5]},
        ("831 bytes with", r"\x00\x05\r\n"),
        (Waveforms.run, "wire.write_binary_values("),
    ),
    "a time-out": (
        {"patience_ms": 70},
        ("VI_ATTR_TMO_VALUE=50", "VI_ATTR_TMO_VALUE=70"),
        (Waveforms.wait_in_vain, "usual, wire.timeout = "),
    ),
    "another question": (
        {"another_question": True},
        ("close", "sends b'VOLT:OFFS?"),
        (Waveforms.run, "generator.offset"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_script_diverges_at_its_line(recorded, newer, change):
    path, _ = recorded
    changes, said, (where, text) = CHANGES[change]
    newer(**changes)
    found = replay_run(path).divergence
    assert found.source == "generator_alice"
    assert said[0] in found.expected
    assert said[1] in found.got
    assert found.where == f"qlab/replay/test_foreign_drivers.py:{line_of(where, text)}"


def test_a_changed_driver_diverges_at_its_line(recorded, monkeypatch):
    path, _ = recorded

    def data_arb(self, name, points, data_format="DAC"):
        self.write(f"SOUR{{ch}}:DATA:ARB:DAC {name}, {','.join(map(str, points))}")

    namespace = {"__name__": "pymeasure.instruments.agilent.agilent33500"}
    exec(compile(textwrap.dedent(inspect.getsource(data_arb)), "a/b/c.py", "exec"), namespace)
    monkeypatch.setattr(agilent33500.Agilent33500Channel, "data_arb", namespace["data_arb"])
    found = replay_run(path).divergence
    assert "p, -100, -99" in found.expected
    assert "p, -100,-99" in found.got
    assert found.where == "a/b/c.py:2"


def test_recorded_data_have_no_instruments(recorded):
    path, _ = recorded
    with pytest.raises(UsageError, match="no instruments here for foreign drivers"):
        reanalyse_run(path)


# ---- a small device -----------------------------------------------------------------

ADDRESSES = {
    "gpib": "GPIB0::7::INSTR",
    "socket": "TCPIP0::10.0.0.5::5025::SOCKET",
    "serial": "ASRL3::INSTR",
}
INSTRUMENTS = {address: kind for kind, address in ADDRESSES.items()}


class Teller(LineDevice):
    """Answers at once, late, in blocks, and without a line end."""

    connectors = tuple(ADDRESSES)
    serial = SerialLine(9600, reply_end=b"\n")
    reply_end = b"\n"
    line_ends = b"\n"

    def __init__(self, *args):
        super().__init__(*args)
        self.asked = 0

    @line(r"N\?")
    def number(self):
        self.asked += 1
        return str(self.asked)

    @line(r"BLOCK\?")
    def block(self):
        return b"#218" + bytes(range(18)) + b"\n"

    @line(r"HALF\?")
    def half(self):
        return b"half"

    @line(r"LATE\?")
    def late(self):
        self.asked += 1
        answer = f"{self.asked} at last\n".encode()
        return Later(self.time.now_ns() + 300_000_000, lambda: answer)

    def status(self, session):
        return 0x10 * session.has_output


@contextmanager
def recording(recorder, instruments=INSTRUMENTS):
    time = VirtualTime()
    device = Teller("teller", time, {})
    ports = {address: device.port(kind) for kind, address in ADDRESSES.items()}
    with closing(pyvisa.ResourceManager(SimulatedVisaLibrary(ports, time))) as bench:
        library = RecordingVisaLibrary(bench.visalib, instruments, recorder)
        with closing(pyvisa.ResourceManager(library)) as manager:
            yield manager


def replaying(journal, instruments=INSTRUMENTS):
    return closing(pyvisa.ResourceManager(ReplayVisaLibrary(instruments, journal)))


def opened(manager, kind, **options):
    ends = {"read_termination": "\n", "write_termination": "\n", "timeout": 200}
    return manager.open_resource(ADDRESSES[kind], **(ends | options))


def told(call, *arguments):
    """Return what a call gave, or what it raised, in a form that can be compared."""
    try:
        return call(*arguments)
    except VisaIOError as error:
        return error.abbreviation
    except (NotImplementedError, ValueError, UserWarning) as error:
        return repr(error)


NAMES = [
    ResourceAttribute.asrl_avalaible_number,
    ResourceAttribute.gpib_primary_address,
    ResourceAttribute.interface_type,
    ResourceAttribute.resource_lock_state,
    ResourceAttribute.resource_name,
    ResourceAttribute.termchar,
    ResourceAttribute.timeout_value,
]
SETTINGS = st.one_of(
    st.tuples(st.just(ResourceAttribute.timeout_value), st.sampled_from([0, 1, 100, 900, -1])),
    st.tuples(st.just(ResourceAttribute.termchar), st.sampled_from([10, ord("1"), 300])),
    st.tuples(st.just(ResourceAttribute.termchar_enabled), st.booleans()),
    st.tuples(st.just(ResourceAttribute.asrl_end_in), st.sampled_from([0, 2])),
    st.tuples(st.just(ResourceAttribute.asrl_baud_rate), st.sampled_from([300, 9600])),
    st.tuples(st.just(ResourceAttribute.suppress_end_enabled), st.booleans()),
    st.tuples(st.just(ResourceAttribute.gpib_primary_address), st.just(3)),
)
CALL = st.one_of(
    st.tuples(
        st.just("write"), st.sampled_from([b"N?\n", b"BLOCK?\n", b"HALF?\n", b"LATE?\n", b"N", b""])
    ),
    st.tuples(st.just("read"), st.integers(0, 25)),
    st.tuples(st.just("read_raw"), st.sampled_from([1, 5, 25, 20480])),
    st.sampled_from([("read_stb",), ("clear",), ("assert_trigger",), ("unlock",), ("reopen",)]),
    st.tuples(st.just("get_visa_attribute"), st.sampled_from(NAMES)),
    SETTINGS.map(lambda pair: ("set_visa_attribute", *pair)),
    st.tuples(st.just("flush"), st.sampled_from([BufferOperation.discard_read_buffer])),
    st.sampled_from([("lock_excl", 5), ("lock", 5, "key"), ("query", "N?")]),
    st.tuples(st.just("read_bytes"), st.integers(0, 25)),
)


def talk(manager, kind, script):
    """Make calls on two sessions of one device and return all that they say."""
    lines = [opened(manager, kind), opened(manager, kind)]
    said = []
    for second, (name, *arguments) in script:
        unit = lines[second]
        library, session = unit.visalib, unit.session
        with unit.ignore_warning(*unit.visalib.issue_warning_on):
            if name == "reopen":
                unit.close()
                lines[second] = opened(manager, kind)
                continue
            if name in ("read", "write"):
                said.append(told(getattr(library, name), session, *arguments))
            else:
                said.append(told(getattr(unit, name), *arguments))
            said.append(unit.last_status)
    for unit in lines:
        unit.close()
    return said


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(sorted(ADDRESSES)), st.lists(st.tuples(st.booleans(), CALL), max_size=25))
def test_any_calls_are_answered_as_in_the_run(kind, script):
    run = MemoryRun()
    with recording(run) as manager:
        said = talk(manager, kind, script)
    journal = run.journal()
    with replaying(journal) as manager:
        assert talk(manager, kind, script) == said
    assert journal.unused(frozenset()) is None


MESSAGES = {b"N?\n": 2, b"BLOCK?\n": 23, b"LATE?\n": 10}
SIZES = st.lists(st.integers(1, 30), min_size=1, max_size=5)


def read_in(manager, kind, asked, sizes):
    """Read the answers, each in reads of the given sizes, and return them."""
    answers = []
    with (
        opened(manager, kind, timeout=2000) as unit,
        unit.ignore_warning(StatusCode.success_max_count_read),
    ):
        if kind == "gpib":
            unit.read_termination = None  # the end of a message is marked
        for question in asked:
            unit.write_raw(question)
            answer, at = b"", 0
            while len(answer) < MESSAGES[question]:
                answer += unit.visalib.read(unit.session, sizes[at % len(sizes)])[0]
                at += 1
            answers.append(answer)
    return answers


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(ADDRESSES)),
    st.lists(st.sampled_from(sorted(MESSAGES)), max_size=4),
    SIZES,
    SIZES,
)
def test_reads_of_any_size_make_up_the_same_messages(kind, asked, sizes, others):
    run = MemoryRun()
    with recording(run) as manager:
        answers = read_in(manager, kind, asked, sizes)
    journal = run.journal()
    with replaying(journal) as manager:
        assert read_in(manager, kind, asked, others) == answers
    assert journal.unused(frozenset()) is None


def test_end_marks_in_other_chunks():
    run = MemoryRun()
    with recording(run) as manager, opened(manager, "gpib", read_termination=None) as unit:
        unit.write("BLOCK?")
        unit.read_raw(4)
    more, end = StatusCode.success_max_count_read, StatusCode.success
    with replaying(run.journal()) as manager:
        unit = opened(manager, "gpib", read_termination=None)
        unit.write("BLOCK?")
        with unit.ignore_warning(more):
            reads = [unit.visalib.read(unit.session, size) for size in (0, 3, 11, 9)]
        unit.close()
    block = b"#218" + bytes(range(18)) + b"\n"
    assert reads == [(b"", more), (block[:3], more), (block[3:14], more), (block[14:], end)]


def test_a_read_that_stops_at_a_character_in_other_chunks():
    def answers(manager, size):
        with opened(manager, "socket") as unit:
            unit.write("BLOCK?")
            return unit.read_raw(size), unit.last_status, unit.read_raw(size), unit.last_status

    run = MemoryRun()
    with recording(run) as manager:
        said = answers(manager, 4)
    stopped = StatusCode.success_termination_character_read
    assert said == (b"#218" + bytes(range(11)), stopped, bytes(range(11, 18)) + b"\n", stopped)
    with replaying(run.journal()) as manager:
        assert answers(manager, 100) == said


def test_time_outs_in_other_chunks_and_what_had_come():
    def half(manager, size):
        with opened(manager, "serial") as unit:
            unit.write("HALF?")
            found = told(unit.read_raw, size)
            unit.clear()
            return found, unit.query("N?")

    run = MemoryRun()
    with recording(run) as manager:
        assert half(manager, 3) == ("VI_ERROR_TMO", "1")
    for size in (1, 2, 9):
        with replaying(run.journal()) as manager:
            assert half(manager, size) == ("VI_ERROR_TMO", "1")


def test_bytes_that_newer_code_leaves_unread_are_a_divergence():
    run = MemoryRun()
    with recording(run) as manager, opened(manager, "socket") as unit:
        unit.write("BLOCK?")
        unit.read_bytes(23)
        unit.write("N?")
        unit.read()
    with replaying(run.journal()) as manager, opened(manager, "socket") as unit:
        unit.write("BLOCK?")
        unit.read_bytes(11)
        with pytest.raises(DivergenceError, match="expected 4 bytes more to be read, got sends"):
            unit.write("N?")


@pytest.fixture
def small():
    """Return a short run: a question on a GPIB session."""
    run = MemoryRun()
    with recording(run) as manager, opened(manager, "gpib") as unit:
        unit.query("N?")
        unit.read_stb()
    return run


def test_a_divergence_stands_and_closing_is_silent(small, caplog):
    journal = small.journal()
    with replaying(journal) as manager:
        with opened(manager, "gpib") as unit, pytest.raises(DivergenceError) as first:
            unit.write("M?")
        assert unit.visalib.last_status == StatusCode.success
        with pytest.raises(DivergenceError) as second:
            opened(manager, "serial")
    assert second.value is first.value is journal.stopped
    found = journal.stopped.divergence
    assert (found.source, found.exchange) == ("gpib", 4)
    assert (found.expected, found.got) == (r"b'N?\n'", r"b'M?\n'")
    assert not caplog.records


@pytest.mark.parametrize(
    ("call", "expected", "got"),
    [
        (lambda unit: unit.read_stb(), r"write b'N\?\\n'", "polls the status byte"),
        (lambda unit: unit.clear(), r"write b'N\?\\n'", "calls clear"),
        (lambda unit: unit.read_raw(), r"write b'N\?\\n'", "reads"),
        (lambda unit: unit.timeout, r"write b'N\?\\n'", r"b'VI_ATTR_TMO_VALUE\?'"),
        (lambda unit: unit.close(), r"write b'N\?\\n'", "closes the session"),
    ],
)
def test_another_call_diverges(small, call, expected, got):
    with replaying(small.journal()) as manager:
        unit = opened(manager, "gpib")
        with pytest.raises(DivergenceError, match=f"expected {expected}, got {got}"):
            call(unit)


def test_another_attribute_diverges():
    run = MemoryRun()
    with recording(run) as manager, opened(manager, "serial") as unit:
        unit.write("N?")
        assert unit.bytes_in_buffer == 0
    with replaying(run.journal()) as manager, opened(manager, "serial") as unit:
        unit.write("N?")
        with pytest.raises(DivergenceError, match=r"AVAIL_NUM\? 0', got b'VI_ATTR_ASRL_BAUD\?'"):
            _ = unit.baud_rate


def test_another_question_that_would_be_refused_diverges():
    run = MemoryRun()
    with recording(run) as manager, opened(manager, "serial") as unit:
        name = ResourceAttribute.gpib_primary_address
        assert told(unit.get_visa_attribute, name) == "VI_ERROR_NSUP_ATTR"
    with replaying(run.journal()) as manager:
        unit = opened(manager, "serial")
        with pytest.raises(DivergenceError, match=r"PRIMARY_ADDR\?', got b'VI_ATTR_GPIB_SECOND"):
            unit.get_visa_attribute(ResourceAttribute.gpib_secondary_address)


def test_secret_bytes_are_not_shown():
    run = MemoryRun(secret=["gpib"])
    with recording(run) as manager, opened(manager, "gpib") as unit:
        unit.write("N?")
    with (
        replaying(run.journal()) as manager,
        opened(manager, "gpib") as unit,
        pytest.raises(DivergenceError) as caught,
    ):
        unit.write("M?")
    assert "N?" not in str(caught.value)
    assert "M?" not in str(caught.value)
    assert "3 secret bytes" in str(caught.value)


def test_the_end_of_an_interrupted_run_is_no_divergence(small):
    cut = MemoryRun()
    for row, data in zip(small.index[:-4], small.payloads, strict=False):
        cut.record(
            "gpib",
            row["kind"],
            data,
            session=row["session"],
            requested=row["requested"],
            status=row["status"],
        )
    with replaying(cut.journal(ended=False)) as manager:
        unit = opened(manager, "gpib")
        with pytest.raises(JournalEndError):
            unit.query("N?")


@pytest.mark.parametrize("exchange", range(3))
def test_a_run_stopped_by_hand_stops_there_again(exchange):
    def script(manager):
        with opened(manager, "gpib") as unit:
            for nth in range(4):
                asked.append(nth)
                unit.query("N?")

    run, flag, asked = MemoryRun(), AbortFlag(), []
    tap = Tap(flag)

    class Impatient:
        def record(self, source, kind, *rest, **more):
            if kind is Kind.READ and len(asked) > exchange:
                flag.request("SIGINT")
            tap.record(source, kind, *rest, **more)

    tap.attach(run)
    with recording(Impatient()) as manager, pytest.raises(RunAbortedError):
        script(manager)
    assert asked == list(range(exchange + 1))
    asked.clear()
    journal = run.journal()
    with replaying(journal) as manager, pytest.raises(RunAbortedError, match="SIGINT"):
        script(manager)
    assert asked == list(range(exchange + 1))
    assert journal.unused(frozenset()) is None


def test_what_was_refused_is_refused_again():
    def script(manager):
        with pytest.raises(NoConnectionError, match="no instrument of the station"):
            manager.open_resource("GPIB::9::INSTR")
        said = [manager.list_resources("?*")]
        with opened(manager, "gpib", open_timeout=0) as first:
            bare, code = manager.open_bare_resource(ADDRESSES["serial"])
            said += [code, manager.visalib.get_last_status_in_session(bare)]
            first.lock_excl()
            said.append(told(manager.open_bare_resource, ADDRESSES["gpib"], 1))
            said.append(told(first.read_stb))
        session = 999_999
        library = manager.visalib
        for call in (library.read_stb, library.clear, library.close):
            said.append(told(call, session))
        said.append(library.status_description(manager.session, StatusCode.error_timeout))
        return said

    run = MemoryRun()
    with recording(run) as manager:
        said = script(manager)
    assert said[1:6] == [0, 0, "VI_ERROR_TMO", 0, "VI_ERROR_INV_OBJECT"]
    with replaying(run.journal()) as manager:
        assert script(manager) == said


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [
        (Kind.ATTRIBUTE, b"", Status.OK),
        (Kind.ATTRIBUTE, b"VI_ATTR_TMO_VALUE? " + b"[" * 50_000, Status.OK),
        (Kind.ATTRIBUTE, b"VI_ATTR_TMO_VALUE? \xff", Status.OK),
        (Kind.ATTRIBUTE, b"VI_ATTR_TMO_VALUE?", Status.REFUSED),
        (Kind.ATTRIBUTE, b"VI_ATTR_TMO_VALUE?", Status.LOST),
        (Kind.STATUS, b"", Status.OK),
        (Kind.STATUS, b"\xff\xff\xff", Status.AVAILABLE),
        (Kind.READ, b"more than was asked for", Status.AVAILABLE),
        (Kind.READ, b"", Status.REFUSED),
        (Kind.WRITE, b"", Status.ERROR),
    ],
)
def test_forged_records_end_in_an_error_or_a_value(kind, data, status):
    run = MemoryRun()
    run.record("gpib", Kind.OPEN, session=65536)
    run.record("gpib", kind, data, session=65536, requested=5, status=status)
    run.record("gpib", Kind.LOG, b"\xff\x00 9", session=65536)
    calls = {
        Kind.ATTRIBUTE: ("get_visa_attribute", ResourceAttribute.timeout_value),
        Kind.STATUS: ("read_stb",),
        Kind.READ: ("read_raw", 5),
        Kind.WRITE: ("write_raw", b"x"),
    }
    name, *arguments = calls[kind]
    with replaying(run.journal()) as manager:
        unit = manager.open_resource(ADDRESSES["gpib"])
        with pytest.raises((DriverError, DivergenceError)):
            getattr(unit, name)(*arguments)
        manager.visalib._journal.stopped = JournalEndError("over")


def test_no_hardware_and_no_bench_is_loaded():
    code = (
        "import sys, qlab.replay.visa_library as it; it.ReplayVisaLibrary({'GPIB::7': 'x'}, None);"
        "sys.exit(str({'serial', 'pyvisa_py', 'drivers.simulated', 'usb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"
