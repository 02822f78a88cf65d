"""Pairs of stations: no pad is used twice, whatever is copied, cut or imported again."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE
from qlab.cli import main
from qlab.errors import QlabError, UsageError
from qlab.keystore import PairStore, files
from qlab.keystore.carried import DIRECTIONS, DamagedPairError, read_carried
from qlab.keystore.pair import HEAD_BYTES, PairUnsafeError
from qlab.keystore.pairs import LEAST_BITS

posix = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")


def made(folder, bits=LEAST_BITS):
    """Make a pair; return both sides' stores."""
    alice, bob = PairStore(folder / "a"), PairStore(folder / "b")
    alice.init("lab", folder / "lab.pair", bits=bits)
    bob.bring(folder / "lab.pair", "far")
    return alice, bob


def qlab(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_the_directions_are_those_of_the_messages():
    assert DIRECTIONS == (ALICE_TO_BOB, BOB_TO_ALICE)


def test_both_sides_hold_the_same(tmp_path):
    alice, bob = made(tmp_path)
    assert not (tmp_path / "lab.pair").exists()
    with alice.open("lab") as a, bob.open("far") as b:
        assert (a.facts.side, b.facts.side) == ("alice", "bob")
        assert a.facts.pair_id == b.facts.pair_id
        hash_keys = {a.hash_key(d) for d in DIRECTIONS}
        assert len(hash_keys) == 2
        assert hash_keys == {b.hash_key(d) for d in DIRECTIONS}
        for direction in DIRECTIONS:
            assert a.facts.left(direction) == LEAST_BITS // 16 - HEAD_BYTES
            pads = [a.take(direction, n) for n in (16, 3, 16)]
            assert pads == [b.take(direction, n) for n in (16, 3, 16)]
            assert len(set(pads)) == 3


@posix
def test_only_the_owner_reads(tmp_path):
    alice = PairStore(tmp_path / "a")
    alice.init("lab", tmp_path / "lab.pair", bits=LEAST_BITS)
    with alice.open("lab") as a:
        a.take(ALICE_TO_BOB, 16)
        a.refill("k", bytes(100))
    assert stat.S_IMODE(alice.folder.stat().st_mode) == 0o700
    for path in (tmp_path / "lab.pair", *alice.folder.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(DIRECTIONS), st.integers(1, 60), st.booleans()), max_size=12)
)
def test_no_pad_comes_twice(tmp_path_factory, steps):
    """Neither in a session, nor in the next one after a crash, nor is it left on the disk."""
    alice = PairStore(tmp_path_factory.mktemp("pairs"))
    alice.init("lab", alice.folder.parent / "lab.pair", bits=LEAST_BITS)
    whole = {d: (alice.folder / f"lab.{d}").read_bytes()[HEAD_BYTES:] for d in DIRECTIONS}
    at = dict.fromkeys(DIRECTIONS, 0)
    for direction, count, crash in steps:
        with alice.open("lab") as pair:
            assert pair.take(direction, count) == whole[direction][at[direction] :][:count]
            at[direction] += count
            if crash:
                files.stage(alice.folder / "lab.json", b"half of a n")
        left = (alice.folder / f"lab.{direction}").read_bytes()[HEAD_BYTES:]
        assert left == bytes(at[direction]) + whole[direction][at[direction] :]
        assert dict(alice.facts("lab").used) == at


def test_the_offset_is_on_the_disk_first(tmp_path, monkeypatch):
    alice, _ = made(tmp_path)
    with alice.open("lab") as pair:
        first = pair.take(ALICE_TO_BOB, 16)

        def full(path, data):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(files, "replace", full)
        with pytest.raises(OSError, match="No space"):
            pair.take(ALICE_TO_BOB, 16)
        monkeypatch.undo()
        assert pair.take(ALICE_TO_BOB, 16) != first


TAKING = """
import os, signal, sys
from pathlib import Path
from qlab.keystore import PairStore, files
write = files.replace
def killed(path, data):
    write(path, data)
    os.kill(os.getpid(), signal.SIGKILL)
files.replace = killed
with PairStore(Path(sys.argv[1])).open("lab") as pair:
    pair.take("alice-to-bob", 16)
"""


@posix
def test_what_a_killed_process_reserved_is_burnt(tmp_path):
    alice, bob = made(tmp_path)
    child = subprocess.run([sys.executable, "-c", TAKING, str(tmp_path / "a")], check=False)
    assert child.returncode == -9
    with alice.open("lab") as a, bob.open("far") as b:
        assert a.facts.used[ALICE_TO_BOB] == 16
        b.catch_up(a.facts.used)
        a.catch_up(b.facts.used)
        assert a.take(ALICE_TO_BOB, 16) == b.take(ALICE_TO_BOB, 16)


