"""How a replay ends other than by matching."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from qlab.errors import ExitCode, QlabError

__all__ = ["Divergence", "DivergenceError", "JournalEndError", "shown"]

_LONGEST = 64

#: What lies between a foreign driver and the wire: no line of it tells what diverged.
_PLUMBING = (
    "pyvisa",
    "pymeasure.adapters",
    "pymeasure.instruments.channel",
    "pymeasure.instruments.common_base",
    "pymeasure.instruments.instrument",
)


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first place at which a replay did something else than the run.

    Attributes
    ----------
    source : str
        Instrument, ``clock``, ``entropy:STREAM``, ``message:DIRECTION``,
        ``data:NAME`` or ``results.FIELD``.
    exchange : int
        Number of the record within its source, from 0; of data, the row.
    expected, got : str
        What the record holds and what the code did, both shortened.
    where : str
        The line of the driver or experiment that did it; empty at the end of a run.
    """

    source: str
    exchange: int
    expected: str
    got: str
    where: str = ""


class DivergenceError(QlabError):
    """The code did something else than was recorded."""

    exit_code = ExitCode.DIVERGED

    def __init__(self, source: str, exchange: int, expected: str, got: str) -> None:
        self.divergence = Divergence(source, exchange, expected, got, _where())
        super().__init__(
            f"{source}, exchange {exchange}: expected {expected}, got {got} "
            f"at {self.divergence.where}",
            remedy="replay with the version that recorded it, or use --from-data",
        )


class JournalEndError(QlabError):
    """The journal of an interrupted run ends here; all of it was reproduced."""


def shown(data: bytes | memoryview) -> str:
    """Return bytes in a readable, bounded form."""
    if len(data) <= _LONGEST:
        return repr(bytes(data))
    return f"{bytes(data[:_LONGEST])!r}... ({len(data)} bytes)"


def _where() -> str:
    """Find the innermost line of a driver, ours or another's, an experiment or a calibration."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module == "qlab.runner":
            break
        if _is_named(module):
            path = Path(frame.f_code.co_filename)
            return f"{'/'.join(path.parts[-3:])}:{frame.f_lineno}"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "the program itself"


def _is_named(module: str) -> bool:
    """Whether a line of this module tells a reader what diverged."""
    room, _, rest = module.partition(".")
    if room == "drivers":
        return rest.partition(".")[0] != "core"
    if room == "qlab":
        return rest.startswith("experiments.")
    if any(module == part or module.startswith(f"{part}.") for part in _PLUMBING):
        return False
    return room != "protocols" and room not in sys.stdlib_module_names
