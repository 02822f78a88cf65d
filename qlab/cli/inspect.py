"""`qlab inspect`: what a run file holds, and whether it can be believed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qlab.cli.output import emit, json_option
from qlab.errors import printable

if TYPE_CHECKING:
    from qlab.runfile.inspect import Summary, Verification


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--tree", is_flag=True, help="Also list every dataset.")
@click.option(
    "--verify",
    is_flag=True,
    help="Also recompute the chain of commits over all data, the companion's too.",
)
@json_option
def inspect(file: Path, tree: bool, verify: bool, as_json: bool) -> None:
    """Show a run file's status, size and journal; finished or not.

    Exit code 8 if the file is damaged; with --verify also if its companion is.
    """
    from qlab.runfile.errors import DamagedFileError
    from qlab.runfile.inspect import summarize
    from qlab.runfile.inspect import verify as follow

    summary = summarize(file)
    found = follow(file) if verify else None
    facts = asdict(summary)
    facts["file_schema"] = facts.pop("schema")
    facts["start_mjd"] = _mjd(summary.start_utc)
    if not tree:
        del facts["tree"]
    if found is not None:
        facts["verification"] = {**asdict(found), "good": found.good}
    emit("qlab.inspect/1", facts, lambda: _text(summary, found, tree), as_json)
    if found is not None and not found.good:
        raise DamagedFileError(
            found.problem or f"companion: {found.companion}",
            path=file,
            remedy="take another copy of it; this one is not what the run wrote",
        )


def _text(summary: Summary, found: Verification | None, tree: bool) -> str:
    seal = "sealed" if summary.sealed else "not sealed"
    day = _mjd(summary.start_utc)
    started = summary.start_utc if day is None else f"{summary.start_utc}, MJD {day:.5f}"
    rows = [
        ("file", f"{summary.path}, {summary.file_bytes:,} bytes, schema {summary.schema}, {seal}"),
        ("run", f"{summary.run_id}, {summary.experiment}, started {started}"),
        ("status", f"{summary.status}: {summary.error}" if summary.error else summary.status),
        ("recorded", f"{summary.duration_s:.3f} s of run time in {summary.commits} commits"),
    ]
    if _makes_keys(summary.experiment):
        place = "in the companion" if summary.operational else "in this file: simulated"
        rows += [("raw keys", place), ("key", _key(summary))]
    if summary.companion != "none":
        rows.append(("companion", summary.companion))
    if found is not None:
        chain = found.problem or "chain and data agree"
        rows.append(("verified", f"{found.commits} commits, {chain}; companion {found.companion}"))
    if summary.problem:
        rows.append(("problem", summary.problem))
    lines = [f"{name:<10}{printable(text)}" for name, text in rows]
    lines.append("journal")
    for source, kinds in summary.records.items():
        counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
        lines.append(
            f"  {printable(source):<24}{summary.payload_bytes[source]:>14,} bytes  {counts}"
        )
    lines += [f"log       {printable(words)}" for words in summary.last_words]
    if tree:
        lines.append("datasets")
        for data in summary.tree:
            shape = "x".join(map(str, data.shape)) or "scalar"
            lines.append(
                f"  {printable(data.name):<24}{shape:>14} {data.dtype}, {data.stored_bytes:,} bytes"
            )
    return "\n".join(lines)


def _mjd(start_utc: str) -> float | None:
    """Return the modified Julian date of a file's start; None if it is no time since 1972."""
    from datetime import datetime

    from protocols.clock.timescale import mjd, tai_ns
    from protocols.errors import ParameterError

    try:
        return mjd(tai_ns(round(datetime.fromisoformat(start_utc).timestamp() * 1e9)))
    except (ValueError, OverflowError, OSError, ParameterError):
        return None


def _makes_keys(experiment: str) -> bool:
    """Tell whether keys are an experiment's business; of one that is not known they may be."""
    from qlab.experiments import EXPERIMENTS

    return experiment not in EXPERIMENTS or EXPERIMENTS[experiment].keys


def _key(summary: Summary) -> str:
    if summary.no_key:
        return f"none: {summary.no_key}"
    words = {True: "fit for use", False: "not fit for use", None: "the results do not say"}
    return words[summary.fit_for_use]
