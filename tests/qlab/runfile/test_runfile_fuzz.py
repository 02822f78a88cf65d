"""Unsealed files with flipped bits: nothing that is read differs from what was written."""

import random
import subprocess
import sys
import textwrap
from itertools import islice
from pathlib import Path

import pytest
from runfile_makers import expected_records, make_unfinished

from qlab.runfile import verify
from qlab.runfile.errors import RunFileError
from qlab.runfile.inspect import summarize
from qlab.runfile.reader import RunFile

HERE = Path(__file__).parent
SEED = 11


def changed(content, rng):
    """Flip one to twenty bits, half of the time among the metadata at the front."""
    wrong = bytearray(content)
    reach = len(wrong) if rng.random() < 0.5 else 12_000
    for _ in range(rng.choice((1, 1, 3, 20))):
        wrong[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(wrong)


def read_all(path):
    """Read everything there is; return the payloads."""
    with RunFile.open(path) as run:
        data = [record.data for record in run.records()]
        for name in run.datasets:
            run.read(name)
        assert run.config is not None
        assert run.provenance is not None
        assert run.status is not None
    return data


def attack(path, content, expected, rng):
    path.write_bytes(changed(content, rng))
    try:
        got = read_all(path)
        summarize(path)
    except RunFileError as error:
        assert "\n" not in str(error)
        return "refused"
    assert got == expected[: len(got)]
    return "whole" if len(got) == len(expected) else "part"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """HDF5 waits ever longer for checksums that nobody will mend; do not wait with it."""
    monkeypatch.setattr(verify, "_STALL_SECONDS", 0.5)


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory):
    path = make_unfinished(tmp_path_factory.mktemp("fuzz") / "run.h5", records=24)
    half = [step["data"] for step in islice(expected_records(1), 12)]
    return path.read_bytes(), half + half


def test_flipped_bits_of_an_unsealed_file(tmp_path, unfinished):
    content, expected = unfinished
    rng = random.Random(SEED)
    outcomes = [attack(tmp_path / "run.h5", content, expected, rng) for _ in range(8)]
    assert "refused" in outcomes


@pytest.mark.slow
def test_many_flipped_bits_of_an_unsealed_file(tmp_path, unfinished):
    content, expected = unfinished
    rng = random.Random(SEED + 1)
    outcomes = [attack(tmp_path / "run.h5", content, expected, rng) for _ in range(400)]
    assert set(outcomes) == {"refused", "part", "whole"}


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_stays_bounded_in_a_large_run(tmp_path):
    """200 MB of payloads and 50 MB of tags pass through less than 150 MB."""
    script = """
        import os, resource, sys
        from pathlib import Path
        import numpy as np
        import runfile_makers as m
        from qlab.runfile.reader import RunFile
        path = Path(sys.argv[1])
        block = np.random.default_rng(1).bytes(4_000_000)
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with m.start_run(path) as writer:
            for number in range(50):
                writer.record("awg", m.Kind.WRITE, block)
                writer.append("data/bob/timestamps", np.arange(125_000) + number)
        peak_writing = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with RunFile.open(path) as run:
            total = sum(len(record.data) for record in run.records())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sys.stdout.write(f"{total} {(peak_writing - start) // 1024} {(peak - start) // 1024}")
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "run.h5")],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    total, writing, overall = map(int, ran.stdout.split())
    assert total == 200_000_000
    assert writing < 150
    assert overall < 150
