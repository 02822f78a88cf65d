"""What is sent and measured: each party's random settings, pattern by pattern."""

from __future__ import annotations

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
from protocols.entropy import Entropy
from qlab.experiments.bb84.options import Bb84Options

__all__ = ["BlockPlan", "alice_plan", "block_plans", "block_sizes", "bob_plan"]


@dataclass(frozen=True)
class BlockPlan:
    """One pattern before it is sent: settings of both parties for `slots` slots."""

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
    """Draw Alice's settings of one pattern from her stream."""
    p_z = dyadic(options.p_z_alice)
    probabilities = [dyadic(p) for p in options.probabilities]
    need = alice_entropy_bytes(slots, p_z, probabilities)
    return alice_settings(entropy.take("alice/settings", need), slots, p_z, probabilities)


def bob_plan(entropy: Entropy, options: Bb84Options, slots: int) -> NDArray[np.uint8]:
    """Draw Bob's bases of one pattern from his stream."""
    p_z = dyadic(options.p_z_bob)
    return bob_settings(entropy.take("bob/settings", bob_entropy_bytes(slots, p_z)), slots, p_z)
