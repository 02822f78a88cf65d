"""Keysight N7711A and N7714A tunable laser system sources.

Commands and pages are those of the Keysight N77xx Series Programming Guide,
N7744-90C01, edition 7 (2015).
"""

from __future__ import annotations

from typing import ClassVar

from drivers.core import Channel, Flag, Instrument, LineSettings, Number

__all__ = ["KeysightN7711A", "KeysightN7714A", "LaserPort"]


class LaserPort(Channel):
    """One laser of the source.

    What power and wavelength it reaches depends on its option; `power_dbm` and
    `wavelength_m` are checked by the instrument, and the limits can be asked.
    """

    output = Flag(
        "OUTP{channel}:STAT?",
        "OUTP{channel}:STAT {value}",
        page="p. 85",
        doc="Whether the laser is on; it takes seconds to settle, see `settled`.",
    )
    # The unit is set along with the query: a laser left in watts must not mislead.
    power_dbm = Number(
        "SOUR{channel}:POW:UNIT DBM;:SOUR{channel}:POW?",
        "SOUR{channel}:POW {value}DBM",
        low=-60,
        high=30,
        unit="dBm",
        page="p. 86",
        doc="Output power that is set.",
    )
    lowest_power_dbm = Number(
        "SOUR{channel}:POW:UNIT DBM;:SOUR{channel}:POW? MIN",
        unit="dBm",
        page="p. 86",
        doc="Lowest power that can be set.",
    )
    highest_power_dbm = Number(
        "SOUR{channel}:POW:UNIT DBM;:SOUR{channel}:POW? MAX",
        unit="dBm",
        page="p. 86",
        doc="Highest power that can be set.",
    )
    wavelength_m = Number(
        "SOUR{channel}:WAV?",
        "SOUR{channel}:WAV {value}",
        low=1.5e-6,
        high=1.65e-6,
        unit="m",
        page="p. 88",
        doc="Vacuum wavelength; it can be set in auto mode only.",
    )
    shortest_wavelength_m = Number(
        "SOUR{channel}:WAV? MIN", unit="m", page="p. 88", doc="Shortest wavelength."
    )
    longest_wavelength_m = Number(
        "SOUR{channel}:WAV? MAX", unit="m", page="p. 88", doc="Longest wavelength."
    )
    frequency_hz = Number(
        "SOUR{channel}:FREQ?",
        "SOUR{channel}:FREQ {value}",
        low=180e12,
        high=200e12,
        unit="Hz",
        page="p. 90",
        doc="Optical frequency; it can be set in auto mode only.",
    )
    auto_mode = Flag(
        "SOUR{channel}:WAV:AUTO?",
        "SOUR{channel}:WAV:AUTO {value}",
        page="p. 89",
        doc="Whether the wavelength is free (auto mode) or on the grid (grid mode).",
    )
    grid_reference_hz = Number(
        "SOUR{channel}:FREQ:REF?",
        "SOUR{channel}:FREQ:REF {value}",
        low=180e12,
        high=200e12,
        unit="Hz",
        page="p. 90",
        doc="Frequency of grid channel 0; it can be set in grid mode with the laser off.",
    )
    grid_spacing_hz = Number(
        "SOUR{channel}:FREQ:GRID?",
        "SOUR{channel}:FREQ:GRID {value}",
        low=1e8,
        high=1e12,
        unit="Hz",
        page="p. 91",
        doc="Grid spacing; it can be set in grid mode with the laser off.",
    )
    grid_channel = Number(
        "SOUR{channel}:FREQ:CHAN?",
        "SOUR{channel}:FREQ:CHAN {value}",
        low=-1000,
        high=1000,
        step=1,
        page="p. 92",
        doc="Grid channel; it can be set in grid mode.",
    )
    grid_offset_hz = Number(
        "SOUR{channel}:FREQ:OFFS?",
        "SOUR{channel}:FREQ:OFFS {value}",
        low=-50e9,
        high=50e9,
        unit="Hz",
        page="p. 93",
        doc="Offset from the grid channel; it can be set in grid mode.",
    )
    linewidth_modulation = Flag(
        "SOUR{channel}:MODU:INT?",
        "SOUR{channel}:MODU:INT {value}",
        page="p. 94",
        doc="Whether the frequency is modulated against Brillouin scattering.",
    )
    settled = Flag(
        "SLOT{channel}:OPC?",
        page="p. 82",
        doc="Whether the laser has done what it was told last.",
    )


class KeysightN7714A(Instrument):
    """Keysight N7714A tunable laser system source with four lasers."""

    line: ClassVar[LineSettings] = LineSettings(timeout_s=5.0)
    identity_pattern: ClassVar[str] = r"(Agilent|Keysight) Technologies, ?N7714A,.*"
    channels: ClassVar = {"channel": (LaserPort, (1, 2, 3, 4))}


class KeysightN7711A(KeysightN7714A):
    """Keysight N7711A tunable laser system source with one laser."""

    identity_pattern: ClassVar[str] = r"(Agilent|Keysight) Technologies, ?N7711A,.*"
    channels: ClassVar = {"channel": (LaserPort, (1,))}
