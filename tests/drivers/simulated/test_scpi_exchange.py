"""The message exchange of SCPI devices at the ports, without any carrier."""

import re
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_examples import Generator, ask, collect

from drivers.core.errors import MisuseError
from drivers.simulated.port import SessionLost
from drivers.simulated.scpi import Later, Number, ScpiDevice, Setting, command, query
from drivers.simulated.time import VirtualTime


class Bench:
    def __init__(self, connector="usb", kind=Generator, **settings):
        self.time = VirtualTime()
        self.device = kind("gen", self.time, {}, **settings)
        self.session = self.device.port(connector).open()

    def write(self, message):
        self.time.wait_until(self.session.write(message, True))

    def ask(self, message):
        return ask(self.session, self.time, message).rstrip(b"\r\n")

    def errors(self):
        codes = []
        while code := int(self.ask(b"SYST:ERR?\n").split(b",")[0]):
            codes.append(code)
        return codes


@pytest.fixture
def bench():
    return Bench()


def test_identity_and_settings_of_the_station():
    bench = Bench(serial_number="MY123", firmware="2.0")
    assert bench.ask(b"*IDN?") == b"ACME,G2,MY123,2.0"
    assert bench.device.settings == {
        "serial_number": "MY123", "firmware": "2.0", "ports": 2, "rate": 1.5, "loud": False,
    }  # fmt: skip
    assert Bench(rate=2).device.settings["rate"] == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"serial": "x"}, "no setting 'serial'.*serial_number"),
        ({"ports": "two"}, "'ports' must be a int"),
        ({"loud": 1}, "'loud' must be a bool"),
        ({"rate": True}, "'rate' must be a float"),
        ({"faults": [{"kind": "lazy"}]}, "no fault 'lazy'"),
        ({"faults": [{"kind": "late", "secs": 1}]}, "unknown key 'secs'"),
        ({"faults": [{"kind": "late", "matching": "("}]}, "no pattern"),
    ],
)
def test_wrong_settings_are_named(settings, words):
    with pytest.raises(MisuseError, match=words):
        Bench(**settings)


def test_wrong_terminals_and_ports_are_named():
    with pytest.raises(MisuseError, match=r"no terminal 'out3'.*out1, out2"):
        Generator("gen", VirtualTime(), {"out3": None})
    with pytest.raises(MisuseError, match="no gpib port"):
        Bench("gpib", kind=type("Small", (Generator,), {"connectors": ("usb",)}))


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"FREQ?", b"+1.00000000E+03"),
        (b":SOURce2:FREQuency:CW?\n", b"+1.00000000E+03"),
        (b"freq 2 khz;freq?", b"+2.00000000E+03"),
        (b"SOUR2:FREQ 3;FREQ?;VOLT?", b"+3.00000000E+00;+0.000E+000"),
        (b"SOUR2:FREQ 3;:FREQ?", b"+1.00000000E+03"),
        (b"SOUR2:FREQ 3;*OPC?;FREQ?", b"1;+3.00000000E+00"),
        (b"FREQ? MAX;FREQ? min;FREQ? DEF", b"+3.00000000E+07;+1.00000000E-06;+1.00000000E+03"),
        (b"VOLT? MAX;:SOUR2:VOLT? MAX", b"+5.000E+000;+1.000E+001"),
        (b"VOLT 1.23456;VOLT?", b"+1.235E+000"),
        (b"FUNC SQU;FUNC?", b"SQU"),
        (b"FUNC square ;FUNC?", b"SQU"),
        (b"OUTP2:STAT ON;STAT?;:OUTP:STAT?", b"1;0"),
        (b'DISP:TEXT "a;b";TEXT?', b'"a;b"'),
        (b"OUTP:LOAD INF;LOAD?", b"+9.90000000E+37"),
        (b"SAMP:COUN 3.6;COUN?;COUN? MAX", b"4;1000000"),
        (b"SYST:VERS?", b"1999.0"),
        (b"*OPT?", b"0"),
        (b"*TST?", b"0"),
        (b"DATA #13a;b;DATA?", b"#13a;b"),
        (b"", b""),
        (b"  ;; ", b""),
    ],
)
def test_what_a_message_answers(bench, message, answer):
    assert bench.ask(message) == answer
    assert bench.errors() == []


