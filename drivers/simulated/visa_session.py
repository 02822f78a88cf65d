"""What the simulated VISA library keeps of a resource and of an open session."""

from __future__ import annotations

from typing import Any

from pyvisa import attributes, rname
from pyvisa.constants import (
    VI_TMO_IMMEDIATE,
    VI_TMO_INFINITE,
    AccessModes,
    EventType,
    InterfaceType,
    Lock,
    ResourceAttribute,
    SerialTermination,
    StatusCode,
)

from drivers.simulated.port import MESSAGE_BASED, Port, PortSession

__all__ = ["OpenSession", "Resource", "VisaFailure"]

_IS_READ_ONLY = StatusCode.error_attribute_read_only
_UNSUPPORTED = StatusCode.error_nonsupported_attribute
_BAD_STATE = StatusCode.error_nonsupported_attribute_state
_CHECKED = (
    attributes.EnumAttribute,
    attributes.FlagAttribute,
    attributes.RangeAttribute,
    attributes.ValuesAttribute,
)


class VisaFailure(Exception):  # noqa: N818 - becomes a VISA status, never reaches a caller
    """A VISA operation ends with this status code."""

    def __init__(self, status: StatusCode) -> None:
        super().__init__(status)
        self.status = status


class Resource:
    """One address, written as pyvisa writes it, and who has locked it."""

    def __init__(self, name: str, port: Port) -> None:
        self.name = name
        self.port = port
        self.exclusive: int | None = None
        self.exclusive_depth = 0
        self.key: str | None = None
        self.sharing: dict[int, int] = {}

    def refuses(self, session: int) -> bool:
        """Return whether a lock of another session keeps `session` out."""
        if self.exclusive is not None:
            return self.exclusive != session
        return bool(self.sharing) and session not in self.sharing

    def lock(self, session: int, kind: Lock, key: str | None) -> StatusCode | None:
        """Take a lock and return the status; None if it has to wait."""
        if self.exclusive not in (None, session):
            return None
        if kind == Lock.exclusive:
            if any(other != session for other in self.sharing):
                return None
            self.exclusive = session
            self.exclusive_depth += 1
            nested = self.exclusive_depth > 1
            return StatusCode.success_nested_exclusive if nested else StatusCode.success
        if self.sharing and session not in self.sharing and key != self.key:
            return None
        if session in self.sharing and key not in (None, self.key):
            raise VisaFailure(StatusCode.error_invalid_access_key)
        if not self.sharing:
            self.key = key or f"{self.name}/{session}"
        depth = self.sharing[session] = self.sharing.get(session, 0) + 1
        return StatusCode.success_nested_shared if depth > 1 else StatusCode.success

    def unlock(self, session: int) -> StatusCode:
        """Give back one lock, the exclusive one first."""
        if self.exclusive == session:
            self.exclusive_depth -= 1
            if self.exclusive_depth:
                return StatusCode.success_nested_exclusive
            self.exclusive = None
        elif session in self.sharing:
            self.sharing[session] -= 1
            if self.sharing[session]:
                return StatusCode.success_nested_shared
            del self.sharing[session]
        else:
            raise VisaFailure(StatusCode.error_session_not_locked)
        if session in self.sharing:
            return StatusCode.success_nested_shared
        return StatusCode.success

    def release(self, session: int) -> None:
        """Give back all locks of a session that closes."""
        if self.exclusive == session:
            self.exclusive, self.exclusive_depth = None, 0
        self.sharing.pop(session, None)

    def state(self) -> AccessModes:
        """Return how the resource is locked."""
        if self.exclusive is not None:
            return AccessModes.exclusive_lock
        return AccessModes.shared_lock if self.sharing else AccessModes.no_lock


