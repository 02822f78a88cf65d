import pytest
from simulated_examples import Generator, Rubidium, ask

from drivers.core.errors import MisuseError
from drivers.simulated.faults import Fault
from drivers.simulated.port import SessionLost
from drivers.simulated.time import VirtualTime


@pytest.fixture
def time():
    return VirtualTime()


@pytest.fixture
def device(time):
    return Generator("gen", time, {})


@pytest.fixture
def session(device):
    return device.port("usb").open()


def test_silence_for_some_exchanges(device, session, time):
    device.faults.silent(after=1, times=2)
    answers = [ask(session, time, b"FREQ?") for _ in range(4)]
    assert [bool(answer) for answer in answers] == [True, False, False, True]


def test_a_silent_device_does_nothing(device, session, time):
    device.faults.silent()
    session.write(b"FREQ 5", True)
    assert ask(session, time, b"FREQ?") == b""
    device.faults.clear()
    assert ask(session, time, b"FREQ?") == b"+1.00000000E+03\n"


def test_faults_wait_for_their_command_and_their_time(device, session, time):
    device.faults.silent(matching="^VOLT", at_s=2.0)
    assert ask(session, time, b"VOLT?")
    time.wait_until(2 * 10**9)
    assert ask(session, time, b"FREQ?")
    assert not ask(session, time, b"VOLT?")


def test_garbage_has_the_length_and_the_end_of_the_answer_and_repeats(time):
    def garbage(name):
        device = Generator(name, VirtualTime(), {})
        session = device.port("usb").open()
        device.faults.garbage()
        return ask(session, device.time, b"FREQ?"), ask(session, device.time, b"MEAS:VOLT?")

    first, measured = garbage("a")
    assert len(first) == len(measured) == len(b"+1.00000000E+03\n")
    assert first.endswith(b"\n")
    assert b"\n" not in first[:-1]
    assert first[:-1] != b"+1.00000000E+03"
    assert garbage("a") == (first, measured)
    assert garbage("b") != (first, measured)


def test_late_answers_come_later(device, session, time):
    device.faults.late(3.0, times=1)
    assert ask(session, time, b"FREQ?") == b"+1.00000000E+03\n"
    assert time.now_ns() == pytest.approx(3.001e9, rel=1e-4)
    assert ask(session, time, b"FREQ?")
    assert time.now_ns() == pytest.approx(3.002e9, rel=1e-4)


def test_hanging_up_once_breaks_the_session_but_not_the_device(device, session, time):
    other = device.port("usb").open()
    device.faults.hang_up(after=1)
    assert ask(session, time, b"FREQ?")
    session.write(b"FREQ?", True)
    with pytest.raises(SessionLost):
        session.ready_at()
    assert ask(other, time, b"FREQ?")
    assert ask(device.port("usb").open(), time, b"FREQ?")


def test_hanging_up_for_good_takes_the_device_away(device, session, time):
    other = device.port("gpib").open()
    device.faults.hang_up(for_good=True)
    session.write(b"FREQ?", True)
    for lost in (session, other):
        with pytest.raises(SessionLost):
            lost.write(b"FREQ?", True)
    with pytest.raises(SessionLost):
        device.port("usb").open()
    device.faults.clear()
    assert ask(device.port("usb").open(), time, b"FREQ?")


def test_an_error_instead_of_obedience(device, session, time):
    device.faults.report_error(-241, "Laser not found", matching="FREQ")
    session.write(b"FREQ 5", True)
    assert ask(session, time, b"SYST:ERR?") == b'-241,"Laser not found"\n'
    assert ask(session, time, b"FREQ?") == b"+1.00000000E+03\n"
    device.faults.report_error(-240)
    session.write(b"*WAI", True)
    assert ask(session, time, b"SYST:ERR?") == b'-240,"Hardware error"\n'


def test_several_faults_add_up(device, session, time):
    device.faults.late(1.0)
    device.faults.late(2.0)
    device.faults.garbage()
    assert ask(session, time, b"FREQ?") != b"+1.00000000E+03\n"
    assert time.now_ns() > 3 * 10**9


def test_faults_from_the_station_file(time):
    table = {"kind": "late", "seconds": 1.5, "matching": "FREQ", "times": 1}
    device = Generator("gen", time, {}, faults=[table])
    assert ask(device.port("usb").open(), time, b"FREQ?")
    assert time.now_ns() > 1.5e9
    assert Fault.from_table(table) == Fault("late", seconds=1.5, matching="FREQ", times=1)
    with pytest.raises(MisuseError, match="no 'kind'"):
        Fault.from_table({"seconds": 1.0})


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("silent", "no table"),
        (["silent"], "no table"),
        ({"kind": 3}, "no fault 3"),
        ({"kind": "silent", "after": "x"}, "after cannot be 'x'"),
        ({"kind": "silent", "after": -1}, "after cannot be -1"),
        ({"kind": "silent", "after": True}, "after cannot be True"),
        ({"kind": "silent", "times": 0}, "times cannot be 0"),
        ({"kind": "late", "seconds": float("nan")}, "seconds cannot be nan"),
        ({"kind": "late", "seconds": -1.0}, "seconds cannot be -1.0"),
        ({"kind": "error", "code": 1.5}, "code cannot be 1.5"),
        ({"kind": "hang_up", "for_good": 1}, "for_good cannot be 1"),
        ({"kind": "silent", "matching": 3}, "matching cannot be 3"),
    ],
)
def test_faults_that_make_no_sense(time, table, said):
    with pytest.raises(MisuseError, match=said):
        Generator("gen", time, {}, faults=[table])


def test_line_devices_have_the_same_switches(time):
    device = Rubidium("rb", time, {})
    session = device.port("serial").open()
    device.faults.silent(times=1)
    assert ask(session, time, b"SF?\r") == b""
    device.faults.report_error(5)
    assert ask(session, time, b"SF?\r") == b""  # it never prints errors
    device.faults.garbage(times=1)
    noise = ask(session, time, b"SF?\r")
    assert len(noise) == 2
    assert noise != b"0\r"
    assert ask(session, time, b"SF?\r") == b"0\r"
