"""A simulated station that other programs reach over TCP and pseudo-terminals."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from drivers.simulated.bench import Bench
from drivers.simulated.port import Port
from drivers.simulated.pty import serve_pty
from drivers.simulated.server import Server
from drivers.simulated.tcp import serve_tcp
from drivers.simulated.time import RealTime
from qlab.errors import UsageError
from qlab.station.file import StationFile
from qlab.station.simulation import simulated_bench
from qlab.station.toml import toml_text

__all__ = ["Served", "ServedStation", "serve"]


@dataclass(frozen=True, slots=True)
class Served:
    """Where one instrument is served.

    Attributes
    ----------
    name : str
        The instrument.
    address : str
        What a station file on this machine says: a VISA socket, the device of a
        pseudo-terminal, or ``socket://HOST:PORT``.
    host, port : str, int
        The TCP port; empty and 0 for a pseudo-terminal.
    """

    name: str
    address: str
    host: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class ServedStation:
    """A station while it is served.

    Attributes
    ----------
    file : StationFile
        The station.
    bench : Bench
        Its simulated bench, with the devices' fault switches.
    instruments : tuple of Served
        Where each instrument is.
    """

    file: StationFile
    bench: Bench
    instruments: tuple[Served, ...]

    def station_text(self) -> str:
        """Return a station file that reaches the served instruments, limits and all."""
        document: dict[str, Any] = dict(self.file.document)
        del document["simulation"]
        document["station"] = {**document["station"], "rehearsal": True}
        document["instruments"] = {
            at.name: {**document["instruments"][at.name], "address": at.address}
            for at in self.instruments
        }
        head = "# Written by `qlab station serve`; good for as long as that runs.\n\n"
        return head + toml_text(document)


@contextmanager
def serve(
    file: StationFile,
    *,
    host: str = "127.0.0.1",
    first_port: int = 0,
    seed: int | None = None,
    terminals: bool = os.name == "posix",
) -> Iterator[ServedStation]:
    """Serve the simulated instruments of a station in real time, while the block runs.

    Parameters
    ----------
    file : StationFile
        A station with a simulated bench.
    host : str
        Address to listen at; nothing beyond this machine by default.
    first_port : int
        TCP port of the first instrument, the others follow; 0 takes any that are free.
    seed : int, optional
        Seed of the plant.
    terminals : bool
        Whether serial instruments get pseudo-terminals, which Windows does not
        have, or TCP ports as all others.

    Raises
    ------
    UsageError
        If the station is not simulated.
    MisuseError
        If a port is taken.
    """
    if file.simulation is None:
        raise UsageError(
            f"{file.source.name} is no simulated station",
            remedy="only simulated instruments can be served; name a file with [simulation]",
        )
    time = RealTime()
    bench = simulated_bench(file, seed, time)
    with Server(time) as server:
        served = []
        for name in file.instruments:
            port = bench.stream_port(name)
            if terminals and port.connector == "serial":
                served.append(Served(name, serve_pty(server, port)))
            else:
                served.append(_by_tcp(server, name, port, host, first_port))
                first_port += 1 if first_port else 0
        yield ServedStation(file, bench, tuple(served))


def _by_tcp(server: Server, name: str, port: Port, host: str, number: int) -> Served:
    at, tcp_port = serve_tcp(server, port, number, host)
    reach = "127.0.0.1" if at in ("0.0.0.0", "::") else at  # noqa: S104 - compared, not bound
    if port.connector == "serial":
        return Served(name, f"socket://{reach}:{tcp_port}", at, tcp_port)
    return Served(name, f"TCPIP0::{reach}::{tcp_port}::SOCKET", at, tcp_port)
