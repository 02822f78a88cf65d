"""Whether a clock does as it is steered: `qlab calibrate steering`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calibration.steering import calibrate_steering, excursion_steps, steering_gain
from drivers.core.registry import driver_class
from qlab.context import RunContext
from qlab.experiments.calibrations.common import Calibration, Conditions, Intervals, Kept
from qlab.station.tables import setting

__all__ = ["SteeringCalibration", "SteeringOptions"]

#: A gain nearer to 1 than this, and three of its uncertainties, is as the driver declares it.
_NEAR = 0.1


@dataclass(frozen=True, kw_only=True)
class SteeringOptions(Conditions):
    """The steering of one site's clock."""

    site: int = setting(0, doc="Which site, from 0.", low=0, high=1000)
    excursion: float = setting(
        1e-10, doc="Fractional frequency to steer by, up and down.", low=1e-18, high=1e-6
    )
    readings: int = setting(20, doc="Intervals of each quarter.", low=8, high=1_000_000)
    cycles: int = setting(10, doc="How often up, down, down, up.", low=4, high=10_000)


class SteeringCalibration(Calibration[SteeringOptions]):
    """One run; see `Calibration`. The roles ``local`` and ``counter`` are those of a clock run."""

    name = "steering"
    Options = SteeringOptions

    def named_counters(self) -> list[str]:
        """Return the counter at the site."""
        self.local = self.player("local", self.options.site)
        driver = driver_class(self.station.instruments[self.local].driver)
        self._step = getattr(driver, "steering_step", 0.0)
        if not self._step > 0.0:
            raise self.station.source.error(
                ("roles", "local"), f"{self.local!r} is no steerable clock"
            )
        return [self.player("counter", self.options.site)]

    @property
    def thermometer(self) -> str:
        """The clock itself."""
        return self.local

    def instruments(self) -> list[str]:
        """Return clock and counter."""
        return [self.local, *self.counters]

    def measure(self, ctx: RunContext, counters: list[Kept]) -> None:
        """Steer to and fro; nobody can stop the way back."""
        options = self.options
        ctx.progress.phase("intervals", 4 * options.cycles * options.readings)
        counters[0].prepare_intervals()
        calibrate_steering(
            ctx.station.instrument(self.local),  # type: ignore[arg-type]  # has a steering step
            counters[0],
            excursion=options.excursion,
            readings=options.readings,
            cycles=options.cycles,
            shielded=ctx.shielded,
        )

    def judged(self, intervals: Intervals) -> dict[str, Any]:
        """Return the gain, and whether it is what the driver declares."""
        options, [name] = self.options, self.counters
        values = self.whole(intervals[name], 4 * options.cycles * options.readings)
        quarters = [
            values[k : k + options.readings] for k in range(0, len(values), options.readings)
        ]
        by = self._step * excursion_steps(options.excursion, self._step)
        found = steering_gain(quarters, by, name)
        off = abs(found.gain - 1.0)
        return {
            "quantity": f"change of frequency over steering of {self.local}",
            "value": found.gain,
            "unit": "1",
            "standard_uncertainty": found.standard_uncertainty,
            "readings": found.readings,
            "connector": options.connector or f"{self.local} to {name}",
            "details": {
                "sign": found.sign,
                "excursion": found.excursion,
                "as_declared": found.sign == 1 and off <= _NEAR + 3.0 * found.standard_uncertainty,
            },
        }
