"""Whether the process that writes a file is still there."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Process",
    "begin_writing",
    "end_writing",
    "is_alive",
    "this_process",
    "written_here",
]

_written_here: set[tuple[int, int]] = set()


@dataclass(frozen=True)
class Process:
    """A process, so that another of the same number is not taken for it.

    Parameters
    ----------
    host : str
        Network name of the computer.
    pid : int
        Its number there.
    started : str
        When it started, as the operating system puts it; empty if it does not say.
    """

    host: str
    pid: int
    started: str


def this_process() -> Process:
    """Return the process that is asking."""
    return Process(platform.node(), os.getpid(), _started(os.getpid()) or "")


def is_alive(process: Process) -> bool | None:
    """Return whether `process` still runs; None if it is on another computer."""
    if process.host != platform.node():
        return None
    started = _started(process.pid)
    return started is not None and started == process.started


def begin_writing(path: Path) -> None:
    """Note that this process writes the file at `path`."""
    _written_here.add(_identity(path))


def end_writing(path: Path) -> None:
    """Note that this process writes the file at `path` no longer."""
    _written_here.discard(_identity(path))


def written_here(path: Path) -> bool:
    """Return whether this process is writing the file at `path`, by whatever name."""
    return _identity(path) in _written_here


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


if sys.platform == "win32":

    def _started(pid: int) -> str | None:
        import ctypes
        from ctypes import wintypes

        query_limited_information, still_active = 0x1000, 259
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = wintypes.HANDLE
        kernel.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
        kernel.GetExitCodeProcess.argtypes = (wintypes.HANDLE, wintypes.LPDWORD)
        kernel.GetProcessTimes.argtypes = (
            wintypes.HANDLE,
            *[ctypes.POINTER(wintypes.FILETIME)] * 4,
        )
        kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
        handle = kernel.OpenProcess(query_limited_information, False, pid)
        if not handle:
            return None
        try:
            code = wintypes.DWORD()
            times = [wintypes.FILETIME() for _ in range(4)]
            if not kernel.GetExitCodeProcess(handle, ctypes.byref(code)):
                return None
            if code.value != still_active:
                return None
            if not kernel.GetProcessTimes(handle, *map(ctypes.byref, times)):
                return None
            return f"{times[0].dwHighDateTime:08x}{times[0].dwLowDateTime:08x}"
        finally:
            kernel.CloseHandle(handle)

elif sys.platform == "linux":

    def _started(pid: int) -> str | None:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return None
        # The name in parentheses may hold blanks; state and start time are 3rd and 22nd.
        after_name = stat.rpartition(")")[2].split()
        if after_name[0] in "ZX":
            return None
        return f"{boot}:{after_name[19]}"

else:

    def _started(pid: int) -> str | None:
        shown = subprocess.run(  # noqa: S603 - fixed program, a number as argument
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=False,
            env={"LC_ALL": "C", "TZ": "UTC"},
        )
        return shown.stdout.strip() or None
