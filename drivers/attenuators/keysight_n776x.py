"""Keysight N776x variable optical attenuators.

Commands and pages are those of the Keysight N77xx Series Programming Guide,
N7744-90C01, edition 7 (2015). An attenuator takes two ports, its input and its
output; commands go to the input's number.
"""

from __future__ import annotations

from typing import ClassVar

from drivers.core import Channel, Coupling, Flag, Instrument, LineSettings, Number

__all__ = [
    "AttenuatorPort",
    "KeysightN776x",
    "KeysightN7761A",
    "KeysightN7762A",
    "KeysightN7764A",
]


class AttenuatorPort(Channel):
    """One attenuator with its shutter and its power monitor.

    The filter moves at `speed_db_s`: `settled` says when it has arrived.
    """

    couplings: ClassVar = {
        "attenuation_db": Coupling(
            moved_by=("power_dbm",),
            true_while={"offset_db": 0.0, "power_control": False, "settled": True},
        )
    }

    attenuation_db = Number(
        "INP{channel}:ATT?",
        "INP{channel}:ATT {value}DB",
        low=0,
        high=45,
        unit="dB",
        page="p. 99",
        doc="Attenuation with the offset added, which is taken to be 0 dB.",
    )
    highest_attenuation_db = Number(
        "INP{channel}:ATT? MAX", unit="dB", page="p. 99", doc="Highest attenuation with the offset."
    )
    offset_db = Number(
        "INP{channel}:OFFS?",
        "INP{channel}:OFFS {value}DB",
        low=-200,
        high=200,
        unit="dB",
        page="p. 100",
        doc="Attenuation that is displayed with the filter at 0 dB.",
    )
    speed_db_s = Number(
        "INP{channel}:ATT:SPE?",
        "INP{channel}:ATT:SPE {value}",
        low=0.1,
        high=1000,
        unit="dB/s",
        page="p. 101",
        doc="Speed of the filter.",
    )
    wavelength_m = Number(
        "INP{channel}:WAV?",
        "INP{channel}:WAV {value}",
        low=1.26e-6,
        high=1.64e-6,
        unit="m",
        page="p. 102",
        doc="Wavelength for which the filter is corrected.",
    )
    output = Flag(
        "OUTP{channel}:STAT?",
        "OUTP{channel}:STAT {value}",
        page="p. 106",
        doc="Whether the shutter is open.",
    )
    open_at_power_on = Flag(
        "OUTP{channel}:STAT:APOW?",
        "OUTP{channel}:STAT:APOW {value}",
        page="p. 106",
        doc="Whether the shutter opens when the unit is switched on, once saved.",
    )
    # The unit is set along with the query: a monitor left in watts must not mislead.
    power_dbm = Number(
        "OUTP{channel}:POW:UN DBM;:OUTP{channel}:POW?",
        "OUTP{channel}:POW {value}DBM",
        low=-80,
        high=30,
        unit="dBm",
        page="p. 103",
        doc="Output power that is to be reached.",
    )
    power_offset_db = Number(
        "OUTP{channel}:POW:OFFS?",
        "OUTP{channel}:POW:OFFS {value}DB",
        low=-200,
        high=200,
        unit="dB",
        page="p. 104",
        doc="Loss behind the unit, subtracted from its powers.",
    )
    power_control = Flag(
        "OUTP{channel}:POW:CONTR?",
        "OUTP{channel}:POW:CONTR {value}",
        page="p. 105",
        doc="Whether the filter follows the input power to hold the output power.",
    )
    averaging_s = Number(
        "OUTP{channel}:ATIM?",
        "OUTP{channel}:ATIM {value}S",
        low=2e-3,
        high=1,
        unit="s",
        page="p. 107",
        doc="Averaging time of the power monitor.",
    )
    monitor_dbm = Number(
        "OUTP{channel}:POW:UN DBM;:FETC{channel}:POW?",
        unit="dBm",
        page="p. 114",
        doc="Output power that the monitor sees.",
    )
    settled = Flag(
        "SLOT{channel}:OPC?", page="p. 82", doc="Whether filter and shutter have arrived."
    )


class KeysightN776x(Instrument):
    """What the attenuators have in common; a model has its ports."""

    line: ClassVar[LineSettings] = LineSettings(timeout_s=5.0)
    identity_pattern: ClassVar[str] = r"(Agilent|Keysight) Technologies, ?N776[124]A,.*"
    channels: ClassVar = {"channel": (AttenuatorPort, (1,))}

    def close_shutters(self) -> None:
        """Close all shutters at full speed."""
        self.tell("OUTP:STAT:ALL OFF")


class KeysightN7764A(KeysightN776x):
    """Keysight N7764A with four attenuators."""

    identity_pattern: ClassVar[str] = r"(Agilent|Keysight) Technologies, ?N7764A,.*"
    channels: ClassVar = {"channel": (AttenuatorPort, (1, 3, 5, 7))}


class KeysightN7762A(KeysightN776x):
    """Keysight N7762A with two attenuators."""

    identity_pattern: ClassVar[str] = r"(Agilent|Keysight) Technologies, ?N7762A,.*"
    channels: ClassVar = {"channel": (AttenuatorPort, (1, 3))}


class KeysightN7761A(KeysightN776x):
    """Keysight N7761A with one attenuator."""

    identity_pattern: ClassVar[str] = r"(Agilent|Keysight) Technologies, ?N7761A,.*"
