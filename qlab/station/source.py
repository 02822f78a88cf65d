"""A TOML text that can say on which line something is wrong with it."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from qlab.errors import StationError
from qlab.station.lines import Path, key_lines

__all__ = ["Source", "near_miss", "parse_toml"]

#: Far above any station; keeps a file that is none from being taken apart.
_MAX_CHARACTERS = 4_000_000

_TOML_PLACE = re.compile(r"(?P<reason>.*) \(at (line (?P<line>\d+), column \d+|end of document)\)")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a text came from and where its keys stand."""

    name: str
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """Return the line of a key, or of the nearest table around it; 0 for none."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def error(self, path: Path, message: str, *, remedy: str = "") -> StationError:
        """Return an error that names the key at `path` and its line."""
        return StationError(
            message, file=self.name, line=self.line(path), key=dotted(path), remedy=remedy
        )

    def unknown_key(self, path: Path, known: Iterable[str]) -> NoReturn:
        """Raise the error for a key that does not belong where it stands."""
        raise self.error(path, "unknown key", remedy=near_miss(str(path[-1]), known))


def parse_toml(text: str, name: str) -> tuple[dict[str, Any], Source]:
    """Parse a TOML text and find its lines.

    Raises
    ------
    StationError
        With the line, if it is not TOML.
    """
    if len(text) > _MAX_CHARACTERS:
        raise StationError("this is far too long for a station file", file=name)
    try:
        document = tomllib.loads(text)
        return document, Source(name, key_lines(text))
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.fullmatch(str(error))
        last = text.count("\n") + 1
        raise StationError(
            f"not valid TOML: {place['reason'] if place else error}",
            file=name,
            line=int(place["line"] or last) if place else 0,
            remedy="strings need quotes, and each key stands once",
        ) from None
    except RecursionError:
        raise StationError("nested too deeply", file=name) from None


def dotted(path: Path) -> str:
    """Write a path as in TOML: ``interlocks[0].path``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else f'"{part}"')
    return text


def near_miss(word: str, known: Iterable[str]) -> str:
    """Suggest what may have been meant, or list what there is."""
    choices = list(known)
    close = difflib.get_close_matches(word, choices, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known are {', '.join(choices)}" if choices else "nothing belongs here"
