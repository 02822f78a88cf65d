"""BB84 with a station for each party: `qlab run bb84 --role alice` and ``--role bob``.

For each pattern both load their generators and Alice says when hers is; then Bob arms his
tagger and says so, Alice plays and says so, and waits with the next pattern until he has
collected.
These words are part of the transcript that the parties' tags authenticate.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np

from protocols.authentication.wegman_carter import PAD_BITS, Authenticator
from protocols.bb84.alice import Alice
from protocols.bb84.bob import Bob
from protocols.bb84.distillation import Distillation
from protocols.bb84.lengths import terms
from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE
from protocols.errors import MessageError
from protocols.secret import SecretBits
from qlab.context import KeyFacts, Peer, RunContext
from qlab.errors import UsageError
from qlab.experiments.bb84.acquisition import Acquisition
from qlab.experiments.bb84.parties import RunSecret
from qlab.experiments.bb84.patterns import alice_plan, block_sizes, bob_plan
from qlab.experiments.bb84.photons import told
from qlab.experiments.bb84.planned import PlannedBb84, Side, darken, tagger_tick_s
from qlab.experiments.interface import RecordedData
from qlab.link.conversation import converse
from qlab.link.meeting import MEETING_TAGS
from qlab.runfile.schema import DatasetSpec, time_tag_columns
from qlab.station import StationFile

__all__ = ["REFILL_BITS", "SPENT_BITS", "AliceBb84", "BobBb84"]

#: What a session costs the pair besides the tags of the distillation: the tags of the
#: meeting, and a hash key for each direction.
SPENT_BITS = (MEETING_TAGS + 2) * PAD_BITS
#: What a session that ends in a key takes, which the key gives back: six pads of Alice's (a tag
#: of the meeting, a hash key, four tags of the distillation) and five of Bob's.
REFILL_BITS = SPENT_BITS + Alice.tags * PAD_BITS


class _Word(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of what coordinates the acquisition."""

    version: int
    index: int


class _Loaded(_Word, frozen=True, tag="loaded"):
    """Alice can play pattern `index`."""


class _Armed(_Word, frozen=True, tag="armed"):
    """Bob listens for pattern `index`."""


class _Played(_Word, frozen=True, tag="played"):
    """Alice has sent pattern `index` off."""


class _Collected(_Word, frozen=True, tag="collected"):
    """Bob has the time stamps of pattern `index`."""


_VERSION = 1
_ENCODER = msgspec.msgpack.Encoder()
_AnyWord = _Loaded | _Armed | _Played | _Collected
_WORDS: msgspec.msgpack.Decoder[_AnyWord] = msgspec.msgpack.Decoder(_AnyWord)