@pytest.mark.parametrize(
    ("message", "codes"),
    [
        (b"FREQ", [-109]),
        (b"FREQ 1,2", [-108]),
        (b"*CLS 1", [-108]),
        (b"FREQ 1e9", [-222]),
        (b"SOUR3:FREQ 1", [-114]),
        (b"FREQ? 5", [-108]),
        (b"FREQ?1", [-111]),
        (b"FR$Q 1", [-101]),
        (b"*", [-102]),
        (b":", [-102]),
        (b"BOGUS", [-113]),
        (b"*IDN", [-113]),
        (b"*RST?", [-113]),
        (b"SAMP:COUN 0", [-222]),
        (b"OUTP:STAT MAYBE", [-224]),
        (b"DATA 5", [-128]),
        (b"DATA #15ab", [-161]),
        (b'DISP:TEXT "open', [-151]),
        (b"FREQ 1e9;VOLT 99;FUNC SIN", [-222, -222]),
        (b"FREQ 1e9;BOGUS;VOLT 99", [-222, -113]),
        (b"FREQ 1e9;FREQ 1", [-222]),
    ],
)
def test_errors_are_queued_in_order(bench, message, codes):
    bench.write(message)
    assert bench.errors() == codes


def test_an_execution_error_costs_its_command_a_command_error_the_rest(bench):
    assert bench.ask(b"FREQ 5;VOLT 99;FREQ?") == b"+5.00000000E+00"
    assert bench.ask(b"FREQ 6;FREQ?;BOGUS;FREQ 7") == b"+6.00000000E+00"
    assert bench.ask(b"FREQ?") == b"+6.00000000E+00"


def test_the_queue_overflows_with_minus_350(bench):
    for _ in range(9):
        bench.write(b"BOGUS")
    assert bench.ask(b"SYST:ERR:COUN?") == b"4"
    assert bench.errors() == [-113, -113, -113, -350]
    assert bench.ask(b"SYST:ERR:NEXT?") == b'+0,"No error"'


def test_event_status_and_enable_registers(bench):
    assert bench.ask(b"*ESR?") == b"128"  # power on
    bench.write(b"BOGUS;")
    bench.write(b"FREQ 1e9")
    assert bench.ask(b"*ESR?;*ESR?") == b"48;0"
    assert bench.ask(b"*ESE 60;*ESE?;*SRE 255;*SRE?") == b"60;191"
    bench.write(b"*ESE 256")
    assert bench.errors() == [-113, -222, -222]


def test_status_byte_at_each_step_of_a_query(bench):
    session, time = bench.session, bench.time
    bench.write(b"*CLS;*SRE 16")
    assert session.status_byte() == 0
    bench.write(b"FREQ?")
    assert session.status_byte() == 0  # the answer is not there yet
    time.wait_until(session.ready_at())
    assert session.status_byte() == 0x50  # message available, service requested
    assert session.status_byte() == 0x10  # the poll has answered the request
    assert session.read(100).end
    assert session.status_byte() == 0
    bench.write(b"BOGUS")
    assert session.status_byte() == 0x04  # error queue
    bench.write(b"*ESE 32")
    assert session.status_byte() == 0x24
    assert bench.ask(b"*STB?") == b"36"
    bench.write(b"*SRE 32")
    assert session.status_byte() == 0x64
    assert bench.ask(b"*STB?") == b"100"  # the master summary stays, other than the request
    assert session.status_byte() == 0x24
    bench.write(b"*CLS")
    assert session.status_byte() == 0


