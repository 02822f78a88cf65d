"""One-decoy BB84 from light to key: `qlab run bb84`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from drivers.core.context import Kind, Status
from protocols.distillation.local import distil
from protocols.entropy import Entropy
from qlab.context import KeyFacts, RunContext
from qlab.experiments.bb84.acquisition import Acquisition
from qlab.experiments.bb84.detection import Block
from qlab.experiments.bb84.located import located
from qlab.experiments.bb84.parties import RunSecret, SomeAlice, SomeBob, apart, together
from qlab.experiments.bb84.patterns import BlockPlan, block_plans
from qlab.experiments.bb84.photons import told
from qlab.experiments.bb84.planned import PlannedBb84, Side, darken, tagger_tick_s
from qlab.experiments.interface import RecordedData
from qlab.runfile.schema import DatasetSpec, time_tag_columns
from qlab.station import StationFile

__all__ = ["Bb84"]

_Parties = tuple[SomeAlice, SomeBob]


class Bb84(PlannedBb84):
    """Both parties on one station."""

    def __init__(self, station: StationFile, overrides: Mapping[str, Any]) -> None:
        super().__init__(station, overrides)
        self._tick_s = tagger_tick_s(station)

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
                facts.append(self._add(plan, block, alice, bob, ctx.entropy))
                ctx.progress.step(told(facts[-1]))
            with ctx.shielded():  # a stop that is asked for now comes right after
                darken(ctx)
            results = self._distil(ctx, alice, bob, facts, hopeless)
        elapsed_s = (ctx.clock.now_ns() - start_ns) * 1e-9
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
        if not ctx.apart:
            return nullcontext(together(options, secret, ctx.lost))

        def on_loss(side: str, doom: bytes) -> None:
            ctx.recorder.record(f"process:{side}", Kind.MESSAGE, doom, status=Status.LOST)

        return apart(options, secret, on_loss)

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
            block = located(
                self.options, self._tick_s, plan.index, plan.slots, plan.bob_basis, some, where
            )
            facts.append(self._add(plan, block, alice, bob, entropy))
        return facts

    def _sendings(self, entropy: Entropy) -> Iterator[tuple[BlockPlan, int]]:
        """Give each pattern as often as it is sent, with the number of the repetition."""
        for plan in block_plans(entropy, self.options):
            for repeat in range(self.options.pattern_repeats):
                yield plan, repeat

    def _add(
        self, plan: BlockPlan, block: Block, alice: SomeAlice, bob: SomeBob, entropy: Entropy
    ) -> dict[str, Any]:
        alice.add_block(plan.alice)
        bob.add_block(block.detections, block.basis, Side("bob", entropy))
        return {
            "slots": block.slots,
            "live_s": block.slots / self.options.slot_rate_hz,
            "events": block.events,
            "detections": int(block.detections.slot.size),
            **block.facts,
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

        sides = Side("alice", ctx.entropy), Side("bob", ctx.entropy)
        distil(alice, bob, *sides, on_message)
        found = bob.result
        reason = self._reason(found, hopeless)
        if reason is None:
            self._deposit(ctx, alice.key, KeyFacts(found.eps_sec, found.eps_cor, found.proof))
        return self._account(found, reason, blocks, ctx.station.simulated)
