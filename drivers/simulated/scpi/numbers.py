"""Numbers and truth values as SCPI commands take them, with units, words and limits.

SCPI-1999 volume 1, chapter 7; IEEE 488.2, 7.7.2 to 7.7.4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from drivers.simulated.scpi.errors import ScpiError
from drivers.simulated.scpi.messages import Token
from drivers.simulated.scpi.parameters import Parameter, forms, reject_other_types
from drivers.simulated.scpi.replies import exponent

__all__ = ["Boolean", "Limit", "Number", "limit"]

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


def limit(value: Limit, device: Any, suffixes: tuple[int, ...]) -> float:
    """Return the limit as a number."""
    return value(device, *suffixes) if callable(value) else value


def round_half_up(value: float) -> int:
    """Round a number as IEEE 488.2 rounds, halves away from zero."""
    if not math.isfinite(value):
        raise ScpiError(-222)
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)


_plain_exponent = exponent()
_BARE = Number()
