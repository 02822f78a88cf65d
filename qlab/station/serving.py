"""A simulated station that other programs reach over TCP and pseudo-terminals."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from drivers.core.errors import MisuseError
from drivers.simulated.pty import serve_pty
from drivers.simulated.server import Server
from drivers.simulated.tcp import serve_tcp
from drivers.simulated.time import RealTime
from qlab.errors import UsageError
from qlab.station.file import StationFile
from qlab.station.simulation import simulated_bench
from qlab.station.toml import toml_text

__all__ = ["Served", "serve", "served_station_text"]


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


@contextmanager
def serve(
    file: StationFile, *, host: str = "127.0.0.1", first_port: int = 0, seed: int | None = None
) -> Iterator[list[Served]]:
    """Serve the simulated instruments of a station in real time, while the block runs.

    Serial instruments get a pseudo-terminal, on Windows a TCP port; all others
    a TCP port.

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
    bench = simulated_bench(file, seed, "real")
    if not isinstance(bench.time, RealTime):  # what `simulated_bench` was asked for
        raise MisuseError("a served bench runs in real time")
    with Server(bench.time) as server:
        served = []
        number = first_port
        for name in file.instruments:
            port = bench.stream_port(name)
            if port.connector == "serial" and os.name == "posix":
                served.append(Served(name, serve_pty(server, port)))
                continue
            at, tcp_port = serve_tcp(server, port, number, host)
            number += 1 if number else 0
            reach = "127.0.0.1" if at in ("0.0.0.0", "::") else at  # noqa: S104 - compared, not bound
            serial = port.connector == "serial"
            address = (
                f"socket://{reach}:{tcp_port}" if serial else f"TCPIP0::{reach}::{tcp_port}::SOCKET"
            )
            served.append(Served(name, address, at, tcp_port))
        yield served


def served_station_text(file: StationFile, served: list[Served]) -> str:
    """Return a station file that reaches the served instruments, limits and all."""
    document: dict[str, Any] = {k: v for k, v in file.document.items() if k != "simulation"}
    document["station"] = {**document["station"], "visa": "@py", "rehearsal": True}
    document["instruments"] = {
        at.name: {**document["instruments"][at.name], "address": at.address} for at in served
    }
    head = "# Written by `qlab station serve`; good for as long as that runs.\n\n"
    return head + toml_text(document)
