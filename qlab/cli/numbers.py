"""Numbers as options."""

from __future__ import annotations

import math
from typing import Any

import click

__all__ = ["POSITIVE"]


class _Positive(click.FloatRange):
    """A finite number above zero; a range alone lets NaN and infinity pass."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


POSITIVE = _Positive(min=0.0, min_open=True)
