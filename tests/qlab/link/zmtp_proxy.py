"""A man in the middle of a ZeroMQ line: sees whole messages, and does with them as told.

ZMTP 3 (rfc.zeromq.org/spec/23): a greeting of 64 bytes each way, then frames with flags
(1 more, 2 long, 4 command) and a length of one or eight bytes.
"""

import contextlib
import socket
import threading

GREETING = 64
MORE, LONG, COMMAND = 1, 2, 4
CALLER, LISTENER = "caller", "listener"


class CutError(Exception):
    """Both connections are broken off here."""


class Proxy:
    """Carries connections to `port`; `act(sender, number, message)` returns what goes on.

    `sender` is who sent a message, `number` counts the messages of both senders together
    from 0, `message` is its bytes with all frames. What `act` returns is a list of byte
    strings; if it raises `CutError` the connections end.
    """

    def __init__(self, port, act):
        self._target = port
        self._act = act
        self._lock = threading.Lock()
        self.count = 0
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._open = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def cut(self):
        """Break off all connections."""
        for pair in self._open:
            for end in pair:
                _shut(end)
        self._open = []

    def _accept(self):
        while True:
            try:
                caller, _ = self._server.accept()
            except OSError:
                return
            try:
                listener = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                caller.close()
                continue
            self.connections += 1
            self._open.append((caller, listener))
            for sender, source, sink in (
                (CALLER, caller, listener),
                (LISTENER, listener, caller),
            ):
                thread = threading.Thread(
                    target=self._carry, args=(sender, source, sink), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _carry(self, sender, source, sink):
        try:
            with source.makefile("rb") as stream:
                left = GREETING  # each side waits for the start of the other's
                while left and (piece := stream.read1(left)):
                    sink.sendall(piece)
                    left -= len(piece)
                while message := _message(stream):
                    if message[0] & COMMAND:
                        sink.sendall(message)
                        continue
                    with self._lock:
                        number, self.count = self.count, self.count + 1
                        for piece in self._act(sender, number, message):
                            sink.sendall(piece)
        except CutError:
            _shut(source)
            _shut(sink)
        except (OSError, ValueError):
            pass
        with contextlib.suppress(OSError):  # what comes the other way may still arrive
            sink.shutdown(socket.SHUT_WR)


def body(message):
    """Return the last frame's content."""
    at = 0
    while True:
        flags = message[at]
        size = int.from_bytes(message[at + 1 : at + 9], "big") if flags & LONG else message[at + 1]
        at += 9 if flags & LONG else 2
        if not flags & MORE:
            return message[at : at + size]
        at += size


def is_data(message):
    """Whether it has a body behind its envelope."""
    return bool(message[0] & MORE)


def _message(stream):
    parts = b""
    while True:
        flags = stream.read(1)
        if not flags:
            return b""
        length = stream.read(8 if flags[0] & LONG else 1)
        parts += flags + length + stream.read(int.from_bytes(length, "big"))
        if not flags[0] & MORE:
            return parts


def _shut(end):
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
