"""Stanford Research Systems CG635 synthesised clock generator.

Sources: SRS, "CG635 Synthesized Clock Generator" manual, pages 20, 21, 23 and 30
(below: manual); the driver of the package cg635-clock-generator of DESY (below:
DESY).

The unit says nothing about a command that it refuses; ``LERR?``, asked after each,
takes the oldest error from its buffer. Changing the frequency sets the phase to 0.
"""

from __future__ import annotations

from drivers.core import (
    Choice,
    Flag,
    Instrument,
    InstrumentFaultError,
    LineSettings,
    Link,
    Number,
    UnexpectedReplyError,
)
from drivers.core.reporting import ErrorReporting

__all__ = ["LOCK_BITS", "SRSCG635"]

#: The bits of ``LCKR?``, lowest first (manual p. 23).
LOCK_BITS = (
    "RF PLL unlocked",
    "19 MHz PLL unlocked",
    "10 MHz PLL unlocked",
    "rubidium unlocked",
    "output disabled",
    "phase shifting",
)


class _LastErrors:
    """A buffer of error codes, of which 0 is none (manual p. 23)."""

    def forget(self, link: Link) -> None:
        """Clear status and buffer."""
        link.write(b"*CLS")

    def send(self, link: Link, command: str) -> None:
        """Send `command`, then take the oldest error."""
        with link.lock:
            link.write(command.encode("ascii"))
            reply = link.query_once(b"LERR?")  # which takes the error away
        try:
            code = int(reply)
        except ValueError:
            raise UnexpectedReplyError(
                f"the error buffer answered {reply[:60]!r} after {command!r}",
                instrument=link.name,
                address=link.address,
                remedy="check the model and the line settings",
            ) from None
        if code:
            raise InstrumentFaultError(
                f"reported error {code} after {command!r}",
                command=command,
                reply=reply,
                code=code,
                instrument=link.name,
                address=link.address,
                remedy="see the list of error codes in the unit's manual",
            )


class SRSCG635(Instrument):
    """A clock from 1 uHz to 2.05 GHz on complementary and on CMOS outputs."""

    line = LineSettings(
        write_end=b"\n", read_end=b"\n", timeout_s=2.0, baud_rate=9600, flow_control="rts_cts"
    )
    reporting: ErrorReporting = _LastErrors()
    identity_pattern = r"Stanford Research Systems,\s*CG635,.*"

    frequency_hz = Number(
        "FREQ?",
        "FREQ {value}",
        low=1e-6,
        high=2.05e9,
        digits=16,
        unit="Hz",
        doc="Frequency; a change sets the phase to 0.",
        page="manual p. 20",
    )
    phase_deg = Number(
        "PHAS?",
        "PHAS {value}",
        low=-720.0,
        high=720.0,
        unit="°",
        doc="Phase, in steps that follow from the frequency.",
        page="manual p. 21",
    )
    output = Flag("RUNS?", "RUNS {value}", doc="Whether the clock runs.", page="DESY")
    timebase = Choice(
        "TIMB?",
        choices={"internal": "0", "OCXO": "1", "rubidium": "2", "external": "3"},
        doc="Timebase in use.",
        page="DESY",
    )
    cmos_standard = Choice(
        "STDC?",
        "STDC {value}",
        choices={"1.2 V": "0", "1.8 V": "1", "2.5 V": "2", "3.3 V": "3", "5 V": "4"},
        replies={"-1": "other"},
        doc="Levels of the CMOS output; reads other for none of these.",
        page="DESY",
    )
    cmos_low_v = Number(
        "CMOS?0",
        "CMOS 0,{value}",
        low=-1.0,
        high=1.0,
        step=0.01,
        unit="V",
        doc="Low level of the CMOS output.",
        page="DESY",
    )
    cmos_high_v = Number(
        "CMOS?1",
        "CMOS 1,{value}",
        low=-0.5,
        high=6.0,
        step=0.01,
        unit="V",
        doc="High level of the CMOS output.",
        page="DESY",
    )
    q_standard = Choice(
        "STDQ?",
        "STDQ {value}",
        choices={"ECL": "0", "+7 dBm": "1", "LVDS": "2", "PECL 3.3 V": "3", "PECL 5 V": "4"},
        replies={"-1": "other"},
        doc="Levels of the complementary outputs; reads other for none of these.",
        page="DESY",
    )
    q_low_v = Number(
        "QOUT?0",
        "QOUT 0,{value}",
        low=-3.0,
        high=4.8,
        step=0.01,
        unit="V",
        doc="Low level of the complementary outputs.",
        page="DESY",
    )
    q_high_v = Number(
        "QOUT?1",
        "QOUT 1,{value}",
        low=-2.0,
        high=5.0,
        step=0.01,
        unit="V",
        doc="High level of the complementary outputs.",
        page="DESY",
    )

    def zero_phase(self) -> None:
        """Call the present phase 0; the clock does not move (DESY)."""
        self.guard("zero_phase", True)
        self.tell("RPHS")

    def lock_events(self) -> tuple[str, ...]:
        """Return which of `LOCK_BITS` have been set since the last time, and clear them.

        Raises
        ------
        UnexpectedReplyError
            If no number comes.
        """
        reply = self.link.query_once(b"LCKR?")  # a repeated one would find the bits cleared
        try:
            bits = int(reply)
        except ValueError:
            raise UnexpectedReplyError(
                f"'LCKR?' was answered by {reply[:60]!r}, which is no number",
                instrument=self.name,
                address=self.address,
                remedy="check the model and the line settings",
            ) from None
        return tuple(name for bit, name in enumerate(LOCK_BITS) if bits >> bit & 1)
