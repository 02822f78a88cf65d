"""Files of clock models, in JSON."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np

from protocols.errors import ParameterError
from protocols.timetags.synchronisation.clock_model import ClockModel
from qlab.errors import QlabError, UsageError
from qlab.runfile.placing import claim, discard, new_draft

__all__ = ["check_model_file", "read_model", "write_model"]

_SCHEMA = "qlab.tags.model/1"
_LONGEST = 1 << 27


class _Nodes(msgspec.Struct):
    tag: str = msgspec.field(name="schema")
    tick_a_s: tuple[int, int]
    tick_b_s: tuple[int, int]
    ticks_a: list[int]
    fractions: list[float]
    ticks_b: list[int]


def read_model(path: Path) -> ClockModel:
    """Read a clock model.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UsageError
        There is no such file, or it holds no clock model.
    """
    try:
        if path.stat().st_size > _LONGEST:
            raise UsageError(f"{path} is too long for a clock model")
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the clock model cannot be read: {error}") from None
    try:
        nodes = msgspec.json.decode(text, type=_Nodes)
        if nodes.tag != _SCHEMA:
            raise ValueError(f"its schema is not {_SCHEMA}")
        return ClockModel(
            _fraction(nodes.tick_a_s),
            _fraction(nodes.tick_b_s),
            np.array(nodes.ticks_b, np.int64),
            np.array(nodes.ticks_a, np.int64),
            np.array(nodes.fractions, np.float64),
        )
    except (ValueError, OverflowError, ParameterError) as error:
        raise UsageError(
            f"{path} holds no clock model: {error}",
            remedy="make one with 'qlab tags sync A B --model-out FILE'",
        ) from None


def _fraction(pair: tuple[int, int]) -> Fraction:
    if not (0 < pair[0] < 1 << 63 and 0 < pair[1] < 1 << 63):
        raise ValueError("a tick is two whole numbers above zero, one over the other")
    return Fraction(*pair)


def check_model_file(path: Path, *, overwrite: bool) -> None:
    """Refuse a name under which no clock model could be written.

    Raises
    ------
    UsageError
        There is such a file, or no such folder.
    """
    if not path.parent.is_dir():
        raise UsageError(
            f"there is no folder {path.parent}", remedy="make it, or name another file"
        )
    if path.is_dir():
        raise UsageError(f"{path} is a folder", remedy="name a file")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists", remedy="choose another name or use --force")


def write_model(path: Path, model: ClockModel, *, overwrite: bool) -> None:
    """Write a clock model.

    Parameters
    ----------
    path : Path
    model : ClockModel
    overwrite : bool
        Whether a file of that name is replaced.

    Raises
    ------
    QlabError
        It cannot be written.
    """
    nodes = _Nodes(
        _SCHEMA,
        model.tick_a.as_integer_ratio(),
        model.tick_b.as_integer_ratio(),
        model.ticks_a.tolist(),
        model.fractions.tolist(),
        model.ticks_b.tolist(),
    )
    try:
        if not overwrite:
            claim(path, private=False)
        draft = new_draft(path, private=False)
        try:
            draft.file.write_bytes(msgspec.json.encode(nodes) + b"\n")
            draft.file.replace(path)
        finally:
            discard(draft)
    except OSError as error:
        raise QlabError(f"the clock model cannot be written: {error}") from None
