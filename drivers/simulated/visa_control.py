"""The part of the simulated VISA library that moves no data.

Sessions, attributes, locks and events. Service requests are noticed when the
library is called for the session, and when somebody waits for them.
"""

from __future__ import annotations

import itertools
from typing import Any

from pyvisa import errors, rname
from pyvisa.constants import (
    VI_TMO_INFINITE,
    AccessModes,
    EventAttribute,
    EventMechanism,
    EventType,
    Lock,
    ResourceAttribute,
    StatusCode,
)
from pyvisa.highlevel import VisaLibraryBase
from pyvisa.typing import VISAEventContext, VISAHandler, VISARMSession, VISASession

from drivers.core.resource_names import canonical
from drivers.simulated.port import SessionLost
from drivers.simulated.time import BenchTime
from drivers.simulated.visa_session import OpenSession, Resource, VisaFailure

__all__ = ["VisaControl"]

_SUCCESS = StatusCode.success
_NO_OBJECT = StatusCode.error_invalid_object
_TIMEOUT = StatusCode.error_timeout
_LOST = StatusCode.error_connection_lost


class VisaControl(VisaLibraryBase):
    """What a VISA library has besides reading and writing."""

    _resources: dict[str, Resource]
    _time: BenchTime

    def _init(self) -> None:
        self._opened: dict[int, OpenSession] = {}
        self._managers: set[int] = set()
        self._contexts: dict[int, EventType] = {}
        self._handles = itertools.count(1)

    # ---- sessions ------------------------------------------------------------------

    def open_default_resource_manager(self) -> tuple[VISARMSession, StatusCode]:
        """Open a session of the resource manager."""
        handle = VISARMSession(next(self._handles))
        self._managers.add(handle)
        return handle, self.handle_return_value(handle, _SUCCESS)

    def list_resources(self, session: VISARMSession, query: str = "?*::INSTR") -> tuple[str, ...]:
        """Return the names that match a VISA expression."""
        return rname.filter([resource.name for resource in self._resources.values()], query)

    def open(
        self,
        session: VISARMSession,
        resource_name: str,
        access_mode: AccessModes = AccessModes.no_lock,
        open_timeout: int = 0,
    ) -> tuple[VISASession, StatusCode]:
        """Open a session to a device."""
        if session not in self._managers:
            self.handle_return_value(None, _NO_OBJECT)
        try:
            resource = self._resources.get(canonical(resource_name))
        except rname.InvalidResourceName:
            resource = None
            self.handle_return_value(session, StatusCode.error_invalid_resource_name)
        if resource is None:
            self.handle_return_value(session, StatusCode.error_resource_not_found)
        assert resource is not None  # the line above raises
        try:
            with self._time.lock:
                port = resource.port.open()
        except SessionLost:
            self.handle_return_value(session, StatusCode.error_resource_not_found)
        handle = VISASession(next(self._handles))
        opened = self._opened[handle] = OpenSession(handle, session, resource, port)
        if opened.is_serial:
            port.configure(opened.get(ResourceAttribute.asrl_baud_rate))
        if access_mode != AccessModes.no_lock:
            try:
                self._lock_within(opened, Lock(access_mode), open_timeout, None)
            except VisaFailure as failure:
                self._forget(opened)
                self.handle_return_value(session, failure.status)
        return handle, self.handle_return_value(handle, _SUCCESS)

    def close(self, session: VISASession | VISAEventContext | VISARMSession) -> StatusCode:
        """Close a session, an event context or a resource manager with all its sessions."""
        if session in self._opened:
            self._forget(self._opened[session])
        elif session in self._contexts:
            del self._contexts[session]
        elif session in self._managers:
            self._managers.discard(session)
            for opened in list(self._opened.values()):
                if opened.get(ResourceAttribute.resource_manager_session) == session:
                    self._forget(opened)
        else:
            return self.handle_return_value(session, _NO_OBJECT)
        return self.handle_return_value(None, _SUCCESS)

    def _forget(self, opened: OpenSession) -> None:
        del self._opened[opened.handle]
        opened.resource.release(opened.handle)
        with self._time.lock:
            opened.port.close()

    # ---- attributes ----------------------------------------------------------------

    def get_attribute(
        self,
        session: VISASession | VISAEventContext | VISARMSession,
        attribute: ResourceAttribute | EventAttribute,
    ) -> tuple[Any, StatusCode]:
        """Return an attribute of a session or an event."""
        if session in self._contexts:
            if attribute == EventAttribute.event_type:
                return self._contexts[session], self.handle_return_value(session, _SUCCESS)
            return None, self.handle_return_value(session, StatusCode.error_nonsupported_attribute)
        opened = self._opened.get(session)
        if opened is None:
            return None, self.handle_return_value(session, _NO_OBJECT)
        try:
            with self._time.lock:
                value = opened.get(attribute)
        except VisaFailure as failure:
            return None, self.handle_return_value(session, failure.status)
        except SessionLost:
            return None, self.handle_return_value(session, _LOST)
        return value, self.handle_return_value(session, _SUCCESS)

    def set_attribute(
        self, session: VISASession, attribute: ResourceAttribute, attribute_state: Any
    ) -> StatusCode:
        """Set an attribute of a session."""
        opened = self._opened.get(session)
        if opened is None:
            return self.handle_return_value(session, _NO_OBJECT)
        try:
            opened.set(attribute, attribute_state)
        except VisaFailure as failure:
            return self.handle_return_value(session, failure.status)
        return self.handle_return_value(session, _SUCCESS)

    def status_description(
        self, session: VISASession | VISAEventContext | VISARMSession, status: StatusCode
    ) -> tuple[str, StatusCode]:
        """Return the text of a status code."""
        _, text = errors.completion_and_error_messages.get(status, ("", "Unknown status"))
        return text, self.handle_return_value(session, _SUCCESS)

    # ---- locks ---------------------------------------------------------------------

    def lock(
        self,
        session: VISASession,
        lock_type: Lock,
        timeout: int,
        requested_key: str | None = None,
    ) -> tuple[str, StatusCode]:
        """Lock the resource; waits `timeout` milliseconds for other sessions to unlock it."""
        opened = self._opened.get(session)
        if opened is None:
            return "", self.handle_return_value(session, _NO_OBJECT)
        try:
            status = self._lock_within(opened, Lock(lock_type), timeout, requested_key)
        except VisaFailure as failure:
            return "", self.handle_return_value(session, failure.status)
        key = opened.resource.key if lock_type == Lock.shared else None
        return key or "", self.handle_return_value(session, status)

    def unlock(self, session: VISASession) -> StatusCode:
        """Give back a lock."""
        opened = self._opened.get(session)
        if opened is None:
            return self.handle_return_value(session, _NO_OBJECT)
        try:
            status = opened.resource.unlock(session)
        except VisaFailure as failure:
            status = failure.status
        return self.handle_return_value(session, status)

    def _lock_within(
        self, opened: OpenSession, kind: Lock, timeout_ms: int, key: str | None
    ) -> StatusCode:
        deadline_ns = _deadline(self._time, timeout_ms)
        while True:
            with self._time.lock:
                status = opened.resource.lock(opened.handle, kind, key)
            if status is not None:
                return status
            if not self._time.poll(deadline_ns):
                raise VisaFailure(_TIMEOUT)

    # ---- events --------------------------------------------------------------------

    def enable_event(
        self,
        session: VISASession,
        event_type: EventType,
        mechanism: EventMechanism,
        context: None = None,
    ) -> StatusCode:
        """Enable service requests, queued or handed to a handler."""
        opened = self._opened.get(session)
        if opened is None:
            return self.handle_return_value(session, _NO_OBJECT)
        if event_type != EventType.service_request or not opened.marks_end:
            return self.handle_return_value(session, StatusCode.error_invalid_event)
        if mechanism & EventMechanism.handler and not self.handlers[session]:
            return self.handle_return_value(session, StatusCode.error_handler_not_installed)
        already = opened.mechanisms & mechanism == mechanism
        opened.mechanisms |= mechanism
        return self.handle_return_value(
            session, StatusCode.success_event_already_enabled if already else _SUCCESS
        )

    def disable_event(
        self, session: VISASession, event_type: EventType, mechanism: EventMechanism
    ) -> StatusCode:
        """Disable service requests."""
        opened = self._opened.get(session)
        if opened is None:
            return self.handle_return_value(session, _NO_OBJECT)
        already = not opened.mechanisms & mechanism
        opened.mechanisms &= ~mechanism
        return self.handle_return_value(
            session, StatusCode.success_event_already_disabled if already else _SUCCESS
        )

    def discard_events(
        self, session: VISASession, event_type: EventType, mechanism: EventMechanism
    ) -> StatusCode:
        """Forget the queued events."""
        opened = self._opened.get(session)
        if opened is None:
            return self.handle_return_value(session, _NO_OBJECT)
        empty = not opened.queued
        opened.queued.clear()
        return self.handle_return_value(
            session, StatusCode.success_queue_already_empty if empty else _SUCCESS
        )

    def wait_on_event(
        self, session: VISASession, in_event_type: EventType, timeout: int
    ) -> tuple[EventType, VISAEventContext, StatusCode]:
        """Wait `timeout` milliseconds for a service request."""
        opened = self._opened.get(session)
        status = _NO_OBJECT
        if opened is not None:
            if opened.mechanisms & EventMechanism.queue:
                status = self._await_event(opened, timeout)
            else:
                status = StatusCode.error_not_enabled
        self.handle_return_value(session, status)
        assert opened is not None  # the line above raises
        context = VISAEventContext(next(self._handles))
        self._contexts[context] = opened.queued.pop(0)
        return self._contexts[context], context, status

    def _await_event(self, opened: OpenSession, timeout_ms: int) -> StatusCode:
        time = self._time
        deadline_ns = _deadline(time, timeout_ms)
        try:
            while not opened.queued:
                self._look_for_events(opened)
                if opened.queued:
                    break
                with time.lock:
                    request_ns = None if opened.request_seen else opened.port.service_request_at()
                if request_ns is not None and (deadline_ns is None or request_ns <= deadline_ns):
                    time.wait_until(request_ns)
                elif not time.poll(deadline_ns):
                    return _TIMEOUT
        except SessionLost:
            return _LOST
        return _SUCCESS

    def _look_for_events(self, opened: OpenSession) -> None:
        """Queue or hand over a service request that has come since the last look."""
        with self._time.lock:
            request_ns = opened.port.service_request_at()
            now_ns = self._time.now_ns()
        if request_ns is None or request_ns > now_ns:
            opened.request_seen = False
        elif not opened.request_seen:
            opened.request_seen = True
            if opened.mechanisms & EventMechanism.queue:
                opened.queued.append(EventType.service_request)
            if opened.mechanisms & EventMechanism.handler:
                self._call_handlers(opened, EventType.service_request)

    def _call_handlers(self, opened: OpenSession, event: EventType) -> None:
        handle = VISASession(opened.handle)
        context = VISAEventContext(next(self._handles))
        self._contexts[context] = event
        try:
            for handler, user_handle, _, event_type in list(self.handlers[handle]):
                if event_type == event:
                    handler(handle, event, context, user_handle)
        finally:
            self._contexts.pop(context, None)

    def install_handler(
        self,
        session: VISASession,
        event_type: EventType,
        handler: VISAHandler,
        user_handle: Any,
    ) -> tuple[VISAHandler, Any, Any, StatusCode]:
        """Accept a handler; pyvisa keeps them."""
        return handler, user_handle, handler, self.handle_return_value(session, _SUCCESS)

    def uninstall_handler(
        self,
        session: VISASession,
        event_type: EventType,
        handler: VISAHandler,
        user_handle: Any = None,
    ) -> StatusCode:
        """Let a handler go; pyvisa has forgotten it already."""
        return self.handle_return_value(session, _SUCCESS)


def _deadline(time: BenchTime, timeout_ms: int) -> int | None:
    return None if timeout_ms == VI_TMO_INFINITE else time.now_ns() + timeout_ms * 10**6
