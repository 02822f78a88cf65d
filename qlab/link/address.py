"""Where a party listens, or connects to: ``HOST:PORT``, or ``PORT`` on this machine."""

from __future__ import annotations

import ipaddress
import socket

from qlab.errors import UsageError

__all__ = ["endpoint"]


def endpoint(address: str, *, listening: bool = False) -> str:
    """Return the ZeroMQ endpoint of an address.

    Without a host it is this machine, so that nothing beyond it is reached or can reach
    us unless that was asked for.

    Raises
    ------
    UsageError
        If it is no address, or the host is unknown.
    """
    text = address.removeprefix("tcp://")
    host, _, port_text = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    lowest = 0 if listening else 1
    if not (port_text.isascii() and port_text.isdigit() and lowest <= int(port_text) < 65536):
        raise UsageError(
            f"{address!r} is no address", remedy="give HOST:PORT, or PORT on this machine"
        )
    try:
        found = str(ipaddress.ip_address(host))
    except ValueError:
        found = _looked_up(host)
    return f"tcp://[{found}]:{port_text}" if ":" in found else f"tcp://{found}:{port_text}"


def _looked_up(host: str) -> str:
    try:
        info = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UsageError(f"there is no host {host!r}", remedy="check the name") from None
    first = sorted(info, key=lambda entry: entry[0] != socket.AF_INET)[0]
    return str(first[4][0])
