"""`qlab key pair`: what two stations share to know each other by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.key.listing import keys_option
from qlab.cli.output import columns, emit, json_option

if TYPE_CHECKING:
    from qlab.keystore import SharedFacts

__all__ = ["pair"]


@click.group()
def pair() -> None:
    """Make, import and list what two stations authenticate each other with."""


@pair.command()
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to carry to the other side; NAME.pair if not given. Never overwritten.",
)
@click.option(
    "--side",
    type=click.Choice(["alice", "bob"]),
    default="alice",
    show_default=True,
    help="Which of the two this station is.",
)
@click.option(
    "--bits",
    type=click.IntRange(min=1),
    default=1 << 20,
    show_default=True,
    help="Length of the first secret; each tag of a session takes 128 bits of it.",
)
@keys_option
@json_option
def init(
    name: str, output: Path | None, side: str, bits: int, keys: Path | None, as_json: bool
) -> None:
    """Make a first secret here, and a file with it to carry to the other side by hand.

    Whoever reads that file can pretend to be one side to the other: carry it yourself.
    Importing it erases it.
    """
    from qlab.keystore import PairStore

    path = output or Path(f"{name}.pair")
    facts = PairStore(keys).init(name, path, side=side, bits=bits)
    emit(
        "qlab.key.pair.init/1",
        {"file": str(path), **_plain(facts)},
        lambda: (
            f"this side of {name!r} is {side}; carry {path} to the other side by hand, "
            f"then there: qlab key pair import {path.name}"
        ),
        as_json,
    )


@pair.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", default="", help="Another name for the pair than its maker's.")
@keys_option
@json_option
def bring(file: Path, name: str, keys: Path | None, as_json: bool) -> None:
    """Import the file that `init` made on the other side, and erase it."""
    from qlab.keystore import PairStore

    facts = PairStore(keys).bring(file, name)
    emit(
        "qlab.key.pair.import/1",
        _plain(facts),
        lambda: f"this side of {facts.name!r} is {facts.side}; {file} is erased",
        as_json,
    )


@pair.command("list")
@keys_option
@json_option
def listing(keys: Path | None, as_json: bool) -> None:
    """List the pairs, and how much of their pads is left."""
    from qlab.keystore import PairStore

    store = PairStore(keys)
    found = [store.facts(name) for name in store.names()]
    rows = [
        (
            facts.name,
            facts.side,
            *(f"{facts.left(direction) // 16} tags {direction}" for direction in facts.held),
            f"{facts.sessions} sessions",
        )
        for facts in found
    ]
    facts = {"folder": str(store.folder), "pairs": [_plain(each) for each in found]}
    emit("qlab.key.pair.list/1", facts, lambda: columns(rows), as_json)


@pair.command()
@click.argument("name", required=False, default="")
@click.option("--listen", metavar="ADDR", help="HOST:PORT to wait at for the other side.")
@click.option("--connect", metavar="ADDR", help="HOST:PORT where the other side listens.")
@keys_option
@json_option
def sync(
    name: str, listen: str | None, connect: str | None, keys: Path | None, as_json: bool
) -> None:
    """Meet the other side and settle the keys that a cut has left pending.

    A run of two parties does so by itself when it begins. A key becomes final if the
    other side holds it, and is erased if not.
    """
    from qlab.context import AbortFlag, Tap
    from qlab.errors import UsageError
    from qlab.keystore import KeyStore, PairStore
    from qlab.link.peer import OtherParty, meeting

    address = listen or connect
    if address is None or (listen and connect):
        raise UsageError(
            "one side listens, the other one connects", remedy="give --listen or --connect"
        )
    store, pairs = KeyStore(keys), PairStore(keys)
    name = name or pairs.only()
    side = pairs.facts(name).side
    other = OtherParty(side, address, listen is not None, name)
    with meeting(other, store, Tap(AbortFlag()), simulated=False, terms={}) as peer:
        met = peer.met
    facts = {
        "session": met.session,
        "promoted": list(met.promoted),
        "erased": list(met.erased),
        **_plain(pairs.facts(name)),
    }
    text = f"{len(met.promoted)} keys are final now, {len(met.erased)} are erased"
    emit("qlab.key.pair.sync/1", facts, lambda: text, as_json)


@pair.command()
@click.argument("name")
@click.confirmation_option(prompt="Erase what this station shares with the other one?")
@keys_option
@json_option
def erase(name: str, keys: Path | None, as_json: bool) -> None:
    """Erase a pair; the other side's half is worth nothing then."""
    from qlab.keystore import PairStore

    PairStore(keys).erase(name)
    emit("qlab.key.pair.erase/1", {"name": name}, lambda: f"erased {name!r}", as_json)


def _plain(facts: SharedFacts) -> dict[str, Any]:
    """Return what may be shown: lengths, no secrets."""
    return {
        "name": facts.name,
        "pair_id": facts.pair_id,
        "side": facts.side,
        "created": facts.created,
        "sessions": facts.sessions,
        "bytes_left": {direction: facts.left(direction) for direction in facts.held},
        "refills": list(facts.refills),
    }