def test_operation_complete_in_its_three_ways(bench):
    bench.write(b"*CLS;*ESE 1;*SRE 32;INIT;*OPC")
    start_ns = bench.time.now_ns()
    assert bench.ask(b"*ESR?") == b"0"
    due_ns = bench.session.service_request_at()
    assert due_ns - start_ns == pytest.approx(2.5e9, rel=1e-6)
    bench.time.wait_until(due_ns)
    assert bench.session.status_byte() == 0x60
    assert bench.ask(b"*ESR?") == b"1"

    start_ns = bench.time.now_ns()
    assert bench.ask(b"INIT;*OPC?") == b"1"
    assert bench.time.now_ns() - start_ns == pytest.approx(2.5e9, rel=1e-2)

    start_ns = bench.time.now_ns()
    assert bench.ask(b"INIT;*WAI;FREQ?") == b"+1.00000000E+03"
    assert bench.time.now_ns() - start_ns == pytest.approx(2.5e9, rel=1e-2)

    start_ns = bench.time.now_ns()
    assert bench.ask(b"INIT;ABOR;*OPC?") == b"1"
    assert bench.time.now_ns() - start_ns < 10e6


def test_an_aborted_operation_is_complete_and_a_reset_forgets_the_wish_to_know(bench):
    bench.write(b"*CLS;INIT;*OPC;ABOR")
    assert bench.ask(b"*ESR?") == b"1"
    bench.write(b"INIT;*OPC;*RST")
    assert bench.ask(b"*OPC?;*ESR?") == b"1;0"


def test_a_reset_restores_every_setting_and_announces_it(bench):
    bench.write(b"FREQ 5;:SOUR2:FREQ 6;:FUNC SQU;:OUTP2:STAT 1")
    bench.device.retuned.clear()
    bench.write(b"*RST")
    assert bench.ask(b"FREQ?;:SOUR2:FREQ?;:FUNC?;:OUTP2:STAT?") == (
        b"+1.00000000E+03;+1.00000000E+03;SIN;0"
    )
    assert bench.device.retuned == [1, 2]


def test_settings_are_attributes_of_the_device(bench):
    bench.write(b"SOUR2:FREQ 5;:SAMP:COUN 7")
    assert bench.device.frequency == {1: 1e3, 2: 5.0}
    assert bench.device.count == 7
    bench.device.count = 9
    bench.device.frequency[1] = 2.0
    assert bench.ask(b"SAMP:COUN?;:FREQ?") == b"9;+2.00000000E+00"
    with pytest.raises(AttributeError, match=re.escape("frequency[suffix]")):
        bench.device.frequency = 1


def test_a_measurement_is_settled_when_its_time_comes(bench):
    bench.write(b"MEAS:VOLT? (@1)")
    assert next(bench.device.readings) == 1  # nothing has been measured at the command
    assert collect(bench.session, bench.time) == b"+2.00000000E+00\n"
    assert bench.time.now_ns() > 10**9


def test_measurements_in_one_message_follow_one_another(bench):
    assert (
        bench.ask(b"MEAS:VOLT?;VOLT?;:FREQ?") == b"+1.00000000E+00;+2.00000000E+00;+1.00000000E+03"
    )
    assert bench.time.now_ns() == pytest.approx(2e9, rel=0.01)


def test_an_answer_that_fails_when_due_is_an_error_and_no_answer(bench):
    bench.write(b"FETC?")
    assert collect(bench.session, bench.time) == b""
    assert bench.errors() == [-230, -420]  # the host read all the same


def test_a_slow_command_keeps_the_next_one_waiting(bench):
    bench.write(b"SOUR:SAVE")
    assert bench.ask(b"FREQ?") == b"+1.00000000E+03"
    assert bench.time.now_ns() == pytest.approx(251e6, rel=0.01)


def test_interrupted_a_new_message_drops_the_unread_answer(bench):
    bench.write(b"*IDN?")
    assert bench.ask(b"FREQ?") == b"+1.00000000E+03"
    assert bench.ask(b"*ESR?") == b"132"
    assert bench.errors() == [-410]


def test_interrupted_even_while_half_of_the_answer_is_read(bench):
    bench.write(b"*IDN?")
    bench.time.wait_until(bench.session.ready_at())
    assert not bench.session.read(4).end
    assert bench.ask(b"FREQ?") == b"+1.00000000E+03"
    assert bench.errors() == [-410]


