"""`qlab key export`: a key leaves the store, once."""

from __future__ import annotations

from pathlib import Path

import click

from qlab.cli.key.listing import keys_option
from qlab.cli.output import emit, json_option

__all__ = ["export"]

_SUFFIXES = {"raw": "bin", "hex": "hex", "bits": "txt"}


@click.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the key, readable by you only; ID.bin if not given. Never overwritten.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_SUFFIXES)),
    default="raw",
    show_default=True,
    help="Packed bytes (first bit is bit 7 of byte 0), their hexadecimal, or text of 0 and 1.",
)
@click.option("--unfit", is_flag=True, help="Also a key that is not fit for use, for tests.")
@click.option(
    "--companion",
    type=click.Choice(["ask", "keep", "destroy"]),
    default="ask",
    show_default=True,
    help="What to do with RUN.secret.h5, from which the key could be made again.",
)
@keys_option
@json_option
def export(
    key_id: str,
    output: Path | None,
    form: str,
    unfit: bool,
    companion: str,
    keys: Path | None,
    as_json: bool,
) -> None:
    """Move a final key into a file and erase it here: it is given away once.

    Whoever has the run's secret companion file can make the key again. If it is still
    where it was written, this offers to destroy it.
    """
    from qlab.keystore import KeyStore

    store = KeyStore(keys)
    record = store.record(key_id)
    path = output or Path(f"{key_id}.{_SUFFIXES[form]}")
    store.export(key_id, path, form, unfit=unfit)
    beside = _companion(record.run_file, record.run_id)
    destroyed = beside is not None and _destroy(beside, companion)
    facts = {
        "key_id": key_id,
        "file": str(path),
        "format": form,
        "bits": record.bits,
        "fit_for_use": record.fit_for_use,
        "companion": None if beside is None else str(beside),
        "companion_destroyed": destroyed,
    }
    text = f"wrote {record.bits:,} bits to {path}; the store has forgotten them"
    if beside is not None:
        text += f"\n{beside} {'is destroyed' if destroyed else 'is kept, and can give the key'}"
    emit("qlab.key.export/1", facts, lambda: text, as_json)


def _companion(run_file: str, run_id: str) -> Path | None:
    """Return the run's companion if it is still where it was written."""
    if not run_file:
        return None
    from qlab.runfile.errors import RunFileError
    from qlab.runfile.reader import RunFile
    from qlab.runfile.schema import companion_path

    path = companion_path(Path(run_file))
    if not path.exists():
        return None
    try:
        with RunFile.open(Path(run_file)) as run:
            return path if run.run_id == run_id else None
    except RunFileError:
        return None


def _destroy(path: Path, wanted: str) -> bool:
    import sys

    from qlab.keystore.files import erase

    if wanted == "ask":
        if not sys.stdin.isatty():
            return False
        wanted = "destroy" if click.confirm(f"destroy {path}?", err=True) else "keep"
    if wanted == "keep":
        return False
    erase(path)
    return True
