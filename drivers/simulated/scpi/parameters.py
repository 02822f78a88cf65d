"""The kinds of parameters that SCPI commands take, and how values are written back.

A kind reads one data element of a message and gives the handler a Python value,
or raises the error that a real unit would queue. Numbers have a module of their
own. SCPI-1999 volume 1, chapter 7; IEEE 488.2, 7.7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drivers.simulated.scpi.errors import ScpiError
from drivers.simulated.scpi.messages import Token
from drivers.simulated.scpi.replies import quoted

__all__ = ["Block", "Channels", "Choice", "Many", "Parameter", "Text"]


class Parameter:
    """One kind of parameter; `optional` ones are None when left out."""

    many = False

    def __init__(self, *, optional: bool = False) -> None:
        self.optional = optional

    def read(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> Any:
        """Return the value of a data element.

        Raises
        ------
        ScpiError
            If it is of the wrong type, malformed or out of range.
        """
        raise NotImplementedError

    def write(self, value: Any) -> str:
        """Return a value as the instrument reports it."""
        return str(value)


class Choice(Parameter):
    """One of some words, in short or long form; the value is the short form.

    Parameters
    ----------
    *words : str
        The words, capitals being the short form.
    numbers : Mapping, optional
        Numbers that stand for words, by the words' short forms.
    default : str, optional
        Short form that *RST sets; the first word if not given.
    """

    def __init__(
        self,
        *words: str,
        numbers: Mapping[int, str] | None = None,
        default: str | None = None,
        optional: bool = False,
    ) -> None:
        super().__init__(optional=optional)
        self._words = {form: short_form(word) for word in words for form in forms(word)}
        self._words.update(
            {str(number).encode("ascii"): word for number, word in (numbers or {}).items()}
        )
        self.default = default or short_form(words[0])

    def read(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> str:
        """Return the short form of the word."""
        if isinstance(token, bytes):
            word = self._words.get(token.upper())
            if word is not None:
                return word
            if token[:1].isalpha():
                if len(token) > 12:
                    raise ScpiError(-144)
                if not token.replace(b"_", b"").isalnum():
                    raise ScpiError(-141)
                raise ScpiError(-224)
            if token[:1].isdigit() or token[:1] in (b"+", b"-", b"."):
                raise ScpiError(-128)
        reject_other_types(token, -104)
        raise ScpiError(-104)


class Text(Parameter):
    """A quoted string, or with `bare` also a word without quotes."""

    def __init__(self, *, bare: bool = False, default: str = "", optional: bool = False) -> None:
        super().__init__(optional=optional)
        self.bare = bare
        self.default = default

    def read(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> str:
        """Return the text without its quotes."""
        if isinstance(token, bytes):
            if token[:1] in (b'"', b"'"):
                quote = token[:1]
                return token[1:-1].replace(quote + quote, quote).decode("latin-1")
            if self.bare and token[:1].isalpha():
                return token.decode("latin-1")
            if token[:1].isalpha():
                raise ScpiError(-148)
            if token[:1].isdigit() or token[:1] in (b"+", b"-", b"."):
                raise ScpiError(-128)
        reject_other_types(token, -104)
        raise ScpiError(-104)

    def write(self, value: Any) -> str:
        """Return the text in quotes."""
        return quoted(value)


class Channels(Parameter):
    """A channel list such as ``(@1)``, ``(@1,3)`` or ``(@1:4)``; the value is a tuple."""

    def __init__(self, *allowed: int, optional: bool = False) -> None:
        super().__init__(optional=optional)
        self._allowed = allowed

    def read(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the channel numbers in the order given."""
        if not isinstance(token, bytes) or token[:1] != b"(":
            if isinstance(token, bytes) and token[:1].isalpha():
                raise ScpiError(-148)
            if isinstance(token, bytes) and token[:1].isdigit():
                raise ScpiError(-128)
            reject_other_types(token, -104)
            raise ScpiError(-104)
        inner = token[1:-1].strip()
        if inner[:1] != b"@":
            raise ScpiError(-171)
        channels: list[int] = []
        for item in inner[1:].split(b","):
            ends = [end.strip() for end in item.split(b":")]
            if len(ends) > 2 or not all(end.isdigit() and len(end) < 5 for end in ends):
                raise ScpiError(-171)
            first, last = int(ends[0]), int(ends[-1])
            step = 1 if last >= first else -1
            channels.extend(range(first, last + step, step))
        if not all(channel in self._allowed for channel in channels):
            raise ScpiError(-222)
        return tuple(channels)

    def write(self, value: Any) -> str:
        """Return the list in SCPI's form."""
        return f"(@{','.join(str(channel) for channel in value)})"


class Block(Parameter):
    """An arbitrary block; the value is a view of its payload, valid during the call."""

    def read(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> memoryview:
        """Return the payload."""
        if isinstance(token, memoryview):
            return token
        reject_other_types(token, -104)
        if token[:1].isalpha():
            raise ScpiError(-148)
        raise ScpiError(-128 if token[:1].isdigit() or token[:1] in b"+-." else -104)


class Many(Parameter):
    """All parameters that follow, at least one; the value is a list.

    With `or_block` a block may stand in their place; the value is then its view.
    """

    many = True

    def __init__(self, kind: Parameter, *, or_block: bool = False, optional: bool = False) -> None:
        super().__init__(optional=optional)
        self._kind = kind
        self._or_block = or_block

    def read_all(self, tokens: Sequence[Token], device: Any, suffixes: tuple[int, ...]) -> Any:
        """Return the values of all elements."""
        if self._or_block and len(tokens) == 1 and isinstance(tokens[0], memoryview):
            return tokens[0]
        read = self._kind.read
        return [read(token, device, suffixes) for token in tokens]


def reject_other_types(token: Token, code: int) -> None:
    """Raise for a string, expression or block, or `code` for nothing at all."""
    if isinstance(token, memoryview):
        raise ScpiError(-168)
    if token[:1] in (b'"', b"'"):
        raise ScpiError(-158)
    if token[:1] == b"(":
        raise ScpiError(-178)
    if not token:
        raise ScpiError(-109 if code == -104 else code)


def short_form(word: str) -> str:
    """Return the capitals (and digits) of a word as a manual prints it."""
    return "".join(letter for letter in word if not letter.islower())


def forms(word: str) -> tuple[bytes, bytes]:
    """Return the long and the short form in capitals, as they come over the line."""
    return word.upper().encode("ascii"), short_form(word).encode("ascii")
