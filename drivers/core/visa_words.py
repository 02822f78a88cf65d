"""The words in which calls of a VISA library are recorded, and how they are read back.

A record of kind ATTRIBUTE is text: ``VI_ATTR_TMO_VALUE=2000`` for a value that was
set, ``VI_ATTR_ASRL_AVAIL_NUM? 5`` for one that was asked for, ``flush(16)`` and
``lock(1, null)? "key"`` for other calls. Values are JSON, all integers as numbers.

How a call ended stands in its record's status. Where that leaves a doubt, a record
of kind LOG follows with VISA's name of the completion or error code, such as
``VI_ERROR_NSUP_OPER``, or with a Python exception: ``OSError ECONNRESET text``.
"""

from __future__ import annotations

import errno
import json
from typing import Any

from pyvisa.attributes import AttributesByID
from pyvisa.constants import StatusCode
from pyvisa.errors import VisaIOError, completion_and_error_messages

from drivers.core.context import Kind, Status
from drivers.core.errors import CommunicationError

__all__ = [
    "Result",
    "answer",
    "answered",
    "call",
    "implied",
    "outcome",
    "question",
    "recalled",
    "setting",
    "status_of",
]

#: What became of a call: a completion code, or what was raised.
Result = int | Exception

_SUCCESS = StatusCode.success
_READ_ON = (StatusCode.success_max_count_read, StatusCode.success_termination_character_read)
_LOST = (
    StatusCode.error_connection_lost,
    StatusCode.error_io,
    StatusCode.error_invalid_object,
)
_IMPLIED = {
    Status.TIMEOUT: StatusCode.error_timeout,
    Status.LOST: StatusCode.error_connection_lost,
    Status.REFUSED: StatusCode.error_resource_not_found,
    Status.ERROR: StatusCode.error_system_error,
}
_CODES = {name: int(code) for code, (name, _) in completion_and_error_messages.items()}
_RAISED: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        AttributeError,
        KeyError,
        NotImplementedError,
        OSError,
        TimeoutError,
        TypeError,
        ValueError,
    )
}


def setting(attribute: int, value: object) -> bytes:
    """Return the words for an attribute that is set."""
    return f"{_name(attribute)}={_value(value)}".encode()


def question(attribute: int) -> bytes:
    """Return the words for an attribute that is asked for."""
    return f"{_name(attribute)}?".encode()


def call(name: str, *arguments: object) -> bytes:
    """Return the words for a call of another function of the library."""
    return f"{name}({', '.join(map(_value, arguments))})".encode()


def answered(asked: bytes, value: object) -> bytes:
    """Return question and answer."""
    return asked + b" " + _value(value).encode()


def answer(asked: bytes, recorded: bytes) -> Any:
    """Return the value that was the answer to a question.

    Raises
    ------
    ValueError
        If the record is no answer to this question.
    """
    if not recorded.startswith(asked + b" "):
        raise ValueError("the record answers another question")
    try:
        return json.loads(recorded[len(asked) :])
    except (ValueError, RecursionError):
        raise ValueError("the record holds no value") from None


def status_of(kind: Kind, result: Result) -> Status:
    """Return the status of a record by what became of the call."""
    code = result.error_code if isinstance(result, VisaIOError) else result
    if code == StatusCode.error_timeout or isinstance(code, TimeoutError):
        return Status.TIMEOUT
    if code in _LOST or isinstance(code, OSError):
        return Status.REFUSED if kind is Kind.OPEN else Status.LOST
    if isinstance(code, Exception) or code < 0:
        return Status.REFUSED if kind is Kind.OPEN else Status.ERROR
    return Status.END if kind is Kind.READ and code not in _READ_ON else Status.OK


def implied(kind: Kind, status: Status, missing: int = 0) -> StatusCode:
    """Return the code that a status stands for where no LOG record follows.

    `missing` is how many bytes a read returned less than it was asked for.
    """
    if kind is Kind.READ and status is Status.OK:
        return _READ_ON[bool(missing)]
    return _IMPLIED.get(status, _SUCCESS)


def outcome(result: Result) -> bytes:
    """Return the words for what became of a call."""
    if isinstance(result, VisaIOError):
        result = result.error_code
    if not isinstance(result, Exception):
        name, _ = completion_and_error_messages.get(int(result), (str(int(result)), ""))
        return name.encode()
    name = next((c.__name__ for c in type(result).__mro__ if c.__name__ in _RAISED), "Exception")
    text = " ".join(str(result).split())
    if isinstance(result, OSError) and (symbol := errno.errorcode.get(result.errno or 0)):
        text = f"{symbol.removeprefix('WSA')} {result.strerror}"  # Windows has both names
    return f"{name} {text}".rstrip().encode()


def recalled(words: bytes) -> Result:
    """Return what the words of `outcome` stand for, an exception ready to be raised.

    An exception that is not known here becomes a `CommunicationError`.
    """
    name, _, text = words.decode("utf-8", "replace").partition(" ")
    code = _CODES.get(name)
    if code is None and name.removeprefix("-").isdecimal() and len(name) < 12:
        code = int(name)
    if code is not None:
        return VisaIOError(code) if code < 0 else code
    kind = _RAISED.get(name)
    if kind is None:
        return CommunicationError(text or name)
    symbol, _, message = text.partition(" ")
    number = getattr(errno, symbol, None)
    if issubclass(kind, OSError) and isinstance(number, int):
        return OSError(number, message)
    return kind(text)


def _name(attribute: int) -> str:
    known = AttributesByID.get(attribute)
    return known.visa_name if known else f"0x{int(attribute):08X}"


def _value(value: object) -> str:
    return json.dumps(int(value) if isinstance(value, int) else value, default=int)
