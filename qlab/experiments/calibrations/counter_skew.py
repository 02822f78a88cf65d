"""The skew of a counter's inputs: `qlab calibrate counter-skew`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calibration.counter_skew import calibrate_counter_skew, counter_skew
from protocols.clock.timescale import utc_text
from qlab.context import HandWork, RunContext
from qlab.experiments.calibrations.common import Calibration, Conditions, Intervals, Kept
from qlab.station.tables import setting

__all__ = ["CounterSkewCalibration", "SkewOptions"]


@dataclass(frozen=True, kw_only=True)
class SkewOptions(Conditions):
    """The inputs of one counter."""

    counter: str = setting("", doc="Which counter; that of the first site if not given.")
    readings: int = setting(100, doc="Intervals each way round.", low=8, high=1_000_000)
    slew_v_per_s: float | None = setting(
        None, doc="How steep the pulses are at the threshold, for the record.", unit="V/s", low=0.0
    )


class CounterSkewCalibration(Calibration[SkewOptions]):
    """One run; see `Calibration`."""

    name = "counter-skew"
    Options = SkewOptions

    def named_counters(self) -> list[str]:
        """Return the counter."""
        name = self.options.counter or self.player("counter", 0)
        if name not in self.station.instruments:
            raise self.station.source.error(("instruments",), f"there is no instrument {name!r}")
        return [name]

    def measure(self, ctx: RunContext, counters: list[Kept]) -> None:
        """Measure, have the leads swapped, measure again."""
        [name] = self.counters

        def by_hand(action: str, text: str) -> None:
            ctx.by_hand(HandWork(name, action, text))
            ctx.progress.phase("intervals", self.options.readings)

        by_hand(
            "split",
            f"lead one seconds pulse through a splitter to both inputs of {name}, "
            "by the longer lead to input 2",
        )
        calibrate_counter_skew(
            counters[0],
            lambda: by_hand("swap", f"swap the two leads at the inputs of {name}"),
            readings=self.options.readings,
        )
        ctx.by_hand(HandWork(name, "restore", f"plug the usual leads into {name} again"))

    def judged(self, intervals: Intervals) -> dict[str, Any]:
        """Return the skew, and a line for the ledger of the site where the counter is."""
        options, [name] = self.options, self.counters
        both = self.whole(intervals[name], 2 * options.readings)
        found = counter_skew(both[: options.readings], both[options.readings :], name)
        connector = options.connector or f"inputs 1 and 2 of {name} to their triggers"
        entry: dict[str, Any] = {
            "item": f"inputs of {name}",
            "way": "local",
            "value_s": found.skew_s,
            "uncertainty_s": found.standard_uncertainty_s,
            "date": utc_text(options.start_tai_ns),
            "connector": connector,
            "temperature_c": options.temperature_c,
        }
        return {
            "quantity": "delay of input 1 less that of input 2",
            "value": found.skew_s,
            "unit": "s",
            "standard_uncertainty": found.standard_uncertainty_s,
            "readings": found.readings,
            "connector": connector,
            "details": {
                "leads_s": found.leads_s,
                "level_v": options.level_v,
                "slew_v_per_s": options.slew_v_per_s,
            },
            "site": {"delays": [entry]},
        }
