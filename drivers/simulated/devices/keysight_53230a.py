"""A simulated Keysight 53230A counter.

After the 53220A/53230A User's Guide, 53220-90001 (UG), the Programmer's
Reference (PR) and the 53200 series data sheet (DS). A frequency is the phase
that the input gains over a gate, as the time base sees it; resolution-enhanced
gates weight it by a triangle. What an input reads depends on its oscillator and
not on the thresholds, except that the automatic level misses signals below 50 Hz.
There are no readings without the time base that is chosen; that, and which error the
check for it queues, is assumed.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from drivers.simulated.device import Session
from drivers.simulated.devices.counter_edges import Interval, next_interval, next_present
from drivers.simulated.devices.counter_gates import enhanced, frequency, random_uncertainty
from drivers.simulated.devices.counter_inputs import CounterInputs
from drivers.simulated.scpi import (
    BlockReply,
    Channels,
    Choice,
    Later,
    Many,
    Number,
    Parameter,
    ScpiError,
    Setting,
    block,
    command,
    exponent,
    query,
)
from drivers.simulated.terminals import Oscillator
from drivers.simulated.time import BenchTime

__all__ = ["Keysight53230ADevice"]

_FLOAT = exponent(14, 3)
_SHORT = exponent(8, 3)
_NOT_A_NUMBER = 9.91e37
_NEVER = 9.9e37
_MEMORY = 1_000_000
#: From the end of a gate to the beginning of the next, unless it is gap-free.
_REARM_NS = 2_000_000
_AUTO_LEVEL_HZ = 50.0


class _Argument(Parameter):
    """One argument of CONFigure: a channel list, or an expected value or resolution."""

    def read(self, token: Any, device: Any, suffixes: tuple[int, ...]) -> Any:
        if bytes(token[:1]) == b"(":
            return Channels(1, 2).read(token, device, suffixes)
        if bytes(token[:3]).upper() in (b"MIN", b"MAX", b"DEF"):
            return None
        return Number().read(token, device, suffixes)


class _Gate(NamedTuple):
    """A gate of a frequency measurement."""

    start_ns: int
    end_ns: int


@dataclass(slots=True)
class _Run:
    """Measurements of `inputs`: `at_ns` is when the next one of `left` is armed.

    `foreseen` is an interval and when it was armed: the last that was looked for.
    """

    inputs: tuple[Oscillator | None, Oscillator | None]
    at_ns: int
    left: int
    readings: list[float] = field(default_factory=list)
    foreseen: tuple[int, Interval] | None = None


class Keysight53230ADevice(CounterInputs):
    """The counter.

    Settings
    --------
    timebase_offset : float
        Fractional frequency error of the internal time base.
    interval_noise_ps : float
        Standard deviation of a time interval: 20 ps of either edge, more where the
        signals are slow or noisy.
    """

    maker = "Agilent Technologies"
    model = "53230A"
    connectors = ("usb", "lan", "socket", "gpib")
    terminal_names = ("input1", "input2", "reference")
    default_settings = {
        "serial_number": "MY50001484",
        "firmware": "02.05-1519.666-1.19-4.15-127-155-35",
        "timebase_offset": 0.0,
        "interval_noise_ps": 28.0,
    }

    gate = Setting(
        "[SENSe]:FREQuency:GATE:TIME", Number("S", 1e-6, 1000.0, 0.1, step=1e-6, reply=_FLOAT)
    )
    gate_source = Setting(
        "[SENSe]:FREQuency:GATE:SOURce", Choice("TIME", "EXTernal", "INPut1", "INPut2", "ADVanced")
    )
    mode = Setting("[SENSe]:FREQuency:MODE", Choice("AUTO", "RECiprocal", "CONTinuous"))
    samples = Setting("SAMPle:COUNt", Number("", 1, _MEMORY, 1, reply=_SHORT))
    triggers = Setting("TRIGger:COUNt", Number("", 1, _MEMORY, 1, reply=_SHORT))
    trigger_source = Setting("TRIGger:SOURce", Choice("IMMediate", "EXTernal", "BUS"))
    trigger_slope = Setting("TRIGger:SLOPe", Choice("NEGative", "POSitive"))
    trigger_delay = Setting("TRIGger:DELay", Number("S", 0.0, 3600.0, 0.0, reply=_SHORT))
    reference = Setting("[SENSe]:ROSCillator:SOURce", Choice("INTernal", "EXTernal"))
    data_format = Setting("FORMat[:DATA]", Choice("ASCii", "REAL"))
    byte_order = Setting("FORMat:BORDer", Choice("NORMal", "SWAPped"))
    timeout = Setting(
        "SYSTem:TIMeout",
        Number("S", 10e-3, _NEVER, _NEVER, words={"INFinity": _NEVER}, reply=_SHORT),
        resets=False,
    )

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._random = np.random.default_rng(self.seed)
        self._set_up()

    def _set_up(self) -> None:
        self.function = "FREQ"
        self.measured: tuple[int, ...] = (1,)
        self.levels = {1: 0.0, 2: 0.0}
        self.run: _Run | None = None
        self._armed = False

    def reset(self) -> None:
        """Go to the factory settings."""
        super().reset()
        self._set_up()

    # ---- configuration -------------------------------------------------------------

    @command("CONFigure:FREQuency", Many(_Argument(), optional=True))
    def configure_frequency(self, arguments: list[Any] | None) -> None:
        """Measure a frequency, with the default gate or that of a resolution (PR p. 243)."""
        numbers = [each for each in arguments or () if not isinstance(each, tuple)]
        channels = [each for each in arguments or () if isinstance(each, tuple)]
        self._preset("FREQ", channels[0][:1] if channels else (1,))
        self.gate = 0.1
        if len(numbers) > 1 and numbers[0] and numbers[1]:
            digits = math.ceil(-math.log10(numbers[1] / numbers[0] / 1.1) - 1e-9)
            self.gate = min(max(10.0 ** (digits - 12), 1e-6), 1000.0)

    @command("CONFigure:TINTerval", Many(_Argument(), optional=True))
    def configure_interval(self, arguments: list[Any] | None) -> None:
        """Measure a time interval."""
        channels = [each for each in arguments or () if isinstance(each, tuple)]
        self._preset("TINT", tuple(each[0] for each in channels) or (1, 2))

    def _preset(self, function: str, channels: tuple[int, ...]) -> None:
        self.function, self.measured = function, channels
        self.samples = self.triggers = 1
        self.trigger_source, self.trigger_delay, self.gate_source = "IMM", 0.0, "TIME"
        for number in channels:  # UG p. 132
            self.auto_level[number] = "ON"
            self.relative_level[number] = 50
        self.run, self._armed = None, False

    @query("CONFigure")
    def configuration(self) -> str:
        """Return what is measured."""
        listed = ",".join(f"(@{number})" for number in self.measured)
        if self.function == "FREQ":
            return f'"FREQ {_SHORT(1e7)},{_SHORT(1e-3)},{listed}"'
        return f'"{self.function} {listed}"'

    # ---- measuring -----------------------------------------------------------------

    def _input(self, number: int) -> Oscillator | None:
        """Return what an input counts, if it triggers at all."""
        oscillator: Oscillator | None = self.terminals.get(f"input{number}")
        if oscillator is not None and self.auto_level[number] != "OFF":
            return oscillator if oscillator.nominal_hz() >= _AUTO_LEVEL_HZ else None
        return oscillator

    def _timebase_s(self, t_ns: int) -> float:
        """Return the time error of the time base."""
        if self.reference == "EXT":
            external: Oscillator | None = self.terminals.get("reference")
            return math.nan if external is None else external.phase_s(t_ns)
        return float(self.settings["timebase_offset"]) * t_ns * 1e-9

    @command("[SENSe]:ROSCillator:EXTernal:CHECk", Choice("ONCE"))
    def check_reference(self, word: str) -> None:
        """Look for the external time base (UG p. 69)."""
        if self.reference != "EXT":
            raise ScpiError(-221)
        if math.isnan(self._timebase_s(self.t_ns)):
            raise ScpiError(-241)

    @command("INITiate[:IMMediate]")
    def initiate(self) -> None:
        """Begin to measure, at once or at the trigger."""
        if self._gapless() and self.triggers > 1:
            raise ScpiError(-221)
        self.run, self._armed = None, True
        if self.trigger_source == "IMM":
            self._begin()

    def trigger(self) -> None:
        """Begin what waits for the software trigger."""
        if not self._armed or self.trigger_source != "BUS":
            raise ScpiError(-211)
        self._begin()

    def external_trigger(self, t_ns: int) -> None:
        """React to an edge at the external trigger input at bench time `t_ns`."""
        if self._armed and self.trigger_source == "EXT":
            now_ns, self.t_ns = self.t_ns, t_ns
            self._begin()
            self.t_ns = now_ns

    @command("ABORt")
    def abort(self) -> None:
        """Stop measuring; what was read stays."""
        self.cancel_operation()
        self._armed = False
        if self.run is not None:
            self._settle(self.t_ns)
            self.run.left = 0

    def _begin(self) -> None:
        """Arm the first measurement."""
        self._armed = False
        at_ns = self.t_ns + round(self.trigger_delay * 1e9)
        inputs = self._input(self.measured[0]), self._input(self.measured[-1])
        run = self.run = _Run(inputs, at_ns, int(self.samples * self.triggers))
        if None not in inputs or self._time_limit_ns() is not None:
            self.start_operation((at_ns - self.t_ns) * 1e-9 + run.left * self._usual_s(run))

    def _usual_s(self, run: _Run) -> float:
        """Return how long one measurement takes at most if its signals are there."""
        usual_s = self._next_ns(0) * 1e-9
        if self.function == "FREQ":
            return usual_s + float(self.gate)
        for source in run.inputs:
            usual_s += 0.0 if source is None else 1.0 / source.nominal_hz()
        return usual_s

    def _time_limit_ns(self) -> int | None:
        """Return how long a measurement may take; a limit below the gate is doubled (PR p. 459)."""
        if self.timeout >= _NEVER * 0.99:
            return None
        limit: float = self.timeout
        if self.function == "FREQ" and limit < self.gate:
            limit = 2.0 * self.gate
        return round(limit * 1e9)

    def _next_ns(self, end_ns: int) -> int:
        """Return when the next measurement is armed after one that ends at `end_ns`."""
        return end_ns if self._gapless() else end_ns + _REARM_NS

    def _gapless(self) -> bool:
        return self.function == "FREQ" and self.mode == "CONT"

    def _measured(self, run: _Run, at_ns: int) -> _Gate | Interval | None:
        """Return what is measured from `at_ns` on; None if that never ends, as far as is seen."""
        first, last = run.inputs
        if first is None or last is None:
            return None
        if self.function == "FREQ":
            return self._gate(first, at_ns)
        if run.foreseen is not None:
            armed_ns, interval = run.foreseen
            if armed_ns == at_ns and interval.still_comes(first, last):
                return interval
        found = next_interval(first, last, at_ns)
        run.foreseen = None if found is None else (at_ns, found)
        return found

    def _gate(self, source: Oscillator, at_ns: int) -> _Gate | None:
        start_ns = next_present(source, at_ns)
        if start_ns is None:
            return None
        end_ns = next_present(source, start_ns + round(float(self.gate) * 1e9))
        return None if end_ns is None else _Gate(start_ns, end_ns)

    def _end_ns(self, measured: _Gate | Interval | None, at_ns: int) -> int | None:
        """Return when it is over, or given up; None if never."""
        end_ns = None if measured is None else measured.end_ns
        limit_ns = self._time_limit_ns()
        if limit_ns is not None and (end_ns is None or end_ns > at_ns + limit_ns):
            return at_ns + limit_ns
        return end_ns

    def _value(self, run: _Run, measured: _Gate | Interval) -> float:
        """Return a reading: seconds, or hertz; nan while the time base is absent."""
        if isinstance(measured, Interval):
            value, scale = measured.length_s(self._timebase_s), 1.0
        else:
            source = run.inputs[0]
            assert source is not None  # else there is no gate
            start_ns, end_ns = measured
            triangle = self._factor(source, float(self.gate)) > 1.0
            value = frequency(source, self._timebase_s, start_ns, end_ns, triangle=triangle)
            scale = value
        if math.isnan(value):
            return value
        return value + self._noise(run) * float(self._random.standard_normal()) * scale

    def _factor(self, source: Oscillator, gate_s: float) -> float:
        return 1.0 if self.mode == "REC" else enhanced(source.nominal_hz(), gate_s)

    def _noise(self, run: _Run) -> float:
        """Return the standard deviation of a reading: in seconds, or as a fraction."""
        if self.function == "TINT":
            return float(self.settings["interval_noise_ps"]) * 1e-12
        source = run.inputs[0]
        gate_s = float(self.gate)
        return random_uncertainty(gate_s, 1.0 if source is None else self._factor(source, gate_s))

    def _settle(self, t_ns: int | None) -> None:
        """Evaluate the measurements that are over at `t_ns`; None: those of the whole run."""
        run = self.run
        while run is not None and run.left:
            measured = self._measured(run, run.at_ns)
            end_ns = self._end_ns(measured, run.at_ns)
            if end_ns is None or (t_ns is not None and end_ns > t_ns):
                break
            value = math.nan
            if measured is not None and measured.end_ns == end_ns:  # else it is given up
                value = self._value(run, measured)
            run.readings.append(_NOT_A_NUMBER if math.isnan(value) else value)
            run.left -= 1
            run.at_ns = self._next_ns(end_ns)

    def _last_end_ns(self, run: _Run) -> int | None:
        """Return when the last measurement will be over, if ever."""
        at_ns = run.at_ns
        if self.function == "FREQ" and run.left > 1 and self._ends(run, at_ns) is not None:
            gates = run.left - 1
            at_ns += gates * (self._next_ns(0) + round(float(self.gate) * 1e9))
            return self._ends(run, at_ns)
        end_ns: int | None = at_ns
        for _ in range(run.left):
            end_ns = self._ends(run, at_ns)
            if end_ns is None:
                break
            at_ns = self._next_ns(end_ns)
        return end_ns

    def _ends(self, run: _Run, at_ns: int) -> int | None:
        return self._end_ns(self._measured(run, at_ns), at_ns)

    def addressed_to_talk(self, session: Session) -> None:
        """Stay silent while a measurement that was asked for goes on without end."""
        if self.run is None or self._last_end_ns(self.run) is not None:
            super().addressed_to_talk(session)

    # ---- readings ------------------------------------------------------------------

    @query("READ", indefinite=True)
    def read(self) -> Later | None:
        """Measure and return all readings."""
        self.initiate()
        return self.fetch()

    @query("FETCh", indefinite=True)
    def fetch(self) -> Later | None:
        """Return all readings when the last is there."""
        run = self.run
        if run is None:
            if self._armed:
                return None  # waits for a trigger that no further command can give
            raise ScpiError(-230)
        if not (run.left or run.readings):
            raise ScpiError(-230)
        end_ns = self._last_end_ns(run)
        if end_ns is None:
            return None

        def readings() -> bytes:
            self._settle(None)
            return self._written(run.readings, definite=False)

        return Later(max(self.t_ns, end_ns), readings)

    @query("R", Number("", 1, _MEMORY, integer=True, optional=True), indefinite=True)
    def take(self, most: int | None) -> BlockReply:
        """Return readings that are there, the oldest first, and forget them."""
        run = self.run
        if run is None or not (run.left or run.readings):
            raise ScpiError(-230)
        self._settle(self.t_ns)
        count = min(len(run.readings), most or _MEMORY)
        taken = run.readings[:count]
        del run.readings[:count]
        return block(self._written(taken, definite=True))

    @query("DATA:LAST")
    def last(self) -> str:
        """Return the last reading."""
        self._settle(self.t_ns)
        if self.run is None or not self.run.readings:
            return _FLOAT(_NOT_A_NUMBER)
        return _FLOAT(self.run.readings[-1])

    @query("DATA:POINts")
    def points(self) -> str:
        """Return how many readings are there."""
        self._settle(self.t_ns)
        return f"{len(self.run.readings) if self.run else 0:+d}"

    @query("MEASure:FREQuency", Many(_Argument(), optional=True), indefinite=True)
    def measure_frequency(self, arguments: list[Any] | None) -> Later | None:
        """Configure, measure and return a frequency."""
        self.configure_frequency(arguments)
        return self.read()

    @query("MEASure:TINTerval", Many(_Argument(), optional=True), indefinite=True)
    def measure_interval(self, arguments: list[Any] | None) -> Later | None:
        """Configure, measure and return a time interval."""
        self.configure_interval(arguments)
        return self.read()

    def _written(self, readings: list[float], *, definite: bool) -> bytes:
        if self.data_format == "ASC":
            return ",".join(map(_FLOAT, readings)).encode("ascii")
        order = "<" if self.byte_order == "SWAP" else ">"
        data = struct.pack(f"{order}{len(readings)}d", *readings)
        return data if definite else b"#0" + data

    @command("SYSTem:BEEPer[:IMMediate]")
    def beep(self) -> None:
        """Beep, which nobody hears on the bench."""
