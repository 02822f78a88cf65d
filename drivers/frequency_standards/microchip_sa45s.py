"""Microchip (Microsemi) SA.45s chip-scale atomic clock.

Source: Microsemi, "SA.45s CSAC User Guide", revision D, pages 20 to 28 and 39.

Every command is answered by a line; ``?`` means that it was not understood, ``*``
that the unit wants checksums, which this driver does not send. The unit's memory
bears fewer than 20 000 writes (p. 39): `steering` and the cable's compensation are
volatile and may be set as often as one likes, but `latch_steering` and every
change of `discipline_time_constant_s`, `phase_threshold_s` and the modes write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivers.core import (
    Flag,
    Instrument,
    InstrumentFaultError,
    Integer,
    LineSettings,
    Link,
    Number,
    UnexpectedReplyError,
)
from drivers.core.reporting import ErrorReporting

__all__ = ["ALARMS", "STATES", "MicrochipSA45s", "Telemetry", "parse_telemetry"]

#: The states by their number, 0 when locked (p. 22).
STATES = (
    "locked",
    "microwave frequency steering",
    "microwave frequency stabilisation",
    "microwave frequency acquisition",
    "laser power acquisition",
    "laser current acquisition",
    "microwave power acquisition",
    "heater equilibration",
    "warm-up",
    "asleep",
)
#: The alarms by their bit (p. 22).
ALARMS = {
    0x0001: "contrast low",
    0x0002: "synthesiser at its limit",
    0x0004: "temperature bridge unbalanced",
    0x0010: "light low",
    0x0020: "light high",
    0x0040: "heater voltage low",
    0x0080: "heater voltage high",
    0x0100: "microwave power low",
    0x0200: "microwave power high",
    0x0400: "crystal control low",
    0x0800: "crystal control high",
    0x1000: "laser current low",
    0x2000: "laser current high",
    0x4000: "stack overflow",
}
_REFUSALS = {
    "?": "check the command and the firmware",
    "*": "switch the unit's checksums off: send '!Mc*2E' from a terminal",
    "E": "check the 1PPS input",
}
_DISCIPLINE = {"0": "acquiring", "1": "locked", "2": "holdover"}
_FIELDS = 17


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What the unit tells of itself in one line (p. 21).

    Attributes
    ----------
    state : str
        One of `STATES`.
    alarms : tuple of str
        Names from `ALARMS`, or the bit in hexadecimal.
    mode : int
        The mode register (p. 24).
    contrast : int
        Signal, above 2000 when locked.
    laser_a, crystal_v, heater_w, signal_v, temperature_c : float
        In SI units and °C; the temperature is good to 2 °C.
    steering : float
        Fractional, in steps of 1e-12.
    analogue_tuning_v : float or None
        At the tuning pin, if that is on.
    phase_s : float or None
        Own second against the 1PPS input, if it is measured.
    discipline : str or None
        ``acquiring``, ``locked`` or ``holdover``, if disciplining is on.
    time_of_day_s, locked_for_s : int
        The unit's clock, and the time since it locked.
    serial_number, firmware : str
        Which unit it is.
    """

    state: str
    alarms: tuple[str, ...]
    serial_number: str
    mode: int
    contrast: int
    laser_a: float
    crystal_v: float
    heater_w: float
    signal_v: float
    temperature_c: float
    steering: float
    analogue_tuning_v: float | None
    phase_s: float | None
    discipline: str | None
    time_of_day_s: int
    locked_for_s: int
    firmware: str


def parse_telemetry(line: str) -> Telemetry:
    """Read a line of telemetry.

    Raises
    ------
    ValueError
        If it is none.
    """
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != _FIELDS:
        raise ValueError(line)
    alarm = int(fields[1], 16)
    state = int(fields[0])
    if not 0 <= state < len(STATES) or not 0 <= alarm < 1 << 16:
        raise ValueError(line)
    phase = _if_given(fields[12])
    return Telemetry(
        state=STATES[state],
        alarms=tuple(
            ALARMS.get(1 << bit, f"0x{1 << bit:04x}") for bit in range(16) if alarm >> bit & 1
        ),
        serial_number=fields[2],
        mode=int(fields[3], 16),
        contrast=int(fields[4]),
        laser_a=float(fields[5]) * 1e-3,
        crystal_v=float(fields[6]),
        heater_w=float(fields[7]) * 1e-3,
        signal_v=float(fields[8]),
        temperature_c=float(fields[9]),
        steering=int(fields[10]) * 1e-12,
        analogue_tuning_v=_if_given(fields[11]),
        phase_s=None if phase is None else phase * 1e-9,
        discipline=_DISCIPLINE.get(fields[13]),
        time_of_day_s=int(fields[14]),
        locked_for_s=int(fields[15]),
        firmware=fields[16],
    )


def _if_given(field: str) -> float | None:
    """Return a number, or None for dashes and for ``NEEDREFPPS``."""
    return None if field == "---" or field.isalpha() else float(field)


class _Answers:
    """Every command is answered by a line, which may refuse it (p. 19)."""

    def forget(self, link: Link) -> None:
        """Drop whatever is left on the line."""
        link.read_available()

    def send(self, link: Link, command: str) -> None:
        """Send `command` and read its answer."""
        reply = link.query_once(command.encode("ascii")).strip()
        if reply in _REFUSALS:
            raise InstrumentFaultError(
                f"answered {reply!r} to {command!r}",
                command=command,
                reply=reply,
                instrument=link.name,
                address=link.address,
                remedy=_REFUSALS[reply],
            )