def test_it_runs_out(tmp_path):
    alice, _ = made(tmp_path)
    with alice.open("lab") as pair:
        left = pair.facts.left(BOB_TO_ALICE)
        with pytest.raises(QlabError, match="bytes of pads left"):
            pair.take(BOB_TO_ALICE, left + 1)
        pair.take(BOB_TO_ALICE, left)
        with pytest.raises(QlabError, match="0 bytes of pads left"):
            pair.take(BOB_TO_ALICE, 1)
        for count in (0, -1):
            with pytest.raises(QlabError):
                pair.take(ALICE_TO_BOB, count)


def test_new_keys_fill_it_up(tmp_path):
    alice, bob = made(tmp_path)
    key = os.urandom(11 * 16)  # six pads and five
    with alice.open("lab") as a, bob.open("far") as b:
        for side in (a, b):
            for direction in DIRECTIONS:
                side.take(direction, side.facts.left(direction))
            side.refill("key-0", key)
            side.refill("key-0", key)
        for way, first, count in ((ALICE_TO_BOB, 0, 6), (BOB_TO_ALICE, 16, 5)):
            for start in range(first, len(key), 32):
                assert a.take(way, 16) == b.take(way, 16) == key[start : start + 16]
                count -= 1
            assert count == 0 == a.facts.left(way) == b.facts.left(way)
    assert alice.facts("lab").refills == ("key-0",)


