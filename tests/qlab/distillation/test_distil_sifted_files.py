"""`qlab key distill --alice --bob`: from files that nobody vouches for."""

import json
import os
import resource
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.errors import ParameterError
from qlab.cli import main
from qlab.distillation.files import MOST_BITS, SiftedFileError, read_sifted
from qlab.distillation.sifted import distil_sifted
from qlab.errors import QlabError, UsageError
from qlab.keystore import KeyStore


def keys_of(bits, rate, seed=1):
    rng = np.random.default_rng(seed)
    alice = rng.integers(0, 2, bits, np.uint8)
    return alice, alice ^ (rng.random(bits) < rate).astype(np.uint8)


def text_of(bits, every=0):
    digits = "".join(map(str, bits))
    if not every:
        return digits
    return "\n".join(digits[i : i + every] for i in range(0, len(digits), every)) + "\n"


@pytest.fixture
def command(capsys):
    """Run the command with ``--json``; return the exit code and the object."""

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["key", "distill", *map(str, arguments), "--json"])
        return ended.value.code, json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def files(tmp_path):
    """Write two keys and return the options that name them."""

    def write(alice, bob, every=0):
        (tmp_path / "a.txt").write_text(text_of(alice))
        (tmp_path / "b.txt").write_text(text_of(bob, every))
        return "--alice", tmp_path / "a.txt", "--bob", tmp_path / "b.txt"

    return write


def test_a_key_with_its_account(files, command):
    alice, bob = keys_of(30_000, 0.02)
    code, results = command(*files(alice, bob, every=64), "--reconciliation", "cascade")
    assert code == 0 and results["schema"] == "qlab.key.distill/1"
    assert results["bits"] == 30_000
    assert results["errors"] == np.count_nonzero(alice != bob)
    assert results["qber"] == results["errors"] / 30_000
    assert results["residual_errors"] == 0 and results["verified"] is True
    assert results["leak_ec_bits"] == sum(results["leak_ec"].values()) > 0
    assert 1 < results["efficiency"] < 1.5
    assert 10_000 < results["secret_bits"] == results["net_secret_bits"] < 30_000
    assert results["throughput_bps"] == pytest.approx(30_000 / results["seconds"])
    assert any("single photon" in text for text in results["assumptions"])
    assert any("phase error rate equals" in text for text in results["assumptions"])
    assert any("authenticated by the channel" in text for text in results["assumptions"])
    assert results["key_id"] is None and results["stored"] is False


def test_it_enters_no_store(files, command, tmp_path):
    code, results = command(*files(*keys_of(20_000, 0.01)), "--keys", tmp_path / "keys")
    assert code == 0 and results["secret_bits"] > 0
    assert not (tmp_path / "keys").exists()


def test_the_text_for_a_person(files, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["key", "distill", *map(str, files(*keys_of(20_000, 0.01)))])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "secret bits" in said and "0 errors left" in said and "Mb/s" in said
    assert "no sampling" in said or "without its sampling term" in said


@pytest.mark.parametrize("amplification", ["toeplitz", "modular"])
@pytest.mark.parametrize("reconciliation", ["cascade", "auto"])
def test_methods_by_name(files, command, reconciliation, amplification):
    options = "--reconciliation", reconciliation, "--amplification", amplification
    code, results = command(*files(*keys_of(20_000, 0.03)), *options)
    assert code == 0 and results["amplification"] == amplification
    assert results["verified"] is True and results["residual_errors"] == 0


def test_packed_files(command, tmp_path):
    alice, bob = keys_of(24_000, 0.02)
    for name, bits in (("a", alice), ("b", bob)):
        (tmp_path / name).write_bytes(np.packbits(bits).tobytes())
    arguments = "--alice", tmp_path / "a", "--bob", tmp_path / "b", "--format", "packed"
    code, results = command(*arguments)
    assert code == 0 and results["bits"] == 24_000
    assert results["errors"] == np.count_nonzero(alice != bob)


