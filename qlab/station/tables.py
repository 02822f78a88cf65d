"""Reading a table of a station file into a frozen dataclass.

The dataclass is the schema: its fields' names, types and defaults, and in
their metadata (see `setting`) the unit, the range and the choices.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from drivers.core.errors import DriverError
from qlab.station.lines import Path
from qlab.station.source import Source

__all__ = ["plain", "read_dataclass", "setting"]

_T = TypeVar("_T")


def setting(
    default: Any = dataclasses.MISSING,
    *,
    doc: str,
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[Any, ...] = (),
) -> Any:
    """Return a dataclass field that a table may set.

    Parameters
    ----------
    default : object, optional
        Value where the table does not say; without one the key is required.
    doc : str
        Meaning, in one sentence.
    unit : str
        Unit, SI.
    low, high : float
        Range of a number, or of each number of a tuple; both ends allowed.
    choices : tuple
        Values that are allowed; empty for any.
    """
    metadata = {"doc": doc, "unit": unit, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


def read_dataclass(
    source: Source, path: Path, table: Any, kind: type[_T], *, base: _T | None = None
) -> _T:
    """Read `table`, which stands at `path`, as a `kind`.

    Parameters
    ----------
    base : kind, optional
        Gives the values that the table does not set, instead of the defaults. A `kind`
        with a method ``preset`` is based on what that returns for the key of this name.

    Raises
    ------
    StationError
        For an unknown or missing key, a wrong type, a value out of its range
        or against its choices, or what the dataclass itself refuses.
    """
    if not isinstance(table, Mapping):
        raise source.error(path, f"must be a table, not {_shown(table)}")
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}  # type: ignore[arg-type]  # a dataclass by contract
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    named = getattr(kind, "preset", None)
    if named is not None and "preset" in table:
        base = _preset(source, (*path, "preset"), table["preset"], named)
    for key, value in table.items():
        if key == "preset" and named is not None:
            continue
        if key not in fields:
            source.unknown_key((*path, key), fields)
        field = fields[key]
        values[key] = _read(source, (*path, key), value, hints[key], field, base)
    for name, field in fields.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and base is None and name not in values:
            raise source.error(path, f"{name!r} is missing", remedy=_explained(field))
    try:
        return dataclasses.replace(base, **values) if base is not None else kind(**values)  # type: ignore[type-var]  # as above
    except (ValueError, DriverError) as error:
        raise source.error(path, getattr(error, "message", str(error))) from None


def _preset(source: Source, path: Path, name: Any, named: Callable[[str], _T]) -> _T:
    try:
        return named(str(name))
    except ValueError as error:
        raise source.error(path, str(error)) from None


def plain(value: Any) -> Any:
    """Return a dataclass as what TOML can hold: dicts, lists and scalars, no None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {name: inner for name, inner in pairs.items() if inner is not None}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(inner) for inner in value]
    return value


def _read(
    source: Source, path: Path, value: Any, hint: Any, field: dataclasses.Field[Any], base: Any
) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        kinds = [arg for arg in args if arg is not type(None)]
        given = float if type(value) is int and int not in kinds else type(value)
        hint = given if given in kinds else kinds[-1]
        return _read(source, path, value, hint, field, base)
    if origin is tuple:
        return _read_tuple(source, path, value, args, field)
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise source.error(path, f"must be a table, not {_shown(value)}")
        return {
            key: _read(source, (*path, key), inner, args[1], field, None)
            for key, inner in value.items()
        }
    if origin is Literal:
        return _checked(source, path, value, field, args)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        inner_base = getattr(base, field.name) if base is not None else field.default
        if not isinstance(inner_base, hint):
            inner_base = None
        return read_dataclass(source, path, value, hint, base=inner_base)
    return _checked(
        source, path, _scalar(source, path, value, hint), field, field.metadata.get("choices", ())
    )


def _read_tuple(
    source: Source, path: Path, value: Any, args: tuple[Any, ...], field: dataclasses.Field[Any]
) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise source.error(path, f"must be a list, not {_shown(value)}", remedy=_explained(field))
    if args[-1] is ...:
        hints = (args[0],) * len(value)
    elif len(args) == len(value):
        hints = args
    else:
        raise source.error(path, f"must have {len(args)} elements, not {len(value)}")
    return tuple(
        _read(source, (*path, number), inner, hint, field, None)
        for number, (inner, hint) in enumerate(zip(value, hints, strict=True))
    )


_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}


def _scalar(source: Source, path: Path, value: Any, hint: Any) -> Any:
    if hint is Any or hint is object:
        return value
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        raise source.error(path, f"must be {_WORDS.get(hint, hint)}, not {_shown(value)}")
    if hint is float and math.isnan(value):
        raise source.error(path, "must be a number, not nan")
    return value


def _checked(
    source: Source,
    path: Path,
    value: Any,
    field: dataclasses.Field[Any],
    choices: tuple[Any, ...],
) -> Any:
    if choices and value not in choices:
        raise source.error(
            path,
            f"{_shown(value)} is not one of {', '.join(map(str, choices))}",
            remedy=_explained(field),
        )
    low, high = field.metadata.get("low", -math.inf), field.metadata.get("high", math.inf)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and not low <= value <= high:
        unit = field.metadata.get("unit", "")
        raise source.error(
            path,
            f"{value:g} is outside {low:g} to {high:g} {unit}".rstrip(),
            remedy=_explained(field),
        )
    return value


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str) else str(value)


def _explained(field: dataclasses.Field[Any]) -> str:
    doc = str(field.metadata.get("doc", ""))
    return f"{field.name}: {doc.rstrip('.')}" if doc else ""
