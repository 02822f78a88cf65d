from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from protocols.authentication.wegman_carter import Authenticator
from protocols.bb84.alice import Alice
from protocols.bb84.bob import Bob
from protocols.bb84.channel import Channel
from protocols.bb84.distillation import PhaseRandomisation, Setup
from protocols.bb84.finite_key import Security, Source
from protocols.bb84.planning import expected_counts, plan_length
from protocols.bb84.settings import (
    alice_entropy_bytes,
    alice_settings,
    bob_entropy_bytes,
    bob_settings,
    dyadic,
)
from protocols.bb84.sifting import Detections
from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE
from protocols.generator import expand
from protocols.reconciliation import choice

SOURCE = Source((0.50, 0.15), (Fraction(1, 2), Fraction(1, 2)))
P_Z = (dyadic(0.7), dyadic(0.7))


class SeededEntropy:
    """Streams expanded from a seed; remembers what was drawn."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self.drawn: dict[str, int] = {}

    def take(self, stream: str, count: int) -> bytes:
        start = self.drawn.get(stream, 0)
        self.drawn[stream] = start + count
        return expand(self._seed, stream, start, count)


@dataclass
class Link:
    """A setup and two parties with their patterns, ready to distil."""

    setup: Setup
    alice: Alice
    bob: Bob
    entropy_alice: SeededEntropy
    entropy_bob: SeededEntropy
    channel: Channel


def bench_channel(misalignment: float = 0.013, transmittance: float = 0.2 * 10**-0.5) -> Channel:
    """10 km of fibre and the receiver lose 5 dB, detectors of 20 %, 100 dark counts a second."""
    return Channel(transmittance, misalignment, 2e-6, 0.005, 100e-9, 20e-9, 1e-6, 0.3e-9)


def bench_setup(
    channel: Channel,
    slots: int,
    phase_randomisation: PhaseRandomisation = "gain-switched",
    margin: float = 5.0,
    reconciliation: str = "cascade",
) -> Setup:
    expected = expected_counts(SOURCE, P_Z, slots, channel)
    allowed = choice.allowance(reconciliation, round(sum(expected.n_z)))
    agreement = plan_length(expected, SOURCE, Security(1e-9, 1e-15), margin, allowed)
    return Setup(SOURCE, agreement, phase_randomisation, reconciliation)


def detect(
    rng: np.random.Generator, channel: Channel, mean: np.ndarray, wrong: np.ndarray, bit: np.ndarray
) -> Detections:
    """Throw photons and dark counts at two detectors that are blind after each click.

    `mean` is the mean number of photons detected in a slot, `wrong` their share that goes
    to the detector that is not `bit`. Clicks are centred in their slots; the jitter
    decides whether a click one whole dead time later is still blocked.
    """
    noise = channel.dark_probability
    shares = np.where(bit == 0, wrong, 1 - wrong)  # of detector 1
    slots_blocked = round(channel.dead_time_s / channel.period_s)
    clicked, times = [], []
    for detector in (0, 1):
        share = shares if detector else 1 - shares
        fired = np.flatnonzero(rng.random(mean.size) < 1 - (1 - noise) * np.exp(-mean * share))
        offset = rng.normal(0, channel.jitter_s / channel.period_s, fired.size)
        kept, ready, last = [], -1e9, -1e9
        for slot, time in zip(fired.tolist(), (fired + offset).tolist(), strict=True):
            if time >= ready:
                kept.append((slot, time))
                last = time
                ready = last + slots_blocked
        clicked.append(np.array([slot for slot, _ in kept], np.int64))
        times.append(np.array([time for _, time in kept]))
    slot = np.concatenate(clicked)
    time = np.concatenate(times)
    detector = np.repeat([0, 1], [clicked[0].size, clicked[1].size])
    order = np.argsort(time, kind="stable")
    slot, time, detector = slot[order], time[order], detector[order]
    starts = np.flatnonzero(np.diff(slot, prepend=-1))
    outcome = np.bitwise_or.reduceat(1 << detector, starts) - 1
    since = np.diff(time, prepend=-1e9)[starts]
    alive = since >= slots_blocked
    return Detections(
        mean.size,
        slot[starts][alive],
        outcome[alive].astype(np.uint8),
        dropped_dead_time=int((~alive).sum()),
    )


HASH_KEYS = {ALICE_TO_BOB: b"alice's hash key", BOB_TO_ALICE: b"hash key of bob."}


class Pads:
    """One side's pads, the same on both sides; remembers how many bytes were taken."""

    def __init__(self) -> None:
        self.taken = {ALICE_TO_BOB: 0, BOB_TO_ALICE: 0}

    def __call__(self, direction: str, count: int) -> bytes:
        start = self.taken[direction]
        self.taken[direction] += count
        return expand(b"pads", direction, start, count)


def make_link(
    setup: Setup,
    channel: Channel,
    slots: int,
    blocks: int = 1,
    seed: int = 1,
    pads: tuple[Pads, Pads] | None = None,
) -> Link:
    """Send `slots` pulses in `blocks` patterns; with pads the parties authenticate."""
    rng = np.random.default_rng(seed)
    ours = SeededEntropy(b"alice %d" % seed), SeededEntropy(b"bob %d" % seed)
    alice, bob = Alice(setup), Bob(setup)
    if pads is not None:
        alice = Alice(setup, Authenticator(ALICE_TO_BOB, HASH_KEYS, pads[0]))
        bob = Bob(setup, Authenticator(BOB_TO_ALICE, HASH_KEYS, pads[1]))
    mus = np.array(SOURCE.intensities)
    count = slots // blocks
    for _ in range(blocks):
        size = alice_entropy_bytes(count, P_Z[0], SOURCE.probabilities)
        sent = alice_settings(
            ours[0].take("alice-settings", size), count, P_Z[0], SOURCE.probabilities
        )
        basis = bob_settings(
            ours[1].take("bob-settings", bob_entropy_bytes(count, P_Z[1])), count, P_Z[1]
        )
        mean = mus[sent.intensity] * channel.transmittance
        wrong = np.where(sent.basis == basis, channel.misalignment, 0.5)
        alice.add_block(sent)
        bob.add_block(detect(rng, channel, mean, wrong, sent.bit), basis, ours[1])
    return Link(setup, alice, bob, *ours, channel)
