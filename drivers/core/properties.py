"""The kinds of declared properties: number, integer, choice, flag, text, array."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivers.core.declared import Property
from drivers.core.errors import ValueOutOfRangeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Array", "Choice", "Flag", "Integer", "Number", "Text"]


class Number(Property[float]):
    """A real number with a range and, where the instrument has one, a step.

    Parameters
    ----------
    low, high : float
        The manual's range, both ends allowed.
    step : float
        Resolution: values are rounded to a whole multiple before they are
        sent; 0 where the instrument decides.
    digits : int
        Significant digits that are sent when there is no step.
    scale : float
        The instrument's unit in units of the Python value (1e-3 where it
        speaks mW and the property watts).
    """

    def __init__(
        self,
        query: str | None,
        command: str | None = None,
        *,
        doc: str,
        low: float = -math.inf,
        high: float = math.inf,
        step: float = 0.0,
        digits: int = 12,
        scale: float = 1.0,
        unit: str = "",
        page: str = "",
        read_back: bool = False,
    ) -> None:
        self.low, self.high, self.step, self.digits, self.scale = low, high, step, digits, scale
        self._style = f".{digits}g"
        super().__init__(query, command, doc=doc, unit=unit, page=page, read_back=read_back)

    def parse(self, reply: str) -> float:
        """Read a float."""
        return float(reply) * self.scale

    def check(self, value: float) -> float:
        """Check the range and round to the step."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueOutOfRangeError(f"{value!r} is not {self.expects()}")
        if self.step:
            number = round(number / self.step) * self.step
        slack = 1e-12 * max(abs(number), self.step)
        if not self.low - slack <= number <= self.high + slack:
            raise ValueOutOfRangeError(
                f"{number:g} {self.unit}".rstrip() + f" is outside {self.low:g} to {self.high:g}",
                remedy=f"choose {self.expects()}",
            )
        return number

    def format(self, value: float) -> str:
        """Write with the instrument's resolution."""
        return format(value / self.scale + 0.0, self._style)

    def expects(self) -> str:
        """Describe the range."""
        if math.isinf(self.low) and math.isinf(self.high):
            return "a number"
        step = f" in steps of {self.step:g}" if self.step else ""
        return f"a number from {self.low:g} to {self.high:g}{step}"

    def from_text(self, text: str) -> float:
        """Read a float that a person typed."""
        try:
            return float(text)
        except ValueError:
            raise ValueOutOfRangeError(f"{text!r} is not {self.expects()}") from None

    def agrees(self, wanted: float, actual: float) -> bool:
        """Agree within half a step, or one part in a million."""
        return abs(wanted - actual) <= max(self.step / 2, 1e-6 * abs(wanted))


class Integer(Property[int]):
    """A whole number from `low` to `high`."""

    def __init__(
        self,
        query: str | None,
        command: str | None = None,
        *,
        doc: str,
        low: int,
        high: int,
        unit: str = "",
        page: str = "",
        read_back: bool = False,
    ) -> None:
        self.low, self.high = low, high
        super().__init__(query, command, doc=doc, unit=unit, page=page, read_back=read_back)

    def parse(self, reply: str) -> int:
        """Read an integer; some instruments write it as a float."""
        try:
            return int(reply)
        except ValueError:
            number = float(reply)
            if not number.is_integer():
                raise
            return int(number)

    def check(self, value: int) -> int:
        """Check the range."""
        try:
            whole = not isinstance(value, bool) and int(value) == value
        except (TypeError, ValueError, OverflowError):
            whole = False
        if not whole or not self.low <= value <= self.high:
            raise ValueOutOfRangeError(f"{value!r} is not {self.expects()}")
        return int(value)

    def format(self, value: int) -> str:
        """Write in decimal."""
        return str(value)

    def expects(self) -> str:
        """Describe the range."""
        return f"a whole number from {self.low} to {self.high}"

    def from_text(self, text: str) -> int:
        """Read an integer that a person typed."""
        try:
            return int(text)
        except ValueError:
            raise ValueOutOfRangeError(f"{text!r} is not {self.expects()}") from None


class Choice(Property[str]):
    """One of a few words.

    Parameters
    ----------
    choices : mapping of str to str
        Our name for each, and the instrument's token. Replies are matched
        without regard to case; `replies` gives further tokens that the
        instrument answers with (such as a long form).
    """

    def __init__(
        self,
        query: str | None,
        command: str | None = None,
        *,
        doc: str,
        choices: Mapping[str, str],
        replies: Mapping[str, str] | None = None,
        unit: str = "",
        page: str = "",
        read_back: bool = False,
    ) -> None:
        self.choices = dict(choices)
        self._names = {token.upper(): name for name, token in choices.items()}
        self._names.update({k.upper(): v for k, v in (replies or {}).items()})
        super().__init__(query, command, doc=doc, unit=unit, page=page, read_back=read_back)

    def parse(self, reply: str) -> str:
        """Turn the instrument's token into our name."""
        return self._names[reply.strip().strip('"').upper()]

    def check(self, value: str) -> str:
        """Accept our names only."""
        if not isinstance(value, str) or value not in self.choices:
            raise ValueOutOfRangeError(f"{value!r} is not {self.expects()}")
        return value

    def format(self, value: str) -> str:
        """Return the instrument's token."""
        return self.choices[value]

    def expects(self) -> str:
        """List the choices."""
        return "one of " + ", ".join(self.choices)

    def from_text(self, text: str) -> str:
        """Accept our names only."""
        return self.check(text)


