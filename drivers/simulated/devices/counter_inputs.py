"""The inputs of a 53220A or 53230A counter (User's Guide, 53220-90001, chapter 4)."""

from __future__ import annotations

from drivers.simulated.scpi import (
    Boolean,
    Choice,
    Number,
    ScpiDevice,
    ScpiError,
    Setting,
    command,
    exponent,
    query,
)

__all__ = ["CounterInputs"]

_FLOAT = exponent(8, 3)


def _flag(word: str) -> str:
    return "0" if word == "OFF" else "1"


class CounterInputs(ScpiDevice):
    """What is set at the two inputs; `levels` holds their fixed thresholds."""

    levels: dict[int, float]

    coupling = Setting("INPut[1|2]:COUPling", Choice("AC", "DC"))
    impedance = Setting(
        "INPut[1|2]:IMPedance", Number("OHM", 50.0, 1e6, 1e6, reply=_FLOAT), then="_round_impedance"
    )
    span = Setting(
        "INPut[1|2]:RANGe", Number("V", 5.0, 50.0, 5.0, reply=_FLOAT), then="_round_span"
    )
    probe = Setting("INPut[1|2]:PROBe", Number("", 1, 10, 1, integer=True))
    slope = Setting("INPut[1|2]:SLOPe", Choice("POSitive", "NEGative"))
    low_pass = Setting("INPut[1|2]:FILTer[:LPASs][:STATe]", Boolean())
    auto_level = Setting(
        "INPut[1|2]:LEVel:AUTO",
        Choice("ON", "OFF", "ONCE", numbers={0: "OFF", 1: "ON"}),
        reply=_flag,
        then="_level_once",
    )
    relative_level = Setting(
        "INPut[1|2]:LEVel:RELative",
        Number("PCT", 10, 90, 50, step=5.0, reply=lambda percent: f"{round(percent):+d}"),
    )

    def _round_impedance(self, number: int) -> None:
        self.impedance[number] = 50.0 if self.impedance[number] < 1e3 else 1e6

    def _round_span(self, number: int) -> None:
        self.span[number] = 5.0 if self.span[number] <= 5.0 else 50.0

    def _level_once(self, number: int) -> None:
        if self.auto_level[number] == "ONCE":
            self.auto_level[number] = "OFF"

    @command("INPut[1|2]:LEVel[:ABSolute]", Number("V", -51.25, 51.25, 0.0, step=2.5e-3))
    def set_level(self, number: int, volts: float) -> None:
        """Set a threshold, which ends the automatic level."""
        if abs(volts) > self.span[number] * 1.025 + 1e-9:
            raise ScpiError(-222)
        self.levels[number] = volts
        self.auto_level[number] = "OFF"

    @query("INPut[1|2]:LEVel[:ABSolute]")
    def level(self, number: int) -> str:
        """Return the threshold."""
        return _FLOAT(self.levels[number])
