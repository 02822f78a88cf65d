"""`qlab key length`: how many secret bits the counts of a block allow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qlab.cli.output import columns, emit, json_option

if TYPE_CHECKING:
    from protocols.bb84.finite_key import Analysis

__all__ = ["length"]


@click.command()
@click.argument("counts", metavar="COUNTS.json", type=click.Path(path_type=Path))
@click.option(
    "--variable-length",
    is_flag=True,
    help="The length follows from the counts, by the proof for that; else it was agreed before.",
)
@json_option
def length(counts: Path, variable_length: bool, as_json: bool) -> None:
    """Bound the secret length of one block.

    COUNTS.json has the keys protocol (one-decoy, two-decoy, single-photon, bbm92),
    intensities (numbers, or [low, high]), probabilities, n_z, n_x, m_z, m_x (lists, one
    entry for each intensity), leak_ec, eps_sec and eps_cor; also tag_bits,
    announced_bits and detectors, if you like. z is the key basis, x the test basis.

    Exit code 2 if the counts make no sense, 7 if no key can be given.
    """
    from protocols.bb84.finite_key import examine
    from protocols.errors import ParameterError
    from qlab.counts import read_counts
    from qlab.errors import InsecureRunError, UsageError

    block = read_counts(counts)
    try:
        found = examine(block, variable_length)
    except ParameterError as error:  # the counts are good, but no proof covers the case
        wish = "--variable-length" if variable_length else "detectors, if they are alike"
        raise UsageError(str(error), remedy=f"leave out {wish}") from None
    facts = {
        "protocol": found.protocol,
        "length": found.length,
        "reason": found.reason,
        "length_rule": found.length_rule,
        "eps_sec": block.eps_sec,
        "eps_cor": block.eps_cor,
        "bounds": dict(found.bounds),
        "proof": found.proof,
        "assumptions": found.assumptions,
    }
    emit("qlab.key.length/1", facts, lambda: _text(found), as_json)
    if found.reason is not None:
        raise InsecureRunError(f"no key can be given: {found.reason}")


def _text(found: Analysis) -> str:
    rows = [
        ("length", f"{found.length:,} secret bits, {found.length_rule}"),
        ("protocol", found.protocol),
        *((name, _number(value)) for name, value in found.bounds.items()),
        ("proof", found.proof),
    ]
    assumed = "\n".join(f"  {text}" for text in found.assumptions)
    return f"{columns(rows)}\nassumed\n{assumed}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"
