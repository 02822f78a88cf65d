"""`qlab key list` and `qlab key erase`: what the key store holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qlab.cli.output import columns, emit, json_option
from qlab.errors import ExitCode

if TYPE_CHECKING:
    from qlab.keystore import KeyRecord

__all__ = ["erase", "keys_option", "listing"]

#: The option ``--keys`` of every command that uses the store, as the parameter `keys`.
keys_option = click.option(
    "--keys",
    type=click.Path(path_type=Path),
    help="Folder of the key store; QLAB_KEYS or your data folder if not given.",
)


@click.command("list")
@click.option("--all", "everything", is_flag=True, help="Also keys that are gone.")
@keys_option
@json_option
def listing(everything: bool, keys: Path | None, as_json: bool) -> int:
    """List the keys of the store.

    A pending key waits for the other party; a final one can be exported, once. Exit
    code 8 if a record is damaged.
    """
    from dataclasses import asdict

    from qlab.errors import one_line
    from qlab.keystore import KeyState, KeyStore
    from qlab.keystore.store import DamagedKeyError

    store = KeyStore(keys)
    found, damaged = [], []
    for key_id in store.ids():
        try:
            found.append(store.record(key_id))
        except DamagedKeyError as error:
            damaged.append(one_line(error))
    found.sort(key=lambda record: (record.created, record.key_id))
    shown = [r for r in found if everything or r.state in (KeyState.PENDING, KeyState.FINAL)]
    facts = {
        "folder": str(store.folder),
        "keys": [asdict(record) for record in shown],
        "damaged": damaged,
    }
    emit("qlab.key.list/1", facts, lambda: _listed(shown, damaged), as_json)
    return int(ExitCode.DAMAGED if damaged else ExitCode.DONE)


def _listed(records: list[KeyRecord], damaged: list[str]) -> str:
    rows = [
        (
            r.key_id,
            r.state.value,
            f"{r.bits:,} bits",
            f"epsilon {r.eps_sec + r.eps_cor:.3g}",
            "fit for use" if r.fit_for_use else "not fit for use",
            f"run {r.run_id}",
        )
        for r in records
    ]
    return "\n".join([columns(rows), *(f"damaged: {said}" for said in damaged)])


@click.command()
@click.argument("key_id", metavar="ID")
@click.option("--pending", is_flag=True, help="Also a key that the other party may hold as final.")
@keys_option
@json_option
def erase(key_id: str, pending: bool, keys: Path | None, as_json: bool) -> None:
    """Erase a key without exporting it; its record stays."""
    from qlab.errors import UsageError
    from qlab.keystore import KeyState, KeyStore

    store = KeyStore(keys)
    if store.record(key_id).state is KeyState.PENDING and not pending:
        raise UsageError(
            f"the key {key_id} is pending: the other party may hold it as final",
            remedy="connect both once more, which settles it, or add --pending",
        )
    store.erase(key_id)
    emit("qlab.key.erase/1", {"key_id": key_id}, lambda: f"erased {key_id}", as_json)
