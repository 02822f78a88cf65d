"""Where a run came from: program, versions, machine, and the lab's own repository."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["platform_mark", "provenance"]

_PACKAGES = ("qlab", "numpy", "scipy", "numba", "h5py", "pyvisa", "pyvisa-py", "pyserial")
_CPUINFO = Path("/proc/cpuinfo")
#: What mathematics libraries choose their code by, as x86 and ARM name it.
_PROCESSOR = (
    "model name",
    "cpu family",
    "model",
    "CPU implementer",
    "CPU part",
    "flags",
    "Features",
)
#: A diff longer than this is cut; the commit still names most of the code.
_LONGEST_DIFF = 1 << 20
#: Without the programs that a repository's settings may name.
_DIFF = (
    *("-c", "core.fsmonitor=false"),
    *("diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD"),
)


def provenance(seed: int | None) -> dict[str, str]:
    """Return texts by name: argv, versions, host, platform, seed, git commit and diff."""
    found = {
        "argv": json.dumps(sys.argv),
        "versions": json.dumps(_versions(), sort_keys=True),
        "platform": platform_mark(),
        "host": platform.node(),
        "seed": "" if seed is None else str(seed),
    }
    commit = _git("rev-parse", "HEAD")
    if commit:
        found["git_commit"] = commit.strip()
        found["git_diff"] = _git(*_DIFF)[:_LONGEST_DIFF]
    return found


def platform_mark() -> str:
    """Return what floating-point results may depend on besides the code."""
    found = _versions()
    return json.dumps(
        {
            "machine": platform.machine(),
            "processor": _processor(),
            "system": platform.system(),
            "libc": " ".join(platform.libc_ver()),
            "python": platform.python_version(),
            "numpy": found["numpy"],
            "scipy": found["scipy"],
            "numba": found["numba"],
        },
        sort_keys=True,
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return found


def _processor() -> str:
    """Name the first processor; models of one name may still differ in what they can do."""
    if not _CPUINFO.exists():
        return platform.processor()
    text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    found = {key.strip(): value.strip() for key, _, value in pairs}
    return ", ".join(found[key] for key in _PROCESSOR if found.get(key))


def _git(*arguments: str) -> str:
    """Ask git about the current directory, which is where a lab keeps its scripts."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, found on the user's own PATH
            ["git", *arguments],  # noqa: S607 - the user's git, wherever it is
            capture_output=True,
            timeout=5,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
