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
    code, results = command(*files(alice, bob, every=64))
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
