"""A VISA library that tells a recorder everything that a foreign driver does over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pyvisa.constants import AccessModes, EventType, StatusCode
from pyvisa.errors import VisaIOError
from pyvisa.highlevel import VisaLibraryBase
from pyvisa.typing import VISAEventContext, VISARMSession, VISASession

from drivers.core import visa_words
from drivers.core.context import Kind, Recorder
from drivers.core.foreign_library import ForeignVisaLibrary
from drivers.core.visa_words import Result

__all__ = ["RecordingVisaLibrary"]


def _passed_on(name: str) -> Any:
    """Return a method that calls the one of the same name of the wrapped library."""

    def method(self: RecordingVisaLibrary, *args: Any, **options: Any) -> Any:
        return getattr(self._inner, name)(*args, **options)

    method.__name__ = name
    method.__doc__ = f"Do as the wrapped library does; see `VisaLibraryBase.{name}`."
    return method


class RecordingVisaLibrary(ForeignVisaLibrary):
    """Wraps another VISA library and records each call to an instrument.

    Recorded are open, close, read, write, the status byte, clear, trigger, all
    attributes that are set or asked for, locks, flushes and waits for events; see
    `drivers.core.visa_words` for their words. Each library call is a record of its
    own, so a message that was read in three pieces is three records. What had come
    before a time-out is recorded if the library hands it over; most drop it.

    Parameters
    ----------
    inner : VisaLibraryBase
        The library that does the work.
    instruments : Mapping[str, str]
        Names of the instruments, the sources of the records, by VISA resource name.
        Nothing else can be opened.
    recorder : Recorder, optional
        Takes the records; without one all else is the same.

    Raises
    ------
    ValueError
        For a name that is no resource name, or two instruments at one.
    """

    _inner: VisaLibraryBase
    _recorder: Recorder | None
    _taps: dict[int, tuple[str, int]]

    def __new__(  # noqa: D102 - pyvisa makes its libraries here; see the class
        cls,
        inner: VisaLibraryBase,
        instruments: Mapping[str, str],
        recorder: Recorder | None = None,
    ) -> RecordingVisaLibrary:
        library = cls._of(instruments)
        library._inner = inner
        library._recorder = recorder
        library._taps = {}
        library.issue_warning_on = inner.issue_warning_on
        return library

    def __init__(
        self,
        inner: VisaLibraryBase,
        instruments: Mapping[str, str],
        recorder: Recorder | None = None,
    ) -> None:
        pass  # all is done in __new__, where pyvisa keeps its registry

    handle_return_value = _passed_on("handle_return_value")
    get_last_status_in_session = _passed_on("get_last_status_in_session")
    ignore_warning = _passed_on("ignore_warning")
    open_default_resource_manager = _passed_on("open_default_resource_manager")
    disable_event = _passed_on("disable_event")
    discard_events = _passed_on("discard_events")

    @property
    def last_status(self) -> StatusCode:
        """How the last call ended."""
        return self._inner.last_status

    # ---- sessions ------------------------------------------------------------------

    def open(
        self,
        session: VISARMSession,
        resource_name: str,
        access_mode: AccessModes = AccessModes.no_lock,
        open_timeout: int = 0,
    ) -> tuple[VISASession, StatusCode]:
        """Open a session to an instrument.

        Raises
        ------
        NoConnectionError
            If no instrument has this address.
        """
        source = self._instrument(resource_name)
        tap = source, next(self._sessions[source])
        name = resource_name.encode()
        try:
            handle, code = self._inner.open(session, resource_name, access_mode, open_timeout)
        except Exception as error:
            self._tell(tap, Kind.OPEN, name, error)
            raise
        self._taps[handle] = tap
        self._tell(tap, Kind.OPEN, name, code)
        return handle, code

    def close(self, session: VISASession | VISAEventContext | VISARMSession) -> StatusCode:
        """Close a session, an event context, or a resource manager with all its sessions."""
        self._events.pop(session, None)
        tap = self._taps.pop(session, None)
        if tap is None:
            if self.resource_manager is not None and session == self.resource_manager.session:
                for handle in list(self._taps):
                    self.close(VISASession(handle))
            return self._inner.close(session)
        try:
            code = self._inner.close(session)
        except Exception as error:
            self._tell(tap, Kind.CLOSE, b"", error)
            raise
        self._tell(tap, Kind.CLOSE, b"", code)
        return code

    # ---- reading and writing -------------------------------------------------------

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Send, then record what was sent."""
        size = len(data)
        sent, code = self._passed(
            "write", session, data, kind=Kind.WRITE, asked=data, requested=size
        )
        self._note(session, Kind.WRITE, data[:sent], code, size)
        return sent, code

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Read, then record what came."""
        data, code = self._passed("read", session, count, kind=Kind.READ, requested=count)
        self._note(session, Kind.READ, data, code, count)
        if code < 0:  # a library that hands over what had come instead of raising
            self.handle_return_value(session, code)
        return data, code

    def read_stb(self, session: VISASession) -> tuple[int, StatusCode]:
        """Poll, then record the status byte."""
        byte, code = self._passed("read_stb", session, kind=Kind.STATUS)
        self._note(session, Kind.STATUS, bytes([byte & 0xFF]), code)
        return byte, code

    # ---- all else ------------------------------------------------------------------

    def _act(self, session: int, kind: Kind, asked: bytes, name: str, *args: Any) -> StatusCode:
        code = self._passed(name, session, *args, kind=kind, asked=asked)
        self._note(session, kind, asked, code)
        return cast(StatusCode, code)

    def _ask(self, session: int, asked: bytes, name: str, *args: Any) -> tuple[Any, StatusCode]:
        value, code = self._passed(name, session, *args, asked=asked)
        self._note(session, Kind.ATTRIBUTE, visa_words.answered(asked, value), code)
        return value, code

    def _await(
        self, session: VISASession, asked: bytes, event_type: EventType, timeout: int
    ) -> tuple[EventType, VISAEventContext, StatusCode]:
        found, context, code = self._passed(
            "wait_on_event", session, event_type, timeout, asked=asked
        )
        self._note(session, Kind.ATTRIBUTE, visa_words.answered(asked, found), code)
        return found, context, code

    def _passed(
        self,
        name: str,
        session: int,
        *args: Any,
        kind: Kind = Kind.ATTRIBUTE,
        asked: bytes = b"",
        requested: int = 0,
    ) -> Any:
        """Call the wrapped library, and record what it raises: a replay has to raise it too."""
        if session not in self._taps:  # what nobody would hear of is not done
            self.handle_return_value(None, StatusCode.error_invalid_object)
        try:
            return getattr(self._inner, name)(session, *args)
        except Exception as error:
            self._note(session, kind, asked, error, requested)
            raise

    def _note(
        self, session: int, kind: Kind, data: bytes, result: Result, requested: int = 0
    ) -> None:
        self._tell(self._taps[session], kind, data, result, requested)

    def _tell(
        self, tap: tuple[str, int], kind: Kind, data: bytes, result: Result, requested: int = 0
    ) -> None:
        if self._recorder is None:
            return
        source, session = tap
        status = visa_words.status_of(kind, result)
        self._recorder.record(
            source, kind, data, session=session, requested=requested, status=status
        )
        code = result.error_code if isinstance(result, VisaIOError) else result
        if code != visa_words.implied(kind, status, requested - len(data)):
            self._recorder.record(source, Kind.LOG, visa_words.outcome(result), session=session)
