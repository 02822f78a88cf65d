from drivers.simulated.scpi import Boolean, Choice, Number, ScpiDevice, Setting
from drivers.simulated.session import Session
from drivers.simulated.time import VirtualTime


class Generator(ScpiDevice):
    connectors = ("usb", "socket", "serial")
    model = "G1"

    frequency = Setting("[SOURce[1|2]]:FREQuency[:CW]", Number("HZ", 1.0, 1e6, 1e3))
    shape = Setting("[SOURce[1|2]]:FUNCtion", Choice("SINusoid", "SQUare"))
    output = Setting("OUTPut:STATe", Boolean())


def ask(session: Session, time: VirtualTime, message: bytes) -> bytes:
    time.wait_until(session.write(message, True))
    ready_ns = session.ready_at(1 << 20)
    assert ready_ns is not None
    time.wait_until(ready_ns)
    return session.read(1 << 20).data


def test_settings_are_kept_by_suffix_and_reported() -> None:
    time = VirtualTime()
    session = Generator("gen", time, {}).port("usb").open()
    assert ask(session, time, b"*IDN?\n") == b"qlab,G1,SIM00001,1.0\n"
    assert (
        ask(session, time, b"FREQ 2kHz;FREQ?;:SOURce2:FREQ?")
        == b"+2.00000000E+03;+1.00000000E+03\n"
    )
    session.write(b"SOUR3:FREQ 1\n", True)
    assert ask(session, time, b"SYST:ERR?\n") == b'-114,"Header suffix out of range"\n'
