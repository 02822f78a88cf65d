"""The kinds of parameters that SCPI commands take, and how values are written back.

A kind reads one data element of a message and gives the handler a Python value,
or raises the error that a real unit would queue. SCPI-1999 volume 1, chapter 7;
IEEE 488.2, 7.7.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drivers.simulated.scpi.errors import ScpiError
from drivers.simulated.scpi.messages import Token
from drivers.simulated.scpi.replies import exponent, quoted

__all__ = [
    "Block",
    "Boolean",
    "Channels",
    "Choice",
    "Limit",
    "Many",
    "Number",
    "Parameter",
    "Text",
]

#: A limit: a number, or a function of the device and the header's suffixes.
Limit = float | Callable[..., float]

_NUMBER = re.compile(rb"([+-]?(?:\d+\.?\d*|\.\d+))(?:[ \t]*[eE][ \t]*([+-]?\d+))?[ \t]*(.*)", re.S)
_RADIX = {b"h": 16, b"q": 8, b"b": 2}
_MULTIPLIERS = {
    "EX": 1e18,
    "PE": 1e15,
    "T": 1e12,
    "G": 1e9,
    "MA": 1e6,
    "K": 1e3,
    "": 1.0,
    "M": 1e-3,
    "U": 1e-6,
    "N": 1e-9,
    "P": 1e-12,
    "F": 1e-15,
    "A": 1e-18,
}
_SUFFIX = re.compile(r"/?[A-Z][A-Z0-9/.-]*")


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


class Number(Parameter):
    """A decimal number, perhaps with a unit, or one of MINimum, MAXimum, DEFault.

    Parameters
    ----------
    unit : str
        Unit that may be written behind the number, with SI multipliers ("HZ",
        "V", "S", "M"); empty for a bare number.
    low, high : float or callable, optional
        Limits; outside is -222. A callable gets the device and the suffixes.
    default : float or callable, optional
        What ``DEF`` and *RST mean.
    step : float, optional
        Values are rounded to whole multiples of it.
    integer : bool
        Round to a whole number and report it as one.
    others : Mapping, optional
        Further units (capitals) and the functions that convert from them.
    words : Mapping, optional
        Words that stand for numbers, as ``{"INFinity": math.inf}``; they are
        exempt from the limits.
    reply : callable, optional
        How the number is written; `exponent()` if not given.
    """

    def __init__(
        self,
        unit: str = "",
        low: Limit | None = None,
        high: Limit | None = None,
        default: Limit | None = None,
        *,
        step: float | None = None,
        integer: bool = False,
        others: Mapping[str, Callable[[float], float]] | None = None,
        words: Mapping[str, float] | None = None,
        reply: Callable[[float], str] | None = None,
        optional: bool = False,
    ) -> None:
        super().__init__(optional=optional)
        self.unit = unit.upper()
        self.low, self.high, self.default = low, high, default
        self.step = step
        self.integer = integer
        self.others = dict(others or {})
        self._words = {form: value for word, value in (words or {}).items() for form in forms(word)}
        self._reply = reply

    def read(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> float:
        """Return the number in the parameter's own unit."""
        value = self._word(token, device, suffixes)
        if value is None:
            value = self._decimal(token)
            if self.step and math.isfinite(value):
                value = round(value / self.step) * self.step
            if self.integer:
                value = float(round_half_up(value))
            low, high = self.low, self.high
            if low is not None and value < limit(low, device, suffixes):
                raise ScpiError(-222)
            if high is not None and value > limit(high, device, suffixes):
                raise ScpiError(-222)
        return int(value) if self.integer and math.isfinite(value) else value

    def bound(self, word: Token, device: Any, suffixes: tuple[int, ...]) -> float | None:
        """Return what MIN, MAX or DEF stand for; None for another word or if they do not."""
        wanted = bytes(word[:8]).upper()
        for forms_, value in (
            ((b"MIN", b"MINIMUM"), self.low),
            ((b"MAX", b"MAXIMUM"), self.high),
            ((b"DEF", b"DEFAULT"), self.default),
        ):
            if wanted in forms_ and value is not None:
                return limit(value, device, suffixes)
        return None

    def write(self, value: Any) -> str:
        """Return the number as the instrument reports it."""
        if self._reply is not None:
            return self._reply(value)
        return str(int(value)) if self.integer else _plain_exponent(value)

    def _word(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> float | None:
        first = bytes(token[:1])
        if not first.isalpha() or isinstance(token, memoryview):
            return None
        value = self.bound(token, device, suffixes)
        if value is None:
            value = self._words.get(token.upper())
        if value is None:
            takes_words = self._words or self.low is not None or self.high is not None
            raise ScpiError(-141 if takes_words else -148)
        return value

    def _decimal(self, token: Token) -> float:
        match = None if isinstance(token, memoryview) else _NUMBER.fullmatch(token)
        if match is None:
            return self._odd(token)
        mantissa, power, suffix = match.groups()
        if len(mantissa) > 255:
            raise ScpiError(-124)
        if power is None:
            value = float(mantissa)
        else:
            if len(power) > 6 or abs(int(power)) > 32000:
                raise ScpiError(-123)
            value = float(mantissa + b"e" + power)
        return self._scaled(value, suffix) if suffix else value

    def _odd(self, token: Token) -> float:
        reject_other_types(token, -120)
        assert isinstance(token, bytes)  # the check above has sent off blocks
        if token[:1] == b"#":
            try:
                return float(int(token[2:], _RADIX[token[1:2].lower()]))
            except (KeyError, ValueError):
                raise ScpiError(-121) from None
        raise ScpiError(-121 if token[:1] in b"+-." or token[:1].isdigit() else -104)

    def _scaled(self, value: float, suffix: bytes) -> float:
        text = suffix.decode("latin-1").strip().upper()
        if not _SUFFIX.fullmatch(text):
            raise ScpiError(-121)
        if not self.unit and not self.others:
            raise ScpiError(-138)
        if text in self.others:
            return self.others[text](value)
        if self.unit and text.endswith(self.unit):
            prefix = text[: len(text) - len(self.unit)]
            if prefix == "M" and self.unit in ("HZ", "OHM"):
                return value * 1e6  # SCPI's exceptions: MHZ and MOHM are mega
            if prefix in _MULTIPLIERS:
                return value * _MULTIPLIERS[prefix]
        raise ScpiError(-131)


class Boolean(Parameter):
    """ON, OFF or a number; reported as 1 or 0."""

    def __init__(self, *, default: bool = False, optional: bool = False) -> None:
        super().__init__(optional=optional)
        self.default = default

    def read(self, token: Token, device: Any, suffixes: tuple[int, ...]) -> bool:
        """Return the truth value."""
        if isinstance(token, bytes):
            word = token.upper()
            if word in (b"1", b"ON"):
                return True
            if word in (b"0", b"OFF"):
                return False
            if word[:1].isalpha():
                raise ScpiError(-224)
        return round_half_up(_BARE.read(token, device, suffixes)) != 0

    def write(self, value: Any) -> str:
        """Return ``1`` or ``0``."""
        return "1" if value else "0"


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


def limit(value: Limit, device: Any, suffixes: tuple[int, ...]) -> float:
    """Return the limit as a number."""
    return value(device, *suffixes) if callable(value) else value


def short_form(word: str) -> str:
    """Return the capitals (and digits) of a word as a manual prints it."""
    return "".join(letter for letter in word if not letter.islower())


def forms(word: str) -> tuple[bytes, bytes]:
    """Return the long and the short form in capitals, as they come over the line."""
    return word.upper().encode("ascii"), short_form(word).encode("ascii")


def round_half_up(value: float) -> int:
    """Round a number as IEEE 488.2 rounds, halves away from zero."""
    if not math.isfinite(value):
        raise ScpiError(-222)
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)


_plain_exponent = exponent()
_BARE = Number()
