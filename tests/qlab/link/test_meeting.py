"""Two stations meet: who is refused, and what a meeting settles."""

import contextlib
import threading
from types import SimpleNamespace

import msgspec
import pytest

from protocols.errors import AuthenticationError
from qlab.errors import ExitCode, QlabError, UsageError, exit_code
from qlab.keystore import KeyRecord, KeyState, KeyStore, PairStore
from qlab.keystore.carried import DIRECTIONS
from qlab.keystore.pair import PairUnsafeError
from qlab.link import LinkEndedError, Patience, connect, listen
from qlab.link.meeting import meet, settle_key

QUICK = Patience(meeting_s=10.0, silence_s=10.0, lost_s=2.0)


def record(pair_id, number=0, **more):
    facts = {"bits": 400, "fit_for_use": True, "state": KeyState.PENDING, "pair": pair_id} | more
    return KeyRecord(f"s-{number}", "run", eps_sec=1e-9, eps_cor=1e-15, proof="none", **facts)


@pytest.fixture
def sides(tmp_path):
    """Both sides' stores and pairs."""
    found = {}
    for side in ("alice", "bob"):
        folder = tmp_path / side
        found[side] = SimpleNamespace(
            folder=folder, keys=KeyStore(folder), pairs=PairStore(folder), simulated=False, terms={}
        )
    found["alice"].pairs.init("lab", tmp_path / "lab.pair", bits=1 << 16)
    found["bob"].pairs.bring(tmp_path / "lab.pair")
    return found


