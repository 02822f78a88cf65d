"""Microchip SA.5x miniature atomic clocks: SA.53, SA.55.

Sources: ``src/oscillators/sa5x_oscillator.c`` of Orolia2s/oscillatord (below:
oscillatord); units and ranges of the parameters of Microchip's DS50002938G, as a
monitoring program in Swift lists them (below: DS50002938G).

A command stands in braces, and the closing one ends it. Every answer stands in
brackets and begins with ``=``; ``[!`` begins a refusal. Settings are volatile until
`store`; `latch_steering` makes the steering the unit's calibration for good. Both
are for a person, never for a loop.
"""

from __future__ import annotations

from drivers.core import (
    Flag,
    Instrument,
    InstrumentFaultError,
    Integer,
    LineSettings,
    Link,
    MisuseError,
    Number,
    UnexpectedReplyError,
)
from drivers.core.link import Connect
from drivers.core.reporting import ErrorReporting

__all__ = ["ALARMS", "MicrochipSA5x"]

#: The alarms by their bit (DS50002938G).
ALARMS = {
    0: "logic array",
    1: "PLL",
    2: "flash memory",
    3: "acquisition failed",
    4: "no external oscillator",
    5: "cell heater",
    6: "incompatible firmware",
    16: "temperature",
    17: "no 1PPS input",
    18: "range of disciplining",
}


class _Brackets(Link):
    """A link whose answers stand in brackets (oscillatord)."""

    def query(self, request: bytes) -> str:
        """Send a command and return what its answer holds."""
        return self._held(request, super().query(request))

    def query_once(self, command: bytes) -> str:
        """Send a command, once only, and return what its answer holds."""
        return self._held(command, super().query_once(command))

    def _held(self, command: bytes, reply: str) -> str:
        if reply.startswith("[=") and reply.endswith("]"):
            return reply[2:-1]
        said = f"answered {reply[:60]!r} to {command.decode('ascii')!r}"
        if reply.startswith("[!"):
            raise InstrumentFaultError(
                said,
                command=command.decode("ascii"),
                reply=reply,
                instrument=self.name,
                address=self.address,
                remedy="check the value and the unit's firmware",
            )
        raise UnexpectedReplyError(
            said,
            instrument=self.name,
            address=self.address,
            remedy="check the model and the line settings",
        )


class _Answered:
    """Every command is answered, and the link knows a refusal."""

    def forget(self, link: Link) -> None:
        """Drop whatever is left on the line."""
        link.read_available()

    def send(self, link: Link, command: str) -> None:
        """Send `command` and wait for its answer."""
        link.query_once(command.encode("ascii"))


def _get(name: str) -> str:
    return f"{{{{get,{name}}}}}"


def _set(name: str) -> str:
    return f"{{{{set,{name},{{value}}}}}}"


