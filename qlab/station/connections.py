"""How a station reaches its instruments: VISA, serial ports, or its simulated bench."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

from drivers.core.errors import NoConnectionError
from drivers.core.link import Connect, LineSettings
from drivers.core.serial_line import is_serial_address, serial_connector
from drivers.core.socket_line import is_socket_address, socket_connector
from drivers.core.transport import Transport
from drivers.core.visa import visa_connector

if TYPE_CHECKING:
    from pyvisa import ResourceManager

    from drivers.simulated.bench import Bench

__all__ = ["bench_connections", "real_connections"]


def real_connections(library: str) -> Connect:
    """Return a `Connect` for real addresses: sockets, serial ports, VISA for all others.

    `library` is what pyvisa calls its VISA library, empty for its default. The
    resource manager is opened with the first VISA address. It is never closed:
    pyvisa shares it with the rest of the program.
    """

    @cache
    def manager() -> ResourceManager:
        import pyvisa

        try:
            return pyvisa.ResourceManager(library)
        except (OSError, ValueError) as error:
            raise NoConnectionError(
                f"the VISA library {library!r} cannot be loaded: {error}",
                remedy="see `qlab doctor`, and 'visa' in [station] of the station file",
            ) from None

    def connect(address: str, line: LineSettings) -> Transport:
        if is_socket_address(address):
            return socket_connector(address, line)
        if is_serial_address(address):
            return serial_connector(address, line)
        return visa_connector(manager())(address, line)

    return connect


def bench_connections(bench: Bench, closing: ExitStack) -> Connect:
    """Return a `Connect` to the simulated devices, through a VISA library in this process.

    `closing` closes the library's resource manager.
    """
    import pyvisa

    from drivers.simulated.visa_library import SimulatedVisaLibrary

    manager = pyvisa.ResourceManager(SimulatedVisaLibrary(bench.resources, bench.time))
    closing.callback(manager.close)
    return visa_connector(manager)
