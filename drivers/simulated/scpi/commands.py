"""How a device class declares its commands: by decorators, or as settings.

A line each, as the programming manual has them::

    rate = Setting("[SOURce[1|2]]:FUNCtion:ARBitrary:SRATe", Number("HZ", 1e-6, 250e6, 40e3))

    @query("MEASure:POWer?")
    def measure_power(self) -> float: ...

    @command("[SOURce[1|2]]:DATA:VOLatile:CLEar")
    def clear_memory(self, channel: int) -> None: ...

A handler gets the numeric suffixes that its header declares, then the
parameters. What a query's handler returns is the answer: text, bytes, a
number, a truth value, or `Later`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from drivers.simulated.scpi.errors import ScpiError
from drivers.simulated.scpi.headers import HeaderTree, parse_pattern
from drivers.simulated.scpi.messages import Token
from drivers.simulated.scpi.numbers import Number
from drivers.simulated.scpi.parameters import Parameter

__all__ = ["Command", "Setting", "collect", "command", "query"]

_Handler = TypeVar("_Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Command:
    """What a header does: `call(device, *suffixes, *values)`.

    `indefinite` marks an answer after which a message may ask nothing more
    (*IDN?; IEEE 488.2, 6.4.5.4).
    """

    call: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    indefinite: bool = False

    def values(self, tokens: Sequence[Token], device: Any, suffixes: tuple[int, ...]) -> list[Any]:
        """Read the parameters.

        Raises
        ------
        ScpiError
            -108, -109, or what a parameter finds wrong.
        """
        values: list[Any] = []
        for index, parameter in enumerate(self.parameters):
            if index >= len(tokens):
                if not parameter.optional:
                    raise ScpiError(-109)
                values.append(None)
            elif parameter.many:
                values.append(parameter.read_all(tokens[index:], device, suffixes))  # type: ignore[attr-defined]  # only Many is many
                return values
            else:
                values.append(parameter.read(tokens[index], device, suffixes))
        if len(tokens) > len(self.parameters):
            raise ScpiError(-108)
        return values


@dataclass(frozen=True, slots=True)
class _Declaration:
    pattern: str
    is_query: bool
    command: Command


def command(pattern: str, *parameters: Parameter) -> Callable[[_Handler], _Handler]:
    """Declare a method as the handler of a command."""
    return _declare(pattern, is_query=False, parameters=parameters)


def query(
    pattern: str, *parameters: Parameter, indefinite: bool = False
) -> Callable[[_Handler], _Handler]:
    """Declare a method as the handler of a query; the pattern may end in a question mark."""
    return _declare(
        pattern.removesuffix("?"), is_query=True, parameters=parameters, indefinite=indefinite
    )


def _declare(
    pattern: str, *, is_query: bool, parameters: tuple[Parameter, ...], indefinite: bool = False
) -> Callable[[_Handler], _Handler]:
    parse_pattern(pattern)

    def mark(function: _Handler) -> _Handler:
        declared = function.__dict__.setdefault("scpi", [])
        declared.append(_Declaration(pattern, is_query, Command(function, parameters, indefinite)))
        return function

    return mark


class Setting:
    """A value that can be set and asked for, kept by the device.

    On the device it reads and assigns as an attribute; if its header has
    numeric suffixes, as a dictionary by suffix (by tuple, if there are several).

    Parameters
    ----------
    pattern : str
        Its header.
    kind : Parameter
        What it takes; also how it is reported.
    then : str
        Name of a method that is called after every change, with the suffixes.
    check : str
        Name of a method that is called before, with the suffixes and the new
        value; it may raise `ScpiError`.
    reply : callable, optional
        How it is reported, instead of the kind's own way.
    default : object, optional
        What *RST sets, instead of the kind's default.
    resets : bool
        Whether *RST sets it back.
    read_only, write_only : bool
        Only the query or only the command exists.
    """

    def __init__(
        self,
        pattern: str,
        kind: Parameter,
        *,
        then: str = "",
        check: str = "",
        reply: Callable[[Any], str] | None = None,
        default: Any = None,
        resets: bool = True,
        read_only: bool = False,
        write_only: bool = False,
    ) -> None:
        self.kind = kind
        self.then = then
        self.check = check
        self.resets = resets
        self._reply = reply or kind.write
        self._default = default
        self._suffixes = [node.suffixes for node in parse_pattern(pattern) if node.suffixes]
        self.scpi = []
        if not read_only:
            self.scpi.append(_Declaration(pattern, False, Command(self._assign, (kind,))))
        if not write_only:
            asked = (_Bound(kind),) if isinstance(kind, Number) else ()
            self.scpi.append(_Declaration(pattern, True, Command(self._answer, asked)))

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, device: Any, owner: type | None = None) -> Any:
        if device is None:
            return self
        values = device.values_of[self.name]
        return values if self._suffixes else values[()]

    def __set__(self, device: Any, value: Any) -> None:
        if self._suffixes:
            raise AttributeError(f"assign to {self.name}[suffix]")
        device.values_of[self.name][()] = value

    def every_suffix(self) -> list[tuple[int, ...]]:
        """Return every combination of suffixes."""
        combinations: list[tuple[int, ...]] = [()]
        for allowed in self._suffixes:
            combinations = [(*known, number) for known in combinations for number in allowed]
        return combinations

    def initial(self, device: Any) -> dict[Any, Any]:
        """Return the values after *RST."""
        return {_key(key): self._initial(device, key) for key in self.every_suffix()}

    def _initial(self, device: Any, key: tuple[int, ...]) -> Any:
        value = self._default
        if value is None:
            value = getattr(self.kind, "default", None)
        if callable(value):
            value = value(device, *key)
        if value is None:
            value = getattr(self.kind, "low", None)
            value = value(device, *key) if callable(value) else value
        return 0 if value is None else value

    def _assign(self, device: Any, *arguments: Any) -> None:
        *suffixes, value = arguments
        if self.check:
            getattr(device, self.check)(*suffixes, value)
        device.values_of[self.name][_key(tuple(suffixes))] = value
        if self.then:
            getattr(device, self.then)(*suffixes)

    def _answer(self, device: Any, *arguments: Any) -> str:
        suffixes = arguments
        if isinstance(self.kind, Number):
            *given, bound = arguments
            suffixes = tuple(given)
            if bound is not None:
                return self._reply(bound)
        return self._reply(device.values_of[self.name][_key(tuple(suffixes))])


class _Bound(Parameter):
    """MIN, MAX or DEF behind a query of a number."""

    def __init__(self, kind: Number) -> None:
        super().__init__(optional=True)
        self._kind = kind

    def read(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> float:
        value = self._kind.bound(token, device, suffixes)
        if value is None:
            raise ScpiError(-108)
        return value


def _key(suffixes: tuple[int, ...]) -> Any:
    return suffixes[0] if len(suffixes) == 1 else suffixes


def collect(
    cls: type, absent: tuple[str, ...]
) -> tuple[HeaderTree, dict[tuple[str, bool], Command], list[Setting]]:
    """Gather what a class and its bases declare.

    Returns the headers, the commands by attribute and direction, and the settings.

    Raises
    ------
    ValueError
        If two declarations of one class have the same header.
    """
    tree = HeaderTree()
    commands: dict[tuple[str, bool], Command] = {}
    settings: dict[str, Setting] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            for declaration in getattr(member, "scpi", ()):
                own = getattr(cls, name)
                is_query, done = declaration.is_query, declaration.command
                if not isinstance(member, Setting):  # a subclass may override the method
                    done = Command(own, done.parameters, done.indefinite)
                tree.add(declaration.pattern, name, query=is_query)
                commands[name, is_query] = done
            if isinstance(member, Setting):
                settings[name] = member
    for pattern in absent:
        tree.remove(pattern.removesuffix("?"), query=pattern.endswith("?"))
    return tree, commands, list(settings.values())
