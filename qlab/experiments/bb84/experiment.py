"""One-decoy BB84 from light to key: `qlab run bb84`."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import Any

from drivers.core.context import Kind
from drivers.core.registry import driver_class
from protocols.bb84.distillation import Distillation, Setup
from protocols.bb84.settings import dyadic
from protocols.distillation.local import distil
from protocols.entropy import Entropy
from qlab.context import KeyFacts, RunContext
from qlab.errors import StationError, UsageError
from qlab.experiments.bb84.acquisition import (
    Acquisition,
    Block,
    BlockPlan,
    block_plans,
    detect,
)
from qlab.experiments.bb84.options import MOST_SLOTS, Bb84Options
from qlab.experiments.bb84.parties import RunSecret, SomeAlice, SomeBob, apart, together
from qlab.experiments.bb84.plan import agreed_plan
from qlab.experiments.interface import RecordedData
from qlab.runfile.schema import DatasetSpec, time_tag_columns
from qlab.station import StationFile, read_table

__all__ = ["Bb84"]

_Parties = tuple[SomeAlice, SomeBob]

#: Who takes part, and how many detectors and attenuators play one role.
_ROLES = (
    "laser",
    "generator_alice",
    "intensity",
    "phase_alice",
    "phase_bob",
    "bias",
    "monitor",
    "tagger",
    "reference",
    "counter",
)
_LISTS = {"attenuators": range(1, 9), "detectors": range(2, 3)}
_DEMONSTRATION = "patterns were sent more than once: a demonstration"


class Bb84:
    """One run; see `qlab.experiments.interface.Experiment`."""

    name = "bb84"
    #: Patterns, stamps and detections hold the raw key; so do the parties' random bytes.
    secret_roles = ("intensity", "phase_alice", "phase_bob", "tagger")

    def __init__(self, station: StationFile, overrides: Mapping[str, Any]) -> None:
        options = read_table(station, self.name, Bb84Options)
        _check_roles(station)
        duration_s = overrides.get("duration_s")
        if duration_s is not None:
            options = dataclasses.replace(options, slots=_slots(duration_s, options))
        self.options = options
        self._tick_s = _tick_s(station)
        instruments = (_instrument(station.roles.get(role)) for role in self.secret_roles)
        self.secret_sources = frozenset(name for name in instruments if name)

    @property
    def table(self) -> dict[str, Any]:
        """The options as resolved."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self.options).items()
        }

    def datasets(self) -> Sequence[DatasetSpec]:
        """Declare the time tags and the number of events of each block."""
        return [
            *time_tag_columns("data", self._tick_s.as_integer_ratio(), secret=True),
            DatasetSpec("data/block_events", "<i8", {"unit": "events"}, chunk=1024),
        ]

    def run(self, ctx: RunContext) -> dict[str, Any]:
        """Send all blocks and distil a key from them."""
        options = self.options
        start_ns = ctx.clock.now_ns()
        _, hopeless = self.setup()
        acquisition = Acquisition(ctx, options)
        photons = acquisition.prepare()
        blocks = -(-options.slots // options.block_slots) * options.pattern_repeats
        ctx.progress.phase("blocks sent", blocks)
        facts = []
        with self._parties(ctx) as (alice, bob):
            for plan, repeat in self._sendings(ctx.entropy):
                block = acquisition.send(plan, loaded=repeat > 0)
                facts.append(self._add(block, alice, bob, ctx.entropy))
                ctx.progress.step(f"{facts[-1]['detections']:,} detections")
            elapsed_s = (ctx.clock.now_ns() - start_ns) * 1e-9
            with ctx.shielded():  # a stop that is asked for now comes right after
                self._darken(ctx)
            results = self._distil(ctx, alice, bob, facts, hopeless)
        light = {
            "mean_photon_number": photons.realised,
            "mean_photon_number_u": photons.standard_uncertainty,
            "attenuation_db": list(photons.settings_db),
            "live_s": acquisition.live_s,
            "elapsed_s": elapsed_s,
        }
        rate = results["secret_bits"] / elapsed_s if elapsed_s > 0 else 0.0
        return results | light | {"secret_rate_bps": rate}

    def _parties(self, ctx: RunContext) -> AbstractContextManager[_Parties]:
        """Give both parties: in processes of their own, or here when a run is repeated."""
        secret = RunSecret(ctx.entropy)
        options = self.options
        return apart(options, secret) if ctx.apart else nullcontext(together(options, secret))

    def _darken(self, ctx: RunContext) -> None:
        """Bring the outputs to safety before the long computation, not only after it."""
        for step in ctx.station.to_safe_state():
            if step.cause is not None:
                raise step.cause

    def reanalyse(self, ctx: RunContext, recorded: RecordedData) -> dict[str, Any]:
        """Distil again from the recorded time tags."""
        _, hopeless = self.setup()
        alice, bob = together(self.options, RunSecret(ctx.entropy))
        facts = self.add_recorded(ctx.entropy, recorded, alice, bob)
        results = self._distil(ctx, alice, bob, facts, hopeless)
        live_s = sum(f["live_s"] for f in facts)
        return results | {"live_s": live_s}

    def add_recorded(
        self, entropy: Entropy, recorded: RecordedData, alice: SomeAlice, bob: SomeBob
    ) -> list[dict[str, Any]]:
        """Add a recorded run's blocks to both parties, and return the facts of each.

        Parameters
        ----------
        entropy : Entropy
            The run's own streams, from their beginning.
        recorded : RecordedData
        alice, bob
            Parties that have not started; several runs may be added one after another.
        """
        ticks, lines = recorded.data("timestamps"), recorded.data("detectors")
        at = 0
        facts = []
        events = recorded.data("block_events").tolist()
        for (plan, _), count in zip(self._sendings(entropy), events, strict=False):
            some, where = ticks[at : at + count], lines[at : at + count]
            at += count
            block = detect(self.options, self._tick_s, plan, some, where)
            facts.append(self._add(block, alice, bob, entropy))
        return facts

    def _sendings(self, entropy: Entropy) -> Iterator[tuple[BlockPlan, int]]:
        """Give each pattern as often as it is sent, with the number of the repetition."""
        for plan in block_plans(entropy, self.options):
            for repeat in range(self.options.pattern_repeats):
                yield plan, repeat

    def setup(self) -> tuple[Setup, str | None]:
        """Return `agreed_plan` of the options."""
        return agreed_plan(self.options)

    def _add(
        self, block: Block, alice: SomeAlice, bob: SomeBob, entropy: Entropy
    ) -> dict[str, Any]:
        alice.add_block(block.plan.alice)
        bob.add_block(block.detections, block.plan.bob_basis, _Side("bob", entropy))
        return {
            "slots": block.plan.slots,
            "live_s": block.plan.slots / self.options.slot_rate_hz,
            "events": block.events,
            "detections": int(block.detections.slot.size),
            "delay_s": block.delay_s,
        }

    def _distil(
        self,
        ctx: RunContext,
        alice: SomeAlice,
        bob: SomeBob,
        blocks: list[dict[str, Any]],
        hopeless: str | None,
    ) -> dict[str, Any]:
        ctx.progress.phase("key distillation")

        def on_message(direction: str, data: bytes) -> None:
            ctx.message(direction, data)
            ctx.progress.step()

        sides = _Side("alice", ctx.entropy), _Side("bob", ctx.entropy)
        distil(alice, bob, *sides, on_message)
        found = bob.result
        reason = hopeless or found.reason
        if self.options.pattern_repeats > 1:
            reason = _DEMONSTRATION
        if reason is None:
            # Messages and results do not depend on the key itself: only this shows a
            # replay that the same key was made. Its source is a secret one.
            digest = hashlib.sha256(alice.key.reveal()).digest()
            ctx.recorder.record("key", Kind.MESSAGE, digest)
            ctx.keys.deposit(alice.key, KeyFacts(found.eps_sec, found.eps_cor, found.proof))
        return self._account(found, reason, blocks, ctx.station.simulated)

    def _account(
        self, found: Distillation, reason: str | None, blocks: list[dict[str, Any]], simulated: bool
    ) -> dict[str, Any]:
        options = self.options
        return {
            "slots": sum(b["slots"] for b in blocks),
            "slot_rate_hz": options.slot_rate_hz,
            "intensities": list(options.intensities),
            "probabilities": [float(dyadic(p)) for p in options.probabilities],
            "detector_lines": list(options.detector_lines),
            "marker_line": options.marker_line,
            "blocks": blocks,
            "detections": sum(b["detections"] for b in blocks),
            "double_clicks": found.double_clicks,
            "dropped_dead_time": found.dropped_dead_time,
            "dropped_outside": found.dropped_outside,
            "sifted_bits": found.sifted_bits,
            "n_z": list(found.n_z),
            "n_x": list(found.n_x),
            "m_z": None if found.m_z is None else list(found.m_z),
            "m_x": None if found.m_x is None else list(found.m_x),
            "qber_z": found.qber_z,
            "qber_x": found.qber_x,
            "qber_z_by_intensity": list(found.qber_z_per_intensity),
            "qber_x_by_intensity": list(found.qber_x_per_intensity),
            "leak_ec_bits": found.leak_ec_bits,
            "efficiency": found.efficiency,
            "wire_bits_alice": found.wire_bits_alice,
            "wire_bits_bob": found.wire_bits_bob,
            "verified": found.verified,
            "bounds": dict(found.bounds) or None,
            "agreed_length": max(found.agreed_length, 0),
            "secret_bits": 0 if reason else found.secret_bits,
            "no_key": reason,
            "eps_sec": found.eps_sec,
            "eps_cor": found.eps_cor,
            "net_secret_bits": 0 if reason else found.net_secret_bits,
            "protocol": found.protocol,
            "reconciliation": found.reconciliation,
            "amplification": found.amplification,
            "proof": found.proof,
            "length_rule": found.length_rule,
            "assumptions": list(found.assumptions),
            "demonstration": options.pattern_repeats > 1,
            "fit_for_use": reason is None and not simulated,
        }


def _check_roles(station: StationFile) -> None:
    """Raise StationError for a role that nobody plays, or too few or too many."""
    for role in (*_ROLES, *_LISTS):
        target = station.roles.get(role)
        if target is None:
            raise station.source.error(
                ("roles",), f"nothing plays the role {role!r}", remedy=f"add {role} = ..."
            )
        count = _LISTS.get(role)
        if isinstance(target, str) if count else not isinstance(target, str):
            wanted = "a list" if count else "one instrument or channel"
            raise station.source.error(("roles", role), f"must be {wanted}")
        if count and len(target) not in count:
            raise station.source.error(
                ("roles", role), f"has {len(target)} elements, not {count.start}"
            )


class _Side:
    """One party's own streams of the run's entropy."""

    def __init__(self, party: str, entropy: Entropy) -> None:
        self._party = party
        self._entropy = entropy

    def take(self, stream: str, count: int) -> bytes:
        return self._entropy.take(f"{self._party}/{stream}", count)


def _instrument(target: str | tuple[str, ...] | None) -> str:
    return target.partition(".")[0] if isinstance(target, str) else ""


def _slots(duration_s: float, options: Bb84Options) -> int:
    """Return how many pulses fill a duration."""
    slots = duration_s * options.slot_rate_hz
    if not (math.isfinite(slots) and 0.5 <= slots <= MOST_SLOTS):
        raise UsageError(
            f"{duration_s:g} s are not 1 to {MOST_SLOTS:g} pulses of {options.slot_rate_hz:g} Hz",
            remedy="choose another --duration",
        )
    return max(1, round(slots))


def _tick_s(station: StationFile) -> Fraction:
    """Return the tick of the station's tagger, which its driver declares."""
    name = _instrument(station.roles.get("tagger"))
    if name not in station.instruments:
        raise StationError(
            "nobody plays the role 'tagger'",
            file=station.source.name,
            key="roles",
            remedy='add a line such as: tagger = "INSTRUMENT"',
        )
    tick_s = getattr(driver_class(station.instruments[name].driver), "tick_s", None)
    if not isinstance(tick_s, Fraction):
        raise StationError(
            f"{name} is no time tagger", file=station.source.name, key="roles.tagger"
        )
    return tick_s