def together(sides):
    """Let both meet; return for each what was agreed on, or the error."""
    ends = {}
    listening = listen("0", patience=QUICK)

    def run(side, line):
        here = sides[side]
        try:
            with here.pairs.open("lab") as pair, line:
                line.open()
                ends[side] = meet(line, pair, here.keys, simulated=here.simulated, terms=here.terms)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            line.close(str(error))
            ends[side] = error

    threads = [
        threading.Thread(target=run, args=("alice", listening)),
        threading.Thread(target=run, args=("bob", connect(str(listening.port), patience=QUICK))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return ends


def errors(ends):
    """Return the error of the side that refused, of both if both did."""
    return [end for end in ends.values() if not hasattr(end, "session")]


def test_they_agree(sides):
    sides["bob"].simulated = True
    ends = together(sides)
    assert ends["alice"] == ends["bob"]
    assert ends["alice"].simulated
    facts = [sides[side].pairs.facts("lab") for side in sides]
    assert facts[0].used == facts[1].used == dict.fromkeys(DIRECTIONS, 16)
    assert facts[0].mark == facts[1].mark == ends["alice"].session
    again = together(sides)
    assert again["alice"].session != ends["alice"].session
    assert sides["alice"].pairs.facts("lab").sessions == 2


def test_the_larger_offset_counts(sides):
    with sides["alice"].pairs.open("lab") as pair:
        burnt = pair.take(DIRECTIONS[0], 48)
    together(sides)
    for side in sides.values():
        assert side.pairs.facts("lab").used[DIRECTIONS[0]] == 64
        path = side.folder / "pairs" / f"lab.{DIRECTIONS[0]}"
        assert burnt not in path.read_bytes()


@pytest.mark.parametrize("theirs", [*KeyState, None])
def test_a_pending_key_is_settled(sides, theirs):
    pair_id = sides["alice"].pairs.facts("lab").pair_id
    bits = bytes(range(50))
    sides["alice"].keys.add(record(pair_id), bits)
    if theirs is not None:
        keys = sides["bob"].keys
        keys.add(record(pair_id, state=KeyState.PENDING), bits)
        if theirs in (KeyState.FINAL, KeyState.CONSUMED):
            keys.promote("s-0")
        if theirs is KeyState.CONSUMED:
            keys.export("s-0", keys.folder / "out")
        if theirs is KeyState.ERASED:
            keys.erase("s-0")
    ends = together(sides)
    state = sides["alice"].keys.record("s-0").state
    if theirs in (None, KeyState.ERASED):
        assert state is KeyState.ERASED
        assert ends["alice"].erased == ("s-0",)
    else:
        assert state is KeyState.FINAL
        assert ends["alice"].promoted == ("s-0",)
    if theirs is KeyState.PENDING:
        assert sides["bob"].keys.record("s-0").state is KeyState.FINAL


def test_keys_of_other_pairs_are_left_alone(sides):
    sides["alice"].keys.add(record("another"), bytes(50))
    together(sides)
    assert sides["alice"].keys.record("s-0").state is KeyState.PENDING


def test_a_key_pays_for_pads(sides):
    """Its end goes to the pads of both sides, once, also if a crash comes in between."""
    pair_id = sides["alice"].pairs.facts("lab").pair_id
    bits = bytes(range(100, 150))
    for side in sides.values():
        side.keys.add(record(pair_id, refill=3 * 128), bits)
    held = sides["alice"].pairs.facts("lab").held[DIRECTIONS[0]]
    with sides["alice"].pairs.open("lab") as pair:  # as if killed before the promotion
        pair.refill("s-0", bits[-48:])
    together(sides)
    for side in sides.values():
        facts = side.pairs.facts("lab")
        assert facts.held == dict(zip(DIRECTIONS, (held + 32, held + 16), strict=True))
        for way, part in zip(DIRECTIONS, (bits[2:18] + bits[34:], bits[18:34]), strict=True):
            pads = (side.folder / "pairs" / f"lab.{way}").read_bytes()
            assert pads.endswith(part)
        assert side.keys.key("s-0").reveal() == bits[:2]
        with side.pairs.open("lab") as pair:
            settle_key(side.keys, pair, "s-0")
        assert side.pairs.facts("lab") == facts


# ---- who is refused --------------------------------------------------------------------------


def test_other_terms(sides):
    sides["alice"].terms, sides["bob"].terms = {"slots": "4", "x": "1"}, {"slots": "5", "x": "1"}
    for error in errors(together(sides)):
        assert isinstance(error, UsageError)
        assert "other settings: slots (" in str(error)
    assert sides["alice"].pairs.facts("lab").sessions == 0


def test_another_pair(sides, tmp_path):
    sides["bob"].pairs.erase("lab")
    sides["bob"].pairs.init("lab", tmp_path / "other.pair", side="bob", bits=1 << 16)
    assert any("another pair" in str(error) for error in errors(together(sides)))


def test_the_same_side(sides, tmp_path):
    path = sides["bob"].folder / "pairs" / "lab.json"
    path.write_text(path.read_text().replace('"side": "bob"', '"side": "alice"'))
    assert any("both sides are alice" in str(error) for error in errors(together(sides)))


def test_one_store(sides):
    identity = sides["alice"].keys.identity()
    sides["bob"].keys.identity()
    (sides["bob"].folder / ".identity").write_text(identity)
    assert any("one key store" in str(error) for error in errors(together(sides)))


def test_a_pair_that_was_imported_twice(sides, tmp_path):
    """The second importer is another store than the first session's."""
    together(sides)
    (sides["bob"].folder / ".identity").write_text("0" * 32)
    (error, *_) = [e for e in errors(together(sides)) if isinstance(e, PairUnsafeError)]
    assert "imported twice" in str(error)
    assert exit_code(error) is ExitCode.INSECURE


def test_another_history(sides):
    together(sides)
    kept = (sides["bob"].folder / "pairs" / "lab.json").read_text()
    together(sides)
    together(sides)
    (sides["bob"].folder / "pairs" / "lab.json").write_text(kept)
    assert any("other sessions" in str(error) for error in errors(together(sides)))


def test_a_session_that_a_cut_left_to_one_side(sides):
    """One behind is a cut, as often as it comes."""
    together(sides)
    for _ in range(3):
        path = sides["bob"].folder / "pairs" / "lab.json"
        kept = path.read_text()
        together(sides)
        used = sides["bob"].pairs.facts("lab").used
        state = path.read_text()
        mark = sides["bob"].pairs.facts("lab").mark
        path.write_text(kept)
        with sides["bob"].pairs.open("lab") as pair:
            pair.catch_up(used)
        assert state != kept
        assert mark != sides["bob"].pairs.facts("lab").mark
    assert not errors(together(sides))


@pytest.mark.parametrize("place", [0, 16])
def test_another_secret(sides, place):
    """The names are right, the hash key or the calling key is not: somebody pretends."""
    for way in DIRECTIONS:
        with (sides["bob"].folder / "pairs" / f"lab.{way}").open("r+b") as file:
            file.seek(place)
            file.write(bytes(DIRECTIONS.index(way) + n for n in range(16)))
    ends = together(sides)
    if place:
        for side in sides.values():
            assert set(side.pairs.facts("lab").used.values()) == {0}
    assert ExitCode.INSECURE in {exit_code(error) for error in errors(ends)}
    assert len(errors(ends)) == 2
    assert any("does not hold this pair's secret" in str(e) for e in errors(ends))


@pytest.mark.parametrize("side", ["alice", "bob"])
@pytest.mark.parametrize("jump", [0, 64, 1 << 40])
def test_forged_greetings_use_up_no_pad(sides, side, jump):
    """Nor do they disable the pair: the next meeting of the two themselves goes well."""
    other = {"alice": "bob", "bob": "alice"}[side]
    here = sides[side]
    with sides[other].pairs.open("lab") as pair:
        pair_id = pair.facts.pair_id
    for known in (None, None, pair_id):
        before = here.pairs.facts("lab").used
        ahead = {way: before[way] + jump for way in DIRECTIONS}
        assert forged(here, other, known or pair_id, ahead, reflected=known is not None)
        assert here.pairs.facts("lab").used == before
    assert not errors(together(sides))
    facts = [each.pairs.facts("lab") for each in sides.values()]
    assert facts[0].used == facts[1].used


@pytest.mark.parametrize("jump", [0, 48, 64, 65, 4096, 1 << 40])
def test_who_forges_the_calling_key_uses_up_little(sides, jump, monkeypatch):
    """No tag is believed for it, and of Alice's pads at most five are given up."""
    monkeypatch.setattr("qlab.link.meeting._show", lambda *_: None)
    pair_id = sides["bob"].pairs.facts("lab").pair_id
    for side, other in (("alice", "bob"), ("bob", "alice")):
        before = sides[side].pairs.facts("lab").used
        ahead = {way: before[way] + jump for way in DIRECTIONS}
        assert forged(sides[side], other, pair_id, ahead, shown=False)
        after = sides[side].pairs.facts("lab").used
        burnt = {way: after[way] - before[way] for way in DIRECTIONS}
        assert burnt[DIRECTIONS[1]] == 0
        assert burnt[DIRECTIONS[0]] == (jump + 16 if side == "alice" and jump <= 64 else 0)
    assert not errors(together(sides))


def forged(here, name, pair_id, used, *, shown=True, reflected=False):
    """Let somebody greet `here` who knows all but the secret; return the error there."""
    listening = listen("0", patience=QUICK)
    failed = []

    def stranger():
        with connect(str(listening.port), patience=QUICK) as line:
            line.open()
            greeting = msgspec.msgpack.decode(line.receive())
            greeting |= {"side": name, "pair_id": pair_id, "store": "0" * 32, "used": used}
            line.send(msgspec.msgpack.encode(greeting | {"nonce": bytes(16)}))
            if shown:
                mac = {"type": "shown", "mac": bytes(32)}
                line.send(line.receive() if reflected else msgspec.msgpack.encode(mac))
            body = msgspec.msgpack.encode({"type": "holdings", "states": {}})
            line.send(msgspec.msgpack.encode({"type": "tagged", "body": body, "tag": bytes(16)}))
            with contextlib.suppress(LinkEndedError):
                while True:
                    line.receive()

    thread = threading.Thread(target=stranger)
    thread.start()
    with here.pairs.open("lab") as pair:
        try:
            with listening:
                listening.open()
                meet(listening, pair, here.keys, simulated=False, terms={})
        except (QlabError, AuthenticationError) as error:
            failed.append(error)
    thread.join(30)
    return failed


def test_no_pair_or_too_many(tmp_path):
    store = PairStore(tmp_path)
    with pytest.raises(QlabError, match="has no pair"):
        store.only()
    store.init("a", tmp_path / "a.pair", bits=1 << 16)
    assert store.only() == "a"
    store.init("b", tmp_path / "b.pair", bits=1 << 16)
    with pytest.raises(UsageError, match="has 2 pairs"):
        store.only()