def test_security_parameters_cost_bits(files, command):
    arguments = files(*keys_of(20_000, 0.0))
    _, plain = command(*arguments)
    code, strict = command(*arguments, "--eps-sec", "1e-30", "--eps-cor", "1e-25")
    assert code == 0 and strict["secret_bits"] < plain["secret_bits"] - 100
    assert (strict["eps_sec"], strict["eps_cor"]) == (1e-30, 1e-25)
    for wrong in ("0", "1", "2", "nan", "-1"):
        assert command(*arguments, "--eps-sec", wrong)[0] == 2


def test_unequal_lengths_are_refused(files, command):
    alice, bob = keys_of(1000, 0.0)
    code, said = command(*files(alice, bob[1:]))
    assert code == 2 and "unequal length: 1000 and 999" in said["error"]


@pytest.mark.parametrize("bit", [0, 1])
@pytest.mark.parametrize("side", [0, 1])
def test_constant_keys_are_refused(files, command, bit, side):
    keys = list(keys_of(1000, 0.0))
    keys[side] = np.full(1000, bit, np.uint8)
    code, said = command(*files(*keys))
    assert code == 2 and "that is no key" in said["error"]


@pytest.mark.parametrize("rate", [0.14, 0.3, 0.5, 1.0])
def test_too_many_errors_give_no_key(files, command, rate):
    code, said = command(*files(*keys_of(20_000, rate)))
    assert code == 7
    assert said.get("secret_bits", 0) == 0


@pytest.mark.parametrize("text", ["", "\n\r\n"])
def test_empty_files_are_refused(command, tmp_path, text):
    for name in "ab":
        (tmp_path / name).write_text(text)
    code, said = command("--alice", tmp_path / "a", "--bob", tmp_path / "b")
    assert code == 2 and "holds no bit" in said["error"]


@pytest.mark.parametrize("foreign", ["2", " ", "a", "\0", "\t", "é", ",", "-"])
def test_other_characters_are_refused_and_not_shown(command, tmp_path, foreign):
    (tmp_path / "a").write_text("01" * 50 + "\n" + foreign + "01", encoding="utf-8")
    (tmp_path / "b").write_text("01" * 51)
    code, said = command("--alice", tmp_path / "a", "--bob", tmp_path / "b")
    assert code == 2 and "byte 101 is neither 0 nor 1" in said["error"]


def test_files_that_are_none(command, tmp_path):
    (tmp_path / "b").write_text("0110")
    for path in (tmp_path, tmp_path / "missing"):
        code, _ = command("--alice", path, "--bob", tmp_path / "b")
        assert code == 2


@pytest.mark.skipif(os.name != "posix", reason="pipes with names are POSIX's")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SiftedFileError, match="not a regular file"):
        read_sifted(tmp_path / "pipe")


@pytest.mark.skipif(sys.platform != "linux", reason="sparse files and their limits")
@pytest.mark.parametrize("file_format", ["bits", "packed"])
def test_an_endless_file_costs_no_memory(tmp_path, file_format):
    path = tmp_path / "long"
    with path.open("wb") as file:
        file.write(b"\n" if file_format == "bits" else b"\1")
        file.truncate(1 << 36)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SiftedFileError):
        read_sifted(path, file_format)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(QlabError, match="cannot be read"):
        read_sifted(tmp_path / "x")


def test_wrong_names_are_refused(files, command):
    arguments = files(*keys_of(1000, 0.0))
    for option in ("--reconciliation", "--amplification"):
        code, said = command(*arguments, option, "none")
        assert code == 2 and "'none'" in said["error"]
    code, said = command(*arguments, "--protocol", "one-decoy")
    assert code == 2 and "--counts" in said["remedy"]
    assert command("--alice", arguments[1])[0] == 2
    assert command()[0] == 2
    with pytest.raises(UsageError, match="no format"):
        read_sifted(arguments[1], "words")
    with pytest.raises(ParameterError):
        distil_sifted(read_sifted(arguments[1]), read_sifted(arguments[1]), _terms("none"))


