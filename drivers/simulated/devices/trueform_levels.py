"""Amplitude, offset and load of a Trueform generator, which limit one another.

Keysight 33500-90901: subsystem introductions of VOLTage and OUTPut:LOAD. Levels
are kept as the instrument shows them, referred to the load it was told of.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drivers.simulated.scpi.errors import ScpiError
from drivers.simulated.scpi.messages import Token
from drivers.simulated.scpi.numbers import Number, limit
from drivers.simulated.scpi.parameters import Parameter

__all__ = ["Amplitude", "Clipped", "Levels", "divider"]

_SOURCE_OHM = 50.0
_PEAK_OPEN_V = 10.0
_SMALLEST_VPP = 1e-3  # into 50 ohm
#: Peak-to-peak over rms; of noise and records it depends on the samples.
_CREST = {"SIN": 2.0 * math.sqrt(2.0), "SQU": 2.0, "PULS": 2.0, "PRBS": 2.0}
_CREST_TRIANGLE = 2.0 * math.sqrt(3.0)
_AMPLITUDE = re.compile(r"([+-]?[\d.]+(?:E[+-]?\d+)?)\s*(M?V|M?VPP|M?VRMS|DBM)?", re.I)

Report = Callable[[int, str], None]


def divider(load_ohm: float) -> float:
    """Return the part of the open-circuit voltage that is left at `load_ohm`."""
    return 1.0 if math.isinf(load_ohm) else load_ohm / (load_ohm + _SOURCE_OHM)


class Clipped(Number):
    """A number that is set to its limit, with an error, where it lies outside."""

    def read(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> float:
        """Return the number or its limit."""
        value = self._word(token, device, suffixes)
        if value is not None:
            return value
        value = self._decimal(token)
        if self.low is not None and value < (least := limit(self.low, device, suffixes)):
            device.report_error(-222, "Data out of range; value clipped to lower limit")
            return least
        if self.high is not None and value > (most := limit(self.high, device, suffixes)):
            device.report_error(-222, "Data out of range; value clipped to upper limit")
            return most
        return round(value / self.step) * self.step if self.step else value


class Amplitude(Parameter):
    """An amplitude with its unit, as `(value, unit)`; unit "" is the one that is set."""

    def read(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> tuple[float, str]:
        """Return value and unit; for MIN, MAX and DEF the word is the unit."""
        text = bytes(token).decode("latin-1").upper() if isinstance(token, bytes) else ""
        if text[:3] in ("MIN", "MAX", "DEF"):
            return 0.0, text[:3]
        match = _AMPLITUDE.fullmatch(text)
        if match is None:
            raise ScpiError(-131 if text[:1].isdigit() else -104)
        value, unit = float(match[1]), match[2] or ""
        if unit.startswith("M"):
            value, unit = value * 1e-3, unit[1:]
        return value, {"V": ""}.get(unit, unit)


@dataclass(slots=True)
class Levels:
    """The levels of one output."""

    report: Report
    vpp: float = 0.1
    offset: float = 0.0
    load_ohm: float = 50.0
    unit: str = "VPP"

    @property
    def peak(self) -> float:
        """The highest voltage, as shown for the load."""
        return _PEAK_OPEN_V * divider(self.load_ohm)

    @property
    def smallest_vpp(self) -> float:
        """The lowest amplitude, as shown for the load."""
        return _SMALLEST_VPP * divider(self.load_ohm) / divider(_SOURCE_OHM)

    def to_vpp(self, value: float, unit: str, shape: str) -> float:
        """Convert an amplitude to volts peak to peak."""
        unit = unit or self.unit
        if unit == "VPP":
            return value
        if unit == "DBM":
            value = math.sqrt(10.0 ** (value / 10.0) * 1e-3 * self.load_ohm)
        return value * _CREST.get(shape, _CREST_TRIANGLE)

    def shown(self, vpp: float, shape: str) -> float:
        """Convert volts peak to peak to the unit that is set."""
        if self.unit == "VPP":
            return vpp
        rms = vpp / _CREST.get(shape, _CREST_TRIANGLE)
        return rms if self.unit == "VRMS" else 10.0 * math.log10(rms * rms / self.load_ohm * 1e3)

    def set_vpp(self, vpp: float) -> None:
        """Set the amplitude; the offset gives way."""
        self.vpp = self._clip(vpp, self.smallest_vpp, 2.0 * self.peak)
        room = self.peak - self.vpp / 2.0
        if abs(self.offset) > room * (1.0 + 1e-12):
            self.offset = math.copysign(room, self.offset)
            self.report(-221, "Settings conflict; offset changed due to amplitude")

    def set_offset(self, offset: float, *, steady: bool) -> None:
        """Set the offset; the amplitude gives way unless the output is `steady` (DC)."""
        reach = self.peak if steady else self.peak - self.smallest_vpp / 2.0
        self.offset = self._clip(offset, -reach, reach)
        room = 2.0 * (self.peak - abs(self.offset))
        if not steady and self.vpp > room * (1.0 + 1e-12):
            self.vpp = room
            self.report(-221, "Settings conflict; amplitude changed due to offset")

    def set_edges(self, low: float, high: float, moved: str) -> None:
        """Set both levels, of which `moved` (``low`` or ``high``) is the one that was asked for."""
        high = self._clip(high, -self.peak + self.smallest_vpp, self.peak)
        low = self._clip(low, -self.peak, self.peak - self.smallest_vpp)
        if high - low < self.smallest_vpp:
            if moved == "high":
                low = high - self.smallest_vpp
                self.report(-221, "Settings conflict; low level changed due to high level")
            else:
                high = low + self.smallest_vpp
                self.report(-221, "Settings conflict; high level changed due to low level")
        self.vpp, self.offset = high - low, (high + low) / 2.0

    def set_load(self, ohms: float) -> None:
        """Refer the levels to another load; the connector's voltage stays."""
        scale = divider(ohms) / divider(self.load_ohm)
        self.vpp, self.offset, self.load_ohm = self.vpp * scale, self.offset * scale, ohms
        if math.isinf(ohms) and self.unit == "DBM":
            self.unit = "VPP"
            self.report(
                -221, "Settings conflict; amplitude units changed to Vpp due to high-Z load"
            )

    def _clip(self, value: float, low: float, high: float) -> float:
        if value < low * (1.0 - math.copysign(1e-12, low)):
            self.report(-222, "Data out of range; value clipped to lower limit")
            return low
        if value > high * (1.0 + math.copysign(1e-12, high)):
            self.report(-222, "Data out of range; value clipped to upper limit")
            return high
        return value
