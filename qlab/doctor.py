"""What qlab needs of a computer, each looked at by using it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata, util
from pathlib import Path
from typing import Literal

from qlab.errors import one_line

__all__ = ["Finding", "examine"]

Verdict = Literal["ok", "warning", "failed"]

_PACKAGES = (
    "click",
    "h5py",
    "matplotlib",
    "numba",
    "numpy",
    "platformdirs",
    "pyserial",
    "PyVISA",
    "PyVISA-py",
    "rich",
    "scipy",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    subject : str
        What.
    verdict : str
        ``ok``, ``warning`` (something is lost, the rest works) or ``failed``.
    detail : str
        What was found.
    remedy : str
        What to do about it; empty where all is well.
    """

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def examine(folder: Path) -> Iterator[Finding]:
    """Yield findings, one after another; `folder` is where run files are to go."""
    for subject, look in (
        ("Python", _python),
        ("platform", _platform),
        ("packages", _packages),
        ("drivers", _drivers),
        ("VISA", _visa),
        ("serial ports", _serial_ports),
        ("compiled kernels", _kernels),
        ("run files", lambda: _run_files(folder)),
        ("key store", _key_store),
    ):
        yield _looked_at(subject, look)


def _looked_at(subject: str, look: Callable[[], tuple[Verdict, str, str]]) -> Finding:
    try:
        return Finding(subject, *look())
    except Exception as error:  # noqa: BLE001 - whatever fails is what is being looked for
        return Finding(
            subject, "failed", one_line(error), "reinstall qlab: python -m pip install qlab"
        )


def _python() -> tuple[Verdict, str, str]:
    return "ok", f"{platform.python_version()} at {sys.executable}", ""


def _platform() -> tuple[Verdict, str, str]:
    cores = os.cpu_count() or 1
    return "ok", f"{platform.platform()}, {platform.machine()}, {cores} processors", ""


def _packages() -> tuple[Verdict, str, str]:
    versions, missing = [], []
    for name in ("qlab", *_PACKAGES):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return "failed", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}"
    return "ok", ", ".join(versions), ""


def _drivers() -> tuple[Verdict, str, str]:
    from drivers.core.errors import UnknownDriverError
    from drivers.core.registry import driver_class, names

    known = names()
    if not known:
        return "failed", "no driver is registered", "reinstall qlab: python -m pip install qlab"
    broken = []
    for name in known:
        try:
            driver_class(name)
        except UnknownDriverError as error:
            broken.append(error.message)
    if broken:
        return "failed", "; ".join(broken), "reinstall the package that provides it"
    return "ok", f"{len(known)} drivers", ""


def _visa() -> tuple[Verdict, str, str]:
    from pyvisa.ctwrapper.highlevel import IVIVisaLibrary

    found = [f"vendor library {path}" for path in IVIVisaLibrary.get_library_paths()]
    if util.find_spec("pyvisa_py"):
        found.append("pyvisa-py")
    if not found:
        return "failed", "no VISA library", "pip install pyvisa-py, or install a vendor's VISA"
    if util.find_spec("usb") is None and len(found) == 1:
        return (
            "warning",
            f"{found[0]} without USB: USBTMC instruments are out of reach",
            "pip install pyusb libusb-package, or install a vendor's VISA",
        )
    return "ok", ", ".join(found), ""


def _serial_ports() -> tuple[Verdict, str, str]:
    from serial.tools.list_ports import comports

    ports = sorted(port.device for port in comports())
    closed = [p for p in ports if os.name == "posix" and not os.access(p, os.R_OK | os.W_OK)]
    if closed:
        return (
            "warning",
            f"no permission for {', '.join(closed)}",
            "join the group that owns them (often dialout or uucp) and log in again",
        )
    return "ok", ", ".join(ports) or "none is connected", ""


def _kernels() -> tuple[Verdict, str, str]:
    import numba

    def kernel(count: int) -> int:
        total = 0
        for number in range(count):
            total += number
        return total

    start = time.perf_counter()
    compiled = numba.njit(cache=True)(kernel)
    if compiled(10) != 45:
        return "failed", "a compiled kernel computes wrongly", "reinstall numba"
    spent_s = time.perf_counter() - start
    cache = compiled.stats.cache_path
    if not cache or "qlab-kernels-" in cache or not os.access(cache, os.W_OK):
        return (
            "warning",
            "there is no folder to keep them in, so every start compiles anew",
            "set NUMBA_CACHE_DIR to a folder that you may write to",
        )
    return "ok", f"kept in {cache}, a small one took {spent_s:.2f} s", ""


def _run_files(folder: Path) -> tuple[Verdict, str, str]:
    """Write a small run file, seal it and read it."""
    from qlab.runfile.reader import RunFile
    from qlab.runfile.schema import RunStatus
    from qlab.runfile.writer import RunWriter

    try:
        scratch = tempfile.TemporaryDirectory(prefix="qlab-doctor-", dir=folder)
    except OSError as error:
        return "failed", f"cannot write to {folder}: {error.strerror}", "work in another folder"
    with scratch as made:
        path = Path(made) / "probe.h5"
        try:
            writer = RunWriter.create(
                path,
                experiment="doctor",
                run_id="doctor",
                start_utc=datetime.now(UTC),
                config="",
                provenance={},
                operational=False,
                clock=lambda: 0,
            )
            writer.close(RunStatus.COMPLETE)
            with RunFile.open(path) as written:
                if not written.sealed:
                    return "failed", "a run file could not be sealed", "work in another folder"
        except Exception as error:  # noqa: BLE001 - the file system's faults are of many kinds
            return (
                "failed",
                f"no run file can be written in {folder}: {one_line(error)}",
                "work on a local disk: HDF5 needs one that can lock, link and map files",
            )
    return "ok", f"can be written and sealed in {folder}", ""


def _key_store() -> tuple[Verdict, str, str]:
    from qlab.keystore import default_folder

    folder = default_folder()
    nearest = folder
    while not nearest.exists():
        nearest = nearest.parent
    if not os.access(nearest, os.W_OK):
        return "failed", f"cannot write to {nearest}", "set QLAB_KEYS to a folder of your own"
    return "ok", str(folder), ""
