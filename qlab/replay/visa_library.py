"""A VISA library for foreign drivers that answers from the journal."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

from pyvisa.constants import (
    AccessModes,
    EventMechanism,
    EventType,
    ResourceAttribute,
    SerialTermination,
    StatusCode,
)
from pyvisa.errors import VisaIOError
from pyvisa.typing import VISAEventContext, VISARMSession, VISASession

from drivers.core import visa_words
from drivers.core.context import Kind, Status
from drivers.core.foreign_library import ForeignVisaLibrary
from drivers.core.visa_words import Result
from qlab.replay.journal import Cursor, Journal

__all__ = ["ReplayVisaLibrary"]

_SUCCESS = StatusCode.success
_STOPPED = StatusCode.success_termination_character_read
_MORE = StatusCode.success_max_count_read
_BY_CHARACTER = SerialTermination.termination_char
_KEEPING = (Kind.READ, Kind.CLEAR, Kind.ATTRIBUTE)
_FAILED = (Status.TIMEOUT, Status.LOST, Status.REFUSED, Status.ERROR)


class ReplayVisaLibrary(ForeignVisaLibrary):
    """Gives foreign drivers what `drivers.core.recording_library` recorded.

    What is written, set and asked for must be what it was in the run. A read that
    asks for as many bytes as in the run gets what the run got. Else the recorded
    reads are one stream of bytes with end marks, so newer code may read in other
    pieces. Nothing takes time, and what was raised is raised again.

    Parameters
    ----------
    instruments : Mapping[str, str]
        Names of the instruments, the sources of the records, by VISA resource name.
    journal : Journal
        The run's records.
    """

    _journal: Journal
    _lines: dict[int, _Line]
    _managers: set[int]
    _handles: itertools.count[int]

    def __new__(  # noqa: D102 - pyvisa makes its libraries here; see the class
        cls, instruments: Mapping[str, str], journal: Journal
    ) -> ReplayVisaLibrary:
        library = cls._of(instruments)
        library._journal = journal
        library._lines = {}
        library._managers = set()
        library._handles = itertools.count(1)
        return library

    def __init__(self, instruments: Mapping[str, str], journal: Journal) -> None:
        pass  # all is done in __new__, where pyvisa keeps its registry

    # ---- sessions ------------------------------------------------------------------

    def open_default_resource_manager(self) -> tuple[VISARMSession, StatusCode]:
        """Open a session of the resource manager."""
        handle = VISARMSession(next(self._handles))
        self._managers.add(handle)
        return handle, self.handle_return_value(handle, _SUCCESS)

    def open(
        self,
        session: VISARMSession,
        resource_name: str,
        access_mode: AccessModes = AccessModes.no_lock,
        open_timeout: int = 0,
    ) -> tuple[VISASession, StatusCode]:
        """Open the next recorded session of an instrument."""
        source = self._instrument(resource_name)
        cursor = self._journal.cursor(source, next(self._sessions[source]))
        line = _Line(cursor, is_serial=resource_name.upper().startswith("ASRL"))
        code = self._ended(session, line.take(Kind.OPEN, f"opens {resource_name}").result)
        handle = VISASession(next(self._handles))
        self._lines[handle] = line
        self._last_status_in_session[handle] = code
        return handle, code

    def close(self, session: VISASession | VISAEventContext | VISARMSession) -> StatusCode:
        """Follow a recorded close; after a divergence close in silence."""
        code = _SUCCESS
        if self._journal.stopped is not None:
            pass
        elif session in self._lines:
            line = self._lines.pop(session)
            return self._ended(None, line.take(Kind.CLOSE, "closes the session").result)
        elif session in self._managers:
            self._managers.discard(session)
            for handle in list(self._lines):
                self.close(VISASession(handle))
        elif self._events.pop(session, None) is None:
            code = StatusCode.error_invalid_object
        return self.handle_return_value(None, code)

    def disable_event(
        self, session: VISASession, event_type: EventType, mechanism: EventMechanism
    ) -> StatusCode:
        """Do nothing."""
        return self.handle_return_value(session, _SUCCESS)

    def discard_events(
        self, session: VISASession, event_type: EventType, mechanism: EventMechanism
    ) -> StatusCode:
        """Do nothing."""
        return self.handle_return_value(session, _SUCCESS)

    # ---- reading and writing -------------------------------------------------------

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Compare with what was sent."""
        told = self._line(session).write(data)
        return len(told.data), self._ended(session, told.result)

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Return recorded bytes."""
        told = self._line(session).read(count)
        return told.data, self._ended(session, told.result)

    def read_stb(self, session: VISASession) -> tuple[int, StatusCode]:
        """Return a recorded status byte."""
        told = self._line(session).take(Kind.STATUS, "polls the status byte")
        return int.from_bytes(told.data[:1], "big"), self._ended(session, told.result)

    # ---- all else ------------------------------------------------------------------

    def _act(self, session: int, kind: Kind, asked: bytes, name: str, *args: Any) -> StatusCode:
        line = self._line(session)
        code = self._ended(session, line.act(kind, asked, name).result)
        if name == "clear":
            line.forget()
        elif name == "set_attribute":
            line.steer(*args)
        return code

    def _ask(self, session: int, asked: bytes, name: str, *args: Any) -> tuple[Any, StatusCode]:
        value, result = self._line(session).ask(asked)
        return value, self._ended(session, result)

    def _await(
        self, session: VISASession, asked: bytes, event_type: EventType, timeout: int
    ) -> tuple[EventType, VISAEventContext, StatusCode]:
        found, code = self._ask(session, asked, "wait_on_event")
        return found, VISAEventContext(next(self._handles)), code

    def _line(self, session: int) -> _Line:
        if session not in self._lines:
            self.handle_return_value(None, StatusCode.error_invalid_object)
        return self._lines[session]

    def _ended(self, session: int | None, result: Result) -> StatusCode:
        """Return a completion code as the library would, or raise what the run met."""
        if isinstance(result, VisaIOError):
            result = result.error_code
        if isinstance(result, Exception):
            raise result
        return self.handle_return_value(None if session is None else VISASession(session), result)


class _Told(NamedTuple):
    """One recorded call."""

    data: bytes
    status: Status
    result: Result


class _Line:
    """One recorded session, and what of its recorded reads has not been read yet."""

    def __init__(self, cursor: Cursor, *, is_serial: bool) -> None:
        self._cursor = cursor
        self._unread = bytearray()
        self._ends: list[int] = []  # places in it behind which an end mark stands
        self._failure: _Told | None = None  # what follows it
        self._attributes: dict[int, Any] = {
            ResourceAttribute.termchar: ord("\n"),
            ResourceAttribute.asrl_end_in: _BY_CHARACTER if is_serial else SerialTermination.none,
        }

    def take(self, kind: Kind, doing: str, *, sent: bytes | None = None) -> _Told:
        """Return the next record with what the note behind it says; compare what is sent.

        What was read in the run must have been read by now, or the code would be out of
        step on a real line; only a device clear drops it.
        """
        if self._unread and kind not in _KEEPING:
            self._cursor.diverge(f"{len(self._unread)} bytes more to be read", doing)
        data, status, requested = self._cursor.take(kind, doing)
        if sent is not None:
            self._cursor.match(data, sent[: len(data)] if requested == len(sent) else sent)
        return _Told(data, status, self._became(kind, status, requested - len(data)))

    def write(self, data: bytes) -> _Told:
        """Follow a recorded write of the same bytes."""
        return self.take(Kind.WRITE, f"sends {self._cursor.shown(data)}", sent=bytes(data))

    def act(self, kind: Kind, asked: bytes, name: str) -> _Told:
        """Follow a recorded call in the same words."""
        doing = f"calls {name}" if kind is not Kind.ATTRIBUTE else self._cursor.shown(asked)
        return self.take(kind, doing, sent=asked)

    def ask(self, asked: bytes) -> tuple[Any, Result]:
        """Return the recorded answer to a question in the same words."""
        cursor = self._cursor
        data, status, _ = cursor.take(Kind.ATTRIBUTE, cursor.shown(asked))
        value = None
        if status in _FAILED:
            cursor.match(data, asked)
        else:
            try:
                value = visa_words.answer(asked, data)
            except ValueError:
                cursor.refuse(cursor.shown(data), cursor.shown(asked))
        return value, self._became(Kind.ATTRIBUTE, status)

    def read(self, count: int) -> _Told:
        """Return up to `count` recorded bytes, as far as the carrier's rules let a read go."""
        fresh = not self._unread and self._failure is None
        if fresh and self._cursor.next_is(Kind.READ, requested=count):
            return self.take(Kind.READ, "reads")
        while True:
            end, code = self._where_a_read_ends(count)
            if end is not None:
                return _Told(self._split(end), Status.OK, code)
            failure, self._failure = self._failure, None
            if failure is not None:
                return failure
            self._add(self.take(Kind.READ, "reads"))

    def forget(self) -> None:
        """Forget what has not been read."""
        self._split(len(self._unread))

    def steer(self, attribute: int, value: Any) -> None:
        """Note an attribute that says where reads end."""
        self._attributes[attribute] = value

    def _became(self, kind: Kind, status: Status, missing: int = 0) -> Result:
        """Return what became of the call whose record was taken last."""
        self._failure = None
        self._cursor.stop_if_aborted()
        if self._cursor.next_is(Kind.LOG):
            return visa_words.recalled(self._cursor.take(Kind.LOG, "").data)
        return visa_words.implied(kind, status, missing)

    def _add(self, told: _Told) -> None:
        """Put a recorded read at the end of the stream, with its end mark or failure."""
        if told.status is Status.TIMEOUT or told.status not in _FAILED:
            self._unread += told.data
        if told.status in _FAILED:
            self._failure = told._replace(data=b"")
        elif told.status is Status.END:
            self._ends.append(len(self._unread))

    def _where_a_read_ends(self, count: int) -> tuple[int | None, StatusCode]:
        """Return the length of the next read with its code; an end mark goes before all else."""
        places = [(end, 0, _SUCCESS) for end in self._ends[:1] if end <= count]
        stop = self._unread.find(self._stop(), 0, count) if self._stop() else -1
        if stop >= 0:
            places.append((stop + 1, 1, _STOPPED))
        if len(self._unread) >= count:
            places.append((count, 2, _MORE))
        end, _, code = min(places, default=(None, 0, _SUCCESS))
        return end, code

    def _stop(self) -> bytes:
        """Return the character that ends reads; empty if none does."""
        values = self._attributes
        by_character = values[ResourceAttribute.asrl_end_in] == _BY_CHARACTER
        stops = values.get(ResourceAttribute.termchar_enabled) or by_character
        return bytes([int(values[ResourceAttribute.termchar]) & 0xFF]) if stops else b""

    def _split(self, count: int) -> bytes:
        data = bytes(self._unread[:count])
        del self._unread[:count]
        self._ends = [end - count for end in self._ends if end > count]
        return data