def _terms(reconciliation):
    from protocols.distillation.bound import AssumedSinglePhotons, Terms

    return Terms(AssumedSinglePhotons(), reconciliation)


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from("01\n\r"), max_size=300))
def test_text_is_read_as_it_is(tmp_path, signs):
    path = tmp_path / "key"
    path.write_bytes("".join(signs).encode())
    digits = [int(sign) for sign in signs if sign in "01"]
    if not digits:
        with pytest.raises(SiftedFileError):
            read_sifted(path)
        return
    key = read_sifted(path)
    assert key.bit_count == len(digits) <= MOST_BITS
    assert (
        np.unpackbits(np.frombuffer(key.reveal(), np.uint8), count=len(digits)).tolist() == digits
    )


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path, raw):
    path = tmp_path / "key"
    path.write_bytes(raw)
    try:
        key = read_sifted(path)
    except SiftedFileError:
        assert not raw or set(raw) - set(b"01\r\n") or not set(raw) & set(b"01")
        return
    assert key.bit_count == sum(sign in b"01" for sign in raw)


def test_pieces_are_joined(tmp_path, monkeypatch):
    monkeypatch.setattr("qlab.distillation.files._PIECE", 7)
    alice, _ = keys_of(1001, 0.0)
    (tmp_path / "a").write_text(text_of(alice, every=5))
    key = read_sifted(tmp_path / "a")
    assert (
        np.unpackbits(np.frombuffer(key.reveal(), np.uint8), count=1001).tolist() == alice.tolist()
    )
    assert key.bit_count == 1001


def test_a_key_longer_than_any_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("qlab.distillation.files.MOST_BITS", 64)
    (tmp_path / "a").write_bytes(b"01" * 33)
    for file_format in ("bits", "packed"):
        with pytest.raises(SiftedFileError, match="more than 64 bits"):
            read_sifted(tmp_path / "a", file_format)


def counts_of(alice, bob, **changes):
    """Return counts of single photons whose test basis looks like the key basis."""
    bits, errors = alice.size, int(np.count_nonzero(alice != bob))
    facts = {"protocol": "single-photon", "n_z": bits, "m_z": errors, "n_x": bits, "m_x": errors}
    return facts | changes


@pytest.fixture
def counted(files, tmp_path):
    """Write two keys and their counts; return the options that name them."""

    def write(alice, bob, **changes):
        (tmp_path / "counts.json").write_text(json.dumps(counts_of(alice, bob, **changes)))
        named = files(alice, bob)
        return *named, "--counts", tmp_path / "counts.json", "--keys", tmp_path / "keys"

    return write


def test_counts_bring_a_proof_and_a_place_in_the_store(counted, command, tmp_path):
    alice, bob = keys_of(60_000, 0.01)
    code, results = command(*counted(alice, bob))
    assert code == 0 and results["stored"] is True
    assert results["protocol"] == "single-photon" and "Tomamichel" in results["proof"]
    assert results["length_rule"] == "fixed-length"
    assert results["sample_bits"] == 0  # the counts tell the error rate
    assert not any("equals the bit error rate" in text for text in results["assumptions"])
    assert results["bounds"]["leak_ec"] == results["leak_ec_bits"]
    assert results["bounds"]["announced_bits"] == 2 * 64 + 16  # both ids and the errors
    assert results["bounds"]["phi_z"] > results["qber"]
    record = KeyStore(tmp_path / "keys").record(results["key_id"])
    assert record.bits == results["secret_bits"] > 20_000
    assert record.eps_sec == results["eps_sec"] == 1e-9


def test_a_length_computed_after_the_counts_says_so(counted, command, capsys):
    arguments = counted(*keys_of(60_000, 0.01))

    def computed_after(results):
        return any("computed after the counts" in text for text in results["assumptions"])

    with pytest.raises(SystemExit):
        main(["key", "distill", *map(str, arguments)])
    said = capsys.readouterr().out
    assert "computed after the counts" in said and "--variable-length" in said
    code, fixed = command(*arguments[:-1], arguments[-1].parent / "others")
    assert code == 0 and fixed["length_rule"] == "fixed-length" and computed_after(fixed)
    named = *arguments[:-1], arguments[-1].parent / "thirds", "--variable-length"
    code, variable = command(*named)
    assert variable["length_rule"] == "variable-length" and not computed_after(variable)


