"""What the application raises, and the exit code that each error of each room gets."""

from __future__ import annotations

import sys
from enum import IntEnum

__all__ = [
    "ExitCode",
    "InsecureRunError",
    "QlabError",
    "StationError",
    "UsageError",
    "exit_code",
    "one_line",
    "printable",
    "remedy_of",
]


class ExitCode(IntEnum):
    """How a command ends. The numbers are part of the command line's interface."""

    DONE = 0
    FAILURE = 1
    USAGE = 2  # wrong arguments, a wrong station file, a file that exists already
    INSTRUMENT = 3  # an instrument failed, or cannot be reached
    LIMIT = 4  # a limit or an interlock of the station stands against it
    ABORTED = 5  # ended early, with the outputs in their safe state
    DIVERGED = 6  # a replay that did not match
    INSECURE = 7  # no key can be given
    DAMAGED = 8  # a file is damaged, foreign or newer than this program
    INTERRUPTED = 130  # Ctrl-C


class QlabError(Exception):
    """Root of the errors of the application.

    Parameters
    ----------
    message : str
        What happened, in one line.
    remedy : str
        What the reader can do about it, in one line.
    """

    exit_code = ExitCode.FAILURE

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class UsageError(QlabError):
    """What was asked for makes no sense here; nothing was done."""

    exit_code = ExitCode.USAGE


class InsecureRunError(QlabError):
    """The run is complete, but no key can be given; the message is the reason."""

    exit_code = ExitCode.INSECURE


class StationError(UsageError):
    """Something in a station file is wrong or missing.

    Parameters
    ----------
    message : str
        What is wrong.
    file : str
        The station file, or what stands for one.
    line : int
        Line number from 1; 0 where no line is to blame.
    key : str
        The key in question, dotted from the top of the file.
    remedy : str
        How to mend it.
    """

    def __init__(
        self, message: str, *, file: str = "", line: int = 0, key: str = "", remedy: str = ""
    ) -> None:
        place = file + (f", line {line}" if line else "")
        text = f"{key}: {message}" if key else message
        super().__init__(f"{place}: {text}" if place else text, remedy=remedy)
        self.reason = message
        self.file = file
        self.line = line
        self.key = key


# Classes of other rooms by module and name. An error can only be one of them if
# its module is loaded, so nothing has to be imported to find out.
_CODES: tuple[tuple[str, str, ExitCode], ...] = (
    ("drivers.core.errors", "LimitError", ExitCode.LIMIT),
    ("drivers.core.errors", "MisuseError", ExitCode.USAGE),
    ("drivers.core.errors", "DriverError", ExitCode.INSTRUMENT),
    ("protocols.errors", "InsecureError", ExitCode.INSECURE),
    ("protocols.errors", "ParameterError", ExitCode.USAGE),
    ("qlab.runfile.errors", "RunFileExistsError", ExitCode.USAGE),
    ("qlab.runfile.errors", "RunFileNotFoundError", ExitCode.USAGE),
    ("qlab.runfile.errors", "CompanionMissingError", ExitCode.USAGE),
    ("qlab.runfile.errors", "DamagedFileError", ExitCode.DAMAGED),
    ("qlab.runfile.errors", "ForeignFileError", ExitCode.DAMAGED),
    ("qlab.runfile.errors", "NewerSchemaError", ExitCode.DAMAGED),
)


def exit_code(error: BaseException) -> ExitCode:
    """Return the exit code for an error of any room."""
    if isinstance(error, QlabError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    for module_name, class_name, code in _CODES:
        kind = getattr(sys.modules.get(module_name), class_name, None)
        if kind is not None and isinstance(error, kind):
            return code
    return ExitCode.FAILURE


def remedy_of(error: BaseException) -> str:
    """Return what the error says can be done, empty if it does not say."""
    return str(getattr(error, "remedy", ""))


def one_line(error: BaseException) -> str:
    """Return what happened, without the remedy, in one printable line."""
    text = str(error) or type(error).__name__
    remedy = remedy_of(error)
    if remedy:
        text = text.removesuffix(f"; {remedy}")
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Return `text` with everything but printable characters and blanks spelt out.

    Texts from instruments and files may hold what steers a terminal or turns the
    direction of writing; a line end among them could forge a line of ours.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
