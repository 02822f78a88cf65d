"""The same seed gives the same data, journal and results, whatever the surroundings.

Times and host apart. Each run and each replay is a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from determinism_child import run

CHILD = Path(__file__).parent / "determinism_child.py"

#: Hash seed, threads of numba and BLAS, and the kernels that BLAS chooses. Every x86
#: processor has those of Prescott, and every recent one those of Haswell; elsewhere the
#: names mean nothing.
FIRST = {
    "PYTHONHASHSEED": "0",
    "NUMBA_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Prescott",
}
SECOND = {
    "PYTHONHASHSEED": "4242",
    "NUMBA_NUM_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "2",
    "OPENBLAS_CORETYPE": "Haswell",
    "LC_ALL": "C",
    "TZ": "Asia/Kathmandu",
}


def child(folder: Path, surroundings: dict[str, str], *arguments: object) -> dict:
    """Run the child in `folder` and return what it found."""
    done = subprocess.run(
        [sys.executable, str(CHILD), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **surroundings},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run in the first surroundings: its file and what it gave."""
    folder = tmp_path_factory.mktemp("first")
    return folder / "run.h5", child(folder, FIRST, "run", 3, "run.h5")


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """A run of the same seed in the second surroundings, and in another folder."""
    folder = tmp_path_factory.mktemp("second") / "deeper"
    folder.mkdir()
    return folder / "run.h5", child(folder, SECOND, "run", 3, folder / "run.h5")


def test_the_same_seed_gives_the_same_in_other_surroundings(first, second):
    assert first[1]["results"] == second[1]["results"]
    assert first[1]["digest"] == second[1]["digest"]
    assert first[1]["results"]["sifted_bits"] > 2_000


def test_another_seed_gives_something_else(first, tmp_path):
    other = run(4, tmp_path / "run.h5", apart=False)
    assert other["digest"] != first[1]["digest"]
    assert other["results"]["n_z"] != first[1]["results"]["n_z"]


def test_a_run_replays_in_the_surroundings_of_the_other(first, second, tmp_path):
    for path, surroundings in ((first[0], SECOND), (second[0], FIRST)):
        found = child(tmp_path, surroundings, "replay", 0, path)
        assert found["matched"], found["divergence"]
        assert found["same_platform"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "surroundings",
    [
        {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
        {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX"},
        {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F"},
    ],
    ids=["kernels for any processor", "numpy without AVX2", "libm without FMA"],
)
def test_a_run_replays_as_on_a_lesser_processor(first, tmp_path, surroundings):
    """What a processor without some instructions would compute: integers are the same."""
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    found = child(tmp_path, surroundings | cache, "replay", 0, first[0], "elsewhere")
    assert found["matched"], found["divergence"]
    assert not found["same_platform"]
