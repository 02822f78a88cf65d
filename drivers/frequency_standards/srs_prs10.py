"""Stanford Research Systems PRS10 rubidium frequency standard, also in the FS725.

Sources: SRS, "PRS10 Rubidium Frequency Standard, Operation and Service Manual"
(below: manual), of which the pages on locking to 1PPS (16, 17) were at hand;
``src/prs10/__init__.py`` of taishi-hashimoto/prs10 (below: prs10); the settings
listed by LBNL, glacier.lbl.gov/gtp/MC/prs-10_Settings1.html (below: LBNL).

Errors are never printed: they set bits 5 and 6 of the sixth status byte, which
is read after each command. Reading clears the latched bits of all six bytes,
so `status` shows what has happened since the last command or reading. A query
that the unit does not know gets no answer.
"""

from __future__ import annotations

from drivers.core import (
    Array,
    Flag,
    Instrument,
    Integer,
    LineSettings,
    Number,
    StatusBits,
    Text,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.core.reporting import ErrorReporting

__all__ = ["FS725", "PRS10", "STATUS_BITS"]

#: The bits of the six bytes of ``ST?``, lowest first (prs10).
STATUS_BITS: tuple[tuple[str, ...], ...] = (
    (
        "electronics supply below 22 V",
        "electronics supply above 30 V",
        "heater supply below 22 V",
        "heater supply above 30 V",
        "lamp light low",
        "lamp light high",
        "gate voltage low",
        "gate voltage high",
    ),
    (
        "synthesiser unlocked",
        "crystal varactor low",
        "crystal varactor high",
        "VCO control low",
        "VCO control high",
        "AGC control low",
        "AGC control high",
        "bad synthesiser parameter",
    ),
    (
        "lamp below set temperature",
        "lamp above set temperature",
        "crystal below set temperature",
        "crystal above set temperature",
        "cell below set temperature",
        "cell above set temperature",
        "case temperature low",
        "case temperature high",
    ),
    (
        "frequency lock control off",
        "frequency lock disabled",
        "EFC high",
        "EFC low",
        "calibration voltage above 4.9 V",
        "calibration voltage below 0.1 V",
        "",
        "",
    ),
    (
        "PLL disabled",
        "fewer than 256 good 1PPS inputs",
        "PLL active",
        "more than 256 bad 1PPS inputs",
        "excessive time interval",
        "PLL restarted",
        "frequency control saturated",
        "no 1PPS input",
    ),
    (
        "lamp restarted",
        "watchdog reset",
        "bad interrupt vector",
        "EEPROM write failure",
        "EEPROM data corrupt",
        "bad command syntax",
        "bad command parameter",
        "unit was reset",
    ),
)


class _TimeTag(Number):
    """Nanoseconds from 0 to 999999999, of which the upper half means early (LBNL)."""

    def parse(self, reply: str) -> float:
        """Return a time between plus and minus half a second."""
        nanoseconds = int(reply)
        if not 0 <= nanoseconds < 10**9:
            raise ValueError(reply)
        return (nanoseconds if nanoseconds < 5 * 10**8 else nanoseconds - 10**9) * self.scale

    def expects(self) -> str:
        """Describe a time tag."""
        return "a time tag from 0 to 999999999 ns (is there a 1PPS input?)"


class PRS10(Instrument):
    """A rubidium standard with digital steering and a lock to an external 1PPS.

    Satisfies `drivers.roles.SteerableStandard`; `pll` must be off for the steering
    to act. Nothing here writes the unit's EEPROM.
    """

    line = LineSettings(
        write_end=b"\r", read_end=b"\r", timeout_s=1.0, baud_rate=9600, flow_control="xon_xoff"
    )
    reporting: ErrorReporting = StatusBits(
        "ST?", {(5, 5): STATUS_BITS[5][5], (5, 6): STATUS_BITS[5][6]}
    )
    identity_query = "ID?"
    identity_pattern = r"PRS10_\d+\.\d+_SN_\d+"

    #: One step of `steering`.
    steering_step: float = 1e-12
    #: Lowest and highest `steering`.
    steering_range: tuple[float, float] = (-2000e-12, 2000e-12)

    serial_number = Text("SN?", doc="Serial number.", page="prs10")
    locked = Flag("LO?", doc="Whether the crystal is locked to rubidium.", page="prs10")
    steering = Number(
        "SF?",
        "SF{value}",
        low=-2000e-12,
        high=2000e-12,
        step=1e-12,
        scale=1e-12,
        doc="Fractional steering, positive raises the frequency; the PLL moves it too.",
        page="manual p. 17",
    )
    frequency_control = Array(
        "FC?", length=2, doc="Coarse and fine converter of the crystal.", page="LBNL"
    )
    pll = Flag("PL?", "PL{value}", doc="Whether to lock to the 1PPS input.", page="manual p. 17")
    pll_time_constant = Integer(
        "PT?", "PT{value}", low=0, high=14, doc="Time constant of the 1PPS lock.", page="prs10"
    )
    pll_stability = Integer(
        "PF?", low=0, high=4, doc="Stability factor of the 1PPS lock, 2 is critical.", page="LBNL"
    )
    pll_integrator = Number(
        "PI?", scale=1e-12, doc="Fractional steering by the 1PPS lock's integrator.", page="LBNL"
    )
    lock_mode = Integer(
        "LM?",
        "LM{value}",
        low=0,
        high=1,
        doc="Lock mode, 1 filters the 1PPS input beforehand.",
        page="prs10",
    )
    time_tag_s = _TimeTag(
        "TT?",
        scale=1e-9,
        unit="s",
        doc="1PPS input against the unit's own second, positive is late.",
        page="LBNL",
    )
    temperature_c = Number(
        "AD10?", scale=100.0, unit="°C", doc="Temperature of the case.", page="LBNL"
    )

    @property
    def frequency_offset(self) -> float:
        """The maker's name for `steering`."""
        return self.steering

    @frequency_offset.setter
    def frequency_offset(self, fractional: float) -> None:
        self.steering = fractional

    def status(self) -> tuple[str, ...]:
        """Return the names of the status bits that are set, and clear the latched ones.

        Raises
        ------
        UnexpectedReplyError
            If the unit does not answer with six bytes.
        """
        reply = self.link.query_once(b"ST?")  # a repeated one would find the bits cleared
        try:
            values = [int(field) for field in reply.split(",")]
            if len(values) != len(STATUS_BITS) or not all(0 <= v < 256 for v in values):
                raise ValueError(reply)
        except ValueError:
            raise UnexpectedReplyError(
                f"six status bytes expected, got {reply[:60]!r}",
                instrument=self.name,
                address=self.address,
            ) from None
        return tuple(
            name
            for value, names in zip(values, STATUS_BITS, strict=True)
            for bit, name in enumerate(names)
            if name and value >> bit & 1
        )

    def monitor_v(self, number: int) -> float:
        """Return the analogue test voltage `number`, 0 to 19, in volts (LBNL lists them)."""
        if not 0 <= number <= 19:
            raise ValueOutOfRangeError(
                f"there is no test voltage {number}", instrument=self.name, remedy="choose 0 to 19"
            )
        reply = self.ask(f"AD{number}?")
        try:
            return float(reply)
        except ValueError:
            raise UnexpectedReplyError(
                f"'AD{number}?' was answered by {reply[:60]!r}, which is not a number",
                instrument=self.name,
                address=self.address,
            ) from None

    def place_pulse(self, delay_s: float) -> None:
        """Move the 1PPS output by `delay_s`, 0 to 0.999999999 s, in whole nanoseconds."""
        nanoseconds = round(delay_s * 1e9)
        if not 0 <= nanoseconds < 10**9:
            raise ValueOutOfRangeError(
                f"a delay of {delay_s:g} s",
                instrument=self.name,
                remedy="choose 0 to 0.999999999 s",
            )
        self.guard("place_pulse", delay_s)
        self.tell(f"PP{nanoseconds}")


class FS725(PRS10):
    """The bench unit: a PRS10 with a power supply and a distribution amplifier.

    Its RS-232 socket is the PRS10's.
    """