class Flag(Property[bool]):
    """On or off; `on` and `off` are the tokens that are sent."""

    def __init__(
        self,
        query: str | None,
        command: str | None = None,
        *,
        doc: str,
        on: str = "1",
        off: str = "0",
        unit: str = "",
        page: str = "",
        read_back: bool = False,
    ) -> None:
        self._on, self._off = on, off
        self._values = {"1": True, "0": False, "+1": True, "+0": False, "ON": True, "OFF": False}
        self._values |= {on.upper(): True, off.upper(): False}
        super().__init__(query, command, doc=doc, unit=unit, page=page, read_back=read_back)

    def parse(self, reply: str) -> bool:
        """Accept 1, 0, ON, OFF and the declared tokens."""
        return self._values[reply.strip().upper()]

    def check(self, value: bool) -> bool:
        """Accept bool only: 0.5 or "off" is a mistake."""
        if not isinstance(value, bool):
            raise ValueOutOfRangeError(f"{value!r} is not {self.expects()}")
        return value

    def format(self, value: bool) -> str:
        """Return the token."""
        return self._on if value else self._off

    def expects(self) -> str:
        """Name the two values."""
        return "True or False"

    def from_text(self, text: str) -> bool:
        """Read on, off, true, false, 1 or 0."""
        words = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}
        if text.lower() not in words:
            raise ValueOutOfRangeError(f"{text!r} is not on or off")
        return words[text.lower()]


class Text(Property[str]):
    """Free text without quotes or line ends; `quoted` where the instrument quotes strings."""

    def __init__(
        self,
        query: str | None,
        command: str | None = None,
        *,
        doc: str,
        max_length: int = 255,
        quoted: bool = False,
        unit: str = "",
        page: str = "",
        read_back: bool = False,
    ) -> None:
        self.max_length, self.quoted = max_length, quoted
        super().__init__(query, command, doc=doc, unit=unit, page=page, read_back=read_back)

    def parse(self, reply: str) -> str:
        """Strip blanks and, where declared, the quotes."""
        text = reply.strip()
        return text[1:-1] if self.quoted and text[:1] == '"' == text[-1:] else text

    def check(self, value: str) -> str:
        """Refuse what would break out of its place in the command."""
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise ValueOutOfRangeError(f"{str(value)[:40]!r} is not {self.expects()}")
        if '"' in value:
            raise ValueOutOfRangeError(f"{value[:40]!r} is not {self.expects()}")
        if len(value) > self.max_length or (not self.quoted and ";" in value):
            raise ValueOutOfRangeError(f"{value[:40]!r} is not {self.expects()}")
        return value

    def format(self, value: str) -> str:
        """Quote where declared."""
        return f'"{value}"' if self.quoted else value

    def expects(self) -> str:
        """Describe what is allowed."""
        return f"printable ASCII without quotes, at most {self.max_length} characters"

    def from_text(self, text: str) -> str:
        """Take the text as it is."""
        return self.check(text)


class Array(Property["NDArray[np.float64]"]):
    """A comma list of numbers, read or set as a one-dimensional float64 array."""

    def __init__(
        self,
        query: str | None,
        command: str | None = None,
        *,
        doc: str,
        low: float = -math.inf,
        high: float = math.inf,
        length: int | None = None,
        unit: str = "",
        page: str = "",
    ) -> None:
        self.low, self.high, self.length = low, high, length
        super().__init__(query, command, doc=doc, unit=unit, page=page)

    def parse(self, reply: str) -> NDArray[np.float64]:
        """Read a comma list."""
        import numpy as np

        values = np.array([float(field) for field in reply.split(",")])
        if self.length is not None and values.size != self.length:
            raise ValueError(reply)
        return values

    def check(self, value: Any) -> NDArray[np.float64]:
        """Check shape, length and range of every element."""
        import numpy as np

        try:
            values = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueOutOfRangeError(f"{str(value)[:40]} is not {self.expects()}") from None
        if values.ndim != 1 or (self.length is not None and values.size != self.length):
            raise ValueOutOfRangeError(f"an array of shape {values.shape} is not {self.expects()}")
        if not np.isfinite(values).all():
            raise ValueOutOfRangeError("an element is not a finite number")
        if values.size and not (self.low <= values.min() and values.max() <= self.high):
            raise ValueOutOfRangeError(f"an element is outside {self.low:g} to {self.high:g}")
        return values

    def format(self, value: NDArray[np.float64]) -> str:
        """Write a comma list."""
        return ",".join(f"{x:.12g}" for x in value.tolist())

    def expects(self) -> str:
        """Describe length and range."""
        size = "numbers" if self.length is None else f"{self.length} numbers"
        return f"a list of {size} from {self.low:g} to {self.high:g}"

    def from_text(self, text: str) -> NDArray[np.float64]:
        """Read a comma list that a person typed."""
        try:
            return self.check([float(field) for field in text.split(",")])
        except ValueError:
            raise ValueOutOfRangeError(f"{text!r} is not {self.expects()}") from None
