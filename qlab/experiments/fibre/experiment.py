"""An optical frequency link, held and judged: `qlab run fibre`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from protocols.clock.optical import LinkReading, OpticalLink
from protocols.clock.slips import SlipFlag
from qlab.context import RunContext
from qlab.errors import UsageError
from qlab.experiments.fibre.beats import beat_pairs
from qlab.experiments.fibre.judgement import LOST, judged
from qlab.experiments.fibre.options import FibreOptions
from qlab.experiments.interface import RecordedData
from qlab.runfile.schema import Attribute, DatasetSpec
from qlab.station import StationFile, read_table

__all__ = ["Fibre"]

_ROLES = {"beat_counters": 2, "shifter": 0}


class Fibre:
    """One run, set up; see `qlab.experiments.interface.Experiment`.

    Instruments come from the station by role: ``beat_counters``, two that count the same
    beat without gaps, and ``shifter``, which is left as it is when the run ends.
    """

    name = "fibre"
    secret_sources: frozenset[str] = frozenset()
    side = "both"
    terms: Mapping[str, str] = {}

    def __init__(self, station: StationFile, overrides: Mapping[str, Any]) -> None:
        options = read_table(station, self.name, FibreOptions)
        duration_s = overrides.get("duration_s", options.duration_s)
        if duration_s < 10.0 * options.gate_s:
            raise UsageError(
                f"{duration_s:g} s are less than ten gates of {options.gate_s:g} s",
                remedy="choose a longer --duration",
            )
        self.options = dataclasses.replace(options, duration_s=float(duration_s))
        for role, count in _ROLES.items():
            target = station.roles.get(role)
            if target is None:
                raise station.source.error(
                    ("roles",), f"nothing plays the role {role!r}", remedy=f"add {role} = ..."
                )
            if (0 if isinstance(target, str) else len(target)) != count:
                wanted = f"a list of {count}" if count else "one instrument or channel"
                raise station.source.error(("roles", role), f"must be {wanted}")

    @property
    def table(self) -> dict[str, Any]:
        """The options as resolved."""
        return dataclasses.asdict(self.options)

    def datasets(self) -> Sequence[DatasetSpec]:
        """Declare both beats, the shifter, the flags, and the light's deviation."""
        gate: dict[str, Attribute] = {"interval_s": self.options.gate_s, "estimator": "pi"}
        return [
            DatasetSpec("data/beat_1", "<f8", {"unit": "Hz", **gate}, chunk=4096),
            DatasetSpec("data/beat_2", "<f8", {"unit": "Hz", **gate}, chunk=4096),
            DatasetSpec("data/shifter", "<f8", {"unit": "Hz", **gate}, chunk=4096),
            DatasetSpec(
                "data/flags", "u1", {"bits": "1 slip, 2 partial, 4 missing, 8 lost"}, chunk=4096
            ),
            DatasetSpec("data/deviation", "<f8", {"unit": "1", **gate}, chunk=4096),
        ]

    def run(self, ctx: RunContext) -> dict[str, Any]:
        """Hold the link for the duration and judge it."""
        counters = ctx.station.role("beat_counters")
        shifter = ctx.station.role("shifter")
        for counter in counters:
            counter.arming_source = self.options.arming
        loop = OpticalLink(self.options.link(), shifter.frequency_hz)
        rows = _Rows(ctx, self.options)
        gates = round(self.options.duration_s / self.options.gate_s)
        ctx.progress.phase("gates", gates)
        in_force_hz = shifter.frequency_hz
        try:
            for pairs in beat_pairs(ctx, counters, self.options):
                for pair in pairs[: gates - rows.count]:
                    reading = loop.judge(*pair, in_force_hz)
                    rows.add(pair, in_force_hz, reading)
                    ctx.progress.step(_note(reading, loop))
                # The shifter was the same in all of these gates.
                if reading.shifter_hz != in_force_hz:
                    shifter.frequency_hz = in_force_hz = reading.shifter_hz
                if rows.count >= gates:
                    break
        finally:
            rows.flush()
        return judged(self.options, rows.columns(), loop.slips.sigma_hz, loop.slips.guaranteed)

    def reanalyse(self, ctx: RunContext, recorded: RecordedData) -> dict[str, Any]:
        """Go through the recorded beats again, also of a run that was stopped."""
        shifted = recorded.data("shifter")
        loop = OpticalLink(self.options.link(), float(shifted[0]) if shifted.size else None)
        rows = _Rows(None, self.options)
        for first, second, in_force_hz in zip(
            recorded.data("beat_1").tolist(),
            recorded.data("beat_2").tolist(),
            shifted.tolist(),
            strict=True,
        ):
            rows.add((first, second), in_force_hz, loop.judge(first, second, in_force_hz))
        rows.flush()
        return judged(self.options, rows.columns(), loop.slips.sigma_hz, loop.slips.guaranteed)


class _Rows:
    """The rows of the datasets, each written when the next has told what it knows of it."""

    def __init__(self, ctx: RunContext | None, options: FibreOptions) -> None:
        self._ctx = ctx
        self._options = options
        self._last: list[float] = []
        self._all: list[list[float]] = []
        self.count = 0

    def add(self, pair: tuple[float, float], in_force_hz: float, reading: LinkReading) -> None:
        """Add the row of one gate."""
        if self._last and reading.previous:
            self._last[3] = int(self._last[3]) | int(reading.previous)
            self._last[4] = float("nan")
        self.flush()
        flags = int(reading.flag) | (LOST if reading.lost else 0)
        usable = reading.deviation_hz / self._options.optical_hz
        self.count += 1
        self._last = [*pair, in_force_hz, flags, usable]
        self._cycles = reading.cycles

    def flush(self) -> None:
        """Write the last row."""
        if not self._last:
            return
        names = ("beat_1", "beat_2", "shifter", "flags", "deviation")
        if self._ctx is not None:
            for name, value in zip(names, self._last, strict=True):
                kind = np.uint8 if name == "flags" else np.float64
                self._ctx.data.append(name, np.array([value], kind))
        self._all.append([*self._last, self._cycles])
        self._last = []

    def columns(self) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
        """Return all rows by name."""
        names = ("beat_1", "beat_2", "shifter", "flags", "deviation", "cycles")
        table = np.array(self._all).reshape(-1, len(names))
        return {name: table[:, k] for k, name in enumerate(names)}


def _note(reading: LinkReading, loop: OpticalLink) -> str:
    if reading.flag & SlipFlag.SLIP:
        return f"slip of {reading.cycles:+d}"
    if reading.flag or reading.lost:
        return "no reading"
    return f"{reading.deviation_hz:+9.2f} Hz, {reading.phase_cycles:+8.1f} cycles"