class OpenSession:
    """One open session: the device's end of it, its attributes and its events.

    `stop`, `timeout_ns` (None without end) and `send_end` repeat attributes in
    the form in which reads and writes need them.
    """

    def __init__(self, handle: int, manager: int, resource: Resource, port: PortSession) -> None:
        self.handle = handle
        self.resource = resource
        self.port = port
        parsed = rname.ResourceName.from_string(resource.name)
        self._kind = (parsed.interface_type_const, parsed.resource_class)
        self.is_serial = parsed.interface_type_const == InterfaceType.asrl
        self.marks_end = resource.port.connector in MESSAGE_BASED
        self.stop = b""
        self.send_end = self.marks_end
        self.timeout_ns: int | None = 0
        self.ends_when_idle = not self.marks_end and not self.is_serial
        self.queued: list[EventType] = []
        self.mechanisms = 0
        self.request_seen = False
        self._values = self._initial(manager, parsed)
        self._repeat()

    def get(self, attribute: int) -> Any:
        """Return an attribute.

        Raises
        ------
        VisaFailure
            If this kind of session does not have it.
        """
        described = self._described(attribute)
        if not described.read:
            raise VisaFailure(_UNSUPPORTED)
        if attribute == ResourceAttribute.asrl_avalaible_number:
            return self.port.waiting()
        if attribute == ResourceAttribute.resource_lock_state:
            return self.resource.state()
        if attribute not in self._values:
            raise VisaFailure(_UNSUPPORTED)
        return self._values[attribute]

    def set(self, attribute: int, value: Any) -> None:
        """Set an attribute.

        Raises
        ------
        VisaFailure
            If this kind of session does not have it, it cannot be set, or not so.
        """
        described = self._described(attribute)
        if not described.write:
            raise VisaFailure(_IS_READ_ONLY)
        if attribute not in self._values:
            raise VisaFailure(_UNSUPPORTED)
        if issubclass(described, _CHECKED) and attribute != ResourceAttribute.timeout_value:
            try:
                described().pre_set(value)
            except (ValueError, TypeError):
                raise VisaFailure(_BAD_STATE) from None
        elif not isinstance(value, int):
            raise VisaFailure(_BAD_STATE)
        self._refuse_unheard_of(attribute, value)
        self._values[attribute] = value
        if attribute == ResourceAttribute.asrl_baud_rate:
            self.port.configure(value)
        self._repeat()

    def _described(self, attribute: int) -> type[attributes.Attribute[Any]]:
        described = attributes.AttributesByID.get(attribute)
        if described is None or not described.in_resource(self._kind):
            raise VisaFailure(_UNSUPPORTED)
        return described

    def _refuse_unheard_of(self, attribute: int, value: Any) -> None:
        """Refuse what no carrier of the bench can do rather than ignore it."""
        if attribute == ResourceAttribute.suppress_end_enabled and value and self.marks_end:
            raise VisaFailure(_BAD_STATE)
        if attribute == ResourceAttribute.asrl_end_in and value not in (
            SerialTermination.none,
            SerialTermination.termination_char,
        ):
            raise VisaFailure(_BAD_STATE)
        if attribute == ResourceAttribute.termchar and not 0 <= value <= 255:
            raise VisaFailure(_BAD_STATE)
        if attribute == ResourceAttribute.timeout_value and value < 0:
            raise VisaFailure(_BAD_STATE)

    def _repeat(self) -> None:
        values = self._values
        stops = bool(values[ResourceAttribute.termchar_enabled]) or (
            self.is_serial
            and values[ResourceAttribute.asrl_end_in] == SerialTermination.termination_char
        )
        self.stop = bytes([values[ResourceAttribute.termchar]]) if stops else b""
        self.send_end = self.marks_end and bool(values[ResourceAttribute.send_end_enabled])
        if not self.marks_end and not self.is_serial:
            self.ends_when_idle = not values[ResourceAttribute.suppress_end_enabled]
        milliseconds = values[ResourceAttribute.timeout_value]
        if milliseconds == VI_TMO_INFINITE:
            self.timeout_ns = None
        else:
            self.timeout_ns = 0 if milliseconds == VI_TMO_IMMEDIATE else milliseconds * 10**6

    def _initial(self, manager: int, parsed: rname.ResourceName) -> dict[int, Any]:
        known = attributes.AttributesPerResource
        values: dict[int, Any] = {
            described.attribute_id: described.default
            for described in known[self._kind] | known[attributes.AllSessionTypes]
            if described.default is not attributes.NotAvailable and described.default != "N/A"
        }
        name = ResourceAttribute
        values |= {
            name.resource_manager_session: manager,
            name.resource_name: self.resource.name,
            name.resource_class: parsed.resource_class,
            name.interface_type: parsed.interface_type_const,
            name.resource_manufacturer_name: "qlab",
            name.resource_manufacturer_id: 0,
            name.resource_impl_version: 1 << 20,
            name.interface_instrument_name: f"simulated {self.resource.port.connector}",
        }
        number = getattr(parsed, "board", "0")
        values[name.interface_number] = int(number) if number.isdigit() else 0
        for attribute, part in (
            (name.tcpip_address, "host_address"),
            (name.tcpip_hostname, "host_address"),
            (name.tcpip_device_name, "lan_device_name"),
            (name.usb_serial_number, "serial_number"),
        ):
            if hasattr(parsed, part):
                values[attribute] = getattr(parsed, part)
        for attribute, part in (
            (name.tcpip_port, "port"),
            (name.manufacturer_id, "manufacturer_id"),
            (name.model_code, "model_code"),
            (name.usb_interface_number, "usb_interface_number"),
            (name.gpib_primary_address, "primary_address"),
            (name.gpib_secondary_address, "secondary_address"),
        ):
            if getattr(parsed, part, None) is not None:
                values[attribute] = int(getattr(parsed, part), 0)
        return values
