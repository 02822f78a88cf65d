"""Options that are times in picoseconds, and channels with such times."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import click

__all__ = ["channel_times", "channels", "picoseconds", "shown_ps"]

_NUMBER = re.compile(r"[+-]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][+-]?\d{1,2})?")


def _seconds(text: str) -> Fraction:
    """Read a number of picoseconds, exactly."""
    if not _NUMBER.fullmatch(text.strip()):
        raise click.BadParameter(f"{text!r} is not a number of picoseconds")
    return Fraction(text.strip()) / 10**12


def picoseconds(ctx: click.Context, param: click.Parameter, value: str | None) -> Fraction | None:
    """Read a time above zero; as seconds."""
    if value is None:
        return None
    seconds = _seconds(value)
    if seconds <= 0:
        raise click.BadParameter(f"{value!r} is not above zero")
    return seconds


def channels(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> list[tuple[int, ...]]:
    """Read sets of channels, each with commas between them."""
    sets = []
    for text in value:
        if not re.fullmatch(r"\d{1,9}(?:,\d{1,9})+", text.replace(" ", "")):
            raise click.BadParameter(f"{text!r} is not channels such as 1,2 or 1,2,3")
        fold = tuple(int(number) for number in text.split(","))
        if len(set(fold)) != len(fold):
            raise click.BadParameter(f"{text!r} names a channel twice")
        sets.append(fold)
    return list(dict.fromkeys(sets))


def channel_times(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> dict[int, Fraction]:
    """Read channels with a time each, such as ``2:350``; as seconds."""
    times: dict[int, Fraction] = {}
    for text in value:
        channel, colon, time = text.partition(":")
        if not colon or not re.fullmatch(r"\d{1,9}", channel.strip()):
            raise click.BadParameter(f"{text!r} is not a channel and picoseconds such as 2:350")
        times[int(channel)] = _seconds(time)
    return times


def shown_ps(seconds: Fraction) -> Any:
    """Return picoseconds as JSON shows them: exact where they are whole."""
    ps = seconds * 10**12
    return ps.numerator if ps.denominator == 1 else float(ps)
