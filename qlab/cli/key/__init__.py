"""`qlab key`: from counts and sifted bits to keys, and the store that holds them."""

from __future__ import annotations

import click

from qlab.cli.lazy import LazyGroup

__all__ = ["key"]

_COMMANDS: dict[str, tuple[str, str]] = {}


@click.command(cls=LazyGroup, table=_COMMANDS)
def key() -> None:
    """Bound, predict, distil, store and export keys."""
