"""S-Fifteen Instruments single-photon detector modules (Si or InGaAs).

Source: pyS15, ``S15lib/instruments/single_photon_detector.py`` of
s-fifteen-instruments/pyS15. The unit reports no errors, so settings are read
back. Neither their ranges nor their steps are published; a setting agrees if
what is read back is as near as stated with each.
"""

from __future__ import annotations

from typing import Any

from drivers.core import (
    Flag,
    Instrument,
    InstrumentFaultError,
    Integer,
    LineSettings,
    NoReporting,
    Number,
)
from drivers.core.declared import Endpoint
from drivers.core.reporting import ErrorReporting

__all__ = ["SFifteenSPD"]

#: The longest counting time that this driver waits for.
_LONGEST_S = 600.0


class _Setting(Number):
    """A number that the unit rounds in steps nobody has published.

    Parameters
    ----------
    within : float
        How near the value read back has to be.
    verify : str
        What reads the setting back, where `query` reads something else.
    """

    def __init__(self, *args: Any, within: float, verify: str = "", **named: Any) -> None:
        self._within = within
        super().__init__(*args, **named)
        self._verify = verify or str(self.query)

    def __set__(self, owner: Endpoint, value: float) -> None:
        super().__set__(owner, value)
        reply = owner.ask(self._verify)
        try:
            kept = abs(self.parse(reply) - self.check(value)) <= self._within
        except ValueError:
            kept = False
        if not kept:
            raise InstrumentFaultError(
                f"{self.name} = {value:g}: {self._verify} reads {reply[:40]!r}",
                reply=reply,
                instrument=owner.link.name,
                address=owner.link.address,
            )


class SFifteenSPD(Instrument):
    """The control box of one avalanche photodiode.

    Satisfies `drivers.roles.DetectorControl`.
    """

    # A count takes a second unless `counting_time_s` has been changed.
    line = LineSettings(write_end=b"\r\n", read_end=b"\n", timeout_s=3.0, baud_rate=115200)
    reporting: ErrorReporting = NoReporting()
    identity_query = "*idn?"
    identity_pattern = r".*SPD.*"

    bias_v = _Setting(
        "hvolt?",
        "hvolt {value}",
        low=0,
        within=0.1,
        unit="V",
        doc="Reverse bias of the diode.",
        page="pyS15 hvolt",
    )
    threshold_v = _Setting(
        "threshvolt?",
        "threshvolt {value}",
        within=0.01,
        unit="V",
        doc="Discriminator threshold.",
        page="pyS15 threshvolt",
    )
    temperature_c = _Setting(
        "temp?",
        "settemp {value}",
        verify="settemp?",
        within=0.1,
        unit="°C",
        doc="Temperature of the diode; what is set is reached in time.",
        page="pyS15 temperature",
    )
    set_temperature_c = Number(
        "settemp?", unit="°C", doc="Temperature to reach.", page="pyS15 settemperature"
    )
    cooling = Flag(
        "loop?",
        "loop {value}",
        doc="Whether the temperature is controlled.",
        page="pyS15 loop",
        read_back=True,
    )
    proportional = _Setting(
        "constp?",
        "constp {value}",
        within=0.01,
        doc="Proportional constant of the temperature loop.",
        page="pyS15 constp",
    )
    integral = _Setting(
        "consti?",
        "consti {value}",
        within=0.01,
        doc="Integral constant of the temperature loop.",
        page="pyS15 consti",
    )
    peltier_v = _Setting(
        "pvolt?",
        "pvolt {value}",
        within=0.1,
        unit="V",
        doc="Voltage at the cooler; set it only without `cooling`.",
        page="pyS15 pvolt",
    )
    counting_time_s = _Setting(
        "time?",
        "time {value}",
        low=1e-3,
        high=_LONGEST_S,
        step=1e-3,
        within=1e-3,
        scale=1e-3,
        unit="s",
        doc="Time of one count.",
        page="pyS15 time",
    )
    delay = Integer(
        "delay?",
        "delay {value}",
        low=0,
        high=(1 << 31) - 1,
        doc="Delay, in a unit that is not published.",
        page="pyS15 delay",
        read_back=True,
    )

    def count(self, duration_s: float) -> int:
        """Count clicks for `duration_s`, 1 ms to 600 s.

        Raises
        ------
        ValueOutOfRangeError
            For another duration.
        UnexpectedReplyError
            If the reply is not a count.
        """
        self.counting_time_s = duration_s
        with self.link.patience(duration_s):
            return self.counts

    counts = Integer(
        "counts?",
        low=0,
        high=(1 << 32) - 1,
        doc="Clicks within the next `counting_time_s`; see `count`.",
        page="pyS15 counts",
    )
