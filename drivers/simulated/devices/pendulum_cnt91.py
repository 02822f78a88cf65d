"""A simulated Pendulum CNT-91 counter.

After the "CNT-90 Series Programmer's Handbook" (PH), p. 8-33 to 8-40 and 8-70 to 8-74,
and PyMeasure's driver and its tests. Back-to-back gates are differences of successive
time stamps, each with the single-shot noise of the data sheet (50 ps), so neighbouring
readings share one. The series starts when the arming source says so and is then paced by
the time base. How results are written is PyMeasure's; the number of digits is assumed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from drivers.simulated.devices.counter_gates import frequency, interval
from drivers.simulated.scpi import (
    Boolean,
    Channels,
    Choice,
    Later,
    Number,
    ScpiDevice,
    ScpiError,
    Setting,
    command,
    exponent,
    query,
)
from drivers.simulated.terminals import Oscillator
from drivers.simulated.time import BenchTime

__all__ = ["PendulumCNT91Device"]

_FLOAT = exponent(13, 2)
_ARRAY = 10_000
_CHANNEL = Channels(1, 2, optional=True)


class PendulumCNT91Device(ScpiDevice):
    """The counter.

    Terminals
    ---------
    input1, input2 : Oscillator
        What is counted.
    reference : Oscillator
        The time base, if it is external.

    rear : Oscillator
        Pulses at the rear arming input (``EXT4``): the next one starts a measurement.

    Settings
    --------
    timebase_offset : float
        Fractional frequency error of the internal time base.
    single_shot_ps : float
        Standard deviation of a time stamp.
    arming_delay_s : float
        From the arming edge to the first gate.
    """

    maker = "Pendulum"
    model = "CNT-91"
    connectors = ("gpib", "usb", "serial")
    terminal_names = ("input1", "input2", "reference", "rear")
    default_settings = {
        "serial_number": "940123",
        "firmware": "V1.28 01 Nov 2012",
        "timebase_offset": 0.0,
        "single_shot_ps": 50.0,
        "arming_delay_s": 0.0,
    }

    gate = Setting("[SENSe]:ACQuisition:APERture", Number("S", 20e-9, 1000.0, 0.01, reply=_FLOAT))
    arming = Setting(
        "ARM[:STARt]:SOURce", Choice("IMMediate", "EXTernal1", "EXTernal2", "EXTernal4")
    )
    arming_slope = Setting("ARM[:STARt]:SLOPe", Choice("POSitive", "NEGative"))
    continuous = Setting("INITiate:CONTinuous", Boolean())
    data_format = Setting("FORMat[:DATA]", Choice("ASCii", "REAL", "PACKed"))
    stamped = Setting("FORMat:TINFormation", Boolean())
    calibration = Setting("CALibration:INTerpolator:AUTO", Boolean(default=True))
    display = Setting("DISPlay:ENABle", Boolean(default=True))
    level = Setting("INPut[1|2]:LEVel", Number("V", -5.0, 5.0, 0.0, reply=_FLOAT))
    auto_level = Setting("INPut[1|2]:LEVel:AUTO", Boolean(default=True))

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._random = np.random.default_rng(list(name.encode()))
        self._set_up()

    def _set_up(self) -> None:
        self._function = "FREQ"
        self._channels: tuple[int, ...] = (1,)
        self._gates, self._fetched = 1, 0
        self._start_ns: int | None = None
        self._errors_s: list[float] = []

    def reset(self) -> None:
        """Go to the factory settings."""
        super().reset()
        self._set_up()

    # ---- what is measured ----------------------------------------------------------

    @command("CONFigure[:SCALar]:FREQuency", _CHANNEL)
    def configure_frequency(self, channels: tuple[int, ...] | None) -> None:
        """Measure single frequencies."""
        self._configure("FREQ", channels or (1,), 1)
        self.gate = 0.01

    @command("CONFigure[:SCALar]:TINTerval", _CHANNEL, _CHANNEL)
    def configure_interval(
        self, start: tuple[int, ...] | None, stop: tuple[int, ...] | None
    ) -> None:
        """Measure single time intervals, with automatic levels (PH p. 8-70)."""
        self._configure("TINT", ((start or (1,))[0], (stop or (2,))[0]), 1)
        for number in self._channels:
            self.auto_level[number] = True

    @command("CONFigure:ARRay:FREQuency:BTBack", Number("", 4, _ARRAY, integer=True), _CHANNEL)
    def configure_series(self, gates: int, channels: tuple[int, ...] | None) -> None:
        """Measure a series of gates without a gap (PH p. 8-74)."""
        self._configure("BTB", channels or (1,), gates)

    def _configure(self, function: str, channels: tuple[int, ...], gates: int) -> None:
        self._set_up()
        self._function, self._channels, self._gates = function, channels, gates

    # ---- measuring -----------------------------------------------------------------

    @command("INITiate[:IMMediate]")
    def initiate(self) -> None:
        """Begin to measure, at once or at the arming edge."""
        self._start_ns = None
        rear: Oscillator | None = self.terminals.get("rear")
        if self.arming == "IMM":
            self._begin(self.t_ns)
        elif self.arming == "EXT4" and rear is not None:
            self._begin(_next_edge_ns(rear, self.t_ns))

    def _begin(self, t_ns: int) -> None:
        self._errors_s, self._fetched = [], 0
        self._start_ns = t_ns + round(float(self.settings["arming_delay_s"]) * 1e9)
        if self._function == "TINT":  # the next edge that starts one
            self._start_ns = _next_edge_ns(self._source(self._channels[0]), t_ns)
        self.start_operation((self._edge_ns(self._gates) - self.t_ns) * 1e-9)

    def _source(self, number: int) -> Oscillator:
        found: Oscillator | None = self.terminals.get(f"input{number}")
        if found is None:
            raise ScpiError(-230)
        return found

    def _timebase_s(self, t_ns: int) -> float:
        external: Oscillator | None = self.terminals.get("reference")
        if external is not None:
            return external.phase_s(t_ns)
        return float(self.settings["timebase_offset"]) * t_ns * 1e-9

    def _edge_ns(self, number: int) -> int:
        """Return when gate `number` opens, in bench time."""
        assert self._start_ns is not None
        if self._function == "TINT":
            return self._start_ns + number * round(
                1e9 / self._source(self._channels[-1]).nominal_hz()
            )
        nominal_ns = self._start_ns + round(number * float(self.gate) * 1e9)
        early_s = self._timebase_s(nominal_ns) - self._timebase_s(self._start_ns)
        return nominal_ns - round(early_s * 1e9)

    def _stamp_error_s(self, number: int) -> float:
        """Return the error of the time stamp at which gate `number` opens."""
        while len(self._errors_s) <= number:
            noise = float(self._random.standard_normal())
            self._errors_s.append(float(self.settings["single_shot_ps"]) * 1e-12 * noise)
        return self._errors_s[number]

    def _ended(self) -> int:
        """Return how many gates are over."""
        if self._start_ns is None:
            return 0
        ended = int((self.t_ns - self._start_ns) * 1e-9 / float(self.gate)) + 1
        while ended > 0 and self._edge_ns(ended) > self.t_ns:
            ended -= 1
        return min(ended, self._gates)

    def _result(self, number: int) -> str:
        """Return what gate `number` gave, with its time stamp if that is wanted."""
        start_ns, end_ns = self._edge_ns(number), self._edge_ns(number + 1)
        source = self._source(self._channels[0])
        if self._function == "TINT":
            last = self._source(self._channels[-1])
            single = self._channels[0] == self._channels[-1]
            value = interval(source, last, self._timebase_s, start_ns, single=single)
            value += self._stamp_error_s(number) - self._stamp_error_s(number + 1)
        else:
            value = frequency(source, self._timebase_s, start_ns, end_ns, triangle=False)
            longer_s = self._stamp_error_s(number + 1) - self._stamp_error_s(number)
            value *= 1.0 - longer_s / float(self.gate)
        text = _FLOAT(value)
        if self.stamped:
            stamp_s = start_ns * 1e-9 + self._timebase_s(start_ns) + self._stamp_error_s(number)
            text += f",{_FLOAT(stamp_s)}"
        return text

    # ---- results -------------------------------------------------------------------

    @query("READ", indefinite=True)
    def read(self) -> Later:
        """Measure and return the first result."""
        self._source(self._channels[0])
        self.initiate()
        if self._start_ns is None:
            raise ScpiError(-214)
        return Later(self._edge_ns(1), lambda: self._result(0).encode("ascii"))

    @query("FETCh:ARRay", Number("", -_ARRAY, _ARRAY, integer=True), indefinite=True)
    def fetch_series(self, count: int) -> str:
        """Return the newest -`count` results, or the `count` next ones (PH p. 8-35)."""
        ended = self._ended()
        if count < 0:
            return self._some(ended + count, ended)
        if count == _ARRAY:  # MAX: all that there are
            return self._some(0, ended)
        if self._fetched >= self._gates:
            self._fetched = 0
        first, self._fetched = self._fetched, self._fetched + count
        return self._some(first, self._fetched)

    def _some(self, first: int, last: int) -> str:
        if not 0 <= first < last <= self._ended():
            raise ScpiError(-230)
        return ",".join(self._result(number) for number in range(first, last))

    @query("FORMat:SMAX")
    def batch_size(self) -> int:
        """Return how many results one answer holds at most."""
        return _ARRAY


def _next_edge_ns(pulses: Oscillator, t_ns: int) -> int:
    """Return when the next pulse comes."""
    period_ns = 1e9 / pulses.nominal_hz()
    early_ns = pulses.phase_s(t_ns) * 1e9
    return math.ceil(math.ceil((t_ns + early_ns) / period_ns) * period_ns - early_ns)