def test_a_refill_that_was_cut_short(tmp_path, monkeypatch):
    alice, _ = made(tmp_path)
    key = bytes(range(1, 101))
    with alice.open("lab") as pair:
        before = pair.facts
        monkeypatch.setattr(files, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            pair.refill("key-0", key)
        monkeypatch.undo()
    with alice.open("lab") as pair:
        assert pair.facts == before
        pair.refill("key-0", key)
        turns = [key[at : at + 16] for at in range(0, 100, 16)]
        parts = b"".join(turns[::2]), b"".join(turns[1::2])
        for direction, part in zip(DIRECTIONS, parts, strict=True):
            pair.take(direction, before.left(direction))
            assert pair.take(direction, len(part)) == part


def test_sides_that_are_far_apart(tmp_path):
    alice, _ = made(tmp_path, bits=1 << 22)
    with alice.open("lab") as pair:
        pair.catch_up({ALICE_TO_BOB: 1000})
        assert pair.facts.used == {ALICE_TO_BOB: 1000, BOB_TO_ALICE: 0}
        pair.catch_up({ALICE_TO_BOB: 10})
        assert pair.facts.used[ALICE_TO_BOB] == 1000, "never back"
        assert any(pair.peek(BOB_TO_ALICE, 5000, 16))
        assert pair.facts.used[BOB_TO_ALICE] == 0
        for start in (-16, 1 << 40, pair.facts.held[BOB_TO_ALICE] - 15):
            with pytest.raises(QlabError, match="no pads where"):
                pair.peek(BOB_TO_ALICE, start, 16)


# ---- copies --------------------------------------------------------------------------------


def test_a_copied_store_is_refused(tmp_path):
    alice, _ = made(tmp_path)
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    with (
        pytest.raises(PairUnsafeError, match="copied"),
        PairStore(tmp_path / "copy").open("lab"),
    ):
        raise AssertionError
    with alice.open("lab"):
        pass


def test_a_restored_backup_is_refused(tmp_path):
    alice, _ = made(tmp_path)
    path = alice.folder / f"lab.{ALICE_TO_BOB}"
    shutil.copy(path, tmp_path / "backup")
    path.unlink()
    (tmp_path / "other").write_bytes(b"takes the number that is free now")
    shutil.copy(tmp_path / "backup", path)
    with pytest.raises(PairUnsafeError, match="restored"), alice.open("lab"):
        raise AssertionError


def test_a_restored_offset_meets_overwritten_pads(tmp_path):
    alice, _ = made(tmp_path)
    state = (alice.folder / "lab.json").read_bytes()
    with alice.open("lab") as pair:
        pair.take(ALICE_TO_BOB, 16)
    (alice.folder / "lab.json").write_bytes(state)
    with alice.open("lab") as pair, pytest.raises(PairUnsafeError, match="used before"):
        pair.take(ALICE_TO_BOB, 16)


def test_two_processes_cannot_share_one_side(tmp_path):
    alice, _ = made(tmp_path)
    other = PairStore(tmp_path / "a")
    with (
        alice.open("lab"),
        pytest.raises(QlabError, match="in use by another process"),
        other.open("lab"),
    ):
        raise AssertionError


# ---- the carried file ------------------------------------------------------------------------


def test_importing_twice_or_where_it_was_made(tmp_path):
    alice, bob = PairStore(tmp_path / "a"), PairStore(tmp_path / "b")
    alice.init("lab", tmp_path / "lab.pair", bits=LEAST_BITS)
    kept = (tmp_path / "lab.pair").read_bytes()
    with pytest.raises(UsageError, match="has the pair already, as 'lab'"):
        alice.bring(tmp_path / "lab.pair", "mine")
    bob.bring(tmp_path / "lab.pair")
    (tmp_path / "lab.pair").write_bytes(kept)
    with pytest.raises(UsageError, match="already"):
        bob.bring(tmp_path / "lab.pair", "second")
    assert alice.names() == bob.names() == ["lab"]


def test_names_that_are_taken_or_none(tmp_path):
    alice = PairStore(tmp_path / "a")
    alice.init("lab", tmp_path / "lab.pair", bits=LEAST_BITS)
    for name in ("lab", "../x", "", ".hidden", "a b", "x" * 100):
        with pytest.raises(UsageError):
            alice.init(name, tmp_path / "other.pair", bits=LEAST_BITS)
        assert not (tmp_path / "other.pair").exists()
    with pytest.raises(UsageError, match="exists"):
        alice.init("new", tmp_path / "lab.pair", bits=LEAST_BITS)
    for bits in (0, LEAST_BITS - 1, 1 << 40):
        with pytest.raises(UsageError, match="a first secret has"):
            alice.init("new", tmp_path / "new.pair", bits=bits)
    with pytest.raises(UsageError, match="no pair"):
        alice.facts("../a/pairs/lab")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_damaged_file_is_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("carried")
    PairStore(folder / "a").init("lab", folder / "lab.pair", bits=LEAST_BITS)
    whole = bytearray((folder / "lab.pair").read_bytes())
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, 8 * len(whole) - 1))
        whole[at // 8] ^= 1 << at % 8
    else:
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    (folder / "lab.pair").write_bytes(whole)
    bob = PairStore(folder / "b")
    with pytest.raises((DamagedPairError, UsageError)):
        bob.bring(folder / "lab.pair")
    assert bob.names() == []


def test_a_carried_file_shows_no_secret(tmp_path):
    PairStore(tmp_path / "a").init("lab", tmp_path / "lab.pair", bits=LEAST_BITS)
    assert repr(read_carried(tmp_path / "lab.pair")) == "<carried pair 'lab'>"


def test_a_damaged_state_is_refused(tmp_path):
    alice, _ = made(tmp_path)
    path = alice.folder / "lab.json"
    whole = path.read_bytes()
    for bad in (b"", b"[]", b"{}", whole.replace(b'"used"', b'"usad"'), b"[" * 99_999):
        path.write_bytes(bad)
        with pytest.raises(PairUnsafeError, match="damaged"):
            alice.facts("lab")


def test_an_erased_pair_is_gone(tmp_path):
    alice, _ = made(tmp_path)
    alice.erase("lab")
    assert alice.names() == []
    assert {p.name for p in alice.folder.iterdir()} == {".lock", ".lab.lock"}
    alice.init("lab", tmp_path / "again.pair", bits=LEAST_BITS)


def test_the_commands(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QLAB_KEYS", str(tmp_path / "a"))
    code, out, _ = qlab(capsys, "key", "pair", "init", "lab", "--bits", LEAST_BITS)
    assert code == 0
    assert "lab.pair" in out
    code, _, said = qlab(capsys, "key", "pair", "init", "lab")
    assert (code, "exists" in said) == (2, True)
    code, out, _ = qlab(capsys, "key", "pair", "import", "lab.pair", "--keys", "b", "--json")
    assert code == 0
    assert '"side": "bob"' in out
    assert not Path("lab.pair").exists()
    code, out, _ = qlab(capsys, "key", "pair", "list")
    assert (code, out.split()[:3]) == (0, ["lab", "alice", "62"])
    assert qlab(capsys, "key", "pair", "import", "lab.pair")[0] == 2
    assert qlab(capsys, "key", "pair", "erase", "lab", "--yes")[0] == 0
    assert qlab(capsys, "key", "pair", "list")[1] == "none\n"
