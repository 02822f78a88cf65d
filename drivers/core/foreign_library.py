"""What the VISA libraries for foreign drivers have in common: recording ones, replaying ones.

A foreign driver reaches only instruments that have a name, by their VISA resource
names. What cannot be recorded is not offered: handlers of events, asynchronous
transfers, registers of VXI and PXI, commands on a GPIB board. They raise
`NotImplementedError`, as pyvisa has it for what a library lacks.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Self

from pyvisa import rname
from pyvisa.constants import (
    BufferOperation,
    BufferType,
    EventAttribute,
    EventMechanism,
    EventType,
    Lock,
    RENLineOperation,
    ResourceAttribute,
    StatusCode,
    TriggerProtocol,
)
from pyvisa.errors import completion_and_error_messages
from pyvisa.highlevel import VisaLibraryBase
from pyvisa.typing import VISAEventContext, VISARMSession, VISASession
from pyvisa.util import LibraryPath

from drivers.core import visa_words
from drivers.core.context import Kind
from drivers.core.errors import NoConnectionError
from drivers.core.resource_names import canonical, written

__all__ = ["FIRST_FOREIGN_SESSION", "ForeignVisaLibrary"]

#: Sessions of foreign drivers are counted from here, those of our own from 0.
FIRST_FOREIGN_SESSION = 1 << 16

_numbers = itertools.count(1)


class ForeignVisaLibrary(VisaLibraryBase):
    """A VISA library with nothing but named instruments, all calls in a few forms."""

    _instruments: dict[str, tuple[str, str]]
    _sessions: defaultdict[str, itertools.count[int]]
    _events: dict[int, EventType]

    @classmethod
    def _of(cls, instruments: Mapping[str, str]) -> Self:
        """Return a new library with a path of its own, since pyvisa keeps one for each path.

        `instruments` gives the instruments' names by their VISA resource names.
        """
        known: dict[str, tuple[str, str]] = {}
        for resource, name in instruments.items():
            other = known.setdefault(canonical(resource), (written(resource), name))
            if other[1] != name:
                raise ValueError(f"{other[1]} and {name} are both at {other[0]}")
        path = LibraryPath(f"{cls.__name__}-{next(_numbers)}", "user specified")
        library = VisaLibraryBase.__new__(cls, path)
        assert isinstance(library, cls)
        library._instruments = known
        library._sessions = defaultdict(lambda: itertools.count(FIRST_FOREIGN_SESSION))
        library._events = {}
        return library

    def _instrument(self, resource_name: str) -> str:
        """Return the name of the instrument at a resource name."""
        try:
            return self._instruments[canonical(resource_name)][1]
        except (KeyError, rname.InvalidResourceName):
            there = ", ".join(f"{name} at {where}" for where, name in self._instruments.values())
            raise NoConnectionError(
                "no instrument of the station has this address",
                address=resource_name,
                remedy=f"there are {there}" if there else "",
            ) from None

    def list_resources(self, session: VISARMSession, query: str = "?*::INSTR") -> tuple[str, ...]:
        """Return the named instruments that match a VISA expression, there or not."""
        return rname.filter([name for name, _ in self._instruments.values()], query)

    def status_description(
        self, session: VISASession | VISAEventContext | VISARMSession, status: StatusCode
    ) -> tuple[str, StatusCode]:
        """Return the text of a status code."""
        _, text = completion_and_error_messages.get(status, ("", "Unknown status"))
        return text, self.handle_return_value(session, StatusCode.success)

    # ---- the forms that all calls but open, close, read, write and read_stb have ----

    @abstractmethod
    def _act(self, session: int, kind: Kind, asked: bytes, name: str, *args: Any) -> StatusCode:
        """Make a call that returns a completion code only."""

    @abstractmethod
    def _ask(self, session: int, asked: bytes, name: str, *args: Any) -> tuple[Any, StatusCode]:
        """Make a call that returns a value and a completion code."""

    @abstractmethod
    def _await(
        self, session: VISASession, asked: bytes, event_type: EventType, timeout: int
    ) -> tuple[EventType, VISAEventContext, StatusCode]:
        """Wait for an event."""

    def buffer_write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Send as `write` does."""
        return self.write(session, data)

    def buffer_read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Read as `read` does."""
        return self.read(session, count)

    def clear(self, session: VISASession) -> StatusCode:
        """Clear the device."""
        return self._act(session, Kind.CLEAR, b"", "clear")

    def assert_trigger(self, session: VISASession, protocol: TriggerProtocol) -> StatusCode:
        """Trigger the device."""
        usual = protocol == TriggerProtocol.default
        words = b"" if usual else visa_words.call("assert_trigger", protocol)
        return self._act(session, Kind.TRIGGER, words, "assert_trigger", protocol)

    def set_attribute(
        self, session: VISASession, attribute: ResourceAttribute, attribute_state: Any
    ) -> StatusCode:
        """Set an attribute."""
        words = visa_words.setting(attribute, attribute_state)
        return self._act(
            session, Kind.ATTRIBUTE, words, "set_attribute", attribute, attribute_state
        )

    def get_attribute(
        self,
        session: VISASession | VISAEventContext | VISARMSession,
        attribute: ResourceAttribute | EventAttribute,
    ) -> tuple[Any, StatusCode]:
        """Return an attribute of a session, or the type of an event."""
        event_type = self._events.get(session)
        if event_type is None:
            return self._ask(session, visa_words.question(attribute), "get_attribute", attribute)
        if attribute != EventAttribute.event_type:
            return None, self.handle_return_value(session, StatusCode.error_nonsupported_attribute)
        return event_type, self.handle_return_value(session, StatusCode.success)

    def flush(self, session: VISASession, mask: BufferOperation) -> StatusCode:
        """Flush or discard buffers."""
        return self._call(session, "flush", mask)

    def set_buffer(self, session: VISASession, mask: BufferType, size: int) -> StatusCode:
        """Set the size of buffers."""
        return self._call(session, "set_buffer", mask, size)

    def gpib_control_ren(self, session: VISASession, mode: RENLineOperation) -> StatusCode:
        """Switch between remote and local."""
        return self._call(session, "gpib_control_ren", mode)

    def unlock(self, session: VISASession) -> StatusCode:
        """Give back a lock."""
        return self._call(session, "unlock")

    def lock(
        self,
        session: VISASession,
        lock_type: Lock,
        timeout: int,
        requested_key: str | None = None,
    ) -> tuple[str, StatusCode]:
        """Lock the resource; how long that may take is not recorded."""
        asked = visa_words.call("lock", lock_type, requested_key) + b"?"
        return self._ask(session, asked, "lock", lock_type, timeout, requested_key)

    def enable_event(
        self,
        session: VISASession,
        event_type: EventType,
        mechanism: EventMechanism,
        context: None = None,
    ) -> StatusCode:
        """Let events be queued."""
        return self._call(session, "enable_event", event_type, mechanism)

    def wait_on_event(
        self, session: VISASession, in_event_type: EventType, timeout: int
    ) -> tuple[EventType, VISAEventContext, StatusCode]:
        """Wait for an event; how long that may take is not recorded."""
        asked = visa_words.call("wait_on_event", in_event_type) + b"?"
        found, context, code = self._await(session, asked, in_event_type, timeout)
        self._events[context] = found
        return found, context, code

    def _call(self, session: int, name: str, *args: Any) -> StatusCode:
        return self._act(session, Kind.ATTRIBUTE, visa_words.call(name, *args), name, *args)
