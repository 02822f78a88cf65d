"""`qlab doctor`: whether this computer has what qlab needs."""

from __future__ import annotations

import click

from qlab.cli.output import emit, json_option


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Check Python, packages, VISA, serial ports, compiled kernels and the file system.

    Exit code 1 if something failed; warnings do not count.
    """
    from dataclasses import asdict
    from pathlib import Path

    from qlab.doctor import examine
    from qlab.errors import ExitCode

    findings = list(examine(Path.cwd()))
    failed = any(finding.verdict == "failed" for finding in findings)
    width = max(len(finding.subject) for finding in findings)
    lines = []
    for found in findings:
        lines.append(f"{found.verdict:<8} {found.subject:<{width}}  {found.detail}")
        if found.remedy:
            lines.append(f"{'':<8} {'':<{width}}  remedy: {found.remedy}")
    emit(
        "qlab.doctor/1",
        {"ok": not failed, "findings": [asdict(finding) for finding in findings]},
        lambda: "\n".join(lines),
        as_json,
    )
    return int(ExitCode.FAILURE if failed else ExitCode.DONE)
