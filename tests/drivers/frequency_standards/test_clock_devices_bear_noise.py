"""No bytes on its serial line break a simulated clock, or keep it from answering after."""

from __future__ import annotations

import functools

import pytest
from driver_bench import joined
from hypothesis import given, settings
from hypothesis import strategies as st
from steered_oscillator import Steered

from drivers.core import DriverError, registry
from drivers.simulated.time import VirtualTime

SERIAL = "ASRL7::INSTR"
#: Registered names, and what brings the line into a known state after noise: the end of a
#: line, an escape, or what switches checksums off.
NAMES = {
    "microchip-5071a": b"\r\n",
    "microchip-sa45s": b"\x1b\r\n!Mc*2E\r\n",
    "microchip-sa5x": b"}",
    "srs-cg635": b"\n",
    "srs-fs725": b"\r",
    "srs-fs740": b"\n",
}
_ARGUMENTS = st.one_of(
    st.sampled_from(["", "0", "1", "-1", "1e9", "1e400", "nan", "inf", "ON", "OFF", "?", ",", "*"]),
    st.floats().map(repr),
    st.integers().map(str),
)


@functools.cache
def _noise(name):
    driver = registry.driver_class(name)
    forms = [p.command for p in driver.properties().values() if p.command]
    commands = st.builds(
        lambda form, value: form.format(channel=1, value=value).encode() + driver.line.write_end,
        st.sampled_from(forms),
        _ARGUMENTS,
    )
    return st.lists(st.one_of(commands, st.binary(max_size=30)), max_size=12)


@pytest.mark.parametrize("name", sorted(NAMES))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_noise_on_the_line(name, data):
    kind = registry.simulator_class(name)
    terminals = {t: Steered() for t in kind.terminal_names if t not in ("room", "pps_output")}
    device = kind("unit", VirtualTime(), terminals)
    session = device.port("serial").open()
    for message in (*data.draw(_noise(name)), NAMES[name]):
        device.time.wait_until(session.write(message, False) + 5 * 10**9)
        session.read(1 << 16)
    device.time.wait_until(device.time.now_ns() + 10 * 10**9)
    session.close()
    with joined(registry.driver_class(name), device, SERIAL) as unit:
        for prop, declared in type(unit).properties().items():
            if declared.query is not None:
                getattr(unit, prop)


class Says:
    """A transport on which every line gets the same reply, echoed and prompted if need be."""

    address, timeout_s = "WIRE", 1.0

    def __init__(self, line, reply):
        self.line, self.reply, self.sent = line, reply, b""

    def write(self, data):
        self.sent = bytes(data)

    def read_until(self, end):
        echo = self.sent if self.line.prompt else b""
        return echo + self.reply + end

    def clear(self):
        """There is nothing to drop."""

    def read_available(self, wait_s=0.0):
        return b""


@pytest.mark.parametrize("name", sorted(NAMES))
@settings(max_examples=30, deadline=None)
@given(reply=st.one_of(st.text().map(str.encode), st.binary(), _ARGUMENTS.map(str.encode)))
def test_a_reply_that_is_none_is_one_of_our_errors(name, reply):
    driver = registry.driver_class(name)
    unit = driver("unit", "WIRE", lambda address, line: Says(line, reply))
    unit.link.open()
    for prop, declared in driver.properties().items():
        if declared.query is not None:
            try:
                getattr(unit, prop)
            except DriverError as error:
                assert error.instrument == "unit"
                assert error.address == "WIRE"