class _Role(PlannedBb84):
    """What both roles do alike."""

    def datasets(self) -> Sequence[DatasetSpec]:
        """Declare nothing."""
        return []

    def reanalyse(self, ctx: RunContext, recorded: RecordedData) -> dict[str, Any]:
        """Refuse: one side's data give no key.

        Raises
        ------
        UsageError
        """
        raise UsageError(
            f"this is the run of {self.side.capitalize()} alone", remedy="leave --from-data out"
        )

    def run(self, ctx: RunContext) -> dict[str, Any]:
        """Take part in all blocks and in the distillation of a key from them."""
        peer = ctx.peer
        assert peer is not None
        start_ns = ctx.clock.now_ns()
        opening = peer.opening()
        _, hopeless = self.setup()
        blocks = -(-self.options.slots // self.options.block_slots) * self.options.pattern_repeats
        tags = RunSecret(ctx.entropy).authenticator(self.side, SPENT_BITS)
        party, light, facts = self._acquire(ctx, peer, tags, blocks)
        with ctx.shielded():  # a stop that is asked for now comes right after
            darken(ctx)
        found = self._converse(ctx, peer, party, hopeless)
        reason = self._reason(found, hopeless)
        results = self._account(found, reason, facts, opening.simulated)
        elapsed_s = (ctx.clock.now_ns() - start_ns) * 1e-9
        rate = results["secret_bits"] / elapsed_s if elapsed_s > 0 else 0.0
        more = {
            "side": self.side,
            "session": opening.session,
            "live_s": sum(fact["live_s"] for fact in facts),
            "elapsed_s": elapsed_s,
            "secret_rate_bps": rate,
        }
        return results | light | more

    @abstractmethod
    def _acquire(
        self, ctx: RunContext, peer: Peer, tags: Authenticator, blocks: int
    ) -> tuple[Alice | Bob, dict[str, Any], list[dict[str, Any]]]:
        """Return the party with all patterns, facts of the light, and of each block."""

    def _converse(
        self, ctx: RunContext, peer: Peer, party: Alice | Bob, hopeless: str | None
    ) -> Distillation:
        """Distil with the other party; our key is on the disk before we say that we have it."""
        ctx.progress.phase("key distillation")
        usable = hopeless is None and self.options.pattern_repeats == 1

        def hold(key: SecretBits) -> None:
            if usable:
                bound = terms(self.setup()[0]).bound
                facts = KeyFacts(bound.eps_sec, bound.eps_cor, bound.proof)
                self._deposit(ctx, key, facts, REFILL_BITS)

        entropy = Side(self.side, ctx.entropy)
        if converse(party, peer, entropy, hold, ctx.progress.step) and usable:
            ctx.keys.agreed()
        return party.result


class AliceBb84(_Role):
    """Alice's station: she sends."""

    def _acquire(
        self, ctx: RunContext, peer: Peer, tags: Authenticator, blocks: int
    ) -> tuple[Alice, dict[str, Any], list[dict[str, Any]]]:
        options = self.options
        setup, _ = self.setup()
        alice = Alice(setup, tags)
        acquisition = Acquisition(ctx, options)
        photons = acquisition.prepare_sender()
        words = _Words(peer, tags, ALICE_TO_BOB)
        ctx.progress.phase("blocks sent", blocks)
        facts = []
        for index, slots in block_sizes(options):
            settings = alice_plan(ctx.entropy, options, slots)
            for repeat in range(options.pattern_repeats):
                if not repeat:
                    acquisition.load_alice(index, settings)
                words.say(_Loaded(_VERSION, index))
                words.hear(_Armed, index)
                acquisition.trigger()
                words.say(_Played(_VERSION, index))
                words.hear(_Collected, index)
                alice.add_block(settings)
                facts.append({"slots": slots, "live_s": slots / options.slot_rate_hz})
                ctx.progress.step()
        light = {
            "mean_photon_number": photons.realised,
            "mean_photon_number_u": photons.standard_uncertainty,
            "attenuation_db": list(photons.settings_db),
        }
        return alice, light, facts


class BobBb84(_Role):
    """Bob's station: he measures."""

    def __init__(self, station: StationFile, overrides: Mapping[str, Any]) -> None:
        super().__init__(station, overrides)
        self._tick_s = tagger_tick_s(station)

    def datasets(self) -> Sequence[DatasetSpec]:
        """Declare the time tags and the number of events of each block."""
        return [
            *time_tag_columns("data", self._tick_s.as_integer_ratio(), secret=True),
            DatasetSpec("data/block_events", "<i8", {"unit": "events"}, chunk=1024),
        ]

    def _acquire(
        self, ctx: RunContext, peer: Peer, tags: Authenticator, blocks: int
    ) -> tuple[Bob, dict[str, Any], list[dict[str, Any]]]:
        options = self.options
        setup, _ = self.setup()
        bob = Bob(setup, tags)
        acquisition = Acquisition(ctx, options)
        acquisition.prepare_receiver()
        words = _Words(peer, tags, BOB_TO_ALICE)
        ctx.progress.phase("blocks received", blocks)
        facts = []
        entropy = Side("bob", ctx.entropy)
        for index, slots in block_sizes(options):
            basis = bob_plan(ctx.entropy, options, slots)
            for repeat in range(options.pattern_repeats):
                if not repeat:
                    acquisition.load_bob(index, basis)
                words.hear(_Loaded, index)
                block = acquisition.receive(index, slots, basis, partial(_let_play, words, index))
                words.say(_Collected(_VERSION, index))
                bob.add_block(block.detections, block.basis, entropy)
                facts.append(
                    {
                        "slots": slots,
                        "live_s": slots / options.slot_rate_hz,
                        "events": block.events,
                        "detections": int(np.size(block.detections.slot)),
                        **block.facts,
                    }
                )
                ctx.progress.step(told(facts[-1]))
        return bob, {}, facts


def _let_play(words: _Words, index: int) -> None:
    words.say(_Armed(_VERSION, index))
    words.hear(_Played, index)


class _Words:
    """The words between the two stations, each added to the transcript."""

    def __init__(self, peer: Peer, tags: Authenticator, ours: str) -> None:
        self._peer = peer
        self._tags = tags
        self._ours = ours
        self._theirs = BOB_TO_ALICE if ours == ALICE_TO_BOB else ALICE_TO_BOB

    def say(self, word: _Word) -> None:
        data = _ENCODER.encode(word)
        self._tags.absorb(self._ours, data)
        self._peer.send(data)

    def hear(self, kind: type[_Word], index: int) -> None:
        """Wait for a word.

        Raises
        ------
        MessageError
            It is another one.
        """
        data = self._peer.receive()
        self._tags.absorb(self._theirs, data)
        try:
            word = _WORDS.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise MessageError("what came is no word of this version") from None
        if type(word) is not kind or (word.version, word.index) != (_VERSION, index):
            raise MessageError(f"{type(word).__name__[1:].lower()} is not the word that is due")