class _Steer(Number):
    """Set in 1e-15, answered in 1e-12 (p. 23)."""

    def parse(self, reply: str) -> float:
        """Read ``Steer = -123``."""
        found = re.fullmatch(r"\s*Steer\s*=\s*([+-]?\d+)\s*", reply)
        if found is None:
            raise ValueError(reply)
        return int(found[1]) * 1e-12


class _Mode(Flag):
    """One bit of the mode register, set by a capital, cleared by a small letter (p. 24)."""

    def __init__(self, letter: str, bit: int, *, doc: str) -> None:
        self._bit = bit
        super().__init__(
            "!M?",
            "!M{value}",
            on=letter,
            off=letter.lower(),
            doc=f"{doc} A change writes the unit's memory.",
            page="p. 24",
            read_back=True,
        )

    def parse(self, reply: str) -> bool:
        """Pick the bit."""
        return bool(int(reply, 16) & self._bit)


class _Locked(Flag):
    """Whether the state in the telemetry is 0."""

    def parse(self, reply: str) -> bool:
        """Pick the state."""
        return parse_telemetry(reply).state == "locked"

    def expects(self) -> str:
        """Describe the telemetry."""
        return f"a line of {_FIELDS} fields of telemetry"


class _Temperature(Number):
    """The temperature in the telemetry."""

    def parse(self, reply: str) -> float:
        """Pick the temperature."""
        return parse_telemetry(reply).temperature_c

    def expects(self) -> str:
        """Describe the telemetry."""
        return f"a line of {_FIELDS} fields of telemetry"


class MicrochipSA45s(Instrument):
    """A chip-scale caesium clock. Satisfies `drivers.roles.SteerableStandard`."""

    line = LineSettings(write_end=b"\r\n", read_end=b"\r\n", timeout_s=2.0, baud_rate=57600)
    reporting: ErrorReporting = _Answers()
    identity_pattern = r"SA\.45s \d{4}CS\d{5} \S+"

    #: One step of `steering`.
    steering_step: float = 1e-12
    #: Lowest and highest `steering`.
    steering_range: tuple[float, float] = (-2e-6, 2e-6)

    steering = _Steer(
        "!F?",
        "!FA{value}",
        low=-2e-6,
        high=2e-6,
        step=1e-12,
        scale=1e-15,
        doc="Fractional steering, positive raises the frequency; volatile.",
        page="p. 23",
        read_back=True,
    )
    locked = _Locked("!^", doc="Whether the clock is locked.", page="p. 22")
    temperature_c = _Temperature("!^", unit="°C", doc="Temperature, good to 2 °C.", page="p. 21")
    analogue_tuning = _Mode("A", 0x0001, doc="Tuning by the voltage at pin 1.")
    phase_measurement = _Mode("M", 0x0004, doc="Measuring against the 1PPS input.")
    auto_sync = _Mode("S", 0x0008, doc="Placing the second again and again.")
    discipline = _Mode("D", 0x0010, doc="Steering by the unit onto the 1PPS input.")
    low_power = _Mode("U", 0x0020, doc="Sleeping most of the time.")
    discipline_time_constant_s = Integer(
        "!D?",
        "!D{value}",
        low=10,
        high=10000,
        unit="s",
        doc="Time constant of disciplining. A change writes the unit's memory.",
        page="p. 25",
        read_back=True,
    )
    cable_delay_s = Number(
        "!DC?",
        "!DC{value}",
        low=-100e-9,
        high=100e-9,
        step=100e-12,
        scale=100e-12,
        unit="s",
        doc="Compensation of the 1PPS input's cable; volatile.",
        page="p. 25",
        read_back=True,
    )
    phase_threshold_s = Number(
        "!m?",
        "!m{value}",
        low=1e-9,
        high=1.0,
        step=1e-9,
        scale=1e-9,
        unit="s",
        doc="Phase below which disciplining is good. A change writes the unit's memory.",
        page="p. 27",
        read_back=True,
    )

    def identify(self) -> str:
        """Return serial number and firmware from the telemetry."""
        reply = self.ask("!^")
        try:
            telemetry = parse_telemetry(reply)
        except ValueError:
            return reply
        return f"SA.45s {telemetry.serial_number} {telemetry.firmware}"

    def telemetry(self) -> Telemetry:
        """Return all readings at once.

        Raises
        ------
        UnexpectedReplyError
            If something else comes.
        """
        reply = self.ask("!^")
        try:
            return parse_telemetry(reply)
        except ValueError:
            raise UnexpectedReplyError(
                f"'!^' was answered by {reply[:60]!r}, which is not a line of telemetry",
                instrument=self.name,
                address=self.address,
                remedy="check the model, its firmware and the line settings",
            ) from None

    def synchronise(self) -> None:
        """Place the 1PPS output within 100 ns of the 1PPS input (p. 25).

        Raises
        ------
        InstrumentFaultError
            If no pulse comes within 3 s.
        """
        self.guard("synchronise", True)
        with self.link.patience(4.0):
            self.tell("!S")

    def time_of_day_s(self) -> int:
        """Return the unit's clock at its next second, right after it (p. 27)."""
        reply = self.ask("!T?")
        found = re.fullmatch(r"\s*(?:TimeOfDay\s*=\s*)?(\d+)\s*", reply)
        if found is None:
            raise UnexpectedReplyError(
                f"'!T?' was answered by {reply[:60]!r}, which is no time of day",
                instrument=self.name,
                address=self.address,
            )
        return int(found[1])

    def latch_steering(self) -> None:
        """Make the present steering the unit's calibration, for good (p. 23).

        Nothing brings the old calibration back, and the unit's memory bears fewer
        than 20 000 writes: calibrate by hand with it, never call it in a loop.
        """
        self.guard("latch_steering", True)
        self.tell("!FL")
