"""The way to the safe state: it goes on after failures and ends in time."""

import signal
import threading
import time

import pytest

from drivers.core.context import Kind
from drivers.core.errors import ConnectionLostError, NoConnectionError
from qlab.station import Station
from qlab.station.safe import HANGS, walk


@pytest.fixture
def bright(small):
    """The small station with light on and little attenuation: not a safe state."""
    small.instrument("laser").tell("SOUR1:POW:STAT 1")
    small.instrument("attenuators").tell("INP1:ATT 1DB")
    small.instrument("attenuators").tell("INP3:ATT 2DB")
    return small


def state(station):
    laser = station.bench.devices["laser"]
    laser.faults.clear()
    station.bench.devices["attenuators"].faults.clear()
    first, second = station.role("attenuators")
    return station.role("laser").output, first.attenuation_db, second.attenuation_db


def test_everything_becomes_safe(bright):
    steps = bright.to_safe_state()
    assert [step.target for step in steps] == [entry.target for entry in bright.file.safe]
    assert all(step.done and step.cause is None for step in steps)
    assert state(bright) == (False, pytest.approx(40.0), pytest.approx(45.0))


def test_limits_and_interlocks_do_not_stand_in_the_way(small_file):
    """45 dB is above the limit of 3 dB; the station's own safe value goes before it."""
    change = ('"attenuators.channel1.attenuation_db" = { max = 40.0 }', "")
    other = ("[limits]", '[limits]\n"attenuators.channel3.attenuation_db" = { max = 3.0 }')
    more = ('channel1.attenuation_db", "max"', 'channel1.attenuation_db", 0.0')
    with Station(small_file(change, other, more), seed=1) as station:
        station.instrument("laser").tell("SOUR1:POW:STAT 1")
        assert all(step.done for step in station.to_safe_state())
        assert station.get("attenuators.channel3.attenuation_db") == pytest.approx(45.0)
        with pytest.raises(Exception, match="limit of 3"):
            station.set("attenuators.channel3.attenuation_db", 4.0)


def test_an_attenuator_really_attenuates_whatever_it_shows(bright):
    """An offset adds to what it shows, and power control moves the filter by itself."""
    unit = bright.instrument("attenuators")
    for command in ("INP1:OFFS 30DB", "INP3:OFFS -20DB", "OUTP3:POW:CONTR 1"):
        unit.tell(command)
    assert all(step.done for step in bright.to_safe_state())
    assert state(bright) == (False, pytest.approx(40.0), pytest.approx(45.0))
    for port in bright.role("attenuators"):
        assert (port.offset_db, port.power_control) == (0.0, False)


def test_instruments_that_were_never_opened_are_opened(small):
    assert all(step.done for step in small.to_safe_state())
    assert state(small) == (False, pytest.approx(40.0), pytest.approx(45.0))


def test_what_opening_learns_of_a_line_outlives_the_way(small_file):
    """The bias controller's replies end in <NL> here, which its driver finds out."""
    entry = """\
[instruments.bias]
driver = "thorlabs-mbx"
address = "ASRL3::INSTR"
timeout_s = 7.0

[roles]"""
    device = """\
[simulation.devices.bias]
terminals = { modulator = "bias" }

[simulation.devices.laser]"""
    change = ("[roles]", entry)
    other = ('["laser.channel1.output", false]', '["bias.mode", "off"]')
    more = ("[simulation.devices.laser]", device)
    with Station(small_file(change, other, more), seed=1) as station:
        assert all(step.done for step in station.to_safe_state())
        link = station.instrument("bias").link
        assert link.line.read_end == b"\n"
        assert link.line.timeout_s == link.transport.timeout_s == 7.0
        assert station.get("bias.mode") == "off"


@pytest.mark.parametrize("fault", ["silent", "garbage", "hang_up"])
def test_the_others_become_safe_when_one_fails(bright, fault):
    getattr(bright.bench.devices["laser"].faults, fault)(times=None)
    first, *others = bright.to_safe_state()
    assert not first.done
    assert first.error.startswith("laser")
    assert isinstance(first.cause, Exception)
    assert all(step.done for step in others)
    assert state(bright)[1:] == (pytest.approx(40.0), pytest.approx(45.0))


def test_an_error_reported_by_the_instrument_is_told(bright):
    bright.bench.devices["attenuators"].faults.report_error(-240, "Hardware error", matching="ATT")
    steps = bright.to_safe_state()
    assert [step.done for step in steps] == [True, False, True]
    assert "-240" in steps[1].error


