"""By how much the two ways of a fibre differ: `qlab calibrate two-way`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from calibration.two_way import Closure, calibrate_asymmetry, link_asymmetry
from protocols.clock.ledger import Correction, correction
from protocols.clock.timescale import utc_text
from protocols.errors import ParameterError
from qlab.context import RunContext
from qlab.experiments.calibrations.common import Calibration, Conditions, Intervals, Kept
from qlab.experiments.clock.options import ClockOptions, DelayEntry
from qlab.experiments.clock.records import records, with_records
from qlab.station import read_table
from qlab.station.tables import setting

__all__ = ["TwoWayCalibration", "TwoWayOptions"]


@dataclass(frozen=True, kw_only=True)
class TwoWayOptions(Conditions):
    """The fibre to one site, while both of its ends are at one place."""

    site: int = setting(0, doc="Which site, from 0.", low=0, high=1000)
    readings: int = setting(300, doc="Seconds to compare.", low=8, high=1_000_000)
    period_s: float = setting(1.0, doc="Time between pulses.", unit="s", low=0.1, high=1000.0)
    ledger_s: float | None = setting(
        None,
        doc="What the site's ledger adds to an interval; that of [clock] if not given.",
        unit="s",
        low=-1.0,
        high=1.0,
    )
    delays: tuple[DelayEntry, ...] = setting((), doc="Ledger of the direct comparison.")
    ledger: tuple[str, ...] = setting(
        (), doc="Records of `qlab calibrate` that add to it, beside the station file."
    )

    def direct(self) -> Correction:
        """Return what the ledger of the direct comparison adds."""
        return correction([each.delay() for each in self.delays])


class TwoWayCalibration(Calibration[TwoWayOptions]):
    """One run; see `Calibration`.

    The roles ``counter`` and ``far_counter`` are those of two-way transfer; the
    ``direct_counter`` starts with the local pulse and stops with the reference's.
    """

    name = "two-way"
    Options = TwoWayOptions

    def resolved(self, options: TwoWayOptions) -> TwoWayOptions:
        """Take in the ledgers: a replay has no files beside it."""
        if options.ledger_s is None:
            options = dataclasses.replace(options, ledger_s=self._of_the_site(options.site))
        found = records(self.station, (self.name, "ledger"), options.ledger)
        delays = options.delays + tuple(entry for each in found for entry in each.delays)
        options = dataclasses.replace(options, delays=delays, ledger=())
        try:
            options.direct()
        except ParameterError as error:
            raise self.station.source.error((self.name,), str(error)) from None
        return options

    def _of_the_site(self, number: int) -> float:
        if "clock" not in self.station.tables:
            return 0.0
        sites = read_table(self.station, "clock", ClockOptions).sites
        if number >= len(sites):
            return 0.0
        return with_records(self.station, number, sites[number]).correction("pulse").value_s

    def named_counters(self) -> list[str]:
        """Return the counters here, far and direct."""
        roles = ("counter", "far_counter", "direct_counter")
        return [self.player(role, self.options.site) for role in roles]

    def measure(self, ctx: RunContext, counters: list[Kept]) -> None:
        """Compare both clocks over the fibre and directly."""
        options = self.options
        ctx.progress.phase("intervals", 3 * options.readings)
        calibrate_asymmetry(
            *counters,
            ledger=self._ledger(),
            direct_ledger=options.direct(),
            readings=options.readings,
            period_s=options.period_s,
        )

    def _ledger(self) -> Correction:
        return Correction(self.options.ledger_s or 0.0, 0.0, None)

    def judged(self, intervals: Intervals) -> dict[str, Any]:
        """Return the asymmetry, as a site of two-way transfer takes it."""
        options = self.options
        columns = [self.whole(intervals[name], options.readings) for name in self.counters]
        closures = [Closure(*each) for each in zip(*columns, strict=True)]
        direct = options.direct()
        found = link_asymmetry(closures, self._ledger(), direct, options.period_s)
        date = utc_text(options.start_tai_ns)
        here, far, _ = self.counters
        return {
            "quantity": "delay to the site less delay back",
            "value": found.difference_s,
            "unit": "s",
            "standard_uncertainty": found.standard_uncertainty_s,
            "readings": found.readings,
            "connector": options.connector or f"{far} to {here} and back",
            "details": {
                "round_trip_s": found.round_trip_s,
                "alpha": found.alpha,
                "alpha_uncertainty": found.alpha_uncertainty,
                "ledger_s": options.ledger_s,
                "direct_ledger_s": direct.value_s,
                "direct_ledger_uncertainty_s": direct.uncertainty_s,
            },
            "site": {
                "asymmetry_s": found.difference_s,
                "asymmetry_uncertainty_s": found.standard_uncertainty_s,
                "asymmetry_date": date,
            },
        }
