"""Bad input: one line with the remedy, the documented exit code, nothing overwritten."""

import errno
import json
import os
import re
import shutil
import socket
import sys

import h5py
import pytest
from end_to_end_runs import bench_text, replayed, run_qlab, start_qlab

from qlab.runfile.errors import RunFileWriteError
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus
from qlab.runner import run_experiment
from qlab.station import parse_station

posix = pytest.mark.skipif(sys.platform == "win32", reason="rights of POSIX")


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    """A closed run file of a short run, with its station file beside it."""
    folder = tmp_path_factory.mktemp("short")
    (folder / "station.toml").write_text(bench_text())
    arguments = ("--station", folder / "station.toml", "--seed", 1, "-o", folder / "run.h5")
    with start_qlab("run", "bb84", *arguments, keys=folder / "keys") as process:
        out, said = process.communicate()
    assert process.returncode == 7, said
    return folder / "run.h5", out, said


def refused(capsys, code, *arguments):
    """Run a command that has to fail in one line; return what it said."""
    found, out, said = run_qlab(capsys, *arguments, "--json")
    assert found == code, said
    lines = [line for line in said.splitlines() if line.startswith(("error: ", "remedy: "))]
    assert [line.partition(":")[0] for line in lines] == ["error", "remedy"], said
    assert "internal error" not in said
    assert "Traceback" not in said
    failure = json.loads(out)
    assert (failure["schema"], failure["exit_code"]) == ("qlab.error/1", code)
    assert lines[0] == f"error: {failure['error']}"
    assert lines[1] == f"remedy: {failure['remedy']}"
    return " ".join(lines)


def run_refused(capsys, code, text, folder, *arguments):
    """Run bb84 on a station text where nothing must be left behind but that text."""
    station = folder / "station.toml"
    station.write_text(text)
    more = () if "-o" in arguments else ("-o", folder / "run.h5")
    said = refused(capsys, code, "run", "bb84", "--station", station, *arguments, *more)
    assert {p.name for p in folder.iterdir() if p.is_file()} == {"station.toml"}
    return said


# ---- where the run file is to go -----------------------------------------------------------


def test_the_output_exists(tmp_path, capsys):
    path = tmp_path / "taken.h5"
    path.write_bytes(b"precious")
    said = refused(capsys, 2, "run", "bb84", "-o", path)
    assert "exists already and is not overwritten" in said
    assert path.read_bytes() == b"precious"


@posix
def test_the_output_is_a_dangling_link(tmp_path, capsys):
    path = tmp_path / "link.h5"
    path.symlink_to(tmp_path / "nowhere.h5")
    refused(capsys, 2, "run", "bb84", "-o", path)
    assert not (tmp_path / "nowhere.h5").exists()


def test_the_folder_is_missing(tmp_path, capsys):
    said = refused(capsys, 1, "run", "bb84", "-o", tmp_path / "no" / "run.h5")
    assert "cannot be written" in said
    assert not (tmp_path / "no").exists()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="/proc takes no files, of root either"
)
def test_the_folder_is_read_only(capsys):
    said = refused(capsys, 1, "run", "bb84", "-o", "/proc/run.h5")
    assert "check space and rights" in said


def test_the_folder_is_no_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    refused(capsys, 1, "run", "bb84", "-o", tmp_path / "file" / "run.h5")
    assert (tmp_path / "file").read_text() == "x"


@posix
@pytest.mark.parametrize("limit", [20_000, 100_000, 300_000])
def test_the_disk_is_full(tmp_path, capsys, limit):
    """A limit on the size of files stands for the disk; the run is under way at the last."""
    station, path = tmp_path / "station.toml", tmp_path / "run.h5"
    station.write_text(bench_text())
    hook = f"commits:0.03;limit:{limit}"
    with start_qlab("run", "bb84", "--station", station, "-o", path, hook=hook) as process:
        _, said = process.communicate()
    assert process.returncode == 1, said
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "cannot be written" in error
    assert "remedy: check space and rights on that disk" in said
    assert "Traceback" not in said
    if path.exists():
        with RunFile.open(path) as run:
            assert run.status is RunStatus.INTERRUPTED
        code, report = replayed(capsys, path)
        assert (code, report["matched"]) == (0, True)


