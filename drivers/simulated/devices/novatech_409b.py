"""Novatech 409B signal generator: frequencies, phases and amplitudes of four outputs.

Commands and replies after m-labs/novatech409b and labscript-devices (NovaTechDDS9M), the
ranges after the "409B Manual", 17-Apr-2015, section 1. The fields of ``QUE`` that nobody
explains are as m-labs quotes them. An amplitude above 1023 is kept without a word. How
long a command takes is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from drivers.simulated.device import SerialLine, Setting
from drivers.simulated.line import LineDevice, line
from drivers.simulated.time import BenchTime

if TYPE_CHECKING:
    from drivers.simulated.terminals import ShifterInput

__all__ = ["Novatech409BDevice"]

_HIGHEST_TENTHS = 1_711_276_031
_FULL = 1023
_LONGEST = 32


class Novatech409BDevice(LineDevice):
    """A four-channel generator.

    Terminals
    ---------
    output0, output1, output2, output3 : ShifterInput
        What its outputs drive.

    Settings
    --------
    version : str
        Last field of the status line.
    echo : bool
        Whether it echoes when the bench starts, as it does after power-on.
    frequency_hz : float
        Frequency of all outputs when the bench starts.
    """

    connectors = ("serial",)
    serial = SerialLine(baud=19200, reply_end=b"\r\n", echo=True)
    line_ends = b"\r\n"
    latency_s = 2e-3
    terminal_names = ("output0", "output1", "output2", "output3")
    default_settings: ClassVar[Mapping[str, Setting]] = {
        "version": "21",
        "echo": True,
        "frequency_hz": 10e6,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self.echo = bool(self.settings["echo"])
        self._tenths = [round(self.settings["frequency_hz"] * 10.0)] * 4
        self._phase = [0] * 4
        self._amplitude = [_FULL] * 4
        for number in range(4):
            self._drive(number)

    def unknown(self, text: str) -> str:
        """Answer what nobody understands."""
        return "?3" if len(text) > _LONGEST else "?0"

    @line(r"E (d|e)")
    def set_echo(self, choice: str) -> str:
        """Switch the echo."""
        self.echo = choice.lower() == "e"
        return "OK"

    @line(r"F([0-3]) (\S+)")
    def set_frequency(self, output: str, megahertz: str) -> str:
        """Set a frequency in MHz."""
        try:
            tenths = round(float(megahertz) * 1e7)
        except (ValueError, OverflowError):
            return "?1"
        if "." not in megahertz or not 0 <= tenths <= _HIGHEST_TENTHS:
            return "?1"
        self._tenths[int(output)] = tenths
        return self._driven(int(output))

    @line(r"P([0-3]) (\S+)")
    def set_phase(self, output: str, steps: str) -> str:
        """Set a phase in steps of 1/16384 turn."""
        if not steps.isdecimal() or int(steps) > 16383:
            return "?4"
        self._phase[int(output)] = int(steps)
        return self._driven(int(output))

    @line(r"V([0-3]) (\S+)")
    def set_amplitude(self, output: str, steps: str) -> str:
        """Set an amplitude in steps of 1/1023."""
        if not steps.isdecimal():
            return "?7"
        self._amplitude[int(output)] = int(steps) & 0x3FF
        return self._driven(int(output))

    @line(r"M (\S+)")
    def set_clearing(self, choice: str) -> str:
        """Choose whether a command clears the phase; here it never shows."""
        return "OK" if choice in ("a", "n") else "?6"

    @line(r"QUE")
    def state(self) -> str:
        """Return all settings."""
        lines = [
            f"{self._tenths[n]:08X} {self._phase[n]:04X} {self._amplitude[n]:04X}"
            " 0000 00000000 00000000 000301"
            for n in range(4)
        ]
        return "\r\n".join([*lines, f"80 BC0000 0000 0102 {self.settings['version']}"])

    def _driven(self, output: int) -> str:
        self._drive(output)
        return "OK"

    def _drive(self, output: int) -> None:
        shifter: ShifterInput | None = self.terminals.get(f"output{output}")
        if shifter is not None:
            turns = self._phase[output] / 16384
            share = self._amplitude[output] / _FULL
            shifter.drive(self.t_ns, self._tenths[output] * 0.1, turns, share)