def test_a_key_of_the_same_detections_is_made_once(counted, command, tmp_path):
    arguments = counted(*keys_of(30_000, 0.01))
    code, results = command(*arguments)
    assert code == 0
    code, said = command(*arguments)
    assert code == 2 and results["key_id"] in said["error"]
    KeyStore(tmp_path / "keys").erase(results["key_id"])
    assert command(*arguments, "--amplification", "modular")[0] == 2


def test_parties_that_change_places_are_known_again(counted, command, tmp_path):
    alice, bob = keys_of(30_000, 0.01)
    code, results = command(*counted(alice, bob))
    assert code == 0
    third = bob ^ (np.arange(alice.size) % 100 == 0)
    for swapped in ((bob, alice), (bob, third), (third, bob), (third, alice)):
        code, said = command(*counted(*swapped))
        assert code == 2 and results["key_id"] in said["error"]
    assert KeyStore(tmp_path / "keys").ids() == [results["key_id"]]


def test_a_correctness_that_no_tag_reaches_is_refused_before_any_work(
    files, counted, command, tmp_path, monkeypatch
):
    monkeypatch.setattr("qlab.distillation.offline.distil_sifted", None)
    keys = keys_of(1000, 0.0)
    for arguments in (files(*keys), counted(*keys)):
        code, said = command(*arguments, "--eps-cor", "1e-40")
        assert code == 2 and "does not reach 1e-40" in said["error"]
    assert not (tmp_path / "keys").exists()


def test_options_count_before_the_file(counted, command):
    arguments = counted(*keys_of(30_000, 0.01), eps_sec=1e-6, eps_cor=1e-6)
    code, results = command(*arguments, "--eps-sec", "1e-12")
    assert code == 0
    assert (results["eps_sec"], results["eps_cor"]) == (1e-12, 1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_z": 29_999}, "n_z: 29999 bits counted"),
        ({"m_z": 0}, "m_z: 0 errors counted"),
        ({"m_x": 30_001}, "impossible"),
        ({"n_x": -1}, "impossible"),
        ({"protocol": "none"}, "none"),
        ({"n_z": [20_000, 10_000], "m_z": [1, 1]}, "n_z"),
        ({"intensities": [0.1, 0.2]}, "intensities"),
        ({"eps_sec": 2}, "eps_sec"),
        ({"strange": 1}, "strange"),
    ],
)
def test_counts_that_contradict_are_refused(counted, command, tmp_path, changes, said):
    code, results = command(*counted(*keys_of(30_000, 0.01), **changes))
    assert code == 2 and said in results["error"]
    assert KeyStore(tmp_path / "keys").ids() == []


DECOYS = {
    "protocol": "one-decoy",
    "intensities": [0.5, 0.15],
    "probabilities": [0.5, 0.5],
    "n_z": [230_000, 70_000],
    "n_x": [42_000, 13_000],
    "m_x": [600, 200],
}


def test_decoy_counts(files, command, tmp_path):
    alice, bob = keys_of(300_000, 0.012)
    errors = int(np.count_nonzero(alice != bob))
    facts = DECOYS | {"m_z": [errors - errors // 4, errors // 4]}
    (tmp_path / "counts.json").write_text(json.dumps(facts))
    named = *files(alice, bob), "--counts", tmp_path / "counts.json", "--keys", tmp_path / "keys"
    code, results = command(*named, "--protocol", "one-decoy")
    assert code == 0 and results["stored"] and "Rusca" in results["proof"]
    assert 20_000 < results["secret_bits"] < 150_000
    code, said = command(*named, "--protocol", "two-decoy")
    assert code == 2 and "one-decoy" in said["error"]
    code, said = command(*named, "--variable-length")
    assert code == 2 and "no proof" in said["error"]
    for wrong in ({"intensities": [0.15, 0.5]}, {"probabilities": [0.5, 0.4]}):
        (tmp_path / "counts.json").write_text(json.dumps(facts | wrong))
        assert command(*named)[0] == 2


def test_counts_too_bad_for_a_key(counted, command, tmp_path):
    code, results = command(*counted(*keys_of(30_000, 0.01), m_x=9_000))
    assert code == 7 and results["no_key"] and results["secret_bits"] == 0
    assert results["stored"] is False and KeyStore(tmp_path / "keys").ids() == []
