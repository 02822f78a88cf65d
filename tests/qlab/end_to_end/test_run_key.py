"""A run that gives a key: what is said of it, where it goes, and where it does not."""

import json
import stat
import sys

import h5py
import numpy as np
import pytest
from end_to_end_runs import replayed, run_qlab, start_qlab

from qlab.context import KeyFacts
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The default bench: the run's folder, its JSON, and what it said besides."""
    folder = tmp_path_factory.mktemp("key")
    arguments = ("run", "bb84", "--seed", 42, "-o", folder / "run.h5", "--json")
    with start_qlab(*arguments, keys=folder / "keys") as process:
        out, said = process.communicate()
    assert process.returncode == 0, said
    return folder, out, said


def stored(folder):
    """Return the one record and the one key in the key store."""
    keys = folder / "keys"
    assert sorted(p.suffix for p in keys.iterdir()) == ["", ".json", ".key"]
    assert (keys / ".lock").exists()
    (path,) = keys.glob("*.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert path.stem == record["key_id"]
    return record, path.with_suffix(".key").read_bytes()


def test_the_results(run):
    folder, out, said = run
    results = json.loads(out)
    assert results["schema"] == "qlab.run.bb84/1"
    assert results["run_file"] == str(folder / "run.h5")
    for name, kind in (
        ("sifted_bits", int),
        ("leak_ec_bits", int),
        ("secret_bits", int),
        ("qber_z", float),
        ("qber_x", float),
        ("efficiency", float),
        ("secret_rate_bps", float),
        ("eps_sec", float),
        ("eps_cor", float),
    ):
        assert type(results[name]) is kind, name
    assert results["sifted_bits"] == sum(results["n_z"]) + sum(results["n_x"])
    assert results["secret_bits"] == results["agreed_length"] > 10_000
    assert results["secret_rate_bps"] == results["secret_bits"] / results["elapsed_s"]
    assert results["no_key"] is None
    assert results["verified"] is True
    assert not any(step["error"] for step in results["safe_state"])
    assert "error" not in said


def test_the_key_is_stored_once_and_marked(run):
    folder, out, _ = run
    results = json.loads(out)
    record, key = stored(folder)
    assert record["bits"] == results["secret_bits"]
    assert len(key) == -(-record["bits"] // 8)
    assert np.unpackbits(np.frombuffer(key, np.uint8))[record["bits"] :].sum() == 0
    # A fair bit string has half ones within 6 standard deviations: false alarm 2e-9.
    ones = int(np.unpackbits(np.frombuffer(key, np.uint8)).sum())
    assert abs(ones - record["bits"] / 2) < 6 * (record["bits"] / 4) ** 0.5
    assert record["fit_for_use"] is False
    assert (record["eps_sec"], record["eps_cor"]) == (results["eps_sec"], results["eps_cor"])
    with RunFile.open(folder / "run.h5") as file:
        assert record["run_id"] == file.run_id
        assert file.status is RunStatus.COMPLETE
        assert file.results[-1]["fit_for_use"] is False


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_nobody_else_reads_the_key(run):
    folder, _, _ = run
    assert stat.S_IMODE((folder / "keys").stat().st_mode) == 0o700
    for path in (folder / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_key_is_nowhere_else(run):
    """Neither its bytes, nor these as hexadecimal."""
    folder, out, said = run
    record, key = stored(folder)
    inside = [(folder / "run.h5").read_bytes(), out.encode(), said.encode()]
    with h5py.File(folder / "run.h5", "r") as file:
        file.visititems(lambda _, node: inside.append(contents(node)))
    assert sum(map(len, inside)) > 200e6, "the patterns are among it"
    for at in (0, len(key) // 2, len(key) - 16):
        piece = key[at : at + 16]
        for form in (piece, piece.hex().encode(), piece.hex().upper().encode()):
            assert not any(form in whole for whole in inside)
    assert record["run_id"].encode() in inside[0], "what is there is found"


def contents(node):
    return node[()].tobytes() if isinstance(node, h5py.Dataset) and node.size else b""


def test_it_replays_and_is_analysed_anew(run, capsys):
    folder, out, _ = run
    results = json.loads(out)
    before = sorted(p.name for p in (folder / "keys").iterdir())
    code, report = replayed(capsys, folder / "run.h5")
    assert (code, report["matched"], report["divergence"]) == (0, True, None)
    assert report["exchanges"] > 1000
    code, out, _ = run_qlab(capsys, "replay", folder / "run.h5", "--from-data", "--json")
    assert code == 0
    anew = json.loads(out)
    for name in ("secret_bits", "sifted_bits", "leak_ec_bits", "n_z", "m_x", "qber_z"):
        assert anew[name] == results[name], name
    code, out, _ = run_qlab(capsys, "replay", folder / "run.h5", "--from-data")
    assert code == 0
    assert f"secret bits     {results['secret_bits']:,}" in out
    assert sorted(p.name for p in (folder / "keys").iterdir()) == before, "no second key"


def test_it_can_be_drawn(run, capsys):
    folder, _, _ = run
    picture = folder / "run.png"
    code, out, said = run_qlab(capsys, "plot", folder / "run.h5", "--json")
    assert code == 0, said
    assert json.loads(out)["picture"] == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.stat().st_size > 20_000
    code, _, said = run_qlab(capsys, "plot", folder / "run.h5")
    assert code == 2
    assert "exists" in said


def test_it_is_not_overwritten(run, capsys):
    folder, _, _ = run
    before = (folder / "run.h5").read_bytes()
    code, _, said = run_qlab(capsys, "run", "bb84", "-o", folder / "run.h5")
    assert code == 2
    assert "exists already and is not overwritten" in said
    assert (folder / "run.h5").read_bytes() == before


def test_facts_say_nothing_of_the_bits():
    assert set(KeyFacts.__slots__) == {"eps_sec", "eps_cor", "proof"}
