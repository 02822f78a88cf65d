"""An in-process VISA library whose resources are simulated devices.

``pyvisa.ResourceManager(SimulatedVisaLibrary(resources, time))`` behaves as one
on a vendor's library: sessions, attributes, locks, status byte, service
requests, time-outs. On virtual time a wait takes no time: a read jumps to when
the answer is there, or to its time-out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import cast

from pyvisa.constants import (
    BufferOperation,
    RENLineOperation,
    StatusCode,
    TriggerProtocol,
)
from pyvisa.typing import VISASession
from pyvisa.util import LibraryPath

from drivers.core.resource_names import canonical, written
from drivers.simulated.port import Port, SessionLost
from drivers.simulated.time import BenchTime
from drivers.simulated.visa_control import VisaControl
from drivers.simulated.visa_session import OpenSession, Resource, VisaFailure

__all__ = ["SimulatedVisaLibrary"]

_SUCCESS = StatusCode.success
_MORE = StatusCode.success_max_count_read
_STOPPED = StatusCode.success_termination_character_read
_NO_OBJECT = StatusCode.error_invalid_object
_LOCKED = StatusCode.error_resource_locked
_TIMEOUT = StatusCode.error_timeout
_LOST = StatusCode.error_connection_lost
_UNSUPPORTED = StatusCode.error_nonsupported_operation

_POLL_NS = 10_000_000  # how often a held lock is looked at
_numbers = itertools.count(1)

_DISCARDS_INPUT = (
    BufferOperation.discard_read_buffer
    | BufferOperation.discard_read_buffer_no_io
    | BufferOperation.discard_receive_buffer
    | BufferOperation.discard_receive_buffer2
)


class SimulatedVisaLibrary(VisaControl):
    """A VISA library over ports of simulated devices.

    Parameters
    ----------
    resources : Mapping[str, Port]
        The ports by VISA resource names; names are compared in their canonical
        form, so that ``GPIB::7`` finds ``GPIB0::7::INSTR``.
    time : BenchTime
        The bench's time.
    path : str
        What pyvisa shows and remembers the library by; unique if not given.

    Raises
    ------
    ValueError
        For a name that is no resource name, two names of one resource, or a
        path that is in use.
    """

    def __new__(  # noqa: D102 - pyvisa makes its libraries here; see the class
        cls, resources: Mapping[str, Port], time: BenchTime, path: str = ""
    ) -> SimulatedVisaLibrary:
        known: dict[str, Resource] = {}
        for name, port in resources.items():
            key = canonical(name)
            if key in known:
                raise ValueError(f"{name} and {known[key].name} are the same resource")
            known[key] = Resource(written(name), port)
        where = LibraryPath(path or f"simulated-bench-{next(_numbers)}", "user specified")
        if (cls, where) in cls._registry:
            raise ValueError(f"a simulated bench called {where} is open already")
        library = cast(SimulatedVisaLibrary, super().__new__(cls, where))
        library._resources = known
        library._time = time
        return library

    def __init__(self, resources: Mapping[str, Port], time: BenchTime, path: str = "") -> None:
        pass  # all is done in __new__, where pyvisa keeps its registry

    # ---- reading and writing -------------------------------------------------------

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Send bytes; on message-based sessions they end a message if SEND_END_EN is set."""
        opened = self._opened.get(session)
        if opened is None or opened.resource.refuses(session):
            return 0, self._no_access(session)
        if type(data) is not bytes:
            data = bytes(data)
        time = self._time
        try:
            with time.lock:
                now_ns = time.now_ns()
                taken_ns = opened.port.write(data, opened.send_end)
        except SessionLost:
            return 0, self.handle_return_value(session, _LOST)
        if taken_ns > now_ns:
            limit_ns = opened.timeout_ns
            if limit_ns is not None and taken_ns - now_ns > limit_ns > 0:
                time.wait_until(now_ns + limit_ns)
                return 0, self.handle_return_value(session, _TIMEOUT)
            time.wait_until(taken_ns)
        if opened.mechanisms:
            self._look_for_events(opened)
        self._last_status = self._last_status_in_session[session] = _SUCCESS
        return len(data), _SUCCESS

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Read up to `count` bytes, an end mark or the termination character.

        What has arrived when the time-out comes stays to be read.
        """
        opened = self._opened.get(session)
        if opened is None or opened.resource.refuses(session):
            return b"", self._no_access(session)
        if count <= 0:
            return b"", self.handle_return_value(session, _MORE)
        port, stop, time = opened.port, opened.stop, self._time
        deadline_ns: int | None = None
        waited = False
        try:
            while True:
                with time.lock:
                    now_ns = time.now_ns()
                    ready_ns = port.ready_at(count, stop)
                    if ready_ns is not None and ready_ns <= now_ns:
                        reading = port.read(count, stop)
                        idle = False
                        break
                    if opened.ends_when_idle and port.waiting():
                        reading = port.read(count, stop)
                        idle = True
                        break
                    if not waited:
                        waited = True
                        if opened.timeout_ns is not None:
                            deadline_ns = now_ns + opened.timeout_ns
                        if ready_ns is None and not port.waiting():
                            port.read(count, stop)  # so the device notices that it is to talk
                if ready_ns is not None and (deadline_ns is None or ready_ns <= deadline_ns):
                    time.wait_until(ready_ns)
                elif not time.poll(deadline_ns):
                    return b"", self.handle_return_value(session, _TIMEOUT)
        except SessionLost:
            return b"", self.handle_return_value(session, _LOST)
        data = reading.data
        if reading.end or idle:
            status = _SUCCESS
        elif stop and data.endswith(stop):
            status = _STOPPED
        else:
            return data, self.handle_return_value(session, _MORE)
        if opened.mechanisms:
            self._look_for_events(opened)
        self._last_status = self._last_status_in_session[session] = status
        return data, status

    def buffer_read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Read as `read` does."""
        return self.read(session, count)

    def buffer_write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Write as `write` does."""
        return self.write(session, data)

    def flush(self, session: VISASession, mask: BufferOperation) -> StatusCode:
        """Discard what has arrived, if `mask` says so; writes are never held back."""

        def discard(opened: OpenSession) -> None:
            if mask & _DISCARDS_INPUT and not opened.marks_end:
                self._drain(opened)

        return self._do(session, discard)

    def clear(self, session: VISASession) -> StatusCode:
        """Clear the device; on a stream discard what has arrived."""

        def clear(opened: OpenSession) -> None:
            if opened.marks_end:
                opened.port.clear()
            else:
                self._drain(opened)

        return self._do(session, clear)

    def assert_trigger(self, session: VISASession, protocol: TriggerProtocol) -> StatusCode:
        """Send a group execute trigger."""

        def trigger(opened: OpenSession) -> None:
            _need_messages(opened)
            if protocol != TriggerProtocol.default:
                raise VisaFailure(StatusCode.error_invalid_protocol)
            opened.port.trigger()

        return self._do(session, trigger)

    def read_stb(self, session: VISASession) -> tuple[int, StatusCode]:
        """Return the status byte."""
        byte = 0

        def poll(opened: OpenSession) -> None:
            nonlocal byte
            _need_messages(opened)
            byte = opened.port.status_byte()
            opened.request_seen = False

        status = self._do(session, poll)
        return byte, status

    def gpib_control_ren(self, session: VISASession, mode: RENLineOperation) -> StatusCode:
        """Accept remote and local; the simulated front panels are never touched."""
        return self._do(session, _need_messages)

    # ---- within --------------------------------------------------------------------

    def _no_access(self, session: int) -> StatusCode:
        known = session in self._opened
        return self.handle_return_value(VISASession(session), _LOCKED if known else _NO_OBJECT)

    def _do(self, session: VISASession, action: Callable[[OpenSession], None]) -> StatusCode:
        """Let `action` touch the device and turn what goes wrong into a status."""
        opened = self._opened.get(session)
        if opened is None or opened.resource.refuses(session):
            return self._no_access(session)
        status = _SUCCESS
        try:
            with self._time.lock:
                action(opened)
        except VisaFailure as failure:
            status = failure.status
        except SessionLost:
            status = _LOST
        if opened.mechanisms and status == _SUCCESS:
            self._look_for_events(opened)
        return self.handle_return_value(session, status)

    def _drain(self, opened: OpenSession) -> None:
        while count := opened.port.waiting():
            opened.port.read(count)


def _need_messages(opened: OpenSession) -> None:
    if not opened.marks_end:
        raise VisaFailure(_UNSUPPORTED)
