"""Two parties side by side, and the packets between them, one by one."""

from dataclasses import replace

import msgspec
from bb84_bench import Link, Pads, bench_channel, bench_setup, make_link

from protocols.bb84.messages import CODEC, Announcement, Disclosure, TestReply
from protocols.distillation import messages as m
from protocols.distillation.codec import Message
from protocols.distillation.local import distil
from protocols.distillation.party import Party

BENCH = bench_setup(bench_channel(), 40_000_000)


def small_link(seed: int = 1, **changes: float) -> Link:
    """Return a strong short link whose block is too small for the bench's key."""
    channel = replace(bench_channel(), transmittance=0.5, **changes)
    return make_link(BENCH, channel, 40_000, blocks=2, seed=seed)


def run(link: Link) -> list[tuple[str, bytes]]:
    sent: list[tuple[str, bytes]] = []
    distil(
        link.alice,
        link.bob,
        link.entropy_alice,
        link.entropy_bob,
        lambda direction, data: sent.append((direction, data)),
    )
    return sent


def opened(packet: bytes) -> Message:
    return CODEC.decode(CODEC.unwrap(packet).body)


class Wire:
    """Runs two parties by hand, so that a test can change one packet."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.waiting: list[tuple[Party, bytes]] = []
        link.alice.start(link.entropy_alice)
        self.post(link.alice, link.bob.start(link.entropy_bob))

    def post(self, to: Party, packets: list[bytes]) -> None:
        self.waiting.extend((to, packet) for packet in packets)

    def until(self, kind: type[Message]) -> tuple[Party, bytes]:
        """Deliver packets up to the first of `kind`, which is held back."""
        while True:
            to, packet = self.waiting.pop(0)
            if isinstance(opened(packet), kind):
                return to, packet
            self.deliver(to, packet)

    def deliver(self, to: Party, packet: bytes) -> None:
        link = self.link
        if to is link.alice:
            self.post(link.bob, link.alice.receive(packet, link.entropy_alice))
        else:
            self.post(link.alice, link.bob.receive(packet, link.entropy_bob))

    def rest(self) -> None:
        while self.waiting:
            self.deliver(*self.waiting.pop(0))


def changed(packet: bytes, **fields: object) -> bytes:
    """Return the packet with other fields."""
    found = CODEC.unwrap(packet)
    message = msgspec.structs.replace(CODEC.decode(found.body), **fields)
    return CODEC.wrap(found.sequence, CODEC.encode(message), found.tag)


KINDS = [
    Announcement,
    Disclosure,
    TestReply,
    m.ReconciliationStart,
    m.ReconciliationQuestion,
    m.ReconciliationAnswer,
    m.ReconciliationEnd,
    m.VerificationTag,
    m.VerificationOutcome,
    m.Amplification,
]


def ready_link() -> Link:
    channel = replace(bench_channel(), transmittance=0.5, dead_time_s=0.0, jitter_s=0.0)
    return make_link(bench_setup(channel, 3_000_000, margin=3.0), channel, 3_000_000)


def authenticated_link(seed: int = 1) -> tuple[Link, tuple[Pads, Pads]]:
    channel = replace(bench_channel(), transmittance=0.5, dead_time_s=0.0, jitter_s=0.0)
    pads = Pads(), Pads()
    setup = bench_setup(channel, 1_500_000, margin=1.0)
    return make_link(setup, channel, 1_500_000, pads=pads, seed=seed), pads