def test_the_disk_is_full_and_the_light_goes_out(tmp_path, stations, monkeypatch):
    calls = []

    def full(descriptor, fsync=os.fsync):
        calls.append(descriptor)
        if len(calls) > 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr("qlab.runfile.writer._COMMIT_SECONDS", 0.01)
    monkeypatch.setattr("qlab.runfile.container.os.fsync", full)
    with pytest.raises(RunFileWriteError, match="No space left"):
        run_experiment("bb84", parse_station(bench_text(), "bench"), tmp_path / "run.h5", seed=1)
    (station,) = stations
    written = station.bench.devices["laser"]
    assert written.sessions == [], "it is closed"
    assert station.bench.plant.truth(station.bench.time.now_ns() + 10**10).peak_photons == 0.0


@posix
def test_the_key_store_cannot_be_written(tmp_path, capsys):
    """That is found out before there is light, not after."""
    (tmp_path / "file").write_text("x")
    said = refused(
        capsys, 1, "run", "bb84", "-o", tmp_path / "run.h5", "--keys", tmp_path / "file" / "keys"
    )
    assert "QLAB_KEYS" in said
    assert not (tmp_path / "run.h5").exists()


# ---- what is asked for ---------------------------------------------------------------------


@pytest.mark.parametrize("duration", ["1e-9", "0", "-1", "nan", "inf", "1e30", "x"])
def test_a_duration_that_makes_no_sense(tmp_path, capsys, duration):
    run_refused(capsys, 2, bench_text(), tmp_path, "--duration", duration)


@pytest.mark.parametrize("seed", ["-1", "1.5", "x"])
def test_a_seed_that_is_none(tmp_path, capsys, seed):
    run_refused(capsys, 2, bench_text(), tmp_path, "--seed", seed)


def real(text):
    """Return a station file without its [simulation]."""
    return text.partition("# ---- The simulated bench")[0]


def test_a_seed_on_a_real_station(tmp_path, capsys):
    said = run_refused(capsys, 2, real(bench_text()), tmp_path, "--seed", "1")
    assert "simulated stations only" in said


def test_a_missing_role(tmp_path, capsys):
    text = bench_text(None, ('monitor = "monitor"\n', ""))
    said = run_refused(capsys, 2, text, tmp_path)
    assert "'monitor'" in said
    line = text.splitlines().index("[roles]") + 1
    assert f"station.toml, line {line}" in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('driver = "thorlabs-mbx"', 'driver = "thorlabs-mbz"', "mbz"),
        ("p_z_alice = 0.7", "p_z_alise = 0.7", "p_z_alise"),
        ("p_z_alice = 0.7", "p_z_alice = 1.7", "1.7"),
        ("[bb84]", "[bb84", "line"),
    ],
)
def test_a_station_file_that_is_wrong(tmp_path, capsys, old, new, words):
    said = run_refused(capsys, 2, bench_text(None).replace(old, new, 1), tmp_path)
    assert words in said
    assert re.search(r"station\.toml, line \d+", said)


def test_a_block_that_the_generator_cannot_hold(tmp_path, capsys):
    text = bench_text({"slots": 64_000_000, "block_slots": 64_000_000, "samples_per_slot": 64})
    station = tmp_path / "station.toml"
    station.write_text(text)
    said = refused(capsys, 2, "run", "bb84", "--station", station, "-o", tmp_path / "run.h5")
    assert "generator_alice" in said
    assert "block_slots" in said


def test_a_value_outside_a_limit(tmp_path, capsys):
    """The station allows 13 dBm: the run ends with outputs safe and says which line."""
    text = bench_text(
        {"slots": 300_000, "block_slots": 100_000, "laser_power_dbm": 10.0},
        ('"laser.channel1.power_dbm" = { max = 13.0 }', '"laser.channel1.power_dbm" = { max = 9 }'),
    )
    station, path = tmp_path / "station.toml", tmp_path / "run.h5"
    station.write_text(text)
    said = refused(capsys, 4, "run", "bb84", "--station", station, "-o", path)
    assert "laser.channel1.power_dbm: 10 is above the station's limit of 9" in said
    with RunFile.open(path) as run:
        assert run.status is RunStatus.FAILED
    assert replayed(capsys, path)[1]["matched"]


