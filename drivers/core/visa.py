"""Transports over VISA: whatever a VISA library carries, by its resource name.

The library is called directly below pyvisa's resource methods, which keeps
one query to two library calls. USBTMC, GPIB, VXI-11 and HiSLIP mark the end of
a message; serial (ASRL) and raw sockets are plain streams that end a line by
their termination character.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NoReturn

from drivers.core.errors import (
    CommunicationError,
    ConnectionLostError,
    NoConnectionError,
    ResponseTimeoutError,
)
from drivers.core.link import Connect, LineSettings

if TYPE_CHECKING:
    from pyvisa import ResourceManager
    from pyvisa.resources import MessageBasedResource

__all__ = ["VisaTransport", "visa_connector"]

#: Largest single read asked of the library.
_CHUNK = 1 << 20
#: One look at the line takes about this much and leaves the rest for the next.
_MOST_AVAILABLE = 1 << 24


def visa_connector(manager: ResourceManager) -> Connect:
    """Return a `Connect` that opens addresses through a pyvisa resource manager."""

    def connect(address: str, line: LineSettings) -> VisaTransport:
        return VisaTransport(manager, address, line)

    return connect


class VisaTransport:
    """One VISA session; see `drivers.core.transport.Transport`.

    Raises
    ------
    NoConnectionError
        If the resource cannot be opened.
    """

    def __init__(self, manager: ResourceManager, address: str, line: LineSettings) -> None:
        from pyvisa import constants, errors

        self.address = address
        self._codes = constants.StatusCode
        # pyvisa-py lets the system's own errors through on sockets and USB
        self._failures = (errors.VisaIOError, errors.InvalidSession, OSError)
        try:
            resource: Any = manager.open_resource(address)
        except (errors.VisaIOError, OSError, ValueError) as error:
            raise NoConnectionError(
                f"nothing can be opened there: {error}",
                address=address,
                remedy="check the address, that the instrument is on, and `qlab doctor`",
            ) from None
        self._resource: MessageBasedResource = resource
        self._library = resource.visalib
        self._session = resource.session
        # A read that fills its count is no cause for a warning: reads go on until done.
        self._quiet = contextlib.ExitStack()
        self._quiet.enter_context(
            self._library.ignore_warning(self._session, self._codes.success_max_count_read)
        )
        self._terminator = constants.ResourceAttribute.termchar
        self._terminating = constants.ResourceAttribute.termchar_enabled
        kind = resource.interface_type
        interface = constants.InterfaceType
        self._is_serial = kind == interface.asrl
        self._is_stream = self._is_serial or address.upper().endswith("::SOCKET")
        self._stops_at: bytes = b""
        self._held = b""
        if self._is_serial:
            self._set_serial(resource, line, constants)
        self._timeout_s = -1.0
        self.timeout_s = line.timeout_s
        if self._is_stream:
            self._stop_at(line.read_end[-1:])
        else:
            self._library.set_attribute(self._session, self._terminating, False)

    def _set_serial(self, resource: Any, line: LineSettings, constants: Any) -> None:
        flows = constants.ControlFlow
        resource.baud_rate = line.baud_rate
        resource.data_bits = line.data_bits
        resource.stop_bits = constants.StopBits(line.stop_bits * 10)
        resource.parity = getattr(constants.Parity, line.parity)
        resource.flow_control = {
            "none": flows.none,
            "xon_xoff": flows.xon_xoff,
            "rts_cts": flows.rts_cts,
        }[line.flow_control]

    @property
    def timeout_s(self) -> float:
        """Time for one read in seconds."""
        return self._timeout_s

    @timeout_s.setter
    def timeout_s(self, seconds: float) -> None:
        if seconds != self._timeout_s:
            self._resource.timeout = max(1, round(seconds * 1000))
            self._timeout_s = seconds

    def write(self, data: bytes) -> None:
        """Send all of `data` as one message."""
        try:
            sent, _ = self._library.write(self._session, data)
            while sent < len(data):
                more, _ = self._library.write(self._session, data[sent:])
                sent += more
        except self._failures as error:
            self._fail(error, b"")

    def read_until(self, end: bytes) -> bytes:
        """Read up to `end` or the end mark of the message."""
        if self._is_stream:
            return self._read_line(end)
        pieces = self._held
        self._held = b""
        more = self._codes.success_max_count_read
        try:
            while True:
                piece, status = self._library.read(self._session, _CHUNK)
                pieces = pieces + piece if pieces else piece
                if status != more:
                    return bytes(pieces)
        except self._failures as error:
            self._fail(error, bytes(pieces))

    def _read_line(self, end: bytes) -> bytes:
        self._stop_at(end[-1:])
        line = self._held
        self._held = b""
        try:
            while (at := line.find(end)) < 0:
                piece = self._library.read(self._session, _CHUNK)[0]
                line = line + piece if line else bytes(piece)
        except self._failures as error:
            self._fail(error, line + self._unread())
        stop = at + len(end)
        self._held = line[stop:]
        return line[:stop]

    def read_exactly(self, count: int) -> bytes:
        """Read exactly `count` bytes."""
        if self._is_stream:
            self._stop_at(b"")
        got = len(self._held)
        pieces: list[bytes] = [self._held] if got else []
        self._held = b""
        try:
            while got < count:
                piece = self._library.read(self._session, count - got)[0]
                pieces.append(piece)
                got += len(piece)
        except self._failures as error:
            self._fail(error, b"".join(pieces))
        data = bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
        if got > count:  # some libraries hand over the whole message
            self._held = data[count:]
            data = data[:count]
        return data

    def read_available(self, wait_s: float = 0.0) -> bytes:
        """Read what has arrived; wait at most `wait_s` for the first byte."""
        if not self._is_serial:
            return self._read_within(wait_s)
        self._stop_at(b"")
        data = self._held
        self._held = b""
        try:
            if not data and not self._waiting() and wait_s > 0:
                data = self._first_byte(wait_s)
            while (count := self._waiting()) and len(data) < _MOST_AVAILABLE:
                data += self._library.read(self._session, count)[0]
        except self._failures as error:
            self._fail(error, data)
        return bytes(data)

    def _unread(self) -> bytes:
        """Return what a serial line holds after a read that did not succeed."""
        with contextlib.suppress(*self._failures):
            if self._is_serial and (count := self._waiting()):
                self._stop_at(b"")
                return bytes(self._library.read(self._session, count)[0])
        return b""

    def _waiting(self) -> int:
        return int(self._resource.bytes_in_buffer)  # type: ignore[attr-defined]  # serial only

    def _first_byte(self, wait_s: float) -> bytes:
        try:
            return self._within(wait_s, 1)
        except ResponseTimeoutError:
            return b""

    def _read_within(self, wait_s: float) -> bytes:
        data = self._held
        self._held = b""
        try:
            return data + self._within(wait_s, _CHUNK)
        except ResponseTimeoutError as error:
            return data + error.partial

    def _within(self, wait_s: float, count: int) -> bytes:
        before = self._timeout_s
        self.timeout_s = wait_s
        try:
            return bytes(self._library.read(self._session, count)[0])
        except self._failures as error:
            self._fail(error, b"")
        finally:
            self.timeout_s = before

    def status_byte(self) -> int:
        """Return the status byte by serial poll."""
        try:
            return int(self._library.read_stb(self._session)[0])
        except self._failures as error:
            self._fail(error, b"")

    def clear(self) -> None:
        """Clear the device; on a serial line drop the input."""
        self._held = b""
        try:
            self._library.clear(self._session)
        except self._failures as error:
            # pyvisa-py clears neither serial lines nor sockets nor USB instruments
            if getattr(error, "error_code", None) != self._codes.error_nonsupported_operation:
                self._fail(error, b"")
            self.read_available()

    def trigger(self) -> None:
        """Send the group execute trigger."""
        from pyvisa.constants import TriggerProtocol

        try:
            self._library.assert_trigger(self._session, TriggerProtocol.default)
        except self._failures as error:
            self._fail(error, b"")

    def close(self) -> None:
        """Close the session."""
        with contextlib.suppress(*self._failures):  # broken is closed
            self._quiet.close()
            self._resource.close()

    def _stop_at(self, character: bytes) -> None:
        """Let a stream's reads end at `character`, or run to their count."""
        if character == self._stops_at:
            return
        if character:
            self._library.set_attribute(self._session, self._terminator, character[0])
        self._library.set_attribute(self._session, self._terminating, bool(character))
        self._stops_at = character

    def _fail(self, error: Exception, partial: bytes) -> NoReturn:
        code = getattr(error, "error_code", None)
        codes = self._codes
        if code == codes.error_timeout:
            raise ResponseTimeoutError(
                f"nothing complete within {self._timeout_s:g} s", partial=partial
            ) from None
        if code in (codes.error_connection_lost, codes.error_io, codes.error_invalid_object, None):
            raise ConnectionLostError(f"the session broke: {error}") from None
        raise CommunicationError(f"VISA failed: {error}") from None