def test_an_instrument_that_is_gone_for_good(bright):
    bright.bench.devices["laser"].faults.hang_up(for_good=True)
    first, *others = bright.to_safe_state()
    assert isinstance(first.cause, (ConnectionLostError, NoConnectionError))
    assert all(step.done for step in others)


def test_a_dropped_connection_is_opened_again(bright):
    bright.bench.devices["laser"].faults.hang_up()
    assert all(step.done for step in bright.to_safe_state())
    assert state(bright) == (False, pytest.approx(40.0), pytest.approx(45.0))


def test_what_an_interrupted_exchange_left_behind_is_dropped(bright):
    """A question without its answer, and an error that nobody has read."""
    bright.instrument("laser").link.write(b"OUTP1:STAT?")
    bright.instrument("attenuators").link.write(b"INP1:ATT 1e6DB")
    assert all(step.done for step in bright.to_safe_state())
    assert state(bright) == (False, pytest.approx(40.0), pytest.approx(45.0))


def test_patience_is_back_to_normal_afterwards(bright):
    link = bright.instrument("laser").link
    before = link.line
    bright.to_safe_state(deadline_s=0.6)
    assert link.line == before
    assert link.transport.timeout_s == before.timeout_s


class Journal:
    def __init__(self):
        self.records = []

    def record(self, source, kind, data=b"", *, session=0, requested=0, status=0):
        self.records.append((source, kind, bytes(data)))


def test_the_way_is_recorded(small_file):
    journal = Journal()
    with Station(small_file(), seed=1, recorder=journal) as station:
        station.to_safe_state()
    written = [(source, data) for source, kind, data in journal.records if kind == Kind.WRITE]
    off = next(n for n, (s, data) in enumerate(written) if s == "laser" and b":STAT 0" in data)
    dark = next(n for n, (s, data) in enumerate(written) if s == "attenuators" and b"40DB" in data)
    assert off < dark
    closed = [source for source, kind, _ in journal.records if kind == Kind.CLOSE]
    assert closed == ["attenuators", "laser"], "the last to be opened is the first to be closed"


def test_a_step_that_hangs_is_left_behind():
    release = threading.Event()
    taken = []

    def hang():
        release.wait(20.0)

    start = time.monotonic()
    given_up = []
    results = walk(
        [("a", 1, lambda: taken.append("a")), ("b", 2, hang), ("c", 3, lambda: taken.append("c"))],
        0.2,
        lambda target, thread: given_up.append((target, thread.is_alive())),
    )
    try:
        assert time.monotonic() - start < 5.0  # far below the 20 s that the step would take
        assert given_up == [("b", True)]
        assert [step.done for step in results] == [True, False, True]
        assert results[1].error == "not done within 0.2 s"
        assert results[1].cause is None
    finally:
        release.set()
    assert taken == ["a", "c"], "those after it are done"


def test_nothing_is_recorded_by_what_hangs_after_the_deadline(small_file):
    journal = Journal()
    release = threading.Event()
    station = Station(small_file(), seed=1, recorder=journal)
    station.open_all()
    link = station.instrument("laser").link
    held = link.transport

    class Stuck:
        address, timeout_s = held.address, held.timeout_s

        def write(self, data):
            release.wait(20.0)
            held.write(data)

        def clear(self):
            held.clear()

        def close(self):
            held.close()

    link._transport = Stuck()
    start = time.monotonic()
    steps = station.to_safe_state(deadline_s=0.2)
    station.close()
    assert time.monotonic() - start < 10.0  # far below the 20 s that the write would take
    assert [step.done for step in steps] == [False, True, True]
    assert [r[0] for r in journal.records if r[1] == Kind.CLOSE] == ["attenuators"]
    assert [r for r in journal.records if r[1] == Kind.ABORT] == [("laser", Kind.ABORT, HANGS)]
    before = len(journal.records)
    release.set()
    for thread in threading.enumerate():
        if thread.name == "safe state":
            thread.join(5.0)
    assert len(journal.records) == before


def test_every_error_of_a_step_is_kept():
    def fail():
        raise ZeroDivisionError("a driver's own mistake")

    results = walk([("a", 1, fail), ("b", 2, lambda: None)], 5.0)
    assert results[0].error == "a driver's own mistake"
    assert isinstance(results[0].cause, ZeroDivisionError)
    assert results[1].done


def test_a_second_interrupt_does_not_stop_the_way():
    done = []

    def interrupt():
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.02)
        done.append(1)

    before = signal.getsignal(signal.SIGINT)
    results = walk([("a", 1, interrupt), ("b", 2, interrupt)], 10.0)
    assert len(done) == len(results) == 2
    assert signal.getsignal(signal.SIGINT) is before
