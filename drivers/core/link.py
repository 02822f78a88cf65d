"""One instrument's line: framing, locking, retries and reconnection.

A link owns the transport of one instrument (mainframes share one link among
their modules) and the lock that goes with it. Queries are repeated after a
time-out or a lost session, since asking twice does no harm; commands never
are, since nobody knows whether the first was carried out.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from drivers.core.blocks import block_header, read_block
from drivers.core.errors import (
    ConnectionLostError,
    DriverError,
    NotOpenError,
    ResponseTimeoutError,
    UnexpectedReplyError,
)
from drivers.core.transport import Transport

__all__ = ["Connect", "LineSettings", "Link"]

_T = TypeVar("_T")

#: A silence of this length ends the late replies that are thrown away.
_SETTLE_S = 0.05
#: So many pieces of late replies are thrown away at most.
_LATE_PIECES = 100


@dataclass(frozen=True, slots=True)
class LineSettings:
    r"""How an instrument frames its messages, and its serial line where it has one.

    `write_end` and `read_end` are terminators. `timeout_s` is the time for one
    reply in seconds. The serial values matter on serial addresses only.

    A unit with a `prompt` echoes each line, commands too, and then shows the prompt:
    what lies between, however many lines, is the reply. It is spoken to by
    `Link.query` and `Link.query_once` only.
    """

    write_end: bytes = b"\n"
    read_end: bytes = b"\n"
    timeout_s: float = 3.0
    retries: int = 1
    baud_rate: int = 9600
    data_bits: int = 8
    stop_bits: int = 1
    parity: Literal["none", "even", "odd"] = "none"
    flow_control: Literal["none", "xon_xoff", "rts_cts"] = "none"
    prompt: bytes = b""


#: Opens a transport to an address; what a station or a replay provides.
Connect = Callable[[str, LineSettings], Transport]


class Link:
    """Lines and blocks to and from one instrument.

    Parameters
    ----------
    name, address : str
        The instrument, for messages.
    connect : Connect
        Opens the transport; called again after a lost session.
    line : LineSettings
        Framing and serial settings.
    """

    def __init__(self, name: str, address: str, connect: Connect, line: LineSettings) -> None:
        self.name = name
        self.address = address
        self.line = line
        self.lock = threading.RLock()
        self._connect = connect
        self._transport: Transport | None = None
        self._owed = False  # whether a reply was given up that may still come
        self._torn = False  # whether a message may have gone out in part

    @property
    def is_open(self) -> bool:
        """Whether a transport is open."""
        return self._transport is not None

    @property
    def transport(self) -> Transport:
        """The open transport, for drivers of instruments that stream.

        Raises
        ------
        NotOpenError
            If the link is closed.
        """
        if self._transport is None:
            raise NotOpenError(
                "the instrument is not open",
                instrument=self.name,
                address=self.address,
                remedy="call open() first or use it in a `with` block",
            )
        return self._transport

    def open(self) -> None:
        """Open the transport; an open link stays as it is."""
        with self.lock:
            if self._transport is None:
                try:
                    self._start()
                except DriverError as error:
                    raise error.located(self.name, self.address) from None

    def close(self) -> None:
        """Close the transport; a closed link stays as it is."""
        with self.lock:
            transport, self._transport = self._transport, None
            self._owed = self._torn = False
            if transport is not None:
                transport.close()

    @contextlib.contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Within the block, wait `seconds` longer than usual for each transfer."""
        with self.lock:
            self.transport.timeout_s = self.line.timeout_s + seconds
            try:
                yield
            finally:
                if self._transport is not None:
                    self._transport.timeout_s = self.line.timeout_s

    def write(self, command: bytes) -> None:
        """Send one line, without waiting for anything; never repeated."""
        self._tell(command, command + self.line.write_end)

    def read(self) -> str:
        """Read one line, without its terminator."""
        return self._read(self._read_line)

    def _read(self, read: Callable[[Transport], str]) -> str:
        with self.lock:
            try:
                return read(self.transport)
            except ConnectionLostError as error:
                self._reopen(error, "the last command")
                raise error.located(self.name, self.address) from None
            except BaseException as error:
                self._owed = True
                if isinstance(error, DriverError):
                    raise error.located(self.name, self.address) from None
                raise

    def read_available(self, wait_s: float = 0.0) -> bytes:
        """Read what has arrived; wait at most `wait_s` for the first byte; may be empty."""
        with self.lock:
            try:
                return self.transport.read_available(wait_s)
            except DriverError as error:
                raise error.located(self.name, self.address) from None

    def query(self, request: bytes) -> str:
        """Send one line and return the line that answers it."""
        return self._repeat(request, self._reader(request))

    def query_once(self, command: bytes) -> str:
        """Send a command that answers with a line; never repeated."""
        with self.lock:
            try:
                self.write(command)
                return self._read(self._reader(command))
            except ResponseTimeoutError as error:
                error.message = _unanswered(command, error)
                raise
            except DriverError:
                raise
            except BaseException:  # an abort behind the write leaves the answer to come
                self._owed = True
                raise

    def disown(self) -> None:
        """Throw away, before the next exchange, an answer that may still come."""
        with self.lock:
            self._owed = True

    def query_block(self, request: bytes) -> bytes:
        """Send one line and return the payload of the block that answers it."""
        return self._repeat(request, self._read_block)

    def write_block(self, header: bytes, payload: bytes | bytearray | memoryview) -> None:
        """Send `header`, then `payload` as a definite block, as one message; never repeated."""
        count = len(memoryview(payload).cast("B"))
        message = b"".join((header, block_header(count), payload, self.line.write_end))
        with self.lock:
            try:
                self._tell(header, message)
            except ConnectionLostError:
                raise  # a new session knows nothing of it
            except BaseException:  # an abort, too, may leave it half-way
                self._torn = self.is_open
                raise

    def _tell(self, command: bytes, message: bytes) -> None:
        with self.lock:
            try:
                self._send(self._settled(), message)
            except ConnectionLostError as error:
                self._reopen(error, repr(command[:60]))
                raise error.located(self.name, self.address) from None
            except DriverError as error:
                raise error.located(self.name, self.address) from None

    def _send(self, transport: Transport, message: bytes) -> None:
        """Send a message; if it is not taken whole, what follows must not become its rest."""
        try:
            transport.write(message)
        except ResponseTimeoutError:
            self._torn = True
            raise

    def _read_line(self, transport: Transport) -> str:
        return self._decode(transport.read_until(self.line.read_end))

    def _reader(self, request: bytes) -> Callable[[Transport], str]:
        """Return what reads the answer to `request`."""
        if self.line.prompt:
            return lambda transport: self._read_dialogue(transport, request)
        return self._read_line

    def _read_dialogue(self, transport: Transport, request: bytes) -> str:
        """Return what lies between the echo of `request` and the prompt."""
        prompt = self.line.prompt
        said = self._decode(transport.read_until(prompt).removesuffix(prompt))
        echo, _, reply = said.lstrip().partition("\n")
        if echo.strip() != request.decode("ascii").strip():
            raise UnexpectedReplyError(
                f"{request[:60]!r} was echoed as {echo.strip()[:60]!r}",
                remedy="check baud rate, line settings and cable, and that the unit's echo is on",
            )
        return reply.strip()

    def _read_block(self, transport: Transport) -> bytes:
        return read_block(transport, self.line.read_end)

    def _repeat(self, request: bytes, read: Callable[[Transport], _T]) -> _T:
        left = self.line.retries
        late = False
        with self.lock:
            while True:
                try:
                    transport = self._settled()
                    self._send(transport, request + self.line.write_end)
                    reply = read(transport)
                    self._owed = late  # this may be the first answer, with another to come
                    return reply
                except ConnectionLostError as error:
                    if left == 0 or not self._recover(error):
                        raise error.located(self.name, self.address) from None
                except ResponseTimeoutError as error:
                    self._owed = late = True
                    if left == 0:
                        error.message = _unanswered(request, error)
                        error.remedy = "check that it is switched on, and its cable and settings"
                        raise error.located(self.name, self.address) from None
                except BaseException as error:  # an abort, too, leaves the answer to come
                    self._owed = True
                    if isinstance(error, DriverError):
                        raise error.located(self.name, self.address) from None
                    raise
                left -= 1

    def _settled(self) -> Transport:
        """Return the transport, rid of torn messages and of replies that came too late."""
        if self._torn:
            self._mend()
        transport = self._transport or self.transport  # which raises
        if self._owed:
            transport.clear()
            for _ in range(_LATE_PIECES):
                if not transport.read_available(_SETTLE_S):
                    break
            self._owed = False
        return transport

    def _mend(self) -> None:
        """Drop a torn message: a device clear where there is one, and a new session."""
        with contextlib.suppress(DriverError):  # the new session is what counts
            self.transport.clear()
        self.close()
        self._start()

    def _recover(self, error: ConnectionLostError) -> bool:
        """Try to open a new session after a lost one."""
        self.close()
        try:
            self._start()
        except DriverError as again:
            error.remedy = f"reconnecting failed too: {again.message}"
            return False
        return True

    def _reopen(self, error: ConnectionLostError, command: str) -> None:
        """Open a new session after one that was lost with `command`."""
        if self._recover(error):
            error.remedy = (
                f"the session is open again, but whether {command} was carried out "
                "is unknown: read the setting back"
            )

    def _start(self) -> None:
        self._transport = self._connect(self.address, self.line)

    def _decode(self, reply: bytes) -> str:
        try:
            return reply.decode("ascii").rstrip("\r\n")
        except UnicodeDecodeError:
            raise UnexpectedReplyError(
                f"the reply is not text: {reply[:60]!r}",
                remedy="check baud rate, line settings and cable",
            ) from None


def _unanswered(request: bytes, error: ResponseTimeoutError) -> str:
    came = f", only {error.partial[-60:]!r}" if error.partial else ""
    return f"no answer to {request[:60]!r}: {error.message}{came}"
