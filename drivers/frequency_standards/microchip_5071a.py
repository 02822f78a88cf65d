"""Microchip (HP, Agilent, Symmetricom) 5071A caesium primary frequency standard.

Sources: the manual's page 51 on its command syntax (below: manual); ``5071a.cpp``
of KE5FX (below: KE5FX); ``hp5071a.py`` of N8UR (below: N8UR), whose units answer
with other counts of numbers than the manual promises; ``read5071a.py`` and the
sample readings of JonahS1/monitor_5071a (below: monitor); a logging script in
Spanish with every query of the diagnostics (below: logger).

The unit echoes each line and then shows the prompt ``scpi >``. Settings are taken
only in remote mode, which opening turns on and closing off. What a refused
command looks like is in no source: any text before the prompt counts as a
refusal, and the steering is read back.
"""

from __future__ import annotations

import contextlib
import re
from typing import Self

from drivers.core import (
    Array,
    Choice,
    DriverError,
    Flag,
    Instrument,
    Integer,
    LineSettings,
    Number,
    ReplyText,
    Text,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.core.reporting import ErrorReporting

__all__ = ["REPORT_NAMES", "Microchip5071A", "parse_report"]

_STEP = 6.331991e-15

#: What ``SYST:PRINT?`` lists, in its order (monitor).
REPORT_NAMES = (
    *("MJD", "CBT ID", "Status summary", "Power source", "Log status"),
    *("Freq Offset", "Osc. control", "RF amplitude 1", "RF amplitude 2"),
    *("Zeeman Freq", "C-field curr", "E-multiplier", "Signal Gain"),
    *("CBT Oven", "CBT Oven Err", "Osc. Oven", "Ion Pump", "HW Ionizer", "Mass spec"),
    *("SAW Tuning", "DRO Tuning", "87MHz PLL", "uP Clock PLL"),
    *("+12V supply", "-12V supply", "+5V supply", "Thermometer"),
)
_NAMED = re.compile(rf"(?<!\S)(?:(MJD)|({'|'.join(map(re.escape, REPORT_NAMES[1:]))})\s?:)\s?")


class _Operating(Flag):
    """Whether the global status is the one of normal operation (monitor)."""

    def parse(self, reply: str) -> bool:
        """Compare with the only text that means it."""
        text = reply.strip().strip('"').strip().lower()
        if not text:
            raise ValueError(reply)
        return text == "operating normally"

    def expects(self) -> str:
        """Describe the status."""
        return "a global status"


class Microchip5071A(Instrument):
    """A caesium beam standard whose output can be steered finely.

    Satisfies `drivers.roles.SteerableStandard`. Whether the unit keeps its steering
    over a loss of power is in no source.
    """

    line = LineSettings(write_end=b"\r\n", read_end=b"\r\n", prompt=b"scpi >", baud_rate=9600)
    reporting: ErrorReporting = ReplyText([""])
    identity_pattern = r".*,\s*5071A\s*,.*"

    #: One step of `steering`.
    steering_step: float = _STEP
    #: Lowest and highest `steering`.
    steering_range: tuple[float, float] = (-1e-9, 1e-9)

    steering = Number(
        "SOUR:ROSC:STE?",
        "SOUR:ROSC:STE {value}",
        low=-1e-9,
        high=1e-9,
        step=_STEP,
        doc="Fractional steering, positive raises the frequency.",
        page="logger",
        read_back=True,
    )
    locked = _Operating(
        "DIAG:STAT:GLOB?", doc="Whether the unit operates normally.", page="KE5FX, N8UR"
    )
    status = Text("DIAG:STAT:GLOB?", quoted=True, doc="Global status.", page="N8UR")
    supply_status = Text("DIAG:STAT:SUPP?", quoted=True, doc="Power in use.", page="N8UR")
    continuous_operation = Choice(
        "DIAG:CONT:STATE?",
        choices={"off": "OFF", "enabled": "ENA", "on": "ON"},
        doc="Whether operation has been continuous since it was enabled.",
        page="N8UR",
    )
    temperature_c = Number("DIAG:TEMP?", unit="°C", doc="Internal temperature.", page="N8UR")
    beam_current = Number("DIAG:CURR:BEAM?", doc="Beam current, in the unit's scale.", page="N8UR")
    c_field_a = Number("DIAG:CURR:CFIELD?", scale=1e-3, unit="A", doc="C-field.", page="N8UR")
    ion_pump_a = Number("DIAG:CURR:PUMP?", scale=1e-6, unit="A", doc="Ion pump.", page="N8UR")
    gain_percent = Number("DIAG:GAIN?", unit="%", doc="Gain of the signal.", page="N8UR")
    rf_amplitude_percent = Array(
        "DIAG:RFAMPLITUDE?", length=2, unit="%", doc="Both amplitudes.", page="N8UR"
    )
    beam_oven_v = Number("DIAG:VOLT:COV?", unit="V", doc="Caesium oven.", page="N8UR")
    multiplier_v = Number("DIAG:VOLT:EMUL?", unit="V", doc="Electron multiplier.", page="N8UR")
    ionizer_v = Number("DIAG:VOLT:HWI?", unit="V", doc="Hot-wire ionizer.", page="N8UR")
    mass_spectrometer_v = Number("DIAG:VOLT:MSP?", unit="V", doc="Mass filter.", page="N8UR")
    crystal_oven_v = Number("DIAG:VOLT:ROSC?", unit="V", doc="Oven of the crystal.", page="N8UR")
    pll_v = Array(
        "DIAG:VOLT:PLL?",
        length=4,
        unit="V",
        doc="Tuning of SAW, DRO, 87 MHz and processor clock.",
        page="N8UR",
    )
    supply_v = Array(
        "DIAG:VOLT:SUPP?", length=3, unit="V", doc="+5 V, +12 V and -12 V.", page="N8UR"
    )
    crystal_control_percent = Number(
        "SOUR:ROSC:CONT?", unit="%", doc="Control of the crystal.", page="logger"
    )
    tube_serial_number = Text("DIAG:CBTS?", quoted=True, doc="Serial of the tube.", page="logger")
    display = Flag(
        None, "DISP:ENAB {value}", on="ON", off="OFF", doc="Clock display.", page="KE5FX"
    )
    standby = Flag(
        None,
        "SOUR:PTIM:STAN {value}",
        on="ON",
        off="OFF",
        doc="Whether to switch the beam off; the output is then no standard.",
        page="KE5FX",
    )
    pulse_synchronisation = Choice(
        None,
        "SOUR:PTIM:SYNC {value}",
        choices={"front": "FRONT", "rear": "REAR", "off": "OFF"},
        doc="Move the 1PPS outputs onto the next pulse at an input, which takes 3 s.",
        page="KE5FX",
    )
    mjd = Integer(None, "SOUR:PTIM:MJD {value}", low=0, high=99999, doc="Date.", page="KE5FX")

    _remote = False

    def open(self) -> Self:
        """Open the session, check the identity and take remote control."""
        super().open()
        try:
            self.tell("SYST:REM ON")
        except BaseException:
            self.close()
            raise
        self._remote = True
        return self

    def close(self) -> None:
        """Give the front panel back and close the session."""
        if self._remote and self.link.is_open:
            with contextlib.suppress(DriverError):  # it is closed in any case
                self.tell("SYST:REM OFF")
        self._remote = False
        super().close()

    def set_time(self, hour: int, minute: int, second: int) -> None:
        """Set the unit's time of day (manual; KE5FX)."""
        if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
            raise ValueOutOfRangeError(
                f"{hour}:{minute}:{second} is no time of day", instrument=self.name
            )
        self.guard("set_time", (hour, minute, second))
        self.tell(f"SOUR:PTIM:TIME {hour},{minute},{second}")

    def report(self) -> dict[str, str]:
        """Return the unit's own report, texts with their units by `REPORT_NAMES`.

        Raises
        ------
        UnexpectedReplyError
            If there is no status summary in what comes.
        """
        reply = self.ask("SYST:PRINT?")
        found = parse_report(reply)
        if "Status summary" not in found:
            raise UnexpectedReplyError(
                f"'SYST:PRINT?' was answered by {reply[:60]!r}, which is no report",
                instrument=self.name,
                address=self.address,
                remedy="check the model, its firmware and the line settings",
            )
        return found

    def log(self) -> list[str]:
        """Return the lines of the unit's log (KE5FX)."""
        return [line.strip() for line in self.ask("DIAG:LOG:PRINT?").splitlines() if line.strip()]


def parse_report(text: str) -> dict[str, str]:
    """Split what ``SYST:PRINT?`` prints, whatever its columns, into values by name."""
    flat = " ".join(text.split())
    marks = list(_NAMED.finditer(flat))
    ends = [*(mark.start() for mark in marks), len(flat)][1:]
    return {
        mark[1] or mark[2]: flat[mark.end() : end].strip()
        for mark, end in zip(marks, ends, strict=True)
    }
