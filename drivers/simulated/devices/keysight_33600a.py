"""A simulated Keysight 33600A series waveform generator.

After the Keysight Trueform Series Operating and Service Guide, 33500-90901:
levels, loads, records, bursts and triggers, with the errors it reports. What is
played reaches the outputs as their true termination sees it. Bursts that an
internal trigger repeats are rendered as one record with its pause, of at most
16 M samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from drivers.core.errors import MisuseError
from drivers.simulated.devices.trueform_levels import Levels, divider
from drivers.simulated.devices.trueform_memory import (
    RecordMemory,
    codes_of_block,
    codes_of_floats,
    codes_of_numbers,
)
from drivers.simulated.devices.trueform_settings import SPEED, TrueformSettings
from drivers.simulated.devices.trueform_shapes import FULL_SCALE, Codes, period
from drivers.simulated.port import Connector
from drivers.simulated.scpi import Many, Number, ScpiError, Text, command, exponent, query, quoted
from drivers.simulated.terminals import EdgeInput, VoltageInput, Waveform
from drivers.simulated.time import BenchTime

__all__ = ["Keysight33600ADevice"]

_NAME = Text(bare=True)
_MAX_PAUSED_SAMPLES = 1 << 24
_FLOAT = exponent(15)
#: Settings that a record, a standard waveform and a burst depend on.
_RECORD = ("sample_rate", "polarity")
_STANDARD = (
    "polarity",
    "frequency",
    "phase",
    "duty",
    "symmetry",
    "pulse_width",
    "bandwidth",
    "bit_rate",
)
_BURST = (
    "burst",
    "burst_mode",
    "burst_cycles",
    "burst_period",
    "burst_phase",
    "trigger_source",
    "trigger_timer",
)


class Keysight33600ADevice(TrueformSettings):
    """The generator; its model, memory and termination are settings.

    Settings: ``model`` (``33611A``, ``33612A``, ``33621A`` or ``33622A``),
    ``memory_option`` (64 MSa instead of 4 MSa for each output) and
    ``termination_ohm``, what the outputs are truly connected to.
    """

    connectors = ("usb", "lan", "socket", "gpib")
    bytes_per_s: ClassVar[Mapping[Connector, float]] = {
        "gpib": 0.5e6,
        "usb": 5e6,
        "lan": 5e6,
        "socket": 5e6,
    }
    input_limit = 1 << 28
    maker = "Agilent Technologies"
    terminal_names = ("output1", "output2", "sync")
    default_settings = {
        "model": "33622A",
        "serial_number": "MY53801234",
        "firmware": "A.02.03-3.15-03-64-02",
        "memory_option": False,
        "termination_ohm": 50.0,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        if self.settings["model"] not in SPEED:
            raise MisuseError(
                f"{self.settings['model']!r} is no model of the 33600A series",
                instrument=name,
                remedy=f"choose from {', '.join(SPEED)}",
            )
        self._set_up()

    def _set_up(self) -> None:
        capacity = 1 << 26 if self.settings["memory_option"] else 1 << 22
        self.levels = {channel: Levels(self.report_error) for channel in (1, 2)}
        self.memory = {channel: RecordMemory(capacity) for channel in (1, 2)}
        self._triggers_left = {1: 0, 2: 0}
        self._busy_until_ns = {1: 0, 2: 0}
        self._applied: dict[int, tuple[object, ...]] = {}

    def reset(self) -> None:
        """Go to the factory settings; the records are gone."""
        self._set_up()
        super().reset()

    def identity(self) -> str:
        """Return the identity with the model that is set."""
        settings = self.settings
        return ",".join(
            (self.maker, settings["model"], settings["serial_number"], settings["firmware"])
        )

    def option_list(self) -> str:
        """Return the options."""
        return "MEM" if self.settings["memory_option"] else "0"

    # ---- records -------------------------------------------------------------------

    @command("[SOURce[1|2]]:DATA:ARBitrary:DAC", _NAME, Many(Number(), or_block=True))
    def load_codes(self, channel: int, name: str, data: list[float] | memoryview) -> None:
        """Store a record of converter codes."""
        swapped = self.byte_order == "SWAP"
        codes = (
            codes_of_block(data, swapped=swapped)
            if isinstance(data, memoryview)
            else codes_of_numbers(data, 1)
        )
        self.memory[channel].add(name, codes)

    @command("[SOURce[1|2]]:DATA:ARBitrary", _NAME, Many(Number(), or_block=True))
    def load_floats(self, channel: int, name: str, data: list[float] | memoryview) -> None:
        """Store a record of numbers from -1 to 1."""
        swapped = self.byte_order == "SWAP"
        codes = (
            codes_of_floats(data, swapped=swapped)
            if isinstance(data, memoryview)
            else codes_of_numbers(data, FULL_SCALE)
        )
        self.memory[channel].add(name, codes)

    @command("[SOURce[1|2]]:DATA:VOLatile:CLEar")
    def clear_records(self, channel: int) -> None:
        """Forget the records of an output."""
        self.memory[channel].clear()
        self.drive(channel)

    @query("[SOURce[1|2]]:DATA:VOLatile:CATalog")
    def catalogue(self, channel: int) -> str:
        """Return the names of the records."""
        return ",".join(quoted(name) for name in self.memory[channel].names)

    @query("[SOURce[1|2]]:DATA:VOLatile:FREE")
    def free_samples(self, channel: int) -> str:
        """Return the room that is left."""
        return f"{self.memory[channel].free:+d}"

    @command("[SOURce[1|2]]:FUNCtion:ARBitrary", _NAME)
    def select_record(self, channel: int, name: str) -> None:
        """Select the record that is played."""
        self.memory[channel].select(name)
        self.drive(channel)

    @query("[SOURce[1|2]]:FUNCtion:ARBitrary")
    def selected_record(self, channel: int) -> str:
        """Return the record that is played."""
        return quoted(self.memory[channel].selected)

    @query("[SOURce[1|2]]:FUNCtion:ARBitrary:POINts")
    def record_points(self, channel: int) -> str:
        """Return the length of the record that is played."""
        return f"{self.memory[channel].record.size:+d}"

    @query("[SOURce[1|2]]:FUNCtion:ARBitrary:PERiod")
    def record_period(self, channel: int) -> str:
        """Return the duration of the record that is played."""
        return _FLOAT(self.memory[channel].record.size / self.sample_rate[channel])

    # ---- triggers ------------------------------------------------------------------

    def trigger(self) -> None:
        """Start all outputs that wait for the software trigger, at the same instant."""
        waiting = [channel for channel in (1, 2) if self._waits_for("BUS", channel)]
        if not waiting:
            raise ScpiError(-211)
        for channel in waiting:
            self._start_burst(channel)

    def external_trigger(self, t_ns: int) -> None:
        """React to an edge at the external trigger input at bench time `t_ns`."""
        own_ns, self.t_ns = self.t_ns, t_ns  # an edge may come amid a command of its own
        for channel in (1, 2):
            if self._waits_for("EXT", channel):
                self._start_burst(channel)
        self.t_ns = own_ns

    @command("INITiate[1|2][:IMMediate]")
    def initiate(self, channel: int) -> None:
        """Arm the trigger for as many bursts as its count says."""
        if self.continuous[channel]:
            raise ScpiError(-213)
        self._triggers_left[channel] = int(self.trigger_count[channel])

    @command("ABORt")
    def abort(self) -> None:
        """Stop running bursts and disarm."""
        self.cancel_operation()
        for channel in (1, 2):
            self._triggers_left[channel] = 0
            self._busy_until_ns[channel] = 0
            self._applied.pop(channel, None)
            self.drive(channel)

    @command("[SOURce[1|2]]:PHASe:SYNChronize")
    def align_phases(self, channel: int) -> None:
        """Restart both outputs in phase."""
        self._applied.clear()
        for output in (1, 2):
            self.drive(output)

    def rearm(self, channel: int) -> None:
        """Forget armed triggers when the way of arming changes."""
        self._triggers_left[channel] = 0

    def _waits_for(self, source: str, channel: int) -> bool:
        return (
            self.trigger_source[channel] == source
            and self.burst[channel]
            and self.on[channel]
            and self.burst_mode[channel] == "TRIG"
            and (self.continuous[channel] or self._triggers_left[channel] > 0)
            and self.t_ns >= self._busy_until_ns[channel]  # an early trigger is ignored
        )

    def _start_burst(self, channel: int) -> None:
        self._triggers_left[channel] = max(0, self._triggers_left[channel] - 1)
        start_ns = self.t_ns + round(self.trigger_delay[channel] * 1e9)
        waveform = self._waveform(channel, self.burst_cycles[channel])
        length_s = waveform.codes.size / waveform.sample_rate_hz * (waveform.repeats or math.inf)
        end_ns = start_ns + math.ceil(min(length_s, 1e9) * 1e9)
        self._busy_until_ns[channel] = end_ns
        if waveform.repeats is not None:
            self.start_operation((end_ns - self.t_ns) * 1e-9)
        terminal: VoltageInput | None = self.terminals.get(f"output{channel}")
        if terminal is not None:
            terminal.play(start_ns, waveform)
        sync: EdgeInput | None = self.terminals.get("sync")
        if sync is not None and self.sync_on and self.sync_source == f"CH{channel}":
            sync.edge(start_ns)

    # ---- what is at the connectors -------------------------------------------------

    def drive(self, channel: int) -> None:
        """Apply what is set to an output, if it is something new."""
        terminal: VoltageInput | None = self.terminals.get(f"output{channel}")
        state = self._state(channel)
        if terminal is None or state == self._applied.get(channel):
            return
        self._applied[channel] = state
        self._busy_until_ns[channel] = 0  # a new setting ends a running burst
        offset = self.levels[channel].offset * self._scale(channel)
        if not self.on[channel]:
            terminal.hold(self.t_ns, 0.0)
        elif self.function[channel] == "DC":
            terminal.hold(self.t_ns, offset)
        elif not self.burst[channel]:
            terminal.play(self.t_ns, self._waveform(channel, math.inf))
        elif self.trigger_source[channel] in ("IMM", "TIM"):
            terminal.play(self.t_ns, self._paused(channel))
        else:
            waveform = self._waveform(channel, 1)
            first = int(waveform.codes[0]) * waveform.volts_per_code + waveform.offset_v
            terminal.hold(self.t_ns, first)

    def _state(self, channel: int) -> tuple[object, ...]:
        """Return all that the voltage at an output depends on."""
        if not self.on[channel]:
            return (False,)
        levels, shape = self.levels[channel], self.function[channel]
        state: list[object] = [shape, levels.vpp, levels.offset, levels.load_ohm]
        names: tuple[str, ...] = _RECORD if shape == "ARB" else _STANDARD
        if shape == "ARB":
            state.append(self.memory[channel].selections)
        if self.burst[channel]:
            names += _BURST
        return (*state, *(getattr(self, name)[channel] for name in names))

    def _scale(self, channel: int) -> float:
        """Return the true voltage for one that is shown."""
        truth = divider(self.settings["termination_ohm"])
        return truth / divider(self.levels[channel].load_ohm)

    def _record(self, channel: int) -> tuple[Codes, float]:
        """Return what is played, and its sample rate."""
        shape = self.function[channel]
        if shape == "ARB":
            return self.memory[channel].record, self.sample_rate[channel]
        frequency = self.frequency[channel]
        duty = self.duty[channel] / 100.0
        if shape == "PULS":
            duty = min(self.pulse_width[channel] * frequency, 1.0)
        phase = self.burst_phase[channel] if self.burst[channel] else self.phase[channel]
        symmetry = self.symmetry[channel] / 100.0
        codes = period(shape, phase_deg=phase, duty=duty, symmetry=symmetry)
        if shape == "NOIS":
            return codes, 2.0 * self.bandwidth[channel]
        return codes, self.bit_rate[channel] if shape == "PRBS" else frequency * codes.size

    def _waveform(self, channel: int, cycles: float) -> Waveform:
        codes, rate = self._record(channel)
        scale = self._scale(channel)
        sign = -1.0 if self.polarity[channel] == "INV" else 1.0
        return Waveform(
            codes,
            sign * self.levels[channel].vpp / 2 / FULL_SCALE * scale,
            self.levels[channel].offset * scale,
            rate,
            None if math.isinf(cycles) else int(cycles),
        )

    def _paused(self, channel: int) -> Waveform:
        """Return bursts that follow one another without end, as one record."""
        once = self._waveform(channel, math.inf)
        cycles, rate = self.burst_cycles[channel], once.sample_rate_hz
        timed = self.trigger_source[channel] == "TIM"
        every_s = self.trigger_timer[channel] if timed else self.burst_period[channel]
        size = round(every_s * rate)
        if math.isinf(cycles) or not once.codes.size * cycles < size <= _MAX_PAUSED_SAMPLES:
            return once
        codes = np.full(size, once.codes[0])
        codes[: once.codes.size * int(cycles)] = np.tile(once.codes, int(cycles))
        return Waveform(codes, once.volts_per_code, once.offset_v, rate, None)
