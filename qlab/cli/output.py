"""What commands print: results on stdout, as text or as one JSON object; errors on stderr."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from qlab.errors import exit_code, one_line, printable, remedy_of

__all__ = [
    "Invocation",
    "columns",
    "emit",
    "invocation",
    "json_option",
    "report_error",
    "station_option",
]


@dataclass
class Invocation:
    """What `main` knows of the command that runs.

    Attributes
    ----------
    as_json : bool
        Whether ``--json`` is among the arguments, be they right or wrong.
    debug : bool
        Whether ``--debug`` was given.
    emitted : bool
        Whether the result is out already.
    """

    as_json: bool = False
    debug: bool = False
    emitted: bool = False


def invocation() -> Invocation:
    """Return what is known of the command that runs."""
    context = click.get_current_context(silent=True)
    known = None if context is None else context.find_root().obj
    return known if isinstance(known, Invocation) else Invocation()


#: The option ``--json`` of every command, as the parameter `as_json`.
json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object instead of text.",
)

#: The option ``--station`` of every command that needs one, as the parameter `station`.
station_option = click.option(
    "--station",
    metavar="FILE",
    help="Station file; the packaged simulated bench if not given.",
)


def emit(schema: str, data: Mapping[str, Any], text: Callable[[], str], as_json: bool) -> None:
    """Print a command's result.

    Parameters
    ----------
    schema : str
        Name and version of the object, such as ``qlab.station.show/1``.
    data : mapping
        The object, without its schema. What JSON does not have is written
        nearest to it: NaN and infinity as null, other objects as text.
    text : callable
        Gives the same for a person; of unprintable characters only line ends are
        printed as they are.
    as_json : bool
        Which of the two.
    """
    invocation().emitted = True
    if as_json:
        click.echo(_dumps({"schema": schema, **data}))
    else:
        click.echo("\n".join(printable(line) for line in text().split("\n")))


def report_error(error: BaseException, known: Invocation) -> None:
    """Print an error in one line, and its remedy, and as JSON where that was asked for."""
    click.echo(f"error: {one_line(error)}", err=True)
    remedy = remedy_of(error)
    if remedy:
        click.echo(f"remedy: {printable(remedy)}", err=True)
    if known.as_json and not known.emitted:
        facts = {
            "schema": "qlab.error/1",
            "error": one_line(error),
            "type": type(error).__name__,
            "remedy": remedy,
            "exit_code": int(exit_code(error)),
        }
        click.echo(_dumps(facts))
    sys.stdout.flush()


def columns(rows: Iterable[Sequence[object]], indent: str = "") -> str:
    """Return rows as aligned columns."""
    texts = [[str(cell) for cell in row] for row in rows]
    if not texts:
        return f"{indent}none"
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        (indent + "  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True))).rstrip()
        for row in texts
    )


def _dumps(data: Mapping[str, Any]) -> str:
    text = json.dumps(_plain(data), ensure_ascii=False, allow_nan=False)
    if text.isprintable():
        return text
    return re.sub(r"[^ -~]", lambda sign: _escaped(sign[0]), text)


def _escaped(sign: str) -> str:
    return sign if sign.isprintable() else json.dumps(sign)[1:-1]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
