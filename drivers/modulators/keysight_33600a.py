"""Keysight 33600A series waveform generators (33611A, 33612A, 33621A, 33622A).

Commands are those of the Keysight Trueform Series Operating and Service Guide,
33500-90901, chapter "SCPI Programming Reference"; `page` names its subsystem.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from drivers.core import Channel, Choice, Flag, Instrument, Integer, LineSettings, Number, Text
from drivers.core.errors import ValueOutOfRangeError
from drivers.core.reporting import ScpiQueue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Keysight33600A", "Output"]

_SHAPES = {
    "sine": "SIN",
    "square": "SQU",
    "triangle": "TRI",
    "ramp": "RAMP",
    "pulse": "PULS",
    "prbs": "PRBS",
    "noise": "NOIS",
    "arbitrary": "ARB",
    "dc": "DC",
}
_SOURCES = {"software": "BUS", "external": "EXT", "immediate": "IMM", "timer": "TIM"}

#: Converter codes that are allowed at either end.
_MAX_CODE = 32767
#: Samples that one record must have at least.
_MIN_SAMPLES = 32
#: A record is given the time of this rate, which every interface surpasses.
_SLOWEST_BYTES_PER_S = 0.25e6


class _Load(Number):
    """A resistance in ohms, or infinity, which the instrument writes as 9.9E+37."""

    def parse(self, reply: str) -> float:
        ohms = float(reply)
        return math.inf if ohms > 9e37 else ohms

    def check(self, value: float) -> float:
        return value if value == math.inf else super().check(value)

    def format(self, value: float) -> str:
        return "INF" if math.isinf(value) else super().format(value)


class _Memory(Integer):
    """The memory by the list of options, in decimal millions, which are the safe ones."""

    def parse(self, reply: str) -> int:
        return self.high if "MEM" in reply.upper() else self.low


class Output(Channel):
    """One output connector with its waveform, burst and trigger."""

    instrument: Keysight33600A

    output = Flag(
        "OUTP{channel}?", "OUTP{channel} {value}", page="OUTPut", doc="Whether the output is on."
    )
    load_ohm = _Load(
        "OUTP{channel}:LOAD?",
        "OUTP{channel}:LOAD {value}",
        low=1,
        high=10e3,
        unit="ohm",
        page="OUTPut:LOAD",
        doc="The load that all voltages refer to, 1 ohm to 10 kohm or infinite.",
    )
    polarity = Choice(
        "OUTP{channel}:POL?",
        "OUTP{channel}:POL {value}",
        choices={"normal": "NORM", "inverted": "INV"},
        page="OUTPut:POLarity",
        doc="Polarity of the waveform about its offset.",
    )
    function = Choice(
        "SOUR{channel}:FUNC?",
        "SOUR{channel}:FUNC {value}",
        choices=_SHAPES,
        page="FUNCtion",
        doc="Waveform that is played.",
    )
    frequency_hz = Number(
        "SOUR{channel}:FREQ?",
        "SOUR{channel}:FREQ {value}",
        low=1e-6,
        high=120e6,
        digits=15,
        unit="Hz",
        page="FREQuency",
        doc="Frequency of the standard waveforms; the shape limits it further.",
    )
    # The unit is set along with the query: a front panel in dBm must not mislead.
    amplitude_vpp = Number(
        "SOUR{channel}:VOLT:UNIT VPP;:SOUR{channel}:VOLT?",
        "SOUR{channel}:VOLT {value} VPP",
        low=1e-3,
        high=20,
        unit="V",
        page="VOLTage",
        doc="Full span of the converter, peak to peak, into the set load.",
    )
    offset_v = Number(
        "SOUR{channel}:VOLT:OFFS?",
        "SOUR{channel}:VOLT:OFFS {value}",
        low=-10,
        high=10,
        unit="V",
        page="VOLTage:OFFSet",
        doc="Offset into the set load.",
    )
    high_v = Number(
        "SOUR{channel}:VOLT:HIGH?",
        "SOUR{channel}:VOLT:HIGH {value}",
        low=-10,
        high=10,
        unit="V",
        page="VOLTage:HIGH",
        doc="Upper level.",
    )
    low_v = Number(
        "SOUR{channel}:VOLT:LOW?",
        "SOUR{channel}:VOLT:LOW {value}",
        low=-10,
        high=10,
        unit="V",
        page="VOLTage:LOW",
        doc="Lower level.",
    )
    phase_deg = Number(
        "SOUR{channel}:PHAS?",
        "SOUR{channel}:PHAS {value}",
        low=-360,
        high=360,
        unit="degree",
        page="PHASe",
        doc="Phase offset of a standard waveform.",
    )
    sample_rate_hz = Number(
        "SOUR{channel}:FUNC:ARB:SRAT?",
        "SOUR{channel}:FUNC:ARB:SRAT {value}",
        low=1e-6,
        high=1e9,
        digits=15,
        unit="Hz",
        page="FUNCtion:ARBitrary:SRATe",
        doc="Sample rate of the selected record; the filter limits it further.",
    )
    filter = Choice(
        "SOUR{channel}:FUNC:ARB:FILT?",
        "SOUR{channel}:FUNC:ARB:FILT {value}",
        choices={"normal": "NORM", "step": "STEP", "off": "OFF"},
        page="FUNCtion:ARBitrary:FILTer",
        doc="Reconstruction filter of records.",
    )
    waveform = Text(
        "SOUR{channel}:FUNC:ARB?",
        "SOUR{channel}:FUNC:ARB {value}",
        quoted=True,
        page="FUNCtion:ARBitrary",
        doc="Name of the selected record.",
    )
    free_samples = Integer(
        "SOUR{channel}:DATA:VOL:FREE?",
        low=0,
        high=1 << 27,
        page="DATA:VOLatile:FREE?",
        doc="Samples that the volatile memory still takes.",
    )
    burst = Flag(
        "SOUR{channel}:BURS:STAT?",
        "SOUR{channel}:BURS:STAT {value}",
        page="BURSt:STATe",
        doc="Whether the waveform waits for a trigger.",
    )
    burst_mode = Choice(
        "SOUR{channel}:BURS:MODE?",
        "SOUR{channel}:BURS:MODE {value}",
        choices={"triggered": "TRIG", "gated": "GAT"},
        page="BURSt:MODE",
        doc="Whether a burst is counted or gated.",
    )
    burst_cycles = Number(
        "SOUR{channel}:BURS:NCYC?",
        "SOUR{channel}:BURS:NCYC {value}",
        low=1,
        high=1e8,
        step=1,
        page="BURSt:NCYCles",
        doc="Cycles of a burst.",
    )
    burst_period_s = Number(
        "SOUR{channel}:BURS:INT:PER?",
        "SOUR{channel}:BURS:INT:PER {value}",
        low=1e-6,
        high=8000,
        unit="s",
        page="BURSt:INTernal:PERiod",
        doc="Time between the starts of bursts that follow one another.",
    )
    trigger_source = Choice(
        "TRIG{channel}:SOUR?",
        "TRIG{channel}:SOUR {value}",
        choices=_SOURCES,
        page="TRIGger:SOURce",
        doc="What starts a burst.",
    )
    trigger_slope = Choice(
        "TRIG{channel}:SLOP?",
        "TRIG{channel}:SLOP {value}",
        choices={"rising": "POS", "falling": "NEG"},
        page="TRIGger:SLOPe",
        doc="Edge of the external trigger.",
    )
    trigger_delay_s = Number(
        "TRIG{channel}:DEL?",
        "TRIG{channel}:DEL {value}",
        low=0,
        high=1000,
        step=4e-9,
        digits=13,
        unit="s",
        page="TRIGger:DELay",
        doc="Time from the trigger to the burst.",
    )
    rearm = Flag(
        "INIT{channel}:CONT?",
        "INIT{channel}:CONT {value}",
        page="INITiate:CONTinuous",
        doc="Whether the trigger is armed anew after each burst.",
    )

    def load(self, name: str, codes: NDArray[np.int16]) -> None:
        """Replace the volatile memory by one record and select it for playing.

        Clearing comes first, since a name that is loaded already is refused (p. 241).

        Parameters
        ----------
        name : str
            At most 12 letters, digits and underscores, a letter first.
        codes : int16 array
            Converter codes from -32767 to 32767, which span `amplitude_vpp`
            around `offset_v`; at least 32 of them.

        Raises
        ------
        ValueOutOfRangeError
            If name, length or codes are outside what the instrument takes.
        InstrumentFaultError
            If it does not take them after all, such as for want of memory.
        """
        import numpy as np

        self._check_record(name, codes)
        data = np.ascontiguousarray(codes, "<i2")  # SWAP: little-endian, on most machines no copy
        link, source = self.link, f"SOUR{self.number}:"
        upload = f"{source}DATA:ARB:DAC {name},"
        with link.patience(data.nbytes / _SLOWEST_BYTES_PER_S):
            link.write(f"{source}DATA:VOL:CLE;:FORM:BORD SWAP".encode("ascii"))
            link.write_block(upload.encode("ascii"), data.data)
            link.write(f'{source}FUNC:ARB "{name}";:{source}FUNC ARB'.encode("ascii"))
            self.instrument.reporting.check(link, upload)

    def play_once_on(self, source: Literal["software", "external"]) -> None:
        """Arm: play the record once per trigger, and hold its first sample meanwhile."""
        self.trigger_source = source
        self.burst_mode = "triggered"
        self.burst_cycles = 1
        self.burst = True
        self.rearm = True

    def records(self) -> list[str]:
        """Return the names of the records in the volatile memory."""
        reply = self.ask(f"SOUR{self.number}:DATA:VOL:CAT?")
        return [name.strip('"') for name in reply.split('","') if name.strip('"')]

    def _check_record(self, name: str, codes: NDArray[np.int16]) -> None:
        problem = ""
        if not (name.isascii() and name[:1].isalpha() and name.replace("_", "a").isalnum()):
            problem = f"{name[:20]!r} is no name for a record"
        elif len(name) > 12:
            problem = f"the name {name[:20]!r} is longer than 12 characters"
        elif codes.dtype != "int16" or codes.ndim != 1:
            problem = f"a record is a row of int16, not {codes.dtype} of shape {codes.shape}"
        elif codes.size < _MIN_SAMPLES:
            problem = f"a record of {codes.size} samples is shorter than {_MIN_SAMPLES}"
        elif codes.min() < -_MAX_CODE:
            problem = f"code -32768 is below -{_MAX_CODE}"
        if problem:
            raise ValueOutOfRangeError(problem, instrument=self.path)


class Keysight33600A(Instrument):
    """Keysight 33600A series waveform generator with two outputs.

    `channel` gives an `Output`. Both outputs, armed for the software trigger,
    start together on `trigger`; the sync connector marks the start of the burst.
    """

    line: ClassVar[LineSettings] = LineSettings(timeout_s=5.0)
    reporting = ScpiQueue()
    identity_pattern: ClassVar[str] = r"(Agilent|Keysight) Technologies,336[12][12]A,.*"
    channels: ClassVar = {"channel": (Output, (1, 2))}

    sync = Flag(
        "OUTP:SYNC?", "OUTP:SYNC {value}", page="OUTPut:SYNC", doc="Whether the sync output is on."
    )
    sync_source = Choice(
        "OUTP:SYNC:SOUR?",
        "OUTP:SYNC:SOUR {value}",
        choices={"channel1": "CH1", "channel2": "CH2"},
        page="OUTPut:SYNC:SOURce",
        doc="Output that the sync connector follows.",
    )
    reference = Choice(
        "ROSC:SOUR?",
        "ROSC:SOUR {value}",
        choices={"internal": "INT", "external": "EXT"},
        page="ROSCillator:SOURce",
        doc="Time base; setting it ends the automatic choice.",
    )
    options = Text("*OPT?", page="*OPT?", doc="Installed options.")
    memory_samples = _Memory(
        "*OPT?",
        low=4_000_000,
        high=64_000_000,
        page="*OPT?",
        doc="Samples that one output's volatile memory holds, by the option MEM.",
    )

    def trigger(self) -> None:
        """Start the armed outputs together; the sync output gives the block marker."""
        self.tell("*TRG")

    def align_phases(self) -> None:
        """Restart the standard waveforms of both outputs in phase."""
        self.tell("PHAS:SYNC")

    def reset(self) -> None:
        """Return to the factory settings: outputs off, 1 kHz sine."""
        self.tell("*RST")
