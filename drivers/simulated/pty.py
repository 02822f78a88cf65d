"""Serial ports of simulated devices as pseudo-terminals (Linux and macOS)."""

from __future__ import annotations

import os
import sys

from drivers.core.errors import MisuseError
from drivers.simulated.port import Port
from drivers.simulated.server import Server, require_stream

__all__ = ["serve_pty"]


def serve_pty(server: Server, port: Port) -> str:
    """Serve a serial port of a device on a new pseudo-terminal.

    The port stays one session however often programs open and close the
    terminal; what nobody has read is still there for the next one.

    Parameters
    ----------
    server : Server
        What moves the bytes.
    port : Port
        A ``serial`` port.

    Returns
    -------
    str
        Path of the terminal, such as ``/dev/pts/3``.

    Raises
    ------
    MisuseError
        On Windows, which has no pseudo-terminals, or if none can be had.
    """
    require_stream(port)
    ours, theirs, path = _open_terminal()
    wire = _TerminalWire(ours, theirs)
    try:
        server.attach(wire, port)
    except MisuseError:
        wire.close()
        raise
    return path


if sys.platform == "win32":

    def _open_terminal() -> tuple[int, int, str]:
        raise MisuseError(
            "Windows has no pseudo-terminals",
            remedy="serve the port over TCP and open it as socket://HOST:PORT",
        )

else:

    def _open_terminal() -> tuple[int, int, str]:
        import tty

        try:
            ours, theirs = os.openpty()
        except OSError as error:
            raise MisuseError(f"no pseudo-terminal can be had: {error.strerror}") from None
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        return ours, theirs, os.ttyname(theirs)


class _TerminalWire:
    """Our end of a terminal; theirs stays open too, or closing it would end the session."""

    def __init__(self, ours: int, theirs: int) -> None:
        self._ours = ours
        self._theirs = theirs

    def fileno(self) -> int:
        return self._ours

    def receive(self, count: int) -> bytes:
        return os.read(self._ours, count)

    def send(self, data: bytes | bytearray | memoryview) -> int:
        return os.write(self._ours, data)

    def close(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)
