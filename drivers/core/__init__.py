"""What every driver stands on: instruments, declared properties, transports, errors."""

from drivers.core.declared import Coupling, Endpoint, Property
from drivers.core.errors import (
    CommunicationError,
    ConnectionLostError,
    DriverError,
    IdentityMismatchError,
    InstrumentFaultError,
    LimitError,
    MisuseError,
    NoConnectionError,
    NotOpenError,
    ResponseTimeoutError,
    UnexpectedReplyError,
    UnknownDriverError,
    ValueOutOfRangeError,
)
from drivers.core.instrument import API_VERSION, Channel, Instrument
from drivers.core.link import LineSettings, Link
from drivers.core.properties import Array, Choice, Flag, Integer, Number, Text
from drivers.core.reporting import NoReporting, ReplyText, ScpiQueue, StatusBits

__all__ = [
    "API_VERSION",
    "Array",
    "Channel",
    "Choice",
    "CommunicationError",
    "ConnectionLostError",
    "Coupling",
    "DriverError",
    "Endpoint",
    "Flag",
    "IdentityMismatchError",
    "Instrument",
    "InstrumentFaultError",
    "Integer",
    "LimitError",
    "LineSettings",
    "Link",
    "MisuseError",
    "NoConnectionError",
    "NoReporting",
    "NotOpenError",
    "Number",
    "Property",
    "ReplyText",
    "ResponseTimeoutError",
    "ScpiQueue",
    "StatusBits",
    "Text",
    "UnexpectedReplyError",
    "UnknownDriverError",
    "ValueOutOfRangeError",
]