def test_an_unreachable_address(tmp_path, capsys):
    """Nothing answers anywhere: the first is named, and that no output is known to be safe."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = re.sub(
        r'(address = )"(?!ASRL).*"',
        lambda found: f'{found[1]}"TCPIP0::127.0.0.1::{port}::SOCKET"',
        real(bench_text()),
    )
    text = re.sub(r'"ASRL(\d)::INSTR"', r'"/dev/no-such-port-\1"', text)
    for number in range(6):  # each address is of one instrument only
        text = text.replace(f"127.0.0.1::{port}::", f"127.0.0.{number + 2}::{port}::", 1)
    station, path = tmp_path / "station.toml", tmp_path / "run.h5"
    station.write_text(text)
    said = refused(
        capsys, 3, "run", "bb84", "--station", station, "-o", path, "--keys", tmp_path / "keys"
    )
    assert "NOT IN THEIR SAFE STATE: laser.channel1.output (laser (" in said
    with RunFile.open(path) as run:
        assert run.status is RunStatus.FAILED
        assert "opened" in run.results[-1]["error"]
    assert replayed(capsys, path)[1]["matched"]
    assert not list((tmp_path / "keys").glob("*"))


# ---- what is replayed, inspected, drawn ----------------------------------------------------


def truncated(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)


def changed(path):
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 4]))


def foreign(path):
    path.unlink()
    with h5py.File(path, "w") as file:
        file["x"] = 1


def text(path):
    path.write_text("no HDF5 at all\n")


def empty(path):
    path.write_bytes(b"")


def newer(path):
    """The same file by a later program: its major version is one up, and it is sealed anew."""
    from qlab.runfile import seal

    with h5py.File(path, "r+") as file:
        file.attrs["schema_major"] = int(file.attrs["schema_major"]) + 1
    seal.seal(path)


DAMAGE = {
    truncated: "truncated",
    changed: "do not match the seal",
    foreign: "of another program",
    text: "no HDF5 file",
    empty: "empty",
    newer: "this qlab reads",
}


@pytest.mark.parametrize(
    "command", [("replay",), ("replay", "--from-data"), ("inspect",), ("plot",)]
)
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_file_that_is_no_good(tmp_path, capsys, short_run, damage, command):
    path = tmp_path / "run.h5"
    shutil.copy(short_run[0], path)
    damage(path)
    before = path.read_bytes()
    said = refused(capsys, 8, *command, path)
    assert DAMAGE[damage] in said
    assert "run.h5" in said
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


@pytest.mark.parametrize("command", ["replay", "inspect", "plot"])
def test_a_file_that_is_not_there(tmp_path, capsys, command):
    refused(capsys, 2, command, tmp_path / "none.h5")


# ---- a run too short for a key -------------------------------------------------------------


def test_no_key(capsys, short_run, tmp_path):
    path, out, said = short_run
    assert "no key can be given" in said
    assert "remedy: send more pulses" in said
    assert "secret bits         none: " in out
    assert not (path.parent / "keys").exists() or not list((path.parent / "keys").iterdir())
    station = path.parent / "station.toml"
    arguments = ("--station", station, "--seed", 1, "-o", tmp_path / "again.h5", "--json")
    code, out, _ = run_qlab(capsys, "run", "bb84", *arguments, "--keys", tmp_path / "keys")
    assert code == 7
    results = json.loads(out)
    assert results["schema"] == "qlab.run.bb84/1"
    assert results["run_file"] == str(tmp_path / "again.h5")
    assert results["no_key"]
    assert results["secret_bits"] == results["secret_rate_bps"] == 0
    assert results["fit_for_use"] is False
    assert results["sifted_bits"] == sum(results["n_z"]) + sum(results["n_x"]) > 1000
    assert results["leak_ec_bits"] > 0
    assert 1.0 <= results["efficiency"] < 2.0
    for name in ("qber_z", "qber_x"):
        assert 0.0 < results[name] < 0.05
    assert (results["eps_sec"], results["eps_cor"]) == (1e-9, 1e-15)
    assert not list((tmp_path / "keys").glob("*"))
