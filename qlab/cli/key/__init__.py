"""`qlab key`: from counts and sifted bits to keys, and the store that holds them."""

from __future__ import annotations

import click

from qlab.cli.lazy import LazyGroup

__all__ = ["key"]

_COMMANDS: dict[str, tuple[str, str]] = {
    "length": ("qlab.cli.key.length:length", "Bound the secret length of a block."),
    "distill": ("qlab.cli.key.distill:distill", "Distil sifted keys into a secret key."),
    "pair": ("qlab.cli.key.pair:pair", "Make and import what two stations share."),
    "list": ("qlab.cli.key.listing:listing", "List the keys of the store."),
    "rate": ("qlab.cli.key.rate:rate", "Predict the key rate of a link against distance or loss."),
    "export": ("qlab.cli.key.export:export", "Move a key into a file, once."),
    "erase": ("qlab.cli.key.listing:erase", "Erase a key without exporting it."),
}


@click.command(cls=LazyGroup, table=_COMMANDS)
def key() -> None:
    """Bound, predict, distil, store and export keys."""
