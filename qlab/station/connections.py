"""How a station reaches its instruments: VISA, serial ports, or its simulated bench."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from drivers.core.context import Clock, Recorder
from drivers.core.errors import NoConnectionError
from drivers.core.link import Connect, LineSettings
from drivers.core.serial_line import is_serial_address, serial_connector
from drivers.core.socket_line import is_socket_address, socket_connector
from drivers.core.transport import Transport
from drivers.core.visa import visa_connector
from qlab.station.clocks import BenchClock, TimeKind, WallClock

if TYPE_CHECKING:
    from pyvisa import ResourceManager
    from pyvisa.highlevel import VisaLibraryBase

    from drivers.simulated.bench import Bench
    from qlab.station.entries import InstrumentEntry
    from qlab.station.file import StationFile

__all__ = [
    "ForeignLibrary",
    "OwnConnections",
    "own_connections",
    "real_connections",
    "visa_names",
]

#: Makes the VISA library for foreign drivers, from instruments' names by resource name.
ForeignLibrary = Callable[[Mapping[str, str]], "VisaLibraryBase"]


@dataclass(frozen=True, slots=True)
class OwnConnections:
    """How a station reaches its instruments where no replay answers for them.

    Attributes
    ----------
    connect : Connect
        Opens any of them.
    foreign : ForeignLibrary
        Makes the VISA library for foreign drivers.
    clock : Clock
        The bench's time, or the wall clock.
    bench : Bench or None
        The simulated bench, where it is one.
    """

    connect: Connect
    foreign: ForeignLibrary
    clock: Clock
    bench: Bench | None = None


def own_connections(
    file: StationFile,
    seed: int | None,
    time: TimeKind,
    recorder: Recorder | None,
    closing: ExitStack,
) -> OwnConnections:
    """Reach real instruments, or build the simulated bench, which `closing` closes."""
    if file.simulation is None:
        foreign = foreign_library(partial(real_manager, file.visa), recorder)
        return OwnConnections(real_connections(file.visa), foreign, WallClock())
    from drivers.simulated.time import RealTime, VirtualTime
    from qlab.station.simulation import simulated_bench

    bench_time = VirtualTime() if time == "virtual" else RealTime()
    bench = simulated_bench(file, seed, bench_time)
    manager = bench_manager(bench, closing)
    return OwnConnections(
        visa_connector(manager),
        foreign_library(lambda: manager, recorder),
        BenchClock(bench_time),
        bench,
    )


def real_connections(library: str) -> Connect:
    """Return a `Connect` for real addresses: sockets, serial ports, VISA for all others.

    `library` is what pyvisa calls its VISA library, empty for its default. The
    resource manager is opened with the first VISA address. It is never closed:
    pyvisa shares it with the rest of the program.
    """
    manager = cache(partial(real_manager, library))

    def connect(address: str, line: LineSettings) -> Transport:
        if is_socket_address(address):
            return socket_connector(address, line)
        if is_serial_address(address):
            return serial_connector(address, line)
        return visa_connector(manager())(address, line)

    return connect


def real_manager(library: str) -> ResourceManager:
    """Open what pyvisa calls its VISA library.

    Raises
    ------
    NoConnectionError
        If it cannot be loaded.
    """
    import pyvisa

    try:
        return pyvisa.ResourceManager(library)
    except (OSError, ValueError) as error:
        raise NoConnectionError(
            f"the VISA library {library!r} cannot be loaded: {error}",
            remedy="see `qlab doctor`, and 'visa' in [station] of the station file",
        ) from None


def bench_manager(bench: Bench, closing: ExitStack) -> ResourceManager:
    """Return the resource manager of a VISA library in this process: the simulated devices.

    `closing` closes it.
    """
    import pyvisa

    from drivers.simulated.visa_library import SimulatedVisaLibrary

    manager = pyvisa.ResourceManager(SimulatedVisaLibrary(bench.resources, bench.time))
    closing.callback(manager.close)
    return manager


def foreign_library(
    manager: Callable[[], ResourceManager], recorder: Recorder | None
) -> ForeignLibrary:
    """Return what makes the VISA library for foreign drivers, over that of `manager`."""

    def library(instruments: Mapping[str, str]) -> VisaLibraryBase:
        from drivers.core.recording_library import RecordingVisaLibrary

        return RecordingVisaLibrary(manager().visalib, instruments, recorder)

    return library


def visa_names(instruments: Mapping[str, InstrumentEntry]) -> dict[str, str]:
    """Return instruments' names by the VISA resource names of their addresses.

    ``socket://HOST:PORT``, ``/dev/ttyUSB0`` and ``COM3`` are rewritten. What is
    still no resource name is left out, such as an alias.
    """
    from pyvisa.rname import InvalidResourceName

    from drivers.core.resource_names import written

    names = {}
    for name, entry in instruments.items():
        address = entry.address
        socket = re.fullmatch(r"socket://(.+):(\d+)/?", address, re.IGNORECASE)
        port = re.fullmatch(r"COM(\d+)|(/dev/.+)", address, re.IGNORECASE)
        if socket:
            address = f"TCPIP0::{socket[1].strip('[]')}::{socket[2]}::SOCKET"
        elif port:
            address = f"ASRL{port[1] or port[2]}::INSTR"
        with suppress(InvalidResourceName):
            names[written(address)] = name
    return names