def test_unterminated_a_read_without_a_question(bench):
    assert bench.session.ready_at() is None
    assert bench.session.read(10).data == b""
    assert bench.errors() == [-420]
    bench.session.write(b"FRE", False)
    assert bench.session.read(10).data == b""
    assert bench.errors() == [-420]
    assert bench.ask(b"FREQ?") == b"+1.00000000E+03"  # the half message is forgotten


def test_deadlocked_more_answers_than_the_output_holds():
    kind = type("Small", (Generator,), {"output_limit": 20})
    bench = Bench(kind=kind)
    bench.write(b"FREQ?;FREQ?;FREQ 5;FREQ?")
    assert bench.session.ready_at() is None
    assert bench.errors() == [-430]
    assert bench.ask(b"FREQ?") == b"+5.00000000E+00"


def test_nothing_may_be_asked_after_an_indefinite_answer(bench):
    assert bench.ask(b"*IDN?;FREQ?;FREQ 5") == b"ACME,G2,SN1,1.0"
    assert bench.errors() == [-440]
    assert bench.ask(b"FREQ?;*IDN?") == b"+5.00000000E+00;ACME,G2,SN1,1.0"


def test_streams_know_no_protocol_errors():
    bench = Bench("socket")
    bench.write(b"FREQ?\nFREQ 5\nFREQ?\n")
    assert collect(bench.session, bench.time) == b"+1.00000000E+03\n+5.00000000E+00\n"
    assert bench.session.read(10).data == b""
    assert bench.errors() == []


def test_a_line_end_closes_a_message_on_message_based_ports_too(bench):
    bench.write(b"FREQ 5\nFREQ 6\nFREQ?\n")
    assert collect(bench.session, bench.time) == b"+6.00000000E+00\n"
    bench.session.write(b"FREQ 7\nFRE", False)
    bench.session.write(b"Q?", True)
    assert collect(bench.session, bench.time) == b"+7.00000000E+00\n"
    assert bench.errors() == []


def test_sessions_have_buffers_of_their_own_and_share_the_device():
    bench = Bench()
    other = bench.device.port("gpib").open()
    bench.write(b"FREQ?")
    other.write(b"FREQ 5;", True)
    other.write(b"FREQ?", True)
    assert collect(bench.session, bench.time) == b"+1.00000000E+03\n"
    assert collect(other, bench.time) == b"+5.00000000E+00\n"
    other.write(b"FRE", False)
    other.clear()
    assert ask(other, bench.time, b"FREQ?") == b"+5.00000000E+00\n"
    assert bench.errors() == []
    other.close()
    other.close()
    assert bench.device.sessions == [bench.session]


def test_device_clear_forgets_input_and_output(bench):
    bench.write(b"*IDN?")
    bench.session.write(b"FRE", False)
    bench.session.clear()
    assert bench.ask(b"FREQ?") == b"+1.00000000E+03"
    assert bench.errors() == [-410]


def test_triggers_by_command_and_by_bus(bench):
    bench.write(b"*TRG")
    bench.session.trigger()
    assert bench.device.triggers == 2
    plain = Bench(kind=type("Plain", (ScpiDevice,), {"connectors": ("usb",)}))
    plain.session.trigger()
    plain.write(b"*TRG")
    assert plain.errors() == [-211, -211]


def test_points_as_numbers_or_as_a_block(bench):
    bench.write(b"DATA:POIN wave, 0.5, -250 mV,1")
    assert bench.device.points == [0.5, -0.25, 1.0]
    bench.write(b"DATA:POIN wave,#14\n;,a")
    assert bench.device.points == [10, 59, 44, 97]
    bench.write(b"DATA:POIN wave")
    assert bench.errors() == [-109]


