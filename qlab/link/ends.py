"""The two ends of a line: one listens, the other connects, and again when that is lost."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable

from qlab.link import frames as f
from qlab.link.address import endpoint
from qlab.link.errors import LinkEndedError, TamperedError
from qlab.link.line import SLICE_S, Line, Patience
from qlab.link.sockets import Dialled, Private, Served

__all__ = ["ConnectingLine", "ListeningLine", "connect", "listen"]

#: An answer to the first word on a connection comes within this time, or it is dialled anew.
_ATTEMPT_S = 3.0


def _nothing() -> None:
    """Let the wait go on."""


def listen(
    address: str,
    *,
    patience: Patience | None = None,
    check: Callable[[], None] = _nothing,
    private: Private | None = None,
) -> ListeningLine:
    """Take a port; `Line.open` then waits for the other party.

    Parameters
    ----------
    address : str
        ``HOST:PORT`` of this machine; ``PORT`` listens on the loopback only, port 0 takes
        a free one.
    patience : Patience, optional
    check : callable, optional
        Called at least every 0.1 s of a wait; what it raises ends the wait.
    private : Private, optional
        Keys that let in only who has them, and nobody read; for processes of one machine.

    Raises
    ------
    UsageError
        If that is no address, or it is taken.
    """
    where = endpoint(address, listening=True)
    return ListeningLine(Served(where, private), patience or Patience(), check, private is not None)


def connect(
    address: str,
    *,
    patience: Patience | None = None,
    check: Callable[[], None] = _nothing,
    private: Private | None = None,
) -> ConnectingLine:
    """Prepare to connect to a party that listens; `Line.open` does.

    Parameters and errors are those of `listen`.
    """
    where = endpoint(address)
    return ConnectingLine(
        Dialled(where, private), patience or Patience(), check, private is not None
    )


class ListeningLine(Line):
    """The end that waits to be called; made by `listen`."""

    _socket: Served

    def __init__(
        self, socket: Served, patience: Patience, check: Callable[[], None], trusted: bool
    ) -> None:
        super().__init__(socket, patience, check, trusted)
        self._nonce = b""

    def _poll(self, seconds: float) -> None:
        for caller, parts in self._socket.receive(seconds, self._most):
            if self._session and caller == self._socket.peer:
                self._take(parts)
            else:
                self._called(caller, parts)

    def _called(self, caller: bytes, parts: list[bytes]) -> None:
        """Take the first envelope of a connection; what a stranger says is passed over."""
        try:
            envelope = f.decode(parts[0])
            if isinstance(envelope, f.Hello) and len(parts) == 1:
                self._welcome(caller, envelope)
            elif isinstance(envelope, f.Resume) and len(parts) == 1:
                self._resume(caller, envelope)
        except TamperedError:
            if self._socket.peer == caller:
                raise

    def _welcome(self, caller: bytes, hello: f.Hello) -> None:
        if hello.version != f.VERSION:
            self._refuse(caller, f"this side speaks version {f.VERSION}, not {hello.version}")
            return
        again = hello.nonce == self._nonce and not self._epoch and not self._received
        if self._session and not again:
            self._refuse(caller, "this side is busy with another party")
            return
        if not self._session:
            self._nonce = hello.nonce
            drawn = hello.nonce + secrets.token_bytes(16)
            self._session = hashlib.sha256(drawn).digest()[:16]
        self._socket.peer = caller
        self._up = True
        self._put(f.encode(f.Welcome(f.VERSION, hello.nonce, self._session)))
        self._resume_from(0, self._sent - len(self._unacked))

    def _resume(self, caller: bytes, resume: f.Resume) -> None:
        if not self._session or resume.session != self._session:
            self._refuse(caller, "this side has no such session")
        elif resume.epoch > self._epoch:
            self._socket.peer = caller
            self._epoch = resume.epoch
            self._up = True
            self._put(f.encode(f.Resumed(self._session, self._epoch, self._received)))
            self._resume_from(resume.epoch, resume.received)

    def _refuse(self, caller: bytes, reason: str) -> None:
        self._socket.send_to(caller, f.encode(f.Refusal(reason)))


class ConnectingLine(Line):
    """The end that calls; made by `connect`."""

    _socket: Dialled

    def __init__(
        self, socket: Dialled, patience: Patience, check: Callable[[], None], trusted: bool
    ) -> None:
        super().__init__(socket, patience, check, trusted)
        self._nonce = secrets.token_bytes(16)
        self._attempt = 0
        self._dialled_at = -_ATTEMPT_S

    def _poll(self, seconds: float) -> None:
        now = time.monotonic()
        if not self._up and now - self._dialled_at >= _ATTEMPT_S:
            self._dial(now)
        parts_list, broken = self._socket.receive(seconds, self._most)
        for parts in parts_list:
            if self._up:
                self._take(parts)
            else:
                self._answered(parts)
        if broken:
            pause = 0.0 if self._up else 2 * SLICE_S
            self._lost()
            self._dialled_at = time.monotonic() - _ATTEMPT_S + pause

    def _dial(self, now: float) -> None:
        self._dialled_at = now
        self._socket.dial()
        if not self._session:
            self._socket.send((f.encode(f.Hello(f.VERSION, self._nonce)),))
            return
        self._attempt = max(self._attempt, self._epoch) + 1
        self._socket.send((f.encode(f.Resume(self._session, self._attempt, self._received)),))

    def _answered(self, parts: list[bytes]) -> None:
        """Take the first envelope on a connection."""
        envelope = f.decode(parts[0])
        if isinstance(envelope, f.Refusal):
            self._ended = LinkEndedError(envelope.reason)
            self._socket.close()
            raise self._ended
        if isinstance(envelope, f.Welcome) and not self._session:
            if envelope.nonce != self._nonce or envelope.version != f.VERSION:
                raise TamperedError("the answer is to another question")
            self._session = envelope.session
            self._up = True
        elif isinstance(envelope, f.Resumed) and envelope.session == self._session:
            if envelope.epoch != self._attempt:
                raise TamperedError("the answer is of another connection")
            self._resume_from(envelope.epoch, envelope.received)
        else:
            raise TamperedError("an envelope is out of its place")
