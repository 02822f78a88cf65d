"""What a run of two stations gets of the pair's secret, and what it pays."""

from protocols.distillation.party import ALICE_TO_BOB
from qlab.context import AbortFlag, Kind, SystemEntropy, Tap
from qlab.experiments.bb84.parties import RunSecret
from qlab.experiments.bb84.roles import REFILL_BITS, SPENT_BITS
from qlab.keystore import PairStore
from qlab.keystore.carried import DIRECTIONS
from qlab.link.peer import PairEntropy


class Recorded(Tap):
    """Keeps what is recorded."""

    def __init__(self):
        super().__init__(AbortFlag())
        self.payloads = []

    def record(self, source, kind, payload=b"", **more):
        if kind is Kind.ENTROPY:
            self.payloads.append(bytes(payload))


def test_no_long_term_hash_key_is_recorded(tmp_path):
    """Whoever reads an old companion file knows nothing of later sessions."""
    store = PairStore(tmp_path / "a")
    store.init("lab", tmp_path / "lab.pair", bits=1 << 16)
    recorded = []
    for _ in range(2):
        tap = Recorded()
        with store.open("lab") as pair:
            held = [pair.hash_key(way) for way in DIRECTIONS]
            secret = RunSecret(PairEntropy(pair, tap, SystemEntropy(tap)))
            secret.pad("alice", ALICE_TO_BOB, 16)
        assert [tap.payloads[0], tap.payloads[1]] == list(secret.hash_keys.values())
        recorded += tap.payloads
    assert len(set(recorded)) == len(recorded) == 6
    assert not set(held) & set(recorded)
    assert dict(store.facts("lab").used) == dict(zip(DIRECTIONS, (64, 32), strict=True))


def test_a_session_pays_for_its_meeting_and_hash_keys(tmp_path):
    store = PairStore(tmp_path / "a")
    store.init("lab", tmp_path / "lab.pair", bits=1 << 16)
    tap = Recorded()
    with store.open("lab") as pair:
        tags = RunSecret(PairEntropy(pair, tap, SystemEntropy(tap))).authenticator(
            "alice", SPENT_BITS
        )
        tags.seal("sifting")
    of_meeting = 2 * 128
    assert tags.pad_bits == of_meeting + 8 * sum(store.facts("lab").used.values())
    assert REFILL_BITS >= SPENT_BITS + 7 * 128
