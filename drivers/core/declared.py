r"""Declared properties: one line of a driver for each line of the manual.

    gate_time_s = Number(
        "SENS:FREQ:GATE:TIME?", "SENS:FREQ:GATE:TIME {value}",
        low=100e-6, high=1000, unit="s", page="p. 287", doc="Gate time.",
    )

``{value}`` stands for the formatted value, ``{channel}`` for the number of the
channel that the property belongs to. A property without a command is read
only, one without a query write only. Values are checked against the manual's
range, then against the limits of the station, before anything is sent.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, overload

from drivers.core.errors import (
    InstrumentFaultError,
    MisuseError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.core.link import Link
from drivers.core.reporting import ErrorReporting

__all__ = ["Coupling", "Endpoint", "Property"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Coupling:
    """What else decides over a property; the station's interlocks go by it.

    Attributes
    ----------
    moved_by : tuple of str
        Other properties of the same endpoint whose setting changes this one.
    true_while : mapping of str to object
        Other properties of it, and the values at which this one is what it says.
    """

    moved_by: tuple[str, ...] = ()
    true_while: Mapping[str, object] = field(default_factory=dict)


class Endpoint:
    """Something that has properties: an instrument or one of its channels."""

    link: Link
    reporting: ErrorReporting
    path: str
    number: int
    requests: dict[str, bytes]
    #: Properties that are not alone in deciding what the instrument does, by name.
    couplings: ClassVar[Mapping[str, Coupling]] = {}

    #: What the class and its bases define or annotate.
    _attributes: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        annotated = (inspect.get_annotations(base) for base in cls.__mro__)
        cls._attributes = frozenset(dir(cls)).union(*annotated)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse a name that nobody declared: a misspelt setting would set nothing."""
        if name not in self._attributes and not name.startswith("_"):
            close = difflib.get_close_matches(name, self.properties(), n=1)
            raise MisuseError(
                f"there is no {name!r} to set",
                instrument=getattr(self, "path", ""),
                remedy=f"did you mean {close[0]!r}?" if close else "see the driver's properties",
            )
        super().__setattr__(name, value)

    def guard(self, name: str, value: object) -> None:
        """Ask the station whether `value` may be sent; raises `LimitError` if not."""
        raise NotImplementedError

    def ask(self, query: str) -> str:
        """Send a query and return its reply line."""
        return self.link.query(query.encode("ascii"))

    def tell(self, command: str) -> None:
        """Send a command and check it in the instrument's own way."""
        self.reporting.send(self.link, command)

    @classmethod
    def properties(cls) -> dict[str, Property[Any]]:
        """Return the declared properties by name, in the order of declaration."""
        found: dict[str, Property[Any]] = {}
        for base in reversed(cls.__mro__):
            found |= {n: p for n, p in vars(base).items() if isinstance(p, Property)}
        return found


class Property(Generic[_T]):
    """One setting or reading of an instrument.

    Parameters
    ----------
    query, command : str or None
        What reads and what sets it; see the module's head for the fields.
    unit : str
        Unit of the Python value, SI; empty for a pure number.
    page : str
        Where the manual (or the confirmed source) has it.
    doc : str
        Meaning, in one sentence.
    read_back : bool
        Verify a set by its query, for instruments that do not report errors.
    """

    def __init__(
        self,
        query: str | None,
        command: str | None = None,
        *,
        doc: str,
        unit: str = "",
        page: str = "",
        read_back: bool = False,
    ) -> None:
        if query is None and command is None:
            raise MisuseError("a property has a query, a command or both")
        if read_back and (query is None or command is None):
            raise MisuseError("reading back needs a query and a command")
        self.query = query
        self.command = command
        self.unit = unit
        self.page = page
        self.doc = doc
        self.read_back = read_back
        self.name = ""
        self.__doc__ = self.describe()

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, owner: None, kind: type) -> Property[_T]: ...
    @overload
    def __get__(self, owner: Endpoint, kind: type) -> _T: ...
    def __get__(self, owner: Endpoint | None, kind: type) -> Property[_T] | _T:
        if owner is None:
            return self
        if self.query is None:
            raise MisuseError(f"{self.name} can only be set", instrument=owner.path)
        request = owner.requests.get(self.name)
        if request is None:
            request = self.query.format(channel=owner.number).encode("ascii")
            owner.requests[self.name] = request
        reply = owner.link.query(request)
        try:
            return self.parse(reply)
        except (ValueError, KeyError):
            raise UnexpectedReplyError(
                f"{request.decode('ascii')!r} was answered by {reply[:60]!r}, "
                f"which is not {self.expects()}",
                instrument=owner.link.name,
                address=owner.link.address,
                remedy="check the model, its firmware and the line settings",
            ) from None

    def __set__(self, owner: Endpoint, value: _T) -> None:
        if self.command is None:
            raise MisuseError(f"{self.name} can only be read", instrument=owner.path)
        try:
            checked = self.check(value)
        except ValueOutOfRangeError as error:
            error.message = f"{self.name} = {error.message}"
            raise error.located(owner.path, owner.link.address) from None
        owner.guard(self.name, checked)
        line = self.command.format(channel=owner.number, value=self.format(checked))
        owner.reporting.send(owner.link, line)
        if self.read_back:
            actual = self.__get__(owner, type(owner))
            if not self.agrees(checked, actual):
                raise InstrumentFaultError(
                    f"{self.name} reads {actual!r} after {line!r}",
                    command=line,
                    reply=str(actual),
                    instrument=owner.link.name,
                    address=owner.link.address,
                )

    def parse(self, reply: str) -> _T:
        """Turn a reply into a value; raise ValueError if it is not one."""
        raise NotImplementedError

    def check(self, value: _T) -> _T:
        """Return the value as the instrument can take it, or raise ValueOutOfRangeError."""
        raise NotImplementedError

    def format(self, value: _T) -> str:
        """Write a checked value as the instrument wants it."""
        raise NotImplementedError

    def expects(self) -> str:
        """Say what kind of value this is, for messages."""
        raise NotImplementedError

    def from_text(self, text: str) -> _T:
        """Read a value that a person typed; raise ValueOutOfRangeError if it is none."""
        raise NotImplementedError

    def agrees(self, wanted: _T, actual: _T) -> bool:
        """Whether a value read back is the one that was set."""
        return wanted == actual

    def describe(self) -> str:
        """Return one line: access, meaning, unit or range, page."""
        access = "Control" if self.query and self.command else "Get" if self.query else "Set"
        unit = f" in {self.unit}" if self.unit else ""
        page = f" ({self.page})" if self.page else ""
        return f"{access}: {self.doc.rstrip('.')}{unit}, {self.expects()}{page}."
