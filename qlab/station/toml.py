"""Writing TOML: the canonical text of what was read or resolved."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["toml_text"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def toml_text(document: Mapping[str, Any]) -> str:
    """Return `document` as TOML that `tomllib` reads back as the same."""
    blocks: list[str] = []
    _table((), document, blocks, "")
    return "\n".join(block for block in blocks if block)


def _table(path: tuple[str, ...], table: Mapping[str, Any], blocks: list[str], head: str) -> None:
    """Append the table's own lines, then its inner tables, each as one block."""
    lines = [head] if head else []
    inner: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, Mapping) or _is_array_of_tables(value):
            inner.append((key, value))
        else:
            lines.append(f"{_key(key)} = {_value(value)}")
    blocks.append("".join(f"{line}\n" for line in lines))
    for key, value in inner:
        deeper = (*path, _key(key))
        if isinstance(value, Mapping):
            _table(deeper, value, blocks, f"[{'.'.join(deeper)}]")
        else:
            for element in value:
                _table(deeper, element, blocks, f"[[{'.'.join(deeper)}]]")


def _is_array_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(e, Mapping) for e in value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, int):
        return str(value)
    return str(value.isoformat())  # a date or a time


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _string(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(c) or _printable(c) for c in text) + '"'


def _printable(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x20 or code == 0x7F else character
