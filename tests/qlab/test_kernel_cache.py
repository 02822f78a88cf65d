"""Compiled kernels have a place, or are compiled anew, and nothing fails."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import qlab
from qlab.kernels import compilation_announced, provide_kernel_cache

HOUSE = Path(qlab.__file__).parent.parent


def test_nothing_changes_where_kernels_can_be_kept(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    provide_kernel_cache()
    assert "NUMBA_CACHE_DIR" not in os.environ


@pytest.mark.skipif(os.name != "posix", reason="access is by other means there")
def test_without_a_writable_folder_there_is_one_for_the_process(tmp_path):
    """Access is denied as for a read-only installation and home; even root is refused."""
    code = (
        "import os\n"
        "real = os.access\n"
        "os.access = lambda path, mode: mode != os.W_OK and real(path, mode)\n"
        "import qlab, stat\n"
        "folder = os.environ['NUMBA_CACHE_DIR']\n"
        "assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700\n"
        "from protocols.generator import permutation\n"
        "assert sorted(permutation(b'', 'x', 9)) == list(range(9))\n"
        "assert os.listdir(folder)\n"
        "print(folder)\n"
    )
    left = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HOUSE, env=left, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert folder.parent == tmp_path
    assert not folder.exists(), "it goes with the process"


def test_compiling_is_announced_once_and_only_meanwhile():
    said = []

    def double(x):
        return 2 * x

    with compilation_announced(said.append):
        assert numba.njit(double)(3) == 6
        assert numba.njit(double)(3.5) == 7
    assert numba.njit(double)(4) == 8
    assert len(said) == 1
    with compilation_announced(said.append):
        pass
    assert len(said) == 1
