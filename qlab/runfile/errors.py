"""What can go wrong with a run file, on one page."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "CompanionMissingError",
    "DamagedFileError",
    "ForeignFileError",
    "NewerSchemaError",
    "RunFileError",
    "RunFileExistsError",
    "RunFileMisuseError",
    "RunFileNotFoundError",
    "RunFileWriteError",
]


class RunFileError(Exception):
    """Root of all errors of the run file.

    Parameters
    ----------
    message : str
        What happened, in one line.
    path : Path or None
        The file.
    remedy : str
        What the reader can do about it, in one line.
    """

    def __init__(self, message: str, *, path: Path | None = None, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        return f"{text}; {self.remedy}" if self.remedy else text


class RunFileMisuseError(RunFileError):
    """The call itself was wrong: an undeclared dataset, a wrong type, a closed file."""


class RunFileExistsError(RunFileError, FileExistsError):
    """A file of this name exists; run files are never overwritten."""


class RunFileNotFoundError(RunFileError, FileNotFoundError):
    """There is no such file."""


class RunFileWriteError(RunFileError):
    """The disk did not take what the run had to say; what was committed is safe."""


class DamagedFileError(RunFileError):
    """The bytes are not those that were written."""


class ForeignFileError(RunFileError):
    """The file is something else than a run file."""


class NewerSchemaError(RunFileError):
    """The file was written by a newer qlab, in a schema this one cannot read."""


class CompanionMissingError(RunFileError):
    """What was asked for is in the secret companion file, which is not here."""