class MicrochipSA5x(Instrument):
    """A miniature rubidium clock.

    Satisfies `drivers.roles.SteerableStandard`; `disciplining` must be off for the
    steering to be the only one.
    """

    line = LineSettings(write_end=b"", read_end=b"\r\n", timeout_s=1.0, baud_rate=57600)
    reporting: ErrorReporting = _Answered()
    identity_query = "{swrev?}"
    identity_pattern = r"V?\d+\.\d+.*"

    #: One step of `steering`.
    steering_step: float = 1e-15
    #: Lowest and highest `steering`.
    steering_range: tuple[float, float] = (-2e-8, 2e-8)

    steering = Number(
        _get("DigitalTuning"),
        _set("DigitalTuning"),
        low=-2e-8,
        high=2e-8,
        step=1e-15,
        scale=1e-15,
        doc="Fractional steering, positive raises the frequency; volatile.",
        page="DS50002938G",
    )
    effective_steering = Number(
        _get("EffectiveTuning"),
        scale=1e-15,
        doc="Fractional steering with what disciplining adds.",
        page="oscillatord",
    )
    locked = Flag(_get("Locked"), doc="Whether the clock is locked.", page="oscillatord")
    lock_progress_percent = Number(
        _get("LockProgress"), low=0, high=100, unit="%", doc="Way to lock.", page="DS50002938G"
    )
    temperature_c = Number(
        _get("Temperature"), scale=1e-3, unit="°C", doc="Temperature.", page="oscillatord"
    )
    disciplining = Flag(
        _get("Disciplining"),
        _set("Disciplining"),
        doc="Whether the unit steers itself onto its 1PPS input.",
        page="oscillatord",
    )
    discipline_locked = Flag(
        _get("DisciplineLocked"), doc="Whether it follows its input well.", page="oscillatord"
    )
    discipline_time_constant_s = Integer(
        _get("TauPps0"),
        _set("TauPps0"),
        low=10,
        high=10000,
        unit="s",
        doc="Time constant of disciplining.",
        page="oscillatord",
    )
    discipline_threshold_s = Number(
        _get("DisciplineThresholdPps0"),
        _set("DisciplineThresholdPps0"),
        low=1e-9,
        high=1e-6,
        step=1e-9,
        scale=1e-9,
        unit="s",
        doc="Phase below which disciplining is good.",
        page="DS50002938G",
    )
    phase_metering = Flag(
        _get("PhaseMetering"),
        _set("PhaseMetering"),
        doc="Whether the 1PPS input is measured without being followed.",
        page="DS50002938G",
    )
    pulse_detected = Flag(
        _get("PpsInDetected"), doc="Whether a 1PPS input is there.", page="oscillatord"
    )
    phase_s = Number(
        _get("Phase"),
        scale=1e-9,
        unit="s",
        doc="Own second against the 1PPS input, while it is followed or metered.",
        page="oscillatord",
    )
    cable_delay_s = Number(
        _get("CableDelay"),
        _set("CableDelay"),
        low=-0.5,
        high=0.5,
        step=1e-9,
        scale=1e-9,
        unit="s",
        doc="Delay of the 1PPS input's cable.",
        page="DS50002938G",
    )
    pulse_offset_s = Number(
        _get("PpsOffset"),
        _set("PpsOffset"),
        low=-83_886_080e-9,
        high=83_886_080e-9,
        step=10e-9,
        scale=1e-9,
        unit="s",
        doc="Offset of the 1PPS output.",
        page="DS50002938G",
    )
    pulse_width_s = Number(
        _get("PpsWidth"),
        _set("PpsWidth"),
        low=100e-9,
        high=83_886_080e-9,
        step=10e-9,
        scale=1e-9,
        unit="s",
        doc="Width of the 1PPS output.",
        page="DS50002938G",
    )

    def __init__(self, name: str, address: str, connect: Connect) -> None:
        super().__init__(name, address, connect)
        self.link = _Brackets(name, address, connect, self.line)

    def serial_number(self) -> str:
        """Return the serial number."""
        return self.ask("{serial?}")

    def alarms(self) -> tuple[str, ...]:
        """Return the names of the alarms that are raised.

        Raises
        ------
        UnexpectedReplyError
            If no number comes.
        """
        reply = self.ask("{get,Alarms}")
        try:
            bits = int(reply)
        except ValueError:
            raise UnexpectedReplyError(
                f"'{{get,Alarms}}' was answered by {reply[:60]!r}, which is no number",
                instrument=self.name,
                address=self.address,
            ) from None
        return tuple(
            ALARMS.get(bit, f"bit {bit}") for bit in range(32) if bits & 0xFFFFFFFF & 1 << bit
        )

    def latch_steering(self) -> None:
        """Make the present steering the unit's calibration, for good.

        Calibrate by hand with it, never call it in a loop.

        Raises
        ------
        MisuseError
            While the unit disciplines itself; firmware before 1.1 then latches a
            wrong value (oscillatord).
        """
        if self.disciplining:
            raise MisuseError(
                "the unit disciplines itself",
                instrument=self.name,
                address=self.address,
                remedy="set disciplining to False before you latch",
            )
        self.guard("latch_steering", True)
        self.tell("{latch}")

    def store(self) -> None:
        """Keep the present settings over a loss of power; writes the unit's memory."""
        self.guard("store", True)
        self.tell("{store}")
