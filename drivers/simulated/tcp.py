"""Ports of simulated devices as raw TCP: SCPI on port 5025, or a serial line."""

from __future__ import annotations

import socket

from drivers.core.errors import MisuseError
from drivers.simulated.port import Port
from drivers.simulated.server import Server, require_stream

__all__ = ["serve_tcp"]


def serve_tcp(
    server: Server, port: Port, tcp_port: int = 0, host: str = "127.0.0.1"
) -> tuple[str, int]:
    """Serve a socket or serial port of a device at a TCP address.

    Parameters
    ----------
    server : Server
        What moves the bytes.
    port : Port
        A ``socket`` or ``serial`` port.
    tcp_port : int
        Number of the TCP port; 0 lets the system choose.
    host : str
        Address to listen at; this machine only, unless another is given.

    Returns
    -------
    tuple of str and int
        The address that is listened at.

    Raises
    ------
    MisuseError
        If the port cannot be served so, or the address cannot be had.
    """
    require_stream(port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, tcp_port), family=family)
    except OSError as error:
        raise MisuseError(
            f"cannot listen at {host} port {tcp_port}: {error.strerror or error}",
            remedy="choose another port, or 0 for any",
        ) from None
    address: tuple[str, int] = listener.getsockname()[:2]
    try:
        server.listen(listener, port, _SocketWire)
    except MisuseError:
        listener.close()
        raise
    return address


class _SocketWire:
    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self, count: int) -> bytes:
        return self._socket.recv(count)

    def send(self, data: bytes | bytearray | memoryview) -> int:
        return self._socket.send(data)

    def close(self) -> None:
        self._socket.close()
