"""Thorlabs MBX modulator bias controllers.

Sources: Thorlabs, "Remote Control User Guide for the MX / MBX / TLX1 / TLX2
Series", TTN116413-D04 (below: guide), and PyMeasure's `ThorlabsMBXSeries`
(below: PyMeasure). They differ on two things, and this driver takes both: the
guide ends replies with <NL> (p. 4), PyMeasure reads up to <CR>; and the guide
lets every setting be answered by ``1`` or ``Err: ...`` (p. 5), where PyMeasure
reads no answer to most.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from drivers.core import (
    Choice,
    Coupling,
    Flag,
    Instrument,
    InstrumentFaultError,
    Integer,
    LineSettings,
    Link,
    Number,
    ResponseTimeoutError,
)
from drivers.core.declared import Endpoint
from drivers.core.reporting import ErrorReporting

__all__ = ["ThorlabsMBX"]

#: How long an answer to a setting is waited for, and how long a silence ends a reply.
_ANSWER_S = 0.3
_QUIET_S = 0.1


class _Acknowledged:
    """Settings are answered by ``1`` or ``Err: ...``, by some firmware not at all."""

    def forget(self, link: Link) -> None:
        """Drop whatever is left on the line."""
        link.read_available()

    def send(self, link: Link, command: str) -> None:
        """Send `command` and raise if the answer, where there is one, is not ``1``."""
        with link.lock:
            link.read_available()
            link.write(command.encode("ascii"))
            reply = _what_comes(link, _ANSWER_S).strip().decode("ascii", "replace")
        if reply not in ("", "1"):
            raise InstrumentFaultError(
                f"answered {reply[:60]!r} to {command[:80]!r}",
                command=command,
                reply=reply,
                instrument=link.name,
                address=link.address,
            )


class _Bias(Number):
    """The bias: read as it is, in volts; set as the voltage to hold, in millivolts."""

    def __set__(self, owner: Endpoint, value: float) -> None:
        super().__set__(owner, value)
        held = owner.ask("MZM:HOLD:VOLTAGE?").strip()
        if held != self.format(self.check(value)):
            raise InstrumentFaultError(
                f"{self.name} = {value:g}: the unit holds {held[:40]!r} mV",
                reply=held,
                instrument=owner.link.name,
                address=owner.link.address,
            )

    def format(self, value: float) -> str:
        """Write whole millivolts."""
        return f"{round(value * 1e3)}"


class ThorlabsMBX(Instrument):
    """A bias controller for a Mach-Zehnder modulator, with attenuator and case lighting.

    Satisfies `drivers.roles.BiasController`.
    """

    line = LineSettings(write_end=b"\r", read_end=b"\r", timeout_s=1.0, baud_rate=115200)
    reporting: ErrorReporting = _Acknowledged()
    identity_pattern = r"(?i).*(thorlabs|mbx).*"
    couplings: ClassVar = {
        "voa_attenuation_db": Coupling(
            true_while={"voa_output": True, "voa_mode": "attenuation", "voa_stable": True}
        )
    }

    mode = Choice(
        "MZM:MODE?",
        "MZM:MODE: {value}",
        choices={
            "off": "0",
            "peak": "1",
            "null": "2",
            "quad+": "3",
            "quad-": "4",
            "hold quad+": "5",
            "hold quad-": "6",
            "manual": "7",
            "ratio+": "8",
            "ratio-": "9",
        },
        doc="Operating point that is held.",
        page="PyMeasure",
        read_back=True,
    )
    calibrating = Flag(
        "MZM:CALIBRATING?", doc="Whether the bias is being calibrated.", page="PyMeasure"
    )
    stable = Flag("MZM:SETPOINT?", doc="Whether the operating point is held.", page="PyMeasure")
    bias_v = _Bias(
        "MZM:VOLTAGE?",
        "MZM:HOLD:VOLTAGE: {value}",
        low=-10,
        high=10,
        step=1e-3,
        unit="V",
        doc="Bias that is applied; what is set is held in mode manual.",
        page="PyMeasure",
    )
    hold_v = Number(
        "MZM:HOLD:VOLTAGE?",
        scale=1e-3,
        unit="V",
        doc="Bias that mode manual holds.",
        page="PyMeasure",
    )
    hold_ratio = Number(
        "MZM:HOLD:RATIO?",
        "MZM:HOLD:RATIO: {value}",
        low=2.5,
        high=100,
        step=0.01,
        scale=0.01,
        doc="Input to output power that the modes ratio+ and ratio- hold.",
        page="PyMeasure",
        read_back=True,
    )
    tap_w = Number(
        "MZM:TAP:MW?",
        scale=1e-3,
        unit="W",
        doc="Optical power behind the modulator.",
        page="PyMeasure",
    )

    voa_output = Flag(
        "VOA:POWER?",
        "VOA:POWER: {value}",
        doc="Whether the attenuator's loop runs; without it the loss is least.",
        page="guide p. 16",
        read_back=True,
    )
    voa_mode = Choice(
        "VOA:MODE?",
        "VOA:MODE: {value}",
        choices={"attenuation": "0", "power": "1"},
        doc="What the attenuator holds.",
        page="guide p. 15",
        read_back=True,
    )
    voa_attenuation_db = Number(
        "VOA:ATTEN?",
        "VOA:ATTEN: {value}",
        low=0.5,
        high=20,
        unit="dB",
        doc="Attenuation to hold.",
        page="guide p. 15, from 1 dB on; PyMeasure from 0.5 dB on",
        read_back=True,
    )
    voa_measured_db = Number(
        "VOA:MEASURED?", unit="dB", doc="Attenuation as measured.", page="guide p. 15"
    )
    voa_error_db = Number(
        "VOA:ERROR?", unit="dB", doc="Measured minus set attenuation.", page="guide p. 15"
    )
    voa_power_w = Number(
        "VOA:OUTPUT:MW?",
        "VOA:OUTPUT:MW: {value}",
        low=1e-5,
        high=0.1,
        scale=1e-3,
        unit="W",
        doc="Power behind the attenuator to hold.",
        page="guide p. 16",
        read_back=True,
    )
    voa_tap_w = Number(
        "VOA:TAP:MW?", scale=1e-3, unit="W", doc="Power behind the attenuator.", page="PyMeasure"
    )
    voa_stable = Flag(
        "VOA:SETPOINT?",
        doc="Whether the attenuation is within 0.1 dB of what is set.",
        page="guide p. 16",
    )

    light = Choice(
        "RGB:POWER?",
        "RGB:POWER: {value}",
        choices={"off": "0", "colour": "1", "white": "2"},
        doc="Lighting below the case.",
        page="PyMeasure",
        read_back=True,
    )
    light_red = Integer(
        "RGB:RED?",
        "RGB:RED: {value}",
        low=0,
        high=100,
        unit="%",
        doc="Brightness of red.",
        page="PyMeasure",
        read_back=True,
    )
    light_green = Integer(
        "RGB:GREEN?",
        "RGB:GREEN: {value}",
        low=0,
        high=100,
        unit="%",
        doc="Brightness of green.",
        page="PyMeasure",
        read_back=True,
    )
    light_blue = Integer(
        "RGB:BLUE?",
        "RGB:BLUE: {value}",
        low=0,
        high=100,
        unit="%",
        doc="Brightness of blue.",
        page="PyMeasure",
        read_back=True,
    )
    light_white = Integer(
        "RGB:WHITE?",
        "RGB:WHITE: {value}",
        low=0,
        high=100,
        unit="%",
        doc="Brightness of white.",
        page="PyMeasure",
        read_back=True,
    )

    def identify(self) -> str:
        """Return the identity, and learn from it whether replies end in <NL> or <CR>."""
        self.link.write(b"*IDN?")
        line = self.link.line  # the station's, which may differ from the driver's
        reply = _what_comes(self.link, line.timeout_s)
        if not reply:
            raise ResponseTimeoutError(
                "no answer to *IDN?",
                instrument=self.name,
                address=self.address,
                remedy="check that it is switched on, and its cable and settings",
            )
        end = b"\n" if reply.endswith(b"\n") else b"\r"
        self.link.line = replace(line, read_end=end)
        return reply.strip().decode("ascii", "replace")

    def calibrate(self) -> None:
        """Start a calibration of the bias, which takes seconds: see `calibrating`."""
        self.tell("MZM:RESET")


def _what_comes(link: Link, wait_s: float) -> bytes:
    """Read what comes within `wait_s`, up to the first silence."""
    reply = piece = link.read_available(wait_s)
    while piece and len(reply) < 1024:
        piece = link.read_available(_QUIET_S)
        reply += piece
    return reply