@pytest.mark.parametrize("connector", ["usb", "socket", "serial"])
@pytest.mark.parametrize("size", [0, 1, 999, 65537])
def test_blocks_go_both_ways_whatever_is_in_them(connector, size):
    bench = Bench(connector)
    payload = bytes(range(256)) * (size // 256 + 1)
    payload = payload[:size]
    header = f"DATA #{len(str(size))}{size}".encode()
    message = header + payload + b"\n"
    for start in range(0, len(message), 7000):
        piece = message[start : start + 7000]
        bench.time.wait_until(bench.session.write(piece, start + 7000 >= len(message)))
    assert bench.device.memory == payload
    answer = ask(bench.session, bench.time, b"DATA?\n")
    end = b"\r\n" if connector == "serial" else b"\n"
    assert answer == header[5:] + payload + end


def test_block_of_unknown_length_needs_the_end_mark():
    bench = Bench()
    bench.write(b"DATA #0ab\ncd\n")
    assert bench.device.memory == b"ab\ncd"
    bench.session.write(b"DATA #0x\n", False)
    bench.write(b"y\n")
    assert bench.device.memory == b"x\ny"


def test_input_is_bounded():
    bench = Bench("socket", kind=type("Small", (Generator,), {"input_limit": 1000}))
    for _ in range(3):
        bench.write(b"x" * 500)
    bench.write(b"BOGUS\n")
    assert bench.errors() == [-363, -113]


@pytest.mark.parametrize("question", [b"FREQ?\n", b"MEAS:VOLT?\n"])
def test_a_host_that_asks_on_and_never_reads_is_cut_off(monkeypatch, question):
    monkeypatch.setattr("drivers.simulated.session.OUTPUT_LIMIT", 1000)
    bench = Bench("socket")
    bench.session.write(question * 100, False)
    bench.time.wait_until(10**12)
    with pytest.raises(SessionLost):
        bench.session.waiting()
    with pytest.raises(SessionLost):
        bench.session.write(question, False)


def test_transfer_takes_its_time():
    bench = Bench("gpib")
    start_ns = bench.time.now_ns()
    taken_ns = bench.session.write(b"DATA #7%d" % 10**6 + bytes(10**6), True)
    assert taken_ns - start_ns == pytest.approx(1e9, rel=1e-4)  # 1 MB/s


def test_answers_wait_for_the_bus_and_for_each_other():
    bench = Bench("socket")
    bench.device.memory = bytes(10**6)
    bench.write(b"DATA?\nFREQ?\n")
    asked_ns = bench.time.now_ns()
    assert bench.session.ready_at(10**6) - asked_ns == pytest.approx(0.1e9, rel=0.05)
    assert bench.session.ready_at(2 * 10**6) > bench.session.ready_at(10**6)
    bench = Bench("gpib", kind=Late)
    bench.write(b"READ?")
    bench.time.wait_until(2 * 10**9)
    assert bench.session.ready_at() - 10**9 == pytest.approx(1e9, rel=0.01)  # 1 MB at 1 MB/s


class Late(ScpiDevice):
    connectors = ("gpib",)

    @query("READ?")
    def read(self):
        return Later(10**9, lambda: bytes(10**6))


def test_the_state_is_brought_up_to_a_time_that_never_goes_back():
    class Clocked(Generator):
        times: ClassVar = []

        def advance(self, t_ns):
            self.times.append(t_ns)

    bench = Bench(kind=Clocked)
    bench.write(b"SOUR:SAVE")
    bench.write(b"FREQ 5")
    bench.session.status_byte()
    bench.time.wait_until(10**9)
    bench.session.status_byte()
    times = bench.device.times
    assert times == sorted(times)
    assert times[-1] == 10**9
    assert times[-2] > 250 * 10**6


def test_serial_answers_come_byte_by_byte():
    bench = Bench("serial")
    arrival_ns = bench.session.write(b"FREQ?\n", True)
    assert arrival_ns == 6 * 10 * 10**9 // 9600
    first_ns = bench.session.ready_at(1)
    last_ns = bench.session.ready_at(100)
    byte_ns = 10 * 10**9 / 9600
    assert first_ns == pytest.approx(arrival_ns + 10**6 + byte_ns, abs=2)
    assert last_ns - first_ns == pytest.approx(16 * byte_ns, abs=2)
    bench.time.wait_until(first_ns + round(3.5 * byte_ns))
    assert bench.session.waiting() == 4
    assert bench.session.read(100).data == b"+1.0"
    bench.time.wait_until(bench.session.ready_at(100, b"E"))
    assert bench.session.read(100, b"E").data == b"0000000E"


def test_echo_and_prompt_on_the_serial_line():
    from drivers.simulated.device import SerialLine

    kind = type("Caesium", (Generator,), {"serial": SerialLine(echo=True, prompt=b"scpi > ")})
    bench = Bench("serial", kind=kind)
    assert ask(bench.session, bench.time, b"FREQ?\r\n") == (b"FREQ?\r\n+1.00000000E+03\r\nscpi > ")
    assert ask(bench.session, bench.time, b"FREQ 5\r\n") == b"FREQ 5\r\nscpi > "


def test_a_subclass_overrides_declares_anew_and_takes_out():
    class Revised(Generator):
        absent = ("SYSTem:ERRor:COUNt?", "*TRG")

        def option_list(self):
            return "A,B"

        @query("SYSTem:VERSion")
        def other_version(self):
            return "1990.0"

    bench = Bench(kind=Revised)
    assert bench.ask(b"SYST:VERS?;*OPT?") == b"1990.0;A,B"
    bench.write(b"SYST:ERR:COUN?")
    bench.write(b"*TRG")
    assert bench.errors() == [-113, -113]
    assert Bench().ask(b"SYST:ERR:COUN?") == b"0"


def test_a_setting_may_be_checked_before_it_changes():
    class Careful(ScpiDevice):
        connectors = ("usb",)
        low = Setting("LOW", Number(default=1), check="not_above_high")
        high = Setting("HIGH", Number(default=2), read_only=True)

        def not_above_high(self, value):
            from drivers.simulated.scpi import ScpiError

            if value > self.high:
                raise ScpiError(-221, "low above high")

    bench = Bench(kind=Careful)
    bench.write(b"LOW 3")
    assert bench.ask(b"SYST:ERR?") == b'-221,"low above high"'
    assert bench.ask(b"LOW?") == b"+1.00000000E+00"
    bench.write(b"HIGH 3")
    assert bench.errors() == [-113]


def test_an_error_may_be_said_at_once():
    class Rude(ScpiDevice):
        connectors = ("usb", "serial")

        def complain(self, error):
            return b"Command Error\r\n"

    bench = Bench("serial", kind=Rude)
    assert bench.ask(b"BOGUS\n") == b"Command Error"


def test_an_error_format_of_its_own():
    kind = type("Santec", (Generator,), {"error_format": "{code:d},{text}"})
    assert Bench(kind=kind).ask(b"SYST:ERR?") == b'0,"No error"'


def test_declarations_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="header pattern"):
        command("SOUR[e")
    with pytest.raises(ValueError, match="FREQ is short for both"):

        class Wrong(Generator):
            other = Setting("[SOURce]:FREQuently", Number())


