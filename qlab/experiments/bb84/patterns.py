"""What is sent and measured: each party's random settings, pattern by pattern."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.bb84.settings import (
    AliceSettings,
    alice_entropy_bytes,
    alice_settings,
    bob_entropy_bytes,
    bob_settings,
    dyadic,
)
from protocols.bb84.unclocked import Frame
from protocols.entropy import Entropy
from qlab.experiments.bb84.options import Bb84Options

__all__ = [
    "BlockPlan",
    "alice_plan",
    "block_plans",
    "block_sizes",
    "bob_plan",
    "frame",
    "played_slots",
    "sent",
]


@dataclass(frozen=True)
class BlockPlan:
    """One pattern before it is sent.

    Attributes
    ----------
    index : int
        Its number.
    slots : int
        Pulses that are sent, the public ones among them.
    alice : AliceSettings
        Alice's settings of the slots that are not public.
    bob_basis : uint8 array
        What Bob's modulator plays: a basis for each of these slots, or, on a clock of his own,
        for as long as he listens after its first step.
    """

    index: int
    slots: int
    alice: AliceSettings
    bob_basis: NDArray[np.uint8]


def block_sizes(options: Bb84Options) -> Iterator[tuple[int, int]]:
    """Give number and slots of each pattern."""
    left = options.slots
    index = 0
    while left > 0:
        slots = min(left, options.block_slots)
        yield index, slots
        left -= slots
        index += 1


def block_plans(entropy: Entropy, options: Bb84Options) -> Iterator[BlockPlan]:
    """Draw each block's settings from the streams of Alice and Bob, one after another."""
    for index, slots in block_sizes(options):
        alice = alice_plan(entropy, options, slots)
        yield BlockPlan(index, slots, alice, bob_plan(entropy, options, slots))


def alice_plan(entropy: Entropy, options: Bb84Options, slots: int) -> AliceSettings:
    """Draw Alice's settings of one pattern of `slots` pulses from her stream."""
    slots -= options.public_slots
    p_z = dyadic(options.p_z_alice)
    probabilities = [dyadic(p) for p in options.probabilities]
    need = alice_entropy_bytes(slots, p_z, probabilities)
    return alice_settings(entropy.take("alice/settings", need), slots, p_z, probabilities)


def bob_plan(entropy: Entropy, options: Bb84Options, slots: int) -> NDArray[np.uint8]:
    """Draw Bob's bases of one pattern of `slots` pulses from his stream."""
    slots = played_slots(options, slots)
    p_z = dyadic(options.p_z_bob)
    return bob_settings(entropy.take("bob/settings", bob_entropy_bytes(slots, p_z)), slots, p_z)


def played_slots(options: Bb84Options, slots: int) -> int:
    """Return how many bases Bob's modulator plays for a pattern of `slots` pulses.

    On his own clock he does not know when the light comes, and plays while he listens.
    """
    if options.sync == "marker":
        return slots
    return slots + math.ceil(options.listen_after_s * options.slot_rate_hz)


def frame(options: Bb84Options, index: int, slots: int) -> Frame:
    """Return the public strings around pattern `index` of `slots` pulses."""
    return Frame(index, options.sync_slots, slots - options.public_slots)


def sent(options: Bb84Options, index: int, settings: AliceSettings) -> AliceSettings:
    """Return what Alice sends: her settings, with the pattern's public strings if it has any."""
    if options.sync == "marker":
        return settings
    return frame(options, index, settings.bit.size + options.public_slots).around(settings)
