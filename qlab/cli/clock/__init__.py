"""`qlab clock`: how stable clocks are, and how a loop would make them."""

from __future__ import annotations

import click

from qlab.cli.lazy import LazyGroup

__all__ = ["clock"]

_COMMANDS: dict[str, tuple[str, str]] = {
    "stability": (
        "qlab.cli.clock.stability:stability",
        "Work out the stability of recorded phase or frequency.",
    ),
    "predict": (
        "qlab.cli.clock.predict:predict",
        "Predict what a loop would make of two clocks.",
    ),
}


@click.command(cls=LazyGroup, table=_COMMANDS)
def clock() -> None:
    """Work out how stable clocks are, and predict how a loop would make them."""
