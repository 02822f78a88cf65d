"""Which line of a TOML text a key stands on.

`tomllib` reads values but forgets where they stood. This scanner reads only
what it needs to find the keys of a text that `tomllib` has already accepted,
so it checks nothing.
"""

from __future__ import annotations

import re
import tomllib

__all__ = ["Path", "key_lines"]

#: Where a value stands: keys, and numbers in arrays from 0.
Path = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\r\n]*")
_STRINGS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'"""(?:[^\\]|\\.)*?"{3,5}(?!")',
        r"'''.*?'{3,5}(?!')",
        r'"(?:[^"\\]|\\.)*"',
        r"'[^']*'",
    )
)


def key_lines(text: str) -> dict[Path, int]:
    """Return the line, from 1, of every key and array element of a valid TOML text.

    A table is where its header or its first key stands.
    """
    return _Scanner(text).document()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[Path, int] = {}
        self.elements: dict[Path, int] = {}  # arrays of tables: number of the last element

    def document(self) -> dict[Path, int]:
        table: Path = ()
        self.skip(_SPACE)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self.header()
            else:
                self.pair(table)
            self.skip(_SPACE)
        return self.lines

    def header(self) -> Path:
        is_element = self.text.startswith("[[", self.at)
        self.at += 2 if is_element else 1
        line = self.line
        path: Path = ()
        names = self.key()
        for position, name in enumerate(names):
            path = (*path, name)
            self.lines.setdefault(path, line)
            if is_element and position == len(names) - 1:
                self.elements[path] = self.elements.get(path, -1) + 1
            if path in self.elements:
                path = (*path, self.elements[path])
                self.lines.setdefault(path, line)
        self.at += 2 if is_element else 1
        return path

    def pair(self, table: Path) -> None:
        line = self.line
        path = table
        for name in self.key():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self.skip(_BLANK)
        self.value(path)

    def key(self) -> list[str]:
        names = []
        while True:
            self.skip(_BLANK)
            if self.text[self.at] in "\"'":
                names.append(tomllib.loads("key = " + self.string())["key"])
            else:
                names.append(self.skip(_BARE_KEY))
            self.skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def value(self, path: Path) -> None:
        start = self.text[self.at]
        if start == "[":
            self.array(path)
        elif start == "{":
            self.inline_table(path)
        elif start in "\"'":
            self.string()
        else:
            self.skip(_BARE_VALUE)

    def array(self, path: Path) -> None:
        self.at += 1
        self.skip(_SPACE)
        number = 0
        while self.text[self.at] != "]":
            self.lines[(*path, number)] = self.line
            self.value((*path, number))
            number += 1
            self.skip(_SPACE)
            if self.text[self.at] == ",":
                self.at += 1
                self.skip(_SPACE)
        self.at += 1

    def inline_table(self, path: Path) -> None:
        self.at += 1
        self.skip(_SPACE)
        while self.text[self.at] != "}":
            self.pair(path)
            self.skip(_SPACE)
            if self.text[self.at] == ",":
                self.at += 1
                self.skip(_SPACE)
        self.at += 1

    def string(self) -> str:
        for pattern in _STRINGS:
            if pattern.match(self.text, self.at):
                return self.skip(pattern)
        raise AssertionError("the text was not valid TOML")

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        found = match[0] if match else ""
        self.at += len(found)
        self.line += found.count("\n")
        return found
