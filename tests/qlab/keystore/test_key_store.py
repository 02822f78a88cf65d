"""The key store: what it gives, to whom, how often, and what a crash at any step leaves."""

import json
import os
import stat
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.secret import SecretBits
from qlab.cli import main
from qlab.errors import QlabError, UsageError
from qlab.keystore import KeyRecord, KeyState, KeyStore, files
from qlab.keystore.store import DamagedKeyError, formatted

posix = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
BITS = bytes(range(1, 6))


def record(key_id="run-0", **more):
    facts = {"state": KeyState.FINAL, "fit_for_use": True, "bits": 40, "pair": "lab"} | more
    return KeyRecord(key_id, "run", eps_sec=1e-9, eps_cor=1e-15, proof="none", **facts)


@pytest.fixture
def store(tmp_path):
    return KeyStore(tmp_path / "keys")


def qlab(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_a_key_comes_back_once(store, tmp_path):
    path = store.add(record(), BITS)
    assert path.read_bytes() == BITS
    assert store.records() == [record()]
    assert store.key("run-0") == SecretBits(BITS, 40)
    store.export("run-0", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == BITS
    assert not path.exists()
    assert store.record("run-0").state is KeyState.CONSUMED
    with pytest.raises(UsageError, match="consumed"):
        store.export("run-0", tmp_path / "again")
    with pytest.raises(QlabError, match="already"):
        store.add(record(), BITS)
    assert not (tmp_path / "again").exists()


@posix
def test_only_the_owner_reads(store, tmp_path):
    store.add(record(), BITS)
    store.export("run-0", tmp_path / "out")
    store.add(record("run-1"), BITS)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    for path in (tmp_path / "out", *store.folder.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_pending_key_waits(store, tmp_path):
    store.add(record(state=KeyState.PENDING), BITS)
    with pytest.raises(UsageError, match="pending"):
        store.export("run-0", tmp_path / "out")
    store.promote("run-0")
    store.promote("run-0")
    store.export("run-0", tmp_path / "out")


def test_an_unfit_key_needs_a_word(store, tmp_path):
    store.add(record(fit_for_use=False), BITS)
    with pytest.raises(UsageError, match="not fit"):
        store.export("run-0", tmp_path / "out")
    store.export("run-0", tmp_path / "out", unfit=True)


def test_nothing_is_overwritten(store, tmp_path):
    store.add(record(), BITS)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        store.export("run-0", tmp_path / "out")
    with pytest.raises(QlabError, match="cannot be written"):
        store.export("run-0", tmp_path / "no folder" / "out")
    assert (tmp_path / "out").read_text() == "mine"
    assert store.record("run-0").state is KeyState.FINAL


def test_an_erased_key_is_gone(store, tmp_path):
    path = store.add(record(), BITS)
    with path.open("rb") as held:
        store.erase("run-0")
        assert held.read() == bytes(len(BITS)), "overwritten before it was unlinked"
    assert not path.exists()
    assert store.record("run-0").state is KeyState.ERASED
    store.promote("run-0")
    assert store.record("run-0").state is KeyState.ERASED
    with pytest.raises(UsageError, match="erased"):
        store.export("run-0", tmp_path / "out")


@settings(max_examples=30, deadline=None)
@given(packed=st.binary(min_size=1, max_size=40), kept=st.integers(1, 320), again=st.booleans())
def test_a_promoted_key_can_lose_its_end(tmp_path_factory, packed, kept, again):
    store = KeyStore(tmp_path_factory.mktemp("keys") / "keys")
    kept = min(kept, 8 * len(packed))
    store.add(record(state=KeyState.PENDING, bits=8 * len(packed)), packed)
    if again:  # a crash after the bits were cut
        store._shorten(store.record("run-0"), kept)
    store.promote("run-0", kept)
    expected = int.from_bytes(packed, "big") >> (8 * len(packed) - kept)
    found = store.key("run-0")
    assert len(found) == store.record("run-0").bits == kept
    assert int.from_bytes(found.reveal(), "big") >> (-kept % 8) == expected


@given(bits=st.text("01", min_size=1, max_size=70))
def test_formats(bits):
    packed = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    key = SecretBits(packed, len(bits))
    assert formatted(key, "raw") == packed
    assert bytes.fromhex(formatted(key, "hex").decode()) == packed
    assert formatted(key, "bits").decode() == bits + "\n"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".lock", "a\0b", "a" * 200, "ä", "-x"])
def test_ids_that_are_none(store, name):
    for attempt in (store.record, store.key, store.erase):
        with pytest.raises(UsageError, match="no key id"):
            attempt(name)
    with pytest.raises(UsageError, match="no key id"):
        store.add(record(name), BITS)


def test_a_folder_of_somebody_else(tmp_path, monkeypatch):
    (tmp_path / "server.key").write_text("not ours")
    (tmp_path / ".notes.part").write_text("not ours")
    if os.name == "posix":
        tmp_path.chmod(0o700)
    store = KeyStore(tmp_path)
    store.add(record(), BITS)
    assert (tmp_path / "server.key").read_text() == "not ours"
    assert (tmp_path / ".notes.part").read_text() == "not ours"


@posix
@pytest.mark.parametrize(("name", "says"), [("notes.txt", "of its own"), ("a.key", "chmod 700")])
def test_a_folder_that_others_can_read(tmp_path, name, says):
    (tmp_path / name).write_text("x")
    tmp_path.chmod(0o755)
    with pytest.raises(QlabError, match="others can read") as refused:
        KeyStore(tmp_path).add(record(), BITS)
    assert says in refused.value.remedy


def test_a_file_in_place_of_the_folder(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("QLAB_KEYS", str(tmp_path / "file"))
    code, _, said = qlab(capsys, "run", "bb84", "-o", tmp_path / "run.h5")
    assert code == 2
    assert "is no folder" in said
    assert "chmod" not in said
    assert not (tmp_path / "run.h5").exists()


def test_damaged_records(store, capsys):
    store.add(record(), BITS)
    whole = (store.folder / "run-0.json").read_bytes()
    for bad in (
        b"",
        b"[]",
        b"{",
        b'{"key_id": "run-0"}',
        whole.replace(b'"bits": 40', b'"bits": "40"'),
        whole.replace(b'"bits": 40', b'"bits": -1'),
        whole.replace(b'"final"', b'"great"'),
        whole.replace(b'"run-0"', b'"run-1"'),
        b"[" * 100_000,
        b"\xff" * 10,
    ):
        (store.folder / "run-0.json").write_bytes(bad)
        with pytest.raises(DamagedKeyError):
            store.record("run-0")
        store.add(record("run-9", state=KeyState.PENDING), BITS)
        assert (store.folder / "run-0.key").exists(), "of a damaged record the key stays"
        code, out, _ = qlab(capsys, "key", "list", "--keys", store.folder)
        assert code == 8
        assert "run-9" in out
        assert "damaged" in out
        (store.folder / "run-9.json").unlink()
        (store.folder / "run-9.key").unlink()


def test_damaged_bits(store, tmp_path):
    for bad in (BITS + b"x", BITS[:-1]):
        (store.add(record(), BITS)).write_bytes(bad)
        with pytest.raises(DamagedKeyError):
            store.export("run-0", tmp_path / "out")
        (store.folder / "run-0.json").unlink()
        (store.folder / "run-0.key").unlink()
    assert not (tmp_path / "out").exists()


class PowerCutError(Exception):
    """Nothing more happens."""


def cut_after(monkeypatch, steps):
    """Let `steps` system calls of the store pass; return what undoes that."""
    left = [steps]
    for name in ("_create", "sync_folder", "replace", "stage", "publish", "erase", "write_new"):
        original = getattr(files, name)

        def counted(*arguments, original=original):
            if left[0] == 0:
                raise PowerCutError
            left[0] -= 1
            return original(*arguments)

        monkeypatch.setattr(files, name, counted)


@pytest.mark.parametrize("steps", range(24))
def test_a_power_cut_at_any_step(tmp_path, steps):
    """A key is whole or gone, and never given away twice."""
    keys, out = tmp_path / "keys", tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        cut_after(patch, steps)
        try:
            store = KeyStore(keys)
            store.add(record(state=KeyState.PENDING), BITS)
            store.promote("run-0")
            store.export("run-0", out)
        except PowerCutError:
            pass
    store = KeyStore(keys)
    store.prepare()
    state = {r.key_id: r.state for r in store.records()}.get("run-0")
    assert not out.exists() or out.read_bytes() == BITS
    if state in (KeyState.PENDING, KeyState.FINAL):
        assert store.key("run-0").reveal() == BITS
        assert not out.exists()
    store.add(record("run-1"), BITS)  # which clears what is left
    left = {p.name for p in keys.iterdir()}
    assert not any(files.is_draft(p) for p in keys.iterdir())
    assert ("run-0.key" in left) == (state in (KeyState.PENDING, KeyState.FINAL))


ADDING = """
import sys
from pathlib import Path
from qlab.errors import QlabError
from qlab.keystore import KeyRecord, KeyStore
store = KeyStore(Path(sys.argv[1]))
for number in range(20):
    try:
        store.add(KeyRecord(f"run-{number}", "run", 8, 0.1, 0.1, "none", True), b"x")
    except QlabError as error:
        assert "already" in str(error), error
    else:
        print(number)
"""


def test_two_processes_at_once(store):
    """Each id is given once, whoever comes first."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", ADDING, str(store.folder)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [writer.communicate()[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sorted(map(int, said[0] + said[1])) == list(range(20))
    assert len(store.records()) == 20


def test_a_lock_is_waited_for_only_so_long(tmp_path):
    with (
        files.locked(tmp_path / "lock"),
        pytest.raises(QlabError, match="another process"),
        files.locked(tmp_path / "lock", patience_s=0.1),
    ):
        raise AssertionError


def test_the_commands(store, tmp_path, capsys, monkeypatch):
    store.add(record(), BITS)
    store.add(record("run-1", state=KeyState.PENDING), BITS)
    keys = ("--keys", store.folder)
    code, out, _ = qlab(capsys, "key", "list", *keys, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["schema"] == "qlab.key.list/1"
    assert [(k["key_id"], k["state"]) for k in found["keys"]] == [
        ("run-0", "final"),
        ("run-1", "pending"),
    ]
    monkeypatch.chdir(tmp_path)
    code, out, _ = qlab(capsys, "key", "export", "run-0", "--format", "hex", *keys, "--json")
    assert code == 0
    assert json.loads(out)["file"] == "run-0.hex"
    assert (tmp_path / "run-0.hex").read_text() == BITS.hex() + "\n"
    assert BITS.hex() not in out
    assert qlab(capsys, "key", "export", "run-1", *keys)[0] == 2
    assert qlab(capsys, "key", "export", "run-7", *keys)[0] == 2
    assert qlab(capsys, "key", "erase", "run-1", *keys)[0] == 2
    assert qlab(capsys, "key", "erase", "run-1", "--pending", *keys)[0] == 0
    code, out, _ = qlab(capsys, "key", "list", *keys)
    assert (code, out) == (0, "none\n")
    code, out, _ = qlab(capsys, "key", "list", "--all", *keys)
    assert "consumed" in out
    assert "erased" in out
    assert qlab(capsys, "key", "list", "--keys", tmp_path / "nowhere")[1] == "none\n"
