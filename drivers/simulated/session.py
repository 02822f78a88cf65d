"""One open session on a simulated device: its input buffer and its timed output."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from drivers.simulated.faults import Effect
from drivers.simulated.pieces import Later, Piece, affected_stream, garbled, serial_ns
from drivers.simulated.port import MESSAGE_BASED, Connector, Reading, SessionLost

if TYPE_CHECKING:
    from drivers.simulated.device import Device

__all__ = ["Session"]

#: What a host's buffers hold of a stream that nobody reads; the rest is lost.
STREAM_LIMIT = 1 << 24

#: More pieces than this are joined when somebody looks how many bytes wait.
_MANY_PIECES = 8

#: A host that asks on and on and never reads is cut off at this many bytes.
OUTPUT_LIMIT = 1 << 28


class Session:
    """The device's end of an open session; see `drivers.simulated.port.PortSession`.

    `input` and `parser` belong to the device: what has come in and is not yet a
    whole message, and how far it has been looked at.
    """

    def __init__(self, device: Device, connector: Connector) -> None:
        self.device = device
        self.connector = connector
        self.marks_end = connector in MESSAGE_BASED
        self.input = bytearray()
        self.parser: Any = None
        self.effect: Effect | None = None
        self.lost = False
        self._closed = False
        self._now = device.time.now_ns
        self._baud = device.serial.baud if connector == "serial" else 0
        self._bytes_per_s = 0 if self._baud else int(device.bytes_per_s.get(connector, 0))
        self._deaf = False
        self._output: deque[Piece] = deque()
        self._held = 0  # bytes in the output
        self._unsettled = 0  # pieces whose bytes are not known yet
        self._line_free_ns = 0
        self._stream: Iterator[Later] | None = None
        self._next: Later | None = None
        self._requested_service = False
        self._summary = 0

    # ---- what the carrier does -------------------------------------------------

    def write(self, data: bytes, end: bool) -> int:
        """Take bytes from the host."""
        if self.lost:
            raise SessionLost
        arrival_ns = self._now() + self.transfer_ns(len(data))
        if not self._deaf:
            self.device.receive(self, data, end, arrival_ns)
        return arrival_ns

    def ready_at(self, count: int = 1, stop: bytes = b"") -> int | None:
        """Return when a read of `count` bytes is worth it."""
        if self.lost:
            raise SessionLost
        if self._unsettled or self._next is not None:
            self._settle(self._now())
        output = self._output
        if len(output) == 1 and output[0].end and not self._unsettled:
            return output[0].ready_ns  # a whole message that comes at once, as nearly always
        ready: int | None = None
        for piece in output:
            if piece.produce is not None:
                return piece.ready_ns
            start, size = piece.offset, len(piece.data)
            if stop:
                found = piece.data.find(stop, start, start + count)
                if found >= 0:
                    return piece.time_of(found)
            if size - start >= count:
                return piece.time_of(start + count - 1)
            count -= size - start
            ready = piece.time_of(size - 1)
            if piece.end:
                return ready
        if self._next is not None:
            return self._next.ready_ns
        return None if ready is None or ready <= self._now() else ready

    def read(self, count: int, stop: bytes = b"") -> Reading:
        """Take what is ready now."""
        if self.lost:
            raise SessionLost
        output = self._output
        now_ns = self._now()
        if self._unsettled or self._next is not None:
            self._settle(now_ns)
        if not output:
            self.device.addressed_to_talk(self)
            return Reading(b"", False)
        piece = output[0]
        if piece.end and not piece.offset and not stop and len(piece.data) <= count:
            if piece.ready_ns > now_ns or piece.produce is not None:
                return Reading(b"", False)
            output.popleft()  # a whole message, as nearly always
            self._held -= len(piece.data)
            return Reading(piece.data, True)
        return self._read_pieces(count, stop, now_ns)

    def _read_pieces(self, count: int, stop: bytes, now_ns: int) -> Reading:
        output = self._output
        chunks: list[bytes] = []
        end = False
        while output and count:
            piece = output[0]
            start = piece.offset
            taken = min(piece.arrived(now_ns) - start, count)
            if taken <= 0:
                break
            found = piece.data.find(stop, start, start + taken) if stop else -1
            if found >= 0:
                taken = found + 1 - start
            whole = taken == len(piece.data)
            chunks.append(piece.data if whole else piece.data[start : start + taken])
            count -= taken
            self._held -= taken
            piece.offset = start + taken
            if piece.offset == len(piece.data):
                output.popleft()
                end = piece.end
            if end or found >= 0:
                break
        return Reading(chunks[0] if len(chunks) == 1 else b"".join(chunks), end)

    def waiting(self) -> int:
        """Return how many bytes are ready now."""
        if self.lost:
            raise SessionLost
        now_ns = self._now()
        self._settle(now_ns)
        if len(self._output) > _MANY_PIECES:
            self._join(now_ns)
        total = 0
        for piece in self._output:
            total += piece.arrived(now_ns) - piece.offset
            if piece.arrived(now_ns) < len(piece.data) or piece.produce is not None:
                break
        return total

    def backlog(self) -> int:
        """Return how many bytes are ready or on their way, as far as they are known."""
        return self._held

    def status_byte(self) -> int:
        """Return the status byte; bit 6 is the service request, which the poll ends."""
        summary = self._look_at_status()
        byte = summary & ~0x40 | (0x40 if self._requested_service else 0)
        self._requested_service = False
        return byte

    def service_request_at(self) -> int | None:
        """Return when the device requests service."""
        self._look_at_status()
        if self._requested_service:
            return self._now()
        return self.device.service_request_at(self)

    def configure(self, baud: int) -> None:
        """Set the host's baud rate."""
        self._deaf = self.connector == "serial" and not self.device.serial.accepts(baud)

    def clear(self) -> None:
        """Empty the buffers of this session."""
        if self.lost:
            raise SessionLost
        self.input.clear()
        self.drop_output()
        self.device.give_up()
        self.device.cleared(self)

    def trigger(self) -> None:
        """Trigger the device."""
        if self.lost:
            raise SessionLost
        self.device.triggered(self, self._now())

    def close(self) -> None:
        """End the session."""
        if not self._closed:
            self._closed = True
            self.hang_up()
            self.device.sessions.remove(self)

    # ---- what the device does --------------------------------------------------

    @property
    def has_output(self) -> bool:
        """Whether anything is still unread, ready or not."""
        return bool(self._output)

    @property
    def streams(self) -> bool:
        """Whether a stream runs."""
        return self._next is not None

    def transfer_ns(self, size: int) -> int:
        """Return the time that `size` bytes take on the connector."""
        if self._baud:
            return serial_ns(size, self._baud)
        return size * 10**9 // self._bytes_per_s if self._bytes_per_s else 0

    def send(self, data: bytes | Later, ready_ns: int, end: bool = False) -> None:
        """Queue bytes for the host; the first leaves the device at `ready_ns`.

        `end` marks the end of a message where the connector has such a mark.
        """
        produce: Callable[[], bytes] | None = None
        if self.lost:
            return
        if isinstance(data, Later):
            ready_ns, produce, data = max(ready_ns, data.ready_ns), data.produce, b""
        elif not data:
            return
        if self.effect is not None:
            ready_ns += self.effect.late_ns
            if self.effect.garbage is not None:
                data, produce = garbled(data, produce, self.effect.garbage)
        ready_ns = max(ready_ns, self._line_free_ns)
        self._line_free_ns = ready_ns + self.transfer_ns(len(data))
        if not self._baud:
            ready_ns = self._line_free_ns  # there as a whole
        piece = Piece(ready_ns, data, produce, end and self.marks_end, self._baud)
        self._output.append(piece)
        if produce is not None:
            self._unsettled += 1
        self._hold(len(data))

    def drop_output(self) -> None:
        """Forget what the host has not read."""
        self._output.clear()
        self._held = 0
        self._unsettled = 0
        self._line_free_ns = 0

    def stream(self, pieces: Iterator[Later]) -> None:
        """Send the pieces of a source as their times come, instead of any before."""
        if self.effect is not None:
            pieces = affected_stream(pieces, self.effect)
        self._stream = pieces
        self._next = next(pieces, None)

    def stop_stream(self) -> None:
        """End the stream, if one runs; what it has sent already stays to be read."""
        if self._next is not None:
            self._settle(self._now())
        self._stream = self._next = None

    def hang_up(self) -> None:
        """Break the session."""
        self.lost = True
        self._stream = self._next = None
        self.drop_output()

    # ---- within ----------------------------------------------------------------

    def _settle(self, now_ns: int) -> None:
        for piece in list(self._output) if self._unsettled else ():
            if piece.produce is not None:
                if piece.ready_ns > now_ns:
                    break
                self._arrive(piece)
        while self._output and not self._output[0].data and self._output[0].produce is None:
            self._output.popleft()
        while self._next is not None and self._stream is not None and self._next.ready_ns <= now_ns:
            due = self._next
            data = due.produce()
            if data and self._held < STREAM_LIMIT:
                self.send(data, due.ready_ns)
            self._next = None if self.lost else next(self._stream, None)
        if self.lost:  # it has been cut off within
            raise SessionLost

    def _join(self, now_ns: int) -> None:
        """Make one piece of those in front that have come whole, which are alike by now."""
        output = self._output
        come: list[bytes] = []
        while output and output[0].produce is None and not output[0].end:
            if output[0].arrived(now_ns) < len(output[0].data):
                break
            piece = output.popleft()
            come.append(piece.data[piece.offset :])
        if come:
            output.appendleft(Piece(now_ns, b"".join(come), None, False, 0))

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > OUTPUT_LIMIT:
            self.hang_up()

    def _arrive(self, piece: Piece) -> None:
        """Settle a late answer; it has yet to cross the line, and what is behind it waits."""
        produce, piece.produce = piece.produce, None
        assert produce is not None  # only unsettled pieces come here
        self._unsettled -= 1
        piece.data = produce()
        self._hold(len(piece.data))
        if not self._baud:
            piece.ready_ns += self.transfer_ns(len(piece.data))
        free_ns = 0
        for other in self._output:
            other.ready_ns = max(other.ready_ns, free_ns)
            free_ns = other.ready_ns
            if self._baud:
                free_ns += self.transfer_ns(len(other.data))
        self._line_free_ns = max(self._line_free_ns, free_ns)

    def _look_at_status(self) -> int:
        if self.lost:
            raise SessionLost
        summary = self.device.status(self)
        enabled = summary & self.device.service_mask & ~0x40
        if enabled & ~self._summary:
            self._requested_service = True
        elif not enabled:
            self._requested_service = False
        self._summary = enabled
        return summary
