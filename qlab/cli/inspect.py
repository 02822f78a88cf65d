"""`qlab inspect`: what a run file holds, and whether it can be believed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qlab.cli.output import emit, json_option

if TYPE_CHECKING:
    from qlab.runfile.inspect import Summary


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--tree", is_flag=True, help="Also list every dataset.")
@click.option(
    "--verify",
    is_flag=True,
    help="Also recompute the chain of commits over all data, not only the seal.",
)
@json_option
def inspect(file: Path, tree: bool, verify: bool, as_json: bool) -> None:
    """Show a run file's status, size and journal; finished or not."""
    from qlab.runfile.errors import DamagedFileError
    from qlab.runfile.inspect import summarize
    from qlab.runfile.verify import examine_in_child

    summary = summarize(file)
    facts = asdict(summary)
    if not tree:
        del facts["tree"]
    if verify:
        said = examine_in_child(file, "main")
        facts["verified_commits"] = said["commits"]
        if summary.sealed and (said["problem"] or said["commits"] != summary.commits):
            raise DamagedFileError(said["problem"] or "commits are missing", path=file)
    emit("qlab.inspect/1", facts, lambda: _text(summary, facts, tree), as_json)


def _text(summary: Summary, facts: dict[str, object], tree: bool) -> str:
    seal = "sealed" if summary.sealed else "not sealed"
    rows = [
        ("file", f"{summary.path}, {summary.file_bytes:,} bytes, schema {summary.schema}, {seal}"),
        ("run", f"{summary.run_id}, {summary.experiment}, started {summary.start_utc}"),
        ("status", summary.status),
        ("recorded", f"{summary.duration_s:.3f} s of run time in {summary.commits} commits"),
        ("keys", "operational" if summary.operational else "simulated: not fit for use"),
    ]
    if summary.companion != "none":
        rows.append(("companion", summary.companion))
    if "verified_commits" in facts:
        rows.append(("verified", f"{facts['verified_commits']} commits, chain and data agree"))
    if summary.problem:
        rows.append(("problem", summary.problem))
    lines = [f"{name:<10}{text}" for name, text in rows]
    lines.append("journal")
    for source, kinds in summary.records.items():
        counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
        lines.append(f"  {source:<24}{summary.payload_bytes[source]:>14,} bytes  {counts}")
    lines += [f"log       {words}" for words in summary.last_words]
    if tree:
        lines.append("datasets")
        for data in summary.tree:
            shape = "x".join(map(str, data.shape)) or "scalar"
            lines.append(f"  {data.name:<24}{shape:>14} {data.dtype}, {data.stored_bytes:,} bytes")
    return "\n".join(lines)
