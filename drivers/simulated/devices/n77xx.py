"""What the Keysight N77xx instruments have in common on the wire.

Keysight N77xx Series Programming Guide, N7744-90C01, edition 7: floats are
32-bit ones in three-digit exponent form (p. 20), answers end with CR LF and the
error queue holds 30 (pp. 16, 17).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from drivers.simulated.scpi import Choice, Number, Parameter, ScpiDevice, ScpiError, exponent, query
from drivers.simulated.scpi.messages import Token
from drivers.simulated.scpi.numbers import limit
from drivers.simulated.time import BenchTime

__all__ = [
    "LIGHT_SPEED",
    "POWER_UNIT",
    "N77xxDevice",
    "TooFar",
    "dbm_of_watt",
    "no_such_port",
    "single",
    "watt_of_dbm",
]

LIGHT_SPEED = 299792458.0
_FLOAT = exponent(8, 3)


def single(value: float) -> str:
    """Return a value as these instruments write it, with the digits of a 32-bit float."""
    return _FLOAT(float(np.float32(value)))


def watt_of_dbm(dbm: float) -> float:
    """Convert a power."""
    return float(1e-3 * 10.0 ** (dbm / 10.0))


def dbm_of_watt(watt: float) -> float:
    """Convert a power; darkness is -200 dBm, which no display undercuts."""
    return float(10.0 * np.log10(max(watt, 1e-23) / 1e-3))


class TooFar(Number):
    """A number whose limits are reported as these instruments do (p. 194)."""

    def read(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> float:
        """Return the number."""
        value = self._word(token, device, suffixes)
        if value is not None:
            return value
        value = self._decimal(token)
        slack = 1e-7 * abs(value)  # what the 32-bit floats of the limits round away
        if math.isinf(value):
            raise ScpiError(
                -222, f"Data out of range (StatParmToo{'Large' if value > 0 else 'Small'})"
            )
        if self.low is not None and value + slack < limit(self.low, device, suffixes):
            raise ScpiError(-222, "Data out of range (StatParmTooSmall)")
        if self.high is not None and value - slack > limit(self.high, device, suffixes):
            raise ScpiError(-222, "Data out of range (StatParmTooLarge)")
        return value


#: The unit of powers; 0 and 1 stand for the words.
POWER_UNIT: Parameter = Choice("DBM", "Watt", numbers={0: "DBM", 1: "W"})


class N77xxDevice(ScpiDevice):
    """An instrument of the N77xx series."""

    maker = "Keysight Technologies"
    connectors = ("usb", "lan", "socket", "gpib")
    error_depth = 30
    reply_end = b"\r\n"
    version = "1990.0"
    default_settings = {"serial_number": "DE49300071", "firmware": "V1.500"}

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._busy_until_ns: dict[int, int] = {}

    def begin(self, port: int, until_ns: int) -> None:
        """Let `port` be at work until a bench time."""
        self._busy_until_ns[port] = until_ns

    def at_work(self, port: int) -> bool:
        """Return whether `port` still does what it was told."""
        return self.t_ns < self._busy_until_ns.get(port, 0)

    @query("*OPC")
    def complete(self) -> str:
        """Return 1 if nothing is at work, 0 otherwise; this one does not wait (p. 24)."""
        return "0" if any(map(self.at_work, self._busy_until_ns)) else "1"

    @query("SLOT[1-8]:OPC")
    def port_complete(self, port: int) -> str:
        """Return 1 if a port has done what it was told, 0 otherwise (p. 82)."""
        return "0" if self.at_work(self.port_of(port)) else "1"

    @query("SLOT[1-8][:HEAD]:IDN")
    def port_identity(self, port: int) -> str:
        """Return what is in a port (p. 82)."""
        self.port_of(port)
        settings = self.settings
        fields = (self.maker, self.model, settings["serial_number"], settings["firmware"])
        return ", ".join(fields)

    def port_of(self, number: int) -> int:
        """Return the port that a number in a header means.

        Raises
        ------
        ScpiError
            -303 if there is none.
        """
        raise NotImplementedError


def no_such_port() -> ScpiError:
    """Return the error for a port that the instrument does not have (p. 195)."""
    return ScpiError(-303, "Module slot empty or slot / channel invalid")
