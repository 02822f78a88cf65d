"""`qlab key distill`: sifted keys or recorded runs in, a secret key out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from qlab.cli.key.listing import keys_option
from qlab.cli.output import emit, json_option
from qlab.cli.progress import run_progress

__all__ = ["distill"]

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("runs", nargs=-1, type=_FILE, metavar="[RUN.h5]...")
@click.option("--alice", type=_FILE, help="Alice's sifted key, the reference.")
@click.option("--bob", type=_FILE, help="Bob's sifted key, bit for bit of the same detections.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(("bits", "packed")),
    default="bits",
    show_default=True,
    help="Digits 0 and 1 with or without line ends, or eight bits a byte.",
)
@click.option(
    "--counts",
    type=_FILE,
    help="Detections and errors per intensity, as `qlab key length` reads them.",
)
@click.option("--protocol", metavar="NAME", help="What the counts must be of.")
@click.option(
    "--reconciliation", metavar="NAME", default="auto", show_default=True, help="Method by name."
)
@click.option(
    "--amplification",
    metavar="NAME",
    default="toeplitz",
    show_default=True,
    help="Hash by name: toeplitz, modular.",
)
@click.option("--eps-sec", type=float, help="Secrecy; 1e-9 if neither here nor in the counts.")
@click.option("--eps-cor", type=float, help="Correctness; 1e-15 if neither here nor there.")
@click.option(
    "--variable-length", is_flag=True, help="Fix the length after the counts, by its own proof."
)
@click.option("--workers", type=click.IntRange(1, 64), help="Threads; one a processor.")
@keys_option
@json_option
def distill(
    runs: tuple[Path, ...],
    alice: Path | None,
    bob: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Distil recorded runs, or sifted keys from elsewhere, into one secret key.

    The runs of a session add up to one block; no detection is used twice. Of sifted keys
    without --counts every bit is taken for a single photon's and the phase error rate for
    the bit error rate; such a key enters no store.

    Exit codes: 0 a key was made, 2 the files make no sense together, 7 no key can be given,
    8 a damaged file.
    """
    from qlab.distillation.report import distillation_summary
    from qlab.errors import InsecureRunError, UsageError

    if bool(runs) == (alice is not None or bob is not None) or (alice is None) != (bob is None):
        raise UsageError(
            "either runs or both parties' keys are distilled",
            remedy="qlab key distill RUN.h5 ..., or qlab key distill --alice FILE --bob FILE",
        )
    with run_progress() as progress:
        if alice is not None and bob is not None:
            from qlab.distillation.offline import distil_files

            results = distil_files(alice, bob, progress=progress, **options)
        else:
            from qlab.distillation.offline import distil_recorded

            results = distil_recorded(runs, progress=progress, **options)
    emit("qlab.key.distill/1", results, lambda: distillation_summary(results), as_json)
    if results["no_key"]:
        raise InsecureRunError(f"no key can be given: {results['no_key']}")
