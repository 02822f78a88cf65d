"""One end of the line: bodies out and in, in order, through lost connections."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import NoReturn, Self

from qlab.errors import UsageError
from qlab.link import frames as f
from qlab.link.errors import LinkEndedError, LinkLostError, TamperedError
from qlab.link.sockets import QUEUE, Dialled, Part, Served

__all__ = ["Line", "Patience"]

#: Unacknowledged bytes beyond which `Line.send` waits.
WINDOW_BYTES = 1 << 26
#: Pieces and bytes received after which an acknowledgement goes out by itself.
_ACK_PIECES, _ACK_BYTES = 16, 1 << 22
#: Pieces and bytes that may wait for `Line.receive`; the parties speak in turn.
MOST_WAITING, MOST_WAITING_BYTES = 4096, WINDOW_BYTES + f.LARGEST_BODY
#: The same bytes before the other party has proved who it is: a greeting of four pieces, and
#: what a lost connection leaves in its queue.
UNPROVEN_BYTES = (4 + QUEUE) * f.LARGEST_PIECE
#: Messages taken at a time. Of a stranger nothing is taken behind the body that is awaited.
_AT_ONCE = 16
_SIGN_OF_LIFE_S = 1.0
#: A wait is cut into slices of this length, so that a stop is noticed in time.
SLICE_S = 0.1
#: At a good end, the wait for the other side to say that it has all; less if it is not there.
_PART_S, _PART_LOST_S = 30.0, 1.0
#: At another end, the wait for the other side to go.
_HEAR_OUT_S = 1.0


@dataclass(frozen=True)
class Patience:
    """How long a line waits before it gives up; that is all that its time-outs do.

    Attributes
    ----------
    meeting_s : float
        For the other party to appear.
    silence_s : float
        For a body while the connection stands; the other party may be computing.
    lost_s : float
        For a lost connection to come back.
    """

    meeting_s: float = 600.0
    silence_s: float = 3600.0
    lost_s: float = 30.0


class Line(ABC):
    """A session with the other party.

    Bodies sent are received whole, once and in order, also when the connection is lost and
    comes back. Everything happens in the caller's thread, inside these methods. Until `trust`
    the other party may be anybody, and only short bodies are taken from it.
    """

    def __init__(
        self,
        socket: Served | Dialled,
        patience: Patience,
        check: Callable[[], None],
        trusted: bool,
    ) -> None:
        self._socket: Served | Dialled = socket
        self._patience = patience
        self._check = check
        self._trusted = trusted
        self._parting = False
        self._session = b""
        self._epoch = 0
        self._up = False
        self._lost_at = time.monotonic()
        self._spoke_at = 0.0
        self._sent = 0
        self._received = 0
        self._told = 0
        self._untold_bytes = 0
        self._unacked: deque[tuple[Part, bool]] = deque()
        self._unacked_bytes = 0
        self._begun: list[bytes] = []
        self._arrived: deque[bytes] = deque()
        self._waiting = self._waiting_bytes = 0
        self._ended: Exception | None = None

    @property
    def session(self) -> bytes:
        """The session's 16 bytes, the same on both sides; empty before `open`."""
        return self._session

    @property
    def connections(self) -> int:
        """How many connections the session has had."""
        return self._epoch + 1 if self._session else 0

    @property
    def port(self) -> int:
        """The port that is listened on or connected to."""
        return self._socket.port

    def open(self) -> Self:
        """Meet the other party.

        Raises
        ------
        LinkLostError
            If it does not appear.
        """
        end = time.monotonic() + self._patience.meeting_s
        while not self._session:
            if time.monotonic() > end:
                self._give_up(LinkLostError("the other party did not appear"))
            self._turn()
        return self

    def trust(self) -> None:
        """Take long bodies from now on: the other party has proved who it is."""
        self._trusted = True

    def send(self, body: bytes) -> None:
        """Send a body; returns before it has arrived.

        Raises
        ------
        LinkLostError, LinkEndedError, TamperedError
            If the session has ended.
        """
        self._go_on()
        if len(body) > f.LARGEST_BODY:
            raise UsageError(f"{len(body)} bytes are too many for one message")
        whole = memoryview(body)
        for start in range(0, max(len(body), 1), f.LARGEST_PIECE):
            end = start + f.LARGEST_PIECE
            self._send_piece(whole[start:end], more=end < len(body))

    def _send_piece(self, piece: Part, *, more: bool) -> None:
        self._unacked.append((piece, more))
        self._unacked_bytes += len(piece)
        self._sent += 1
        if self._up:
            self._transmit(self._sent - 1, piece, more)
        while self._unacked_bytes > WINDOW_BYTES and len(self._unacked) > 1:
            self._go_on()
            self._turn()

    def receive(self, silence_s: float | None = None) -> bytes:
        """Wait for the next body.

        Parameters
        ----------
        silence_s : float, optional
            How long, if not as `Patience` says.

        Raises
        ------
        LinkLostError, LinkEndedError, TamperedError
            If the session has ended.
        """
        allowed = self._patience.silence_s if silence_s is None else silence_s
        end = time.monotonic() + allowed
        while not self._arrived:
            self._go_on()
            if time.monotonic() > end:
                self._give_up(LinkLostError(f"the other party has said nothing for {allowed:g} s"))
            self._turn()
        body = self._arrived.popleft()
        self._waiting -= max(1, -(-len(body) // f.LARGEST_PIECE))
        self._waiting_bytes -= len(body)
        return body

    def close(self, reason: str = "", *, insecure: bool = False) -> None:
        """End the session; without a reason it ends well, once both sides have said so.

        What the other side says last comes behind all that it sent, so nothing that came
        twice or between stays unseen, unless the connection is lost for good.

        Parameters
        ----------
        reason : str
            What the other party is told.
        insecure : bool
            Whether it must take everything for compromised.

        Raises
        ------
        TamperedError
            At a good end: something came that nobody sent.
        """
        if self._socket.closed:
            return
        try:
            if not self._session:
                return
            if not reason:
                with suppress(LinkLostError, LinkEndedError):
                    self._part()
            elif self._ended is None:
                self._say_end(reason[:400], insecure)
                self._hear_out()
        finally:
            self._socket.close(at_once=not self._up or (self._ended is not None and bool(reason)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        from qlab.errors import ExitCode, exit_code, one_line

        text = one_line(error) if isinstance(error, Exception) else "it was stopped"
        self.close(text, insecure=exit_code(error) is ExitCode.INSECURE)

    def _say_end(self, reason: str = "", insecure: bool = False) -> None:
        self._put(f.encode(f.Close(self._session, self._epoch, self._received, reason, insecure)))

    def _part(self) -> None:
        """Say that all was said, and wait until the other side has said so; it may have left."""
        end = time.monotonic() + _PART_S
        self._parting = True
        self._say_end()
        while self._ended is None and (now := time.monotonic()) < end:
            if not self._up and now - self._lost_at > _PART_LOST_S:
                return
            self._turn()

    def _hear_out(self) -> None:
        """Read a moment longer: a connection with unread bytes is reset, and our reason lost."""
        end = time.monotonic() + _HEAR_OUT_S
        while self._up and time.monotonic() < end:
            self._socket.receive(SLICE_S / 2, _AT_ONCE)
            self._acknowledge()  # which fails once the other side has gone

    def _go_on(self) -> None:
        if self._ended is not None and not self._arrived:
            raise self._ended
        if self._socket.closed:
            raise LinkLostError("the line is closed")

    def _give_up(self, error: Exception) -> NoReturn:
        """End the session from this side."""
        insecure = isinstance(error, TamperedError)
        self.close(str(getattr(error, "message", error)), insecure=insecure)
        self._ended = self._ended or error
        raise error

    # ---- what happens in a wait --------------------------------------------------------

    def _turn(self) -> None:
        """Wait a moment for something to arrive, and do what is due."""
        self._check()
        try:
            self._poll(SLICE_S)
        except TamperedError as error:
            self._give_up(error)
        now = time.monotonic()
        if self._up and now - self._spoke_at > _SIGN_OF_LIFE_S:
            self._acknowledge()
        if self._session and not self._up and now - self._lost_at > self._patience.lost_s:
            self._give_up(LinkLostError(f"the connection was lost for {self._patience.lost_s:g} s"))

    @abstractmethod
    def _poll(self, seconds: float) -> None:
        """Wait for what arrives, and take it."""

    def _lost(self) -> None:
        """Note that the connection is gone."""
        if self._up:
            self._up = False
            self._lost_at = time.monotonic()

    def _take(self, parts: list[bytes]) -> None:
        """Take an envelope of the other party on the present connection."""
        envelope = f.decode(parts[0])
        if not isinstance(envelope, (f.Data, f.Ack, f.Close)):
            raise TamperedError("an envelope is out of its place")
        if envelope.session != self._session or envelope.epoch != self._epoch:
            raise TamperedError("an envelope is of another session or connection")
        if len(parts) != (2 if isinstance(envelope, f.Data) else 1):
            raise TamperedError("an envelope has not its number of parts")
        self._acknowledged(envelope.received)
        if isinstance(envelope, f.Close):
            self._ended = LinkEndedError(envelope.reason, insecure=envelope.insecure)
        elif isinstance(envelope, f.Data):
            if envelope.sequence != self._received:
                raise TamperedError(
                    f"message {envelope.sequence} came where {self._received} is due"
                )
            self._take_piece(parts[1], envelope.more)

    def _take_piece(self, piece: bytes, more: bool) -> None:
        self._waiting += 1
        self._waiting_bytes += len(piece)
        most = MOST_WAITING_BYTES if self._trusted else UNPROVEN_BYTES
        if self._waiting > MOST_WAITING or self._waiting_bytes > most:
            raise TamperedError("more came than anybody waits for")
        if more and len(piece) < f.LARGEST_PIECE:
            raise TamperedError("a piece of a message is cut short")
        self._begun.append(piece)
        if not more:
            self._arrived.append(piece if len(self._begun) == 1 else b"".join(self._begun))
            self._begun.clear()
        self._received += 1
        self._untold_bytes += len(piece)
        if self._received - self._told >= _ACK_PIECES or self._untold_bytes >= _ACK_BYTES:
            self._acknowledge()

    @property
    def _most(self) -> int:
        """How many messages to take at a time."""
        return _AT_ONCE if self._trusted else 1

    def _acknowledged(self, received: int) -> None:
        """Drop the pieces that the other side has."""
        first = self._sent - len(self._unacked)
        if not first <= received <= self._sent:
            raise TamperedError("messages are acknowledged that were not sent, or not again")
        for _ in range(received - first):
            self._unacked_bytes -= len(self._unacked.popleft()[0])

    def _acknowledge(self) -> None:
        self._put(f.encode(f.Ack(self._session, self._epoch, self._received)))

    def _resume_from(self, epoch: int, received: int) -> None:
        """Go on, on a new connection: send again what the other side has not received."""
        self._epoch = epoch
        self._acknowledged(received)
        self._up = True
        for number, (piece, more) in enumerate(tuple(self._unacked), received):
            self._transmit(number, piece, more)
        if self._parting:
            self._say_end()

    def _transmit(self, sequence: int, piece: Part, more: bool) -> None:
        head = f.Data(self._session, self._epoch, self._received, sequence, more)
        self._put(f.encode(head), piece)

    def _put(self, *parts: Part) -> None:
        """Hand parts to the socket, all with the count of what we have received."""
        if not self._up:
            return
        self._told, self._untold_bytes = self._received, 0
        self._spoke_at = time.monotonic()
        if not self._socket.send(parts):
            self._lost()