HEADERS = [
    "FREQ",
    "SOUR2:FREQ?",
    "*RST",
    "*OPC?",
    "DATA",
    "DATA?",
    "DISP:TEXT",
    "FUNC",
    "X",
    "MEAS:VOLT?",
]
WILD = st.one_of(
    st.binary(max_size=40),
    st.lists(
        st.tuples(st.sampled_from(HEADERS), st.binary(max_size=12)).map(
            lambda unit: unit[0].encode() + b" " + unit[1]
        ),
        max_size=4,
    ).map(b";".join),
)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(WILD, st.booleans()), max_size=6),
    st.sampled_from(["usb", "socket", "serial"]),
)
def test_no_bytes_crash_or_hang_a_device(writes, connector):
    bench = Bench(connector)
    for data, end in writes:
        bench.session.write(data, end)
        collect(bench.session, bench.time)
        bench.session.status_byte()
    bench.session.clear()
    bench.session.write(b"\n", True)
    assert bench.ask(b"*OPC?\n").endswith(b"1")


@given(st.sampled_from(["", ":"]), st.sampled_from([1, 2]), st.floats(1e-6, 30e6))
def test_a_set_value_is_read_back(colon, channel, hertz):
    bench = Bench()
    bench.write(f"{colon}SOUR{channel}:FREQ {hertz!r}".encode())
    assert float(bench.ask(b"SOUR%d:FREQ?" % channel)) == pytest.approx(hertz, rel=1e-8)
    assert bench.device.frequency[channel] == hertz
