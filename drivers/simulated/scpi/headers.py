"""Command headers: how a pattern such as ``[SOURce[1|2]]:FREQuency[:CW]`` is matched.

Capitals are the short form, the whole word the long one; nothing in between is
allowed (SCPI-1999 volume 1, 6.2.1). Brackets around a node make it optional;
brackets right behind a word list the numeric suffixes it takes, the first being
the default (``[1|2]`` or ``[1-4]``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.simulated.scpi.errors import ScpiError

__all__ = ["Entry", "HeaderTree", "Node", "Word", "parse_pattern", "split_header"]

#: A word of a header in capitals and the number behind it.
Word = tuple[str, int | None]

_NODE = re.compile(
    r"(?P<open>\[)?:?(?P<word>\*?[A-Za-z_]+)(?:\[(?P<suffixes>[0-9|-]+)\])?(?P<close>\])?:?"
)
_MNEMONIC = re.compile(rb"([A-Za-z][A-Za-z_]*)(\d*)")


@dataclass(frozen=True, slots=True)
class Node:
    """One word of a header."""

    long: str
    short: str
    suffixes: tuple[int, ...]
    optional: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What a header leads to.

    `attribute` names what the device class has there; `nodes` says which words
    are present, with the suffixes they take, and None for a node that was left
    out but has a suffix by default.
    """

    attribute: str
    suffixes: tuple[tuple[int, ...], ...]
    present: tuple[bool, ...]

    def select(self, given: Sequence[int | None]) -> tuple[int, ...]:
        """Return the suffixes that the handler gets from those in the header.

        Raises
        ------
        ScpiError
            -114 for a suffix that is not declared.
        """
        chosen = []
        words = iter(given)
        for allowed, present in zip(self.suffixes, self.present, strict=True):
            number = next(words) if present else None
            if allowed:
                number = allowed[0] if number is None else number
                if number not in allowed:
                    raise ScpiError(-114)
                chosen.append(number)
            elif number is not None:
                raise ScpiError(-114)
        return tuple(chosen)


def parse_pattern(pattern: str) -> list[Node]:
    """Split a pattern into its nodes.

    Raises
    ------
    ValueError
        If it is not written as the module says.
    """
    nodes = []
    position = 0
    while position < len(pattern):
        match = _NODE.match(pattern, position)
        if match is None or bool(match["open"]) != bool(match["close"]):
            raise ValueError(f"header pattern {pattern!r} is wrong at position {position}")
        word = match["word"]
        short = "".join(letter for letter in word if not letter.islower())
        nodes.append(
            Node(word.upper(), short, _suffixes(match["suffixes"]), match["open"] is not None)
        )
        position = match.end()
    if not nodes or all(node.optional for node in nodes):
        raise ValueError(f"header pattern {pattern!r} has no word that must be there")
    return nodes


def _suffixes(text: str | None) -> tuple[int, ...]:
    if not text:
        return ()
    if "-" in text:
        first, last = text.split("-")
        return tuple(range(int(first), int(last) + 1))
    return tuple(int(number) for number in text.split("|"))


class HeaderTree:
    """All headers of one device class."""

    def __init__(self) -> None:
        self._root: _Branch = _Branch("")

    def add(self, pattern: str, attribute: str, *, query: bool) -> None:
        """Add every form of `pattern`; a later one replaces an earlier one.

        Raises
        ------
        ValueError
            If two patterns share a short form that belongs to different words.
        """
        nodes = parse_pattern(pattern)
        choices = [(True, False) if node.optional else (True,) for node in nodes]
        for present in itertools.product(*choices):
            branch = self._root
            for node, there in zip(nodes, present, strict=True):
                if there:
                    branch = branch.grow(node)
            branch.leaves[query] = Entry(
                attribute, tuple(node.suffixes for node in nodes), tuple(present)
            )

    def remove(self, pattern: str, *, query: bool) -> None:
        """Take out a header that a subclass does not have."""
        nodes = parse_pattern(pattern)
        choices = [(True, False) if node.optional else (True,) for node in nodes]
        for present in itertools.product(*choices):
            branch: _Branch | None = self._root
            for node, there in zip(nodes, present, strict=True):
                if there and branch is not None:
                    branch = branch.words.get(node.long)
            if branch is not None:
                branch.leaves.pop(query, None)

    def find(self, words: Sequence[Word], *, query: bool) -> Entry:
        """Return the entry of a header given as words in capitals with suffixes.

        Raises
        ------
        ScpiError
            -113 if there is none, -112 for a word that no header could have.
        """
        branch = self._root
        for word, _ in words:
            grown = branch.words.get(word)
            if grown is None:
                raise ScpiError(-112 if len(word) > 12 else -113)
            branch = grown
        entry = branch.leaves.get(query)
        if entry is None:
            raise ScpiError(-113)
        return entry


class _Branch:
    def __init__(self, long: str) -> None:
        self.long = long
        self.words: dict[str, _Branch] = {}
        self.leaves: dict[bool, Entry] = {}

    def grow(self, node: Node) -> _Branch:
        branch = self.words.get(node.long) or _Branch(node.long)
        for form in (node.long, node.short):
            if self.words.setdefault(form, branch).long != node.long:
                raise ValueError(f"{form} is short for both {node.long} and another word")
        return branch


def split_header(header: bytes) -> list[Word]:
    """Split a header (without leading colon and question mark) into words and suffixes.

    Raises
    ------
    ScpiError
        -101 or -102 if it is no header at all.
    """
    words: list[Word] = []
    for mnemonic in header.split(b":"):
        match = _MNEMONIC.fullmatch(mnemonic)
        if match is None:
            letters = mnemonic.replace(b"_", b"")
            raise ScpiError(-102 if not letters or letters.isalnum() else -101)
        number = int(match[2][:9]) if match[2] else None
        words.append((match[1].decode("ascii").upper(), number))
    return words
