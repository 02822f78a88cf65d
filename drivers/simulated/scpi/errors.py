"""SCPI's error numbers and texts, and the bit of the event status register they set.

Numbers and texts are those of SCPI-1999, volume 2, chapter 21.8; the classes
are IEEE 488.2's: -1xx command, -2xx execution, -3xx and positive numbers
device-dependent, -4xx query errors.
"""

from __future__ import annotations

__all__ = ["ERRORS", "ScpiError", "event_bit"]

ERRORS: dict[int, str] = {
    0: "No error",
    -100: "Command error",
    -101: "Invalid character",
    -102: "Syntax error",
    -103: "Invalid separator",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -111: "Header separator error",
    -112: "Program mnemonic too long",
    -113: "Undefined header",
    -114: "Header suffix out of range",
    -120: "Numeric data error",
    -121: "Invalid character in number",
    -123: "Exponent too large",
    -124: "Too many digits",
    -128: "Numeric data not allowed",
    -131: "Invalid suffix",
    -138: "Suffix not allowed",
    -141: "Invalid character data",
    -144: "Character data too long",
    -148: "Character data not allowed",
    -151: "Invalid string data",
    -158: "String data not allowed",
    -161: "Invalid block data",
    -168: "Block data not allowed",
    -171: "Invalid expression",
    -178: "Expression data not allowed",
    -200: "Execution error",
    -203: "Command protected",
    -210: "Trigger error",
    -211: "Trigger ignored",
    -213: "Init ignored",
    -214: "Trigger deadlock",
    -220: "Parameter error",
    -221: "Settings conflict",
    -222: "Data out of range",
    -223: "Too much data",
    -224: "Illegal parameter value",
    -225: "Out of memory",
    -230: "Data corrupt or stale",
    -240: "Hardware error",
    -241: "Hardware missing",
    -250: "Mass storage error",
    -256: "File name not found",
    -257: "File name error",
    -300: "Device-specific error",
    -310: "System error",
    -330: "Self-test failed",
    -350: "Queue overflow",
    -363: "Input buffer overrun",
    -400: "Query error",
    -410: "Query INTERRUPTED",
    -420: "Query UNTERMINATED",
    -430: "Query DEADLOCKED",
    -440: "Query UNTERMINATED after indefinite response",
}


class ScpiError(Exception):
    """A command cannot be obeyed; goes into the error queue.

    Parameters
    ----------
    code : int
        A number of `ERRORS`, or the instrument's own with its `text`.
    text : str
        The text, if not the standard one.
    """

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text or ERRORS.get(code, "Device-specific error")


def event_bit(code: int) -> int:
    """Return the bit of the standard event status register that an error sets."""
    if -199 <= code <= -100:
        return 0x20
    if -299 <= code <= -200:
        return 0x10
    if -499 <= code <= -400:
        return 0x04
    return 0x08
